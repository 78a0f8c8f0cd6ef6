"""What is to be looked at: files that are named, also by a table, pictures of folders, pixels."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from fieldmark.data.cells import Columns
from fieldmark.data.folders import TABLES, Tree, walk
from fieldmark.data.images import SUFFIXES, Content
from fieldmark.data.kinds import by_suffix
from fieldmark.data.listing import shown
from fieldmark.data.tables import Named, named_images
from fieldmark.data.words import told_of_captions
from fieldmark.errors import DataError, counted, listed
from fieldmark.models.bundle_info import BundleInfo

Given = str | Path | Content


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
    return isinstance(given, str | Path) and Path(given).suffix.lower() in TABLES


def find_images(
    inputs: Iterable[Given], *, images: str | None = None, column: str | None = None
) -> Found:
    """Files as they are named, each row's image of tables, the pictures of folders: their own
    first.

    images: the folder that the images of tables lie in; column: the one that names them. Pictures
    are told as in training: by their suffix, or by how they begin. What is no path is taken as it
    is. Raises DataError for a path that does not exist, and where there is no picture at all.
    """
    given = [Path(each) if isinstance(each, str) else each for each in inputs]
    if not given:
        raise DataError("there is nothing to look at; name pictures, or their folder")
    refuse_missing(given)
    _refuse_without_table(given, {"--images": images, "data.image_column": column})
    found: list[Path | Content | Named] = []
    notes: list[tuple[Path, str]] = []
    told: list[str] = []
    columns = None
    for each in given:
        if not isinstance(each, Path):
            found.append(each)
        elif each.is_dir():
            tree = walk(each)
            found += [each / name for name in tree.below("")]
            notes += [(each, note) for note in _passed_over(tree)]
            if not tree.pictures:
                notes.append((each, f"holds no pictures ({', '.join(SUFFIXES)})"))
        elif is_table(each):
            rows, said, columns = named_images(each, Columns(image=column), images=images)
            found += rows
            told += said
        else:
            found.append(each)
    if not found:
        where = listed(shown(str(each)) for each in given)
        seen = "; ".join(note for _, note in notes)
        raise DataError(f"{where}: {seen}; name pictures, or their folder")
    told += [f"{shown(str(folder))}: {note}" for folder, note in notes]
    return Found(tuple(found), tuple(told), columns if len(given) == 1 else None)


def refuse_missing(given: Iterable[Given]) -> None:
    """Raise DataError for a path that does not exist."""
    for each in given:
        if isinstance(each, str | Path) and not Path(each).exists():
            raise DataError(f"{shown(str(each))}: there is no such file or folder; check the path")


def _refuse_without_table(given: Iterable[object], options: dict[str, str | None]) -> None:
    name = next((name for name, value in options.items() if value is not None), None)
    if name is not None and not any(map(is_table, given)):
        value = options[name]
        where = f"{name} {value}" if name.startswith("--") else f"{name}={value}"
        raise DataError(
            f"{where}: is for a table of images ({', '.join(TABLES)}); name one, or leave it out"
        )


def _passed_over(tree: Tree) -> Iterator[str]:
    by_kind: dict[str | None, list[str]] = {}
    for name in sorted(tree.foreign):
        by_kind.setdefault(by_suffix(PurePosixPath(name).suffix), []).append(shown(name))
    for why, names in by_kind.items():
        yield f"{counted(len(names), 'picture')} passed over: '{names[0]}' {why}"
    yield from tree.notes()
