"""What is to be looked at: files that are named, also by a table, pictures of folders, pixels."""

import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from fieldmark.data.columns import Columns
from fieldmark.data.crops import Finder
from fieldmark.data.folders import Tree
from fieldmark.data.formats.path_lists import names_of
from fieldmark.data.formats.recognised import FILES, SHOWN
from fieldmark.data.given import images_of
from fieldmark.data.images import SUFFIXES, Content
from fieldmark.data.inside import ZIP, is_there, tree_of
from fieldmark.data.listing import shown
from fieldmark.data.sources import STREAM, address
from fieldmark.data.tables import Named, named_images
from fieldmark.data.words import told_of_captions
from fieldmark.errors import DataError, counted, listed, nearest_path
from fieldmark.models.bundle_info import BundleInfo

Given = str | Path | Content
COLOURS = (1, 3, 4)  # gray, RGB, RGB with transparency


@dataclass(frozen=True)
class Found:
    """What to look at, in order, and a sentence for each kind of thing passed over.

    columns: of the table, where a single table names the images.
    """

    images: tuple[Path | Content | Named, ...]
    notes: tuple[str, ...]
    columns: Columns | None = None


def told_of(images: Sequence[Path | Content | Named], info: BundleInfo, where: str) -> list[str]:
    """What is to be said of images without a caption, for a model that reads them.

    Raises DataError where none of them has one.
    """
    if not info.spec.words:
        return []
    return told_of_captions([getattr(image, "caption", None) for image in images], where)


def is_table(given: object) -> bool:
    """Whether this is the path of a table, by how it ends."""
    return isinstance(given, str | Path) and Path(given).suffix.lower() in FILES


def find_images(
    inputs: Iterable[Given],
    *,
    images: str | None = None,
    column: str | None = None,
    crops: Finder | None = None,
    event: str | None = None,
) -> Found:
    """Files as they are named, each row's image of tables, the pictures of folders and zips: their
    own first. "-" is a list of paths that comes in.

    images: the folder that the images of tables lie in; column: the one that names them. Pictures
    are told as in training: by their suffix, or by how they begin. What is no path is taken as it
    is. crops: puts each picture's boxes in its place. event: the column that says which images of a
    table are of one event. Raises DataError for a path that does not
    exist, and where there is no picture at all.
    """
    given = [Path(each) if isinstance(each, str) else each for each in _with_listed(inputs)]
    if not given:
        raise DataError("there is nothing to look at; name pictures, or their folder")
    refuse_missing(given)
    _refuse_without_table(given, {"--images": images, "data.image_column": column, "--by": event})
    found: list[Path | Content | Named] = []
    notes: list[tuple[Path, str]] = []
    told: list[str] = []
    columns = None
    for each in given:
        if not isinstance(each, Path):
            found.append(each)
        elif each.is_dir() or each.suffix.lower() == ZIP:
            pictures, said = pictures_of(each)
            found += pictures
            notes += [(each, note) for note in said]
            if not pictures:
                notes.append((each, f"holds no pictures ({', '.join(SUFFIXES)})"))
        elif is_table(each):
            rows, its, columns = named_images(
                each, Columns(image=column, group=event), images=images
            )
            found += rows
            told += its
        else:
            found.append(each)
    if not found:
        where = listed(shown(str(each)) for each in given)
        seen = "; ".join(note for _, note in notes)
        raise DataError(f"{where}: {seen}; name pictures, or their folder")
    told += [f"{shown(str(folder))}: {note}" for folder, note in notes]
    if crops is not None:
        found, without = _boxes_of(found, crops)
        told += without
    return Found(tuple(found), tuple(told), columns if len(given) == 1 else None)


def pictures_of(folder: Path) -> tuple[list[Path], list[str]]:
    """The pictures of a folder or a zip, its own first, and what is to be said of others.

    Raises DataError.
    """
    tree = tree_of(folder)
    return [folder / name for name in tree.below("")], list(_passed_over(tree))


def in_parts(images: Any) -> tuple[list[Given], bool]:
    """What was given in Python as a list, and whether it is a single image.

    An array of three dimensions is one image where its last is of 1, 3 or 4 colours, else several.
    Raises DataError for an array that is of no images.
    """
    if isinstance(images, str | Path | bytes | Image.Image):
        is_many = is_table(images) or (isinstance(images, str | Path) and Path(images).is_dir())
        return [images], not is_many
    if hasattr(images, "__array__") and hasattr(images, "shape"):
        sides = tuple(images.shape)
        if len(sides) == 2 or (len(sides) == 3 and sides[2] in COLOURS):
            return [_one(np.asarray(images))], True
    return [_one(each) for each in images_of(images)], False


