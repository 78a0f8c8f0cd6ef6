"""Folders of pictures as a source: classes by their folders, in splits, or below sites."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

import polars as pl

from fieldmark.data.finding import foreign_kind
from fieldmark.data.folders import TABLES, Tree, join, parent_of
from fieldmark.data.images import SUFFIXES
from fieldmark.data.layouts import (
    Layout,
    Placed,
    class_parents,
    layout_of,
    placed,
    refuse_parts_as_classes,
)
from fieldmark.data.listing import Listing, shown
from fieldmark.data.split_words import sides_of, split_of
from fieldmark.errors import DataError, counted, listed
from fieldmark.names import one_text, visible, written
from fieldmark.records import Samples

NUMBERED = re.compile(r"(\D+?)([ _.-]+)\d+")  # a file's stem: a label, a mark, a number
ANSWERS = ("submission", "example", "template")  # tables of no labels that anybody gave


def read_folder(tree: Tree, *, labelled: bool, levels: str | None) -> Listing:
    """Every picture below class folders, or below train, val and test folders of such.

    A class is a folder directly under its split, or where `layout_of` finds it; its pictures may
    lie at any depth. Folders that only wrap ("photos/data/train/cat") are looked into. With
    `labelled` False, pictures without class folders are listed too, without labels. levels: as
    data.levels says. Raises DataError where there are none, or it is not clear which they are.
    """
    layout = layout_of(tree, levels)
    found, loose, beside = placed(tree, layout)
    unused = dict[str, tuple[str, ...]]()
    if labelled or found:
        _refuse_unlabelled(tree, layout, found, said=levels)
        unused = _unused(tree, layout, loose, beside)
        notes = [*layout.notes, *_layout_notes(tree, layout, beside), *unused]
    else:
        found = [Placed(folder, "", None, None) for folder in tree.folders_below("")]
        pattern = _named_by_files(tree)
        notes = [f"there are no class folders: the pictures have no labels{pattern}"]
    left_out = {
        shown(path): f"{tree.root}/{shown(path)}: {why}" for path, why in tree.foreign.items()
    }
    kinds = {shown(path): foreign_kind(why) for path, why in tree.foreign.items()}
    texts, said = _labels(found)
    columns: dict[str, list[str | None]] = {"path": [], "label": [], "split": [], "group": []}
    for at in found:
        for name in tree.pictures[at.folder]:
            path = join(at.folder, name)
            if shown(path) != path:
                why = "has a name that is not UTF-8; rename it"
                left_out[shown(path)] = f"{tree.root}/{shown(path)}: {why}"
                continue
            columns["path"].append(path)
            columns["label"].append(texts[at.label] or None)
            columns["split"].append(at.split)
            columns["group"].append(at.group and written(at.group))
    labels = [[] if label is None else [label] for label in columns.pop("label")]
    given = {**columns, "labels": pl.Series(labels, dtype=pl.List(pl.String))}
    samples = Samples.from_columns(given, str(tree.root.resolve()))
    called = {side: f"the folder '{name}'" for name, side in layout.sides.items()}
    notes += [*said, *tree.notes()]
    return Listing(samples, tuple(notes), left_out, called, kinds=kinds, unused=unused)


def tables_in(tree: Tree) -> list[str]:
    """The tables that lie at the top, the likeliest to hold labels first.

    Those of training come before those that speak of no side, then those of other sides, and
    last an example of answers that are handed in.
    """
    tables = [name for name in tree.others.get("", ()) if Path(name).suffix.lower() in TABLES]

    def rank(name: str) -> tuple[int, int, str]:
        stem = Path(name).stem
        words = stem.casefold()
        if any(word in words for word in ANSWERS):
            return 3, len(name), name
        side = split_of(stem) or next(iter(set(sides_of(["train", stem]).values()) - {"train"}), "")
        if not side:
            side = next((each for each in ("train", "test", "val") if each in words), "")
        return {"train": 0, "": 1}.get(side, 2), len(name), name

    return sorted(tables, key=rank)


def _labels(found: list[Placed]) -> tuple[dict[str, str], list[str]]:
    """The label of each class folder's name, and what to say of folders that are one class."""
    texts = one_text({shown(at.label) for at in found})
    texts = {at.label: texts[shown(at.label)] for at in found}
    names: dict[str, list[str]] = {}
    for name, text in texts.items():
        names.setdefault(text, []).append(shown(name))
    joined = {text: its for text, its in names.items() if len(its) > 1}
    notes = [
        f"the folders {listed(map(visible, sorted(its)))} are one class, '{text}'"
        for text, its in joined.items()
    ]
    new = {shown(name): text for name, text in texts.items() if text != written(shown(name))}
    if alone := {name: text for name, text in new.items() if text not in joined}:
        name, text = min(alone.items())
        notes.append(
            f"{counted(len(alone), 'class')} of numbers or of true and false called as in tables: "
            f"the folder '{name}' is '{text}'"
        )
    return texts, notes


