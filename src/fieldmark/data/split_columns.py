"""The columns of a table that say which row is for training, validation or the test."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import polars as pl

from fieldmark.data.label_cells import plain, texts_in
from fieldmark.data.split_words import FOLD, is_fold, split_of
from fieldmark.errors import DataError, listed

SPLIT_NAMES = ("split", "subset", "partition", "set", "fold")
PLAIN = ("split", "partition")  # names of columns that can mean nothing else
# columns that say of one split whether an image is in it; those without "is" beside labels alone
YES_OR_NO = {"is_valid": "val", "is_val": "val", "is_validation": "val", "is_test": "test"}
YES_OR_NO |= {"is_train": "train", "is_training": "train", "is_training_image": "train"}
BARE = {"train": "train", "training": "train", "valid": "val", "val": "val", "validation": "val"}
BARE |= {"test": "test", "holdout": "test"}
ABOUT = YES_OR_NO | BARE  # the split that a column of yes and no is about, by its name
YES, NO = ("true", "yes", "1", "1.0", "t", "y"), ("false", "no", "0", "0.0", "f", "n")
MOST_WORDS = 12  # different cells of a column that may be splits; more are something else
MOST_FOLDS = 50

Places = Callable[[int], str]


@dataclass(frozen=True)
class Sides:
    """The split of each row, or None where there are none; the columns that say so; what to say."""

    splits: list[str | None] | None = None
    columns: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)


def sides_of_rows(
    frame: pl.DataFrame, given: str | None, others: Sequence[str], where: str, place: Places
) -> Sides:
    """Which side each row is on.

    given: the column that the settings name; without it they are found, by their names, or because
    all their cells are splits. others: the columns that may be some, and no other role has. place:
    from a row to how it is called. Raises DataError for a word that is no split, and where two
    columns differ.
    """
    if given is not None:
        column = frame[given]
        if plain(given) in ABOUT and (
            _is_yes_or_no(column) or not any(map(split_of, texts_in(column, where)))
        ):
            return Sides(_claimed(frame, [given], place), (given,))
        splits, said = _splits_in(column, where, place, is_named=True)
        return Sides(splits, (given,), said)
    found: dict[str, list[str | None]] = {}
    notes = []
    claims = [name for name in others if plain(name) in YES_OR_NO]
    bare = [name for name in others if plain(name) in BARE and _is_yes_or_no(frame[name])]
    of_training = any(BARE[plain(name)] == "train" for name in bare)
    large = [] if of_training else [name for name in bare if _claims_most(frame[name], place)]
    notes += [
        f"{where}: '{name}' of yes and no is not used as a split, because it has more yes than no; "
        f"data.split_column={name} says that it is one"
        for name in large
    ]
    claims += [name for name in bare if name not in large]
    for name in others:
        if name in claims or name in large:
            continue
        usual = plain(name) in SPLIT_NAMES
        if usual or speaks_of_sides(frame[name]):
            splits, said = _splits_in(frame[name], where, place, is_named=False)
            notes += said
            if splits is not None:
                found[name] = splits
                if not usual:
                    notes.append(
                        f"{where}: the split is read from '{name}', whose words are splits; rename "
                        "them where they mean another thing"
                    )
        elif fold := _folds(frame[name], where):
            notes.append(fold)
    if claims:
        found[claims[0]] = _claimed(frame, claims, place)
        bare = [name for name in claims if plain(name) in BARE]
        if bare:
            notes.append(f"{where}: the split is read from {listed(bare)}, of yes and no")
    first, *more = found or [""]
    for name in more:
        _refuse_two(found, first, name, where, place)
    used = (*found, *claims[1:])
    return Sides(found.get(first), tuple(used), notes)


def _claimed(frame: pl.DataFrame, names: Sequence[str], place: Places) -> list[str | None]:
    """Each row's side by columns of yes and no, each about one; a row that none claims is for the
    side that no column is about. Raises DataError where two claim a row."""
    claims = {name: _yes(frame[name], place) for name in names}
    about = {name: ABOUT[plain(name)] for name in names}
    rest = [side for side in ("train", "test", "val") if side not in about.values()]
    sides: list[str | None] = []
    for row, cells in enumerate(zip(*claims.values(), strict=True)):
        mine = [name for name, yes in zip(names, cells, strict=True) if yes]
        if len({about[name] for name in mine}) > 1:
            raise DataError(
                f"{place(row)}: {listed(mine)} both claim the image; say yes in one of them"
            )
        empty = all(cell is None for cell in cells)
        other = None if empty or not rest else rest[0]
        sides.append(about[mine[0]] if mine else other)
    return sides


def _yes(column: pl.Series, place: Places) -> list[bool | None]:
    """Each cell as yes or no; None where it is empty. Raises DataError for another word."""
    words = {**dict.fromkeys(YES, True), **dict.fromkeys(NO, False)}
    cells = [cell and cell.strip().casefold() for cell in texts_in(column, column.name)]
    for row, cell in enumerate(cells):
        if cell and cell not in words:
            raise DataError(
                f"{place(row)}: '{texts_in(column, column.name)[row]}' in '{column.name}' is no "
                "split; write true or false, or rename the column where it means another thing"
            )
    return [words[cell] if cell else None for cell in cells]


def _claims_most(column: pl.Series, place: Places) -> bool:
    """Whether there are more rows that a column of yes and no claims than others."""
    cells = _yes(column, place)
    return cells.count(True) > cells.count(False)


def _refuse_two(
    found: dict[str, list[str | None]], first: str, name: str, where: str, place: Places
) -> None:
    """Raise DataError where two columns of splits differ in a row."""
    pairs = zip(found[first], found[name], strict=True)
    row = next((row for row, (mine, its) in enumerate(pairs) if mine != its), None)
    if row is not None:
        words = f"'{found[first][row]}' and '{found[name][row]}' for one"
        raise DataError(
            f"{where}: '{first}' and '{name}' both give splits, and differ in {place(row)} "
            f"({words}); say which is meant: data.split_column={first}"
        )


def _is_yes_or_no(column: pl.Series) -> bool:
    cells = {cell.casefold() for cell in _words(column)}
    return cells <= {*YES, *NO} and len(cells) > 1


def speaks_of_sides(column: pl.Series) -> bool:
    """Whether training and another side are among a column's words, and most are sides."""
    sides = [split_of(cell) for cell in _words(column)]
    known = {side for side in sides if side}
    return (
        len(known) > 1 and "train" in known and 2 * (len(sides) - sides.count(None)) >= len(sides)
    )