def find_there(given: Sequence[Given]) -> tuple[Path | Content | Named, ...]:
    """What there is to look at; of several paths one that is not there is named, with the reason.

    Raises DataError as `find_images` does, for a single path that does not exist too.
    """
    if len(given) < 2:
        return find_images(given).images
    found: list[Path | Content | Named] = []
    for each in given:
        if isinstance(each, str | Path) and not is_there(Path(each)):
            found.append(Named(str(each), None, _missing(each)))
        else:
            found += find_images([each]).images
    return tuple(found)


def _one(image: Any) -> Any:
    """One image as `images.seen` takes it: gray without its one channel, RGBA as Pillow's."""
    if isinstance(image, os.PathLike) and not isinstance(image, Path):
        return os.fspath(image)
    if not (hasattr(image, "__array__") and hasattr(image, "shape")):
        return image
    pixels = np.asarray(image)
    if pixels.shape[2:] == (4,) and pixels.dtype == np.uint8:
        return Image.fromarray(pixels)
    return pixels[..., 0] if pixels.shape[2:] == (1,) else pixels


def _with_listed(inputs: Iterable[Given]) -> Iterator[Given | Named]:
    """The inputs, and in the place of "-" the paths of a list that comes in, a line each."""
    for each in inputs:
        if isinstance(each, str) and each == STREAM:
            names = names_of("standard input", sys.stdin.read())
            yield from (Named(name, Path(name)) for name in names)
        else:
            yield each


def _boxes_of(
    found: Sequence[Path | Content | Named], crops: Finder
) -> tuple[list[Path | Content | Named], list[str]]:
    """Each box of the pictures in their place, and what is to be said of those without one.

    Raises DataError where no picture has one.
    """
    boxed: list[Path | Content | Named] = []
    without: dict[str, str] = {}
    paths = [each.path if isinstance(each, Named) else each for each in found]
    crops.look_at((path, path.as_posix()) for path in paths if isinstance(path, Path))
    for each in found:
        path = each.path if isinstance(each, Named) else each
        if not isinstance(path, Path):
            boxed.append(each)
            continue
        boxes, why = crops.find(path, path.as_posix())
        if why:
            without[str(path)] = why
        for box in boxes:
            place = Path(f"{path}{box.fragment()}")
            if isinstance(each, Named):
                boxed.append(replace(each, name=each.name + box.fragment(), path=place))
            else:
                boxed.append(place)
    if not boxed:
        first, why = next(iter(without.items()))
        raise DataError(
            f"--crops {crops.boxes.path}: has boxes for none of the {len(found)} pictures "
            f"('{first}' {why}); name the file of these pictures, or a lower data.crops_above"
        )
    said = list(crops.boxes.notes)
    if without:
        first, why = next(iter(without.items()))
        said.append(
            f"no box, and so no answer, for {counted(len(without), 'picture')} of {len(found):,} "
            f"('{first}' {why})"
        )
    return boxed, said


def refuse_missing(given: Iterable[Given | Named]) -> None:
    """Raise DataError for a path that does not exist."""
    for each in given:
        if isinstance(each, str | Path) and str(each) != STREAM and not is_there(Path(each)):
            raise DataError(_missing(each))


def _missing(path: str | Path) -> str:
    named = re.sub(r"^(\w+:)/(?=[^/])", r"\1//", str(path))  # Path takes a slash away
    if what := address(named):
        return f"{named}: {what}"
    if set("*?[") & set(str(path)):  # the shell left it as it was
        return f"{shown(str(path))}: matches no file; check the folder and the ending"
    hint = nearest_path(path, Path.exists) or "; check the path"
    return f"{shown(str(path))}: there is no such file or folder{hint}"


def _refuse_without_table(given: Iterable[object], options: dict[str, str | None]) -> None:
    name = next((name for name, value in options.items() if value is not None), None)
    if name is not None and not any(map(is_table, given)):
        value = options[name]
        where = f"{name} {value}" if name.startswith("--") else f"{name}={value}"
        raise DataError(
            f"{where}: is for a table of images ({', '.join(SHOWN)}); name one, or leave it out"
        )


def _passed_over(tree: Tree) -> Iterator[str]:
    by_kind: dict[str, list[str]] = {}
    for name, why in sorted(tree.foreign.items()):
        by_kind.setdefault(why, []).append(shown(name))
    for why, names in by_kind.items():
        yield f"{counted(len(names), 'file')} passed over: '{names[0]}' {why}"
    yield from tree.notes()