def _named_by_files(tree: Tree) -> str:
    """How to read labels from the names of files, where these look as if they began with one."""
    names = [PurePosixPath(name) for its in tree.pictures.values() for name in its]
    begun = [NUMBERED.fullmatch(name.stem) for name in names]
    labels = {each[1] for each in begun if each}
    if not all(begun) or not 2 <= len(labels) <= len(names) / 3:
        return ""
    mark = next(each[2] for each in begun if each)
    pattern, some = f"{{label}}{mark}{{}}{names[0].suffix}", listed(sorted(labels), most=3)
    return f"; where names of files are labels ({some}), add data.pattern='{pattern}'"


def _refuse_unlabelled(
    tree: Tree, layout: Layout, found: list[Placed], *, said: str | None
) -> None:
    """Raise DataError where the folders cannot be classes: none, or train and test themselves."""
    root, tables = tree.root, tables_in(tree)
    name_table = f"; or name the table that holds the labels: {root / tables[0]}" if tables else ""
    labels = sorted({shown(at.label) for at in found})
    if not found and said:
        raise DataError(
            f"{root}: no pictures lie so deep as data.levels={said} says; count the levels from "
            "the folder that is named"
        )
    if not found:
        name = shown(root.resolve().name)
        foreign = sorted({PurePosixPath(path).suffix.lower() for path in tree.foreign})
        not_read = f" ({', '.join(foreign)} files are not read)" if foreign else ""
        raise DataError(
            f"{root}: holds no class folders with pictures; it should look like "
            f"{name}/cat/1.jpg, {name}/dog/2.jpg{not_read}{name_table}{_named_by_files(tree)}"
        )
    if said:
        return
    if len(labels) == 1 and tables:
        raise DataError(
            f"{root}: holds one folder of pictures, {listed(labels)}, beside {listed(tables)}; "
            f"name the table that holds the labels: {root / tables[0]}"
        )
    if not layout.sides and len(sides_of(labels)) == len(labels):
        raise DataError(
            f"{root / layout.top}: {listed(labels)} hold pictures and no class folders; put the "
            f"pictures of each class in a folder of its own{name_table}"
        )
    refuse_parts_as_classes(tree, layout, labels)


def _layout_notes(tree: Tree, layout: Layout, beside: dict[str, list[str]]) -> Iterator[str]:
    top, sides, parents = layout.top, layout.sides, class_parents(tree, layout)
    usual = {join(top, name) for name in sides or [""]}
    if layout.levels[0] != "class" and (top or set(parents) != usual):
        yield f"class folders are those in {listed(map(shown, parents))}"
    elif layout.levels[0] == "class" and top:
        yield f"class folders are those in {listed([shown(top)])}"
    if layout.levels[0] == "split":
        bare = [name for name in tree.folders.get(top, ()) if name not in {**sides, **beside}]
        if bare:
            holds = "holds" if len(bare) == 1 else "hold"
            yield f"beside the split folders, {listed(map(shown, bare))} {holds} no pictures"
    yield from _sides_of_many(sides)
    named = {name for parent in parents for name in tree.folders.get(parent, ())}
    used = {name for parent in parents for name in tree.inside(parent)}
    if named - used:
        without = listed(map(shown, sorted(named - used)))
        yield f"no class is made of {without}: no pictures ({', '.join(SUFFIXES)}) there"


def _unused(
    tree: Tree, layout: Layout, loose: list[str], beside: dict[str, list[str]]
) -> dict[str, tuple[str, ...]]:
    """Pictures that are in no class, by the sentence that tells of them: Listing.unused."""
    top, found = layout.top, dict[str, tuple[str, ...]]()
    if beside:
        is_are = "is" if len(beside) == 1 else "are"
        names, place = listed(map(shown, beside)), tree.root / top
        sentence = f"beside the split folders, {names} in {place} {is_are} not used"
        folders = [folder for its in beside.values() for folder in its]
        found[sentence] = _pictures_in(tree, folders)
    above = [*_up_from(parent_of(top)), *loose] if top else loose
    if outside := _pictures_in(tree, above):
        names = listed([PurePosixPath(path).name for path in outside], most=5)
        found[f"pictures outside of class folders are not used: {names}"] = outside
    return found


def _pictures_in(tree: Tree, folders: Sequence[str]) -> tuple[str, ...]:
    return tuple(
        sorted(
            shown(join(folder, name))
            for folder in folders
            for name in tree.pictures.get(folder, ())
        )
    )


def _sides_of_many(sides: dict[str, str]) -> Iterator[str]:
    """Which side several folders are together."""
    for side in dict.fromkeys(sides.values()):
        names = [shown(name) for name, its in sides.items() if its == side]
        if len(names) > 1 and len({written(name).casefold() for name in names}) > 1:
            yield f"the folders {listed(names)} are together the split '{side}'"


def _up_from(folder: str) -> Iterator[str]:
    """A folder and all above it, up to the root."""
    while folder:
        yield folder
        folder = parent_of(folder)
    yield ""
