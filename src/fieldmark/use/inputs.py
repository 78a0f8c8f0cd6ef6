"""What is to be looked at: files that are named, the pictures of folders, and pixels."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from fieldmark.data.folders import Tree, walk
from fieldmark.data.images import SUFFIXES, Content
from fieldmark.data.listing import shown
from fieldmark.errors import DataError, counted, listed

Given = str | Path | Content


@dataclass(frozen=True)
class Found:
    """What to look at, in order, and a sentence for each kind of thing passed over."""

    images: tuple[Path | Content, ...]
    notes: tuple[str, ...]


def find_images(inputs: Iterable[Given]) -> Found:
    """Files as they are named, and the pictures of folders: of each folder its own first.

    Pictures are told as in training: by their suffix, or by how they begin. What is no path is
    taken as it is. Raises DataError for a path that does not exist, and where there is no
    picture at all.
    """
    given = [Path(each) if isinstance(each, str) else each for each in inputs]
    if not given:
        raise DataError("there is nothing to look at; name pictures, or their folder")
    images: list[Path | Content] = []
    notes: list[tuple[Path, str]] = []
    for each in given:
        if not isinstance(each, Path):
            images.append(each)
        elif each.is_dir():
            tree = walk(each)
            images += [each / name for name in tree.below("")]
            notes += [(each, note) for note in _passed_over(tree)]
            if not tree.pictures:
                notes.append((each, f"holds no pictures ({', '.join(SUFFIXES)})"))
        elif each.exists():
            images.append(each)
        else:
            raise DataError(f"{shown(str(each))}: there is no such file or folder; check the path")
    if not images:
        where = listed(shown(str(each)) for each in given)
        seen = "; ".join(note for _, note in notes)
        raise DataError(f"{where}: {seen}; name pictures, or their folder")
    return Found(tuple(images), tuple(f"{shown(str(folder))}: {note}" for folder, note in notes))


def _passed_over(tree: Tree) -> Iterator[str]:
    if tree.foreign:
        kinds = Counter(PurePosixPath(name).suffix.lower() for name in tree.foreign)
        some = ", ".join(shown(kind) for kind, _ in kinds.most_common(5))
        number = counted(len(tree.foreign), "picture")
        yield f"{number} passed over, for {some} is not read: save as JPEG or PNG"
    yield from tree.notes()
