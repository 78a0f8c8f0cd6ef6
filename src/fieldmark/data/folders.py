"""Folders of pictures: train, val and test with class folders in them, or class folders only."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import polars as pl

from fieldmark.data.images import SUFFIXES
from fieldmark.data.listing import Listing, shown, split_of
from fieldmark.data.tree import Tree, join, parent_of
from fieldmark.errors import DataError, listed
from fieldmark.records import Samples

TABLES = (".csv", ".tsv", ".parquet")

Place = tuple[str, str | None, str | None]  # path, label, split


def read_folder(tree: Tree, *, labelled: bool = True) -> Listing:
    """Every picture below class folders, or below train, val and test folders of such.

    A class is a folder directly under its split; its pictures may lie at any depth. Folders
    that only wrap ("photos/data/train/cat") are looked into. With `labelled` False, pictures
    without class folders are listed too, without labels. Raises DataError where there are none.
    """
    top = _unwrapped(tree)
    sides = _split_folders(tree, top)
    parents = _parents(tree, top, sides)
    places: list[Place] = [
        (path, label, split)
        for parent, split in parents.items()
        for label in tree.inside(parent)
        for path in tree.below(join(parent, label))
    ]
    if labelled or places:
        _refuse_unlabelled(tree, top, sides, places)
        notes = [*_layout_notes(tree, top, sides, parents)]
    else:
        places = [(path, None, None) for path in tree.below("")]
        notes = ["there are no class folders: the pictures have no labels"]
    left_out = {shown(path): _not_read(tree, path) for path in tree.foreign}
    unnamed = [path for path, _, _ in places if shown(path) != path]
    left_out |= {
        shown(path): f"{tree.root}/{shown(path)}: has a name that is not UTF-8; rename it"
        for path in unnamed
    }
    good = [place for place in places if shown(place[0]) == place[0]]
    labels = [[] if label is None else [label] for _, label, _ in good]
    samples = Samples.from_columns(
        {
            "path": [path for path, _, _ in good],
            "labels": pl.Series(labels, dtype=pl.List(pl.String)),
            "split": [split for _, _, split in good],
        },
        str(tree.root.resolve()),
    )
    called = {side: f"the folder '{name}'" for name, side in sides.items()}
    return Listing(samples, (*notes, *tree.notes()), left_out, called)


def has_classes(tree: Tree) -> bool:
    """Whether there are folders with pictures in them."""
    return bool(tree.inside(""))


def _unwrapped(tree: Tree) -> str:
    """The folder that the splits or class folders lie in: below a chain of single folders, or "".

    A chain that ends with one folder of pictures wraps nothing: that would be the one class.
    """
    here = ""
    while not _split_folders(tree, here):
        inside = tree.inside(here)
        if len(inside) > 1:
            return here
        if not inside or tree.pictures.get(join(here, inside[0])):
            return ""
        here = join(here, inside[0])
    return here


def _split_folders(tree: Tree, top: str) -> dict[str, str]:
    """Folders that are splits: {folder: split}; none where there is no train folder.

    A folder that holds pictures and no folders is a class, even one that is named train.
    """
    sides = {}
    for name in tree.inside(top):
        side = split_of(name)
        if side and tree.inside(join(top, name)):
            sides[name] = side
    return sides if "train" in sides.values() else {}


def _parents(tree: Tree, top: str, sides: dict[str, str]) -> dict[str, str | None]:
    """The folders that class folders lie in, and their splits.

    Where each split holds nothing but one folder of several folders ("training/training/cat"),
    that is looked into.
    """
    if not sides:
        return {top: None}
    direct = {join(top, name): side for name, side in sides.items()}
    inner: dict[str, str | None] = {}
    for folder, side in direct.items():
        inside = tree.inside(folder)
        only = join(folder, inside[0])
        if len(inside) > 1 or tree.pictures.get(folder) or tree.pictures.get(only):
            return {**direct}
        inner[only] = side
    return inner if any(len(tree.inside(folder)) > 1 for folder in inner) else {**direct}


def _refuse_unlabelled(tree: Tree, top: str, sides: dict[str, str], places: list[Place]) -> None:
    """Raise DataError where the folders cannot be classes: none, or train and test themselves."""
    root = tree.root
    tables = [name for name in tree.others.get("", ()) if Path(name).suffix.lower() in TABLES]
    name_table = f"; or name the table that holds the labels: {root / tables[0]}" if tables else ""
    labels = sorted({label for _, label, _ in places if label is not None})
    if not places:
        name = shown(root.resolve().name)
        foreign = sorted({PurePosixPath(path).suffix.lower() for path in tree.foreign})
        not_read = f" ({', '.join(foreign)} files are not read)" if foreign else ""
        raise DataError(
            f"{root}: holds no class folders with pictures; it should look like "
            f"{name}/cat/1.jpg, {name}/dog/2.jpg{not_read}{name_table}"
        )
    if len(labels) == 1 and tables:
        raise DataError(
            f"{root}: holds one folder of pictures, {listed(labels)}, beside {listed(tables)}; "
            f"name the table that holds the labels: {root / tables[0]}"
        )
    if not sides and all(map(split_of, labels)) and "train" in map(split_of, labels):
        raise DataError(
            f"{root / top}: {listed(labels)} hold pictures and no class folders; put the "
            f"pictures of each class in a folder of its own{name_table}"
        )


def _layout_notes(
    tree: Tree, top: str, sides: dict[str, str], parents: dict[str, str | None]
) -> Iterator[str]:
    if top or set(parents) != {join(top, name) for name in sides or [""]}:
        yield f"class folders are those in {listed(map(shown, parents))}"
    beside = [name for name in tree.folders.get(top, ()) if sides and name not in sides]
    if beside:
        place = tree.root / top
        yield f"beside the split folders, {listed(map(shown, beside))} in {place} is not used"
    named = {name for parent in parents for name in tree.folders.get(parent, ())}
    used = {name for parent in parents for name in tree.inside(parent)}
    if named - used:
        without = listed(map(shown, sorted(named - used)))
        yield f"no class is made of {without}: no pictures ({', '.join(SUFFIXES)}) there"
    above = {folder for parent in parents for folder in _up_from(parent)}
    loose = sorted(shown(name) for folder in above for name in tree.pictures.get(folder, ()))
    if loose:
        yield f"pictures outside of class folders are not used: {listed(loose, most=5)}"


def _up_from(folder: str) -> Iterator[str]:
    """A folder and all above it, up to the root."""
    while folder:
        yield folder
        folder = parent_of(folder)
    yield ""


def _not_read(tree: Tree, path: str) -> str:
    suffix = PurePosixPath(path).suffix.lower()
    return f"{tree.root}/{shown(path)}: {suffix} pictures are not read; save it as JPEG or PNG"
