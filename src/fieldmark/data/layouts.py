"""What each level of folders means: a split, a class, a group such as a site, or nothing."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fieldmark.data.folders import Tree, join
from fieldmark.data.listing import shown
from fieldmark.data.split_words import BEINGS, EVENTS, PLACES, VIEWS, is_fold, sides_of, split_like
from fieldmark.errors import DataError, listed

# the first words of names that number places, times and parts, and name no class
TIMES = ("day", "week", "month", "year", "season", "date", "night")
PARTS = (
    *("batch", "part", "chunk", "run", "roll", "lot", "machine", "line", "disk", "disc", "card"),
    *("sd", "fold", "kfold", "group", "grp", "round", "area", "zone", "region", "stn"),
)
END = r"([a-z]?\d+[a-z]?|(?<=[\W_])[a-z]|(?-i:[A-Z]))"  # their numbers, or one letter
NUMBERED = re.compile(
    rf"(({'|'.join((*PLACES, *EVENTS, *TIMES, *PARTS))})s?[\W_]*)+{END}"
    r"|(site|station|location|plot|transect|deployment)[\W_]+\w.*"
    r"|\d{3}[A-Z0-9_]{5}",  # as cameras call them: 100MEDIA
    re.IGNORECASE,
)
DATE = re.compile(r"(19|20)\d\d([-_. ]?\d\d){0,2}|\d\d[-_.]\d\d[-_.](19|20)\d\d")
# codes, and numbered animals and persons, who may be the classes
CODE = re.compile(
    rf"[a-z]{{0,3}}[-_ ]?\d{{1,6}}[a-z]?|({'|'.join((*BEINGS, *VIEWS))}|user)s?[-_ ]?{END}",
    re.IGNORECASE,
)
PLAIN, CODED, NUMBERS = 0, 1, 2  # how surely names are those of groups


@dataclass(frozen=True)
class Layout:
    """What folders mean.

    top: the folder, by its path from the root, that levels are counted from. levels: what each
    level below it is (class, split, group or -), no further than the last of these. sides: the
    folders of the level of splits, by name. notes: what is to be said of the choice.
    """

    top: str
    levels: tuple[str, ...]
    sides: dict[str, str]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Placed:
    """A folder of pictures: its path, and what its place says of them."""

    folder: str
    label: str
    split: str | None
    group: str | None


def layout_of(tree: Tree, levels: str | None) -> Layout:
    """What the levels of folders mean; levels: as data.levels says it.

    Without that it is found: splits by their names, above or below the classes; of two levels
    where the same names repeat under several folders, the one whose names number no sites, days or
    animals is the class. Raises DataError where it is not clear.
    """
    if levels is not None:
        return _as_said(tree, tuple(levels.split("/")))
    top = _unwrapped(tree)
    sides = split_folders(tree, top)
    if not sides:
        inner = _splits_below(tree, top)
        return Layout(top, ("class", "split"), *inner) if inner else _found(tree, top, (), {})
    _refuse_one_side(tree, top, sides)
    wrapped = _wrapped_sides(tree, top, sides)
    return _found(tree, top, ("split", "-") if wrapped else ("split",), sides)


def placed(tree: Tree, layout: Layout) -> tuple[list[Placed], list[str], dict[str, list[str]]]:
    """The folders of pictures that have a class, in order, those that have none, and those that
    are in no split, by their names at the level of splits."""
    levels = layout.levels
    needed = 1 + max(levels.index("class"), levels.index("split") if "split" in levels else 0)
    of_class, loose, unused = list[Placed](), list[str](), dict[str, list[str]]()
    for folder in tree.folders_below(layout.top):
        parts = folder.removeprefix(layout.top).strip("/").split("/") if folder else []
        parts = [part for part in parts if part]
        at = dict(zip(levels, parts, strict=False))
        side = layout.sides.get(at.get("split", ""))
        if "split" in at and side is None:
            unused.setdefault(at["split"], []).append(folder)
            continue
        if len(parts) < needed:
            loose.append(folder)
        else:
            of_class.append(Placed(folder, at["class"], side, at.get("group")))
    return of_class, loose, unused


def class_parents(tree: Tree, layout: Layout) -> list[str]:
    """The folders that class folders lie in."""
    parents = [layout.top]
    for level in layout.levels[: layout.levels.index("class")]:
        parents = tree.level_below(parents)
        if level == "split":
            parents = [each for each in parents if each.rpartition("/")[2] in layout.sides]
    return parents


def split_folders(tree: Tree, top: str) -> dict[str, str]:
    """Folders that are splits: {folder: split}; none where there is no train folder.

    A folder that holds pictures and no folders is a class, even one that is named train. A side
    beside train that holds one folder alone, which train has not, holds no class folders.
    """
    sides = sides_of(tree.inside(top))
    sides = {name: side for name, side in sides.items() if tree.inside(join(top, name))}
    if "train" not in sides.values():
        return {}
    training = [join(top, name) for name, side in sides.items() if side == "train"]
    known = set(_last(tree.level_below(training)))
    if len(known) < 2:
        return sides
    inner = {name: tree.inside(join(top, name)) for name in sides}
    flat = [name for name, its in inner.items() if len(its) == 1 and its[0] not in known]
    flat = [name for name in flat if tree.pictures.get(join(join(top, name), inner[name][0]))]
    return {name: side for name, side in sides.items() if name not in flat}


def refuse_parts_as_classes(tree: Tree, layout: Layout, labels: Sequence[str]) -> None:
    """Raise DataError where most classes have the names of a split's parts, or of folds."""
    parts = split_like(labels)
    if 2 * len(parts) > len(labels):
        where = _words(layout.top, layout.levels[: layout.levels.index("class")])
        raise DataError(
            f"{tree.root / layout.top}: {listed(parts)} are named like parts of a split and not "
            "like classes; put the pictures of each class in a folder of its own, as train/cat and "
            f"test/cat, or where these are the classes say so: data.levels={where}class"
        )


