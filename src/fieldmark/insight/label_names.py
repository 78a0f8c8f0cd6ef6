"""Names for labels that are numbers: proposed from captions, kept in a file, shown on pages."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fieldmark.errors import DataError, listed, nearest
from fieldmark.files import write_csv
from fieldmark.insight.caption_words import particular, phrase
from fieldmark.names import written

OTHERS = 5  # further words of a proposal
MOST_LABELS = 1000  # more are not named: nobody reads so many, and the regression takes minutes
HEADER = ("label", "name", "other words", "weight", "captions with it", "captions of the label")


@dataclass(frozen=True)
class LabelName:
    """A proposed name of a label, and what it stands on.

    others: the next most particular words. weight: how particular the name's word is, 0..1 (see
    `caption_words.particular`). captions: of the label, with that word; of: of the label, all.
    """

    label: str
    name: str
    others: tuple[str, ...]
    weight: float
    captions: int
    of: int


@dataclass(frozen=True)
class ShownNames:
    """What labels are called where people read them; a label without a name is called itself."""

    names: dict[str, str] = field(default_factory=dict)

    def shown(self, label: str) -> str:
        """The name of a label, or the label."""
        return self.names.get(label, label)


def are_numbers(classes: Sequence[str]) -> bool:
    """Whether all labels are whole numbers, so that names say more."""
    return bool(classes) and all(name.isascii() and name.isdigit() for name in classes)


def in_order(classes: Sequence[str]) -> list[str]:
    """Labels as people order them: numbers by size, texts by the alphabet."""
    return sorted(classes, key=int) if are_numbers(classes) else sorted(classes)


def name_by(
    labels: Sequence[Sequence[str]], words: Sequence[Sequence[str]]
) -> tuple[LabelName, ...]:
    """A name for each label that its captions suggest one for, in the labels' order.

    labels, words: of the same images with a caption; words as `caption_words.words_of` gives them.
    Each label gets the word that is most particular to it (`caption_words.particular`), with the
    neighbour that most of its captions have beside it ("hydrant" -> "fire hydrant"). No two
    labels get one name: it goes to the label that the word is more particular to, and the other
    gets its next.
    """
    own: dict[str, list[Sequence[str]]] = {}
    for its, its_words in zip(labels, words, strict=True):
        for label in set(its):
            own.setdefault(label, []).append(its_words)
    if len(own) > MOST_LABELS:
        return ()
    found = particular(labels, words, most=4 * OTHERS)
    ranked = sorted(
        ((-word.weight, label, word) for label, its in found.items() for word in its),
        key=lambda each: each[:2],
    )
    named: dict[str, LabelName] = {}
    taken: set[str] = set()
    for _, label, word in ranked:
        if label in named:
            continue
        name = phrase(word.word, own[label])
        if name in taken:
            continue
        taken.add(name)
        rest = [other.word for other in found[label] if other.word not in name.split()]
        named[label] = LabelName(
            *(label, name, tuple(rest[:OTHERS]), word.weight, word.captions, len(own[label]))
        )
    return tuple(named[label] for label in in_order([*named]))


def write_names(path: Path, names: Sequence[LabelName]) -> None:
    """The proposals as CSV, a line each, for a person to change; whole or not at all."""
    rows = [
        [each.label, each.name, " ".join(each.others), f"{each.weight:.2f}", each.captions, each.of]
        for each in names
    ]
    write_csv(path, [HEADER, *rows])


def keep_names(path: Path, names: ShownNames) -> None:
    """Names that were accepted, to be read by `read_names`; nothing where there are none."""
    if names.names:
        write_csv(path, [HEADER[:2], *names.names.items()])


def kept_names(path: Path, classes: Sequence[str]) -> ShownNames:
    """What `keep_names` kept; no names where it kept nothing. Raises DataError."""
    return read_names(path, classes) if path.is_file() else ShownNames()


def read_names(path: Path, classes: Sequence[str]) -> ShownNames:
    """The names that a file gives to some of the labels `classes`; other columns are passed over.

    A label without a name keeps its own, and a label that is not among the classes is passed over,
    so that one file serves any part of its table. Raises DataError, with the line: where none is
    among them, for a label that stands twice, or whose name is that of another.
    """
    names: dict[str, str] = {}
    lines: dict[str, int] = {}
    rows = rows_of(path)
    if rows and not any(label in classes for _, label, _ in rows):
        line, label, _ = rows[0]
        near = "" if are_numbers(classes) else nearest(label, classes)
        hint = near or f"; there are {listed(in_order(classes), most=20)}"
        raise DataError(f"{path}, line {line}: there is no label '{label}' in the images{hint}")
    for line, label, name in rows:
        if label not in classes:
            continue
        if label in lines:
            raise DataError(
                f"{path}, line {line}: the label '{label}' stands in line {lines[label]} already; "
                "take one of the two out"
            )
        lines[label] = line
        if name:
            names[label] = name
    owners: dict[str, str] = {}
    for label in [*lines, *(label for label in classes if label not in lines)]:
        name = names.get(label, label)
        if name in owners:
            at = max(lines.get(label, 0), lines.get(owners[name], 0))
            raise DataError(
                f"{path}, line {at}: '{name}' would be the name of both '{owners[name]}' and "
                f"'{label}'; give one another name"
            )
        owners[name] = label
    return ShownNames(names)


def rows_of(path: Path) -> list[tuple[int, str, str]]:
    """Line, label and name of each row. Raises DataError for a file that has none such."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise DataError(
            f"data.label_names={path}: cannot be read ({why}); name a file as `fieldmark inspect` "
            "writes one"
        ) from error
    first = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text), delimiter=";" if ";" in first else ",")
    head = [cell.strip().casefold() for cell in next(reader, [])]
    if not {"label", "name"} <= set(head):
        columns = f"the columns {listed(head)}" if head else "no columns"
        raise DataError(f"{path}, line 1: names {columns}; two must be 'label' and 'name'")
    label, name = head.index("label"), head.index("name")
    rows = []
    for cells in reader:
        padded = [*(cell.strip() for cell in cells), *[""] * len(head)]
        if padded[label]:
            rows.append((reader.line_num, written(padded[label]), " ".join(padded[name].split())))
    return rows