def _words(column: pl.Series) -> set[str]:
    """The different cells of a column, where there are few; empty where there are many."""
    if not (column.dtype in (pl.String, pl.Boolean, pl.Categorical) or column.dtype.is_integer()):
        return set()
    cells = column.drop_nulls().unique()
    if not 1 <= len(cells) <= MOST_WORDS:
        return set()
    return {cell.strip() for cell in cells.cast(pl.String).to_list()} - {""}


def _folds(column: pl.Series, where: str) -> str:
    """What to say of a column that numbers the folds of a cross-validation; "" for others."""
    name = plain(column.name)
    if not any(part in FOLD for part in name.split("_")):
        return ""
    cells = {cell.strip() for cell in texts_in(column.unique(), where) if cell}
    if not 1 < len(cells) <= MOST_FOLDS or not all(c.isdigit() or is_fold(c) for c in cells):
        return ""
    return (
        f"{where}: '{column.name}' numbers {len(cells)} folds and is no split; "
        f"data.group_column={column.name} keeps each on one side, and `fieldmark cross-validate "
        f"--folds {len(cells)}` with it goes by them"
    )


def _splits_in(
    column: pl.Series, where: str, place: Places, *, is_named: bool
) -> tuple[list[str | None] | None, list[str]]:
    """Each cell's split, and what is to be said. Raises DataError for a word that is none.

    A column that was taken for the splits by a name such as `fold`, and has no split in any cell,
    means another thing: then there are no splits, and it is said why.
    """
    cells = texts_in(column, where)
    known = {cell: split_of(cell) for cell in dict.fromkeys(cells) if cell}
    splits = [known[cell] if cell else None for cell in cells]
    wrong = next((row for row, cell in enumerate(cells) if cell and not known[cell]), None)
    if not is_named and not any(splits) and plain(column.name) not in PLAIN:
        if wrong is None:
            return None, []
        if fold := _folds(column, where):
            return None, [fold]
        said = f"is not used as a split, because of '{cells[wrong]}' in {place(wrong)}"
        return None, [f"{where}: the column '{column.name}' {said}"]
    if wrong is not None:
        other = "" if is_named else ", or rename the column where it means another thing"
        if fold := _folds(column, where):
            raise DataError(fold)
        raise DataError(
            f"{place(wrong)}: '{cells[wrong]}' in '{column.name}' is no split; write train, val or "
            f"test{other}"
        )
    if is_named and not any(splits):
        raise DataError(f"{where}: the column '{column.name}' is empty; fill in train, val or test")
    return splits if any(splits) else None, []