def _unwrapped(tree: Tree) -> str:
    """The folder that the splits or class folders lie in: below a chain of single folders, or "".

    A chain that ends with one folder of pictures wraps nothing: that would be the one class.
    """
    here = ""
    while not split_folders(tree, here):
        inside = tree.inside(here)
        if len(inside) > 1:
            return here
        if not inside or tree.pictures.get(join(here, inside[0])):
            return ""
        here = join(here, inside[0])
    return here


def _wrapped_sides(tree: Tree, top: str, sides: dict[str, str]) -> bool:
    """Whether each split holds nothing but one folder of several ("training/training/cat")."""
    several = False
    for name in sides:
        folder = join(top, name)
        inside = tree.inside(folder)
        only = join(folder, inside[0])
        if len(inside) > 1 or tree.pictures.get(folder) or tree.pictures.get(only):
            return False
        several = several or len(tree.inside(only)) > 1
    return several


def _refuse_one_side(tree: Tree, top: str, sides: dict[str, str]) -> None:
    """Raise DataError where `train` alone is a split by its name, and folders that are named like
    no split hold pictures too."""
    if len(set(sides.values())) > 1:
        return
    others = [name for name in tree.inside(top) if name not in sides]
    like = [name for name in others if len(tree.inside(join(top, name))) > 1]
    known, where, train = sides_of(tree.inside(top)), _words(top, ()), listed(sides)
    beside = [name for name in others if name not in known]
    for names, what, do in (
        (like, f"folders as {train} does", "call the others val and test"),
        (beside, f"pictures beside {train}", f"data.levels={where}split/class where it is a split"),
    ):
        if names:
            holds = "hold" if names[1:] else "holds"
            raise DataError(
                f"{tree.root / top}: {listed(names, most=5)} {holds} {what}, and it is not clear "
                f"whether {train} is a class or a split; write data.levels={where}class where it "
                f"is a class, or {do}"
            )


def _splits_below(tree: Tree, top: str) -> tuple[dict[str, str], tuple[str, ...]] | None:
    """Splits that each class has for itself ("cat/train", "cat/test"), and what to say; or None.

    Raises DataError where only some classes have them, or classes are below these splits.
    """
    labels = tree.inside(top)
    inner = {name: tree.inside(join(top, name)) for name in labels}
    sides = sides_of(dict.fromkeys(name for its in inner.values() for name in its))
    parted = [
        name for name in labels if len({sides.get(each) for each in inner[name]} - {None}) > 1
    ]
    if not parted or 2 * len(parted) < len(labels):
        return None
    root, where = tree.root / top, _words(top, ())
    below = {
        tuple(tree.inside(join(join(top, name), each))) for name in parted for each in inner[name]
    }
    if any(len(names) > 1 for names in below):
        first = parted[0]
        raise DataError(
            f"{root}: {listed(parted)} each hold {listed(sides)}, with folders of "
            f"classes in them; name the one that is meant, such as {root / first}"
        )
    own = [name for name in labels if tree.pictures.get(join(top, name))]
    lacking = [name for name in labels if name not in parted]
    if own or lacking:
        raise DataError(
            f"{root}: {listed(parted, most=3)} have folders {listed(sides)} for the split, and "
            f"{listed(own or lacking, most=3)} {'has' if len(own or lacking) == 1 else 'have'} "
            f"{'pictures beside them' if own else 'none'}; move them, or pass over the split: "
            f"data.levels={where}class"
        )
    called = listed(dict.fromkeys(name for name in sides if sides[name]))
    note = f"each class has a split of its own, in folders {called}; data.levels={where}class "
    return sides, (note + "passes over it",)


def _found(tree: Tree, top: str, above: tuple[str, ...], sides: dict[str, str]) -> Layout:
    """The layout where the class is at the first level below `above`, or a level of groups is."""
    parents = class_parents(tree, Layout(top, (*above, "class"), sides))
    levels, groups = above, list[str]()  # the names of the first level of groups
    while True:
        folders = tree.level_below(parents)
        names, below = _last(folders), tree.level_below(folders)
        inner = _last(below)
        where = _words(top, levels)
        upper, lower = _grouplike(names), _grouplike(inner)
        own = sum(1 for folder in folders if tree.pictures.get(folder))
        alike = _repeat(tree, folders)
        notes = _group_notes(groups, names, _words(top, above), len(levels) - len(above))
        here = Layout(top, (*levels, "class"), sides, notes)
        if not alike and not (upper == NUMBERS and inner and not lower and not own):
            return here
        if 2 * own >= len(folders) or (lower and not upper):
            words = f"the classes hold the same folders, {listed(inner, most=3)}"
            end = f"data.levels={where}class/group keeps the pictures of each on one side"
            return here if groups else replace(here, notes=(f"{words}; {end}",))
        deeper = any(map(tree.inside, below))
        if not alike or not (upper == NUMBERS and (not lower or deeper)):
            raise DataError(_unclear(tree.root / top, names, inner, where, alike=alike))
        groups = groups or names
        levels, parents = (*levels, "-"), folders


def _words(top: str, levels: Sequence[str]) -> str:
    """What data.levels has before the level that is spoken of."""
    return "".join(f"{each}/" for each in (*["-"] * len(Path(top).parts), *levels))


def _last(paths: Iterable[str]) -> list[str]:
    """The last names of paths, each once."""
    return list(dict.fromkeys(path.rpartition("/")[2] for path in paths))


def _repeat(tree: Tree, folders: Sequence[str]) -> bool:
    """Whether most folders in these have their names in several of them.

    Not where each holds but one, of the same name ("images").
    """
    holders: dict[str, set[str]] = defaultdict(set)
    for path in tree.level_below(folders):
        _, holder, name = f"/{path}".rsplit("/", 2)
        holders[holder].add(name)
    number = Counter(each for its in holders.values() for each in its)
    repeated = sum(times for times in number.values() if times > 1)
    return len(number) > 1 and len(holders) > 1 and 2 * repeated >= number.total()


def _grouplike(names: Sequence[str]) -> int:
    """How surely names are those of groups: numbered places, days, animals; codes; or plain."""
    numbered = [name for name in names if NUMBERED.fullmatch(name) or DATE.fullmatch(name)]
    if 5 * len(numbered) >= 4 * len(names):
        return NUMBERS
    coded = [name for name in names if name in numbered or CODE.fullmatch(name)]
    return CODED if 5 * len(coded) >= 4 * len(names) else PLAIN


def _group_notes(
    groups: Sequence[str], names: Sequence[str], where: str, depth: int
) -> tuple[str, ...]:
    """What to say of folders that were taken for groups, and of folds; names: the classes."""
    if not groups:
        return ()
    classes = f"the classes are the folders below them ({listed(names, most=3)})"
    levels = f"{where}group/{'-/' * (depth - 1)}class"
    end = f"data.levels={levels} keeps each whole on one side of the split"
    if all(map(is_fold, groups)):
        return (
            f"{listed(groups, most=5)} are folds, so {classes}; {end}, and `fieldmark "
            f"cross-validate --folds {len(groups)}` with it goes by them",
        )
    return (f"{listed(groups, most=3)} hold the same folders, so {classes}; {end}",)


def _unclear(
    root: Path, names: Sequence[str], inner: Sequence[str], where: str, *, alike: bool
) -> str:
    """Why it is refused; of two groups no three sides can be made, so they are none then."""
    what = "hold the same folders" if alike else "are named like places, times or parts and hold"
    above = "group" if len(names) > 2 else "-"
    return (
        f"{root}: {listed(names, most=3)} {what} ({listed(inner, most=3)}), and it is not clear "
        f"which are the classes; write data.levels={where}{above}/class where they are "
        f"{listed(inner, most=2)}, or data.levels={where}class where they are "
        f"{listed(names, most=2)}"
    )


def _as_said(tree: Tree, levels: tuple[str, ...]) -> Layout:
    """The layout that data.levels gives. Raises DataError for a split of no known words."""
    parents = [""]
    for level in levels:
        parents = tree.level_below(parents)
        if level == "split":
            names = _last(parents)
            sides = sides_of(names)
            if not sides:
                words = (
                    f"{listed(map(shown, names), most=5)} name no split" if names else "no folder"
                )
                raise DataError(
                    f"{tree.root}: data.levels has a split at level {levels.index('split') + 1}, "
                    f"and there {words}; call them train, val and test, or write '-' there"
                )
            return Layout("", levels, sides)
    return Layout("", levels, {})
