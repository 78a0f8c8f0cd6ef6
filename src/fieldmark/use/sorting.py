"""Pictures copied or moved into folders by their label: nothing is replaced, nothing is half there.

sorted/cat/a.jpg   sorted/unsure/b.jpg   sorted/no answer/broken.jpg
"""

import io
import os
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from fieldmark.data.boxes import parted
from fieldmark.data.inside import changed_at, content_at, into_zip
from fieldmark.errors import DataError, DiskError, counted, writing
from fieldmark.files import renamed, write_new
from fieldmark.use.folder_names import folder_names
from fieldmark.use.predictor import UNLIKE, UNSURE, Answer, Failure, Prediction

NO_ANSWER, NO_LABEL = "no answer", "no label"
PART = 1 << 20  # bytes that are compared at a time
Source = Path | bytes  # a file, or what a zip has


@dataclass
class Sorter:
    """into: the folder of folders; folders: the name of each label's, and of each reason's why
    there is none. move: whether the pictures go away from where they were.

    placed: how many went into each folder; there: how many were in theirs before; lost: why
    pictures that have an answer could not be read again.
    """

    into: Path
    folders: Mapping[str, str]
    move: bool = False
    placed: Counter[str] = field(default_factory=Counter)
    there: int = 0
    lost: list[str] = field(default_factory=list)

    def watch(
        self,
        answers: Iterable[Answer],
        images: Sequence[Any],
        *,
        before: int = 0,
        held: bool = False,
    ) -> Iterator[Answer]:
        """The answers, each given when its picture is in place. Raises DiskError.

        before: how many at the beginning are those of a command that was stopped: each picture was
        put in place before the next answer came, unless they were all held until the end.
        """
        sure, seen = 0 if held else before - 1, set[tuple[str, str]]()
        for number, (answer, image) in enumerate(zip(answers, images, strict=True)):
            picture = getattr(image, "path", image)
            if number < sure or (self.move and number < before and not picture.exists()):
                self.there += len(folders_of(answer))
            elif picture is not None:
                whole = Path(parted(str(picture))[0])  # which other boxes or rows may have too
                new = {(str(whole), label) for label in folders_of(answer)} - seen
                seen |= new
                try:
                    self.put([label for _, label in sorted(new)], whole)
                except DataError as error:
                    if isinstance(answer, Prediction):  # else it has been told
                        self.lost.append(str(error))
            yield answer

    def put(self, labels: Iterable[str], picture: Path) -> None:
        """Copy or move a picture into the folder of each label.

        Raises DataError where it cannot be read, DiskError.
        """
        for label in labels:
            source, name = _source(picture), self.folders[label]
            if self._place(source, picture, self.into / name):
                self.placed[name] += 1
            else:
                self.there += 1

    def words(self) -> Iterator[str]:
        """How many pictures went where, and which folders are not called as their labels."""
        done = "moved" if self.move else "copied"
        number = self.placed.total()
        where = [f"{n:,} to '{name}'" for name, n in self.placed.most_common(8)]
        if (more := len(self.placed) - len(where)) > 0:
            where.append(f"the others to {counted(more, 'more folder')}")
        text = f"{self.into}: {counted(number, 'picture')} {done}"
        text += f", {', '.join(where)}" if where else ""
        if self.there:
            text += f"; {self.there:,} {'was' if self.there == 1 else 'were'} there already"
        yield text
        names = {name: label for label, name in self.folders.items() if label != name}
        for name in self.placed:
            if name in names:
                yield f"the folder of '{names[name]}' is '{name}'"

    def _place(self, source: Source, picture: Path, folder: Path) -> bool:
        """-> whether it was put there now. Raises DiskError."""
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        number = 0
        while True:
            number += 1
            target = folder / _numbered(picture.name, number)
            if os.path.lexists(target):
                if not _is_same(source, target):
                    continue
                if self.move and not _is_one_file(picture, target):
                    _take_away(picture)
                return False
            if self._put(source, picture, target):
                return True

    def _put(self, source: Source, picture: Path, target: Path) -> bool:
        """-> whether nothing stood at `target`. Raises DiskError."""
        if self.move and not picture.is_symlink():
            try:
                return renamed(picture, target)
            except OSError:  # another disk
                pass

        def write(draft: Path) -> None:
            with _opened(source) as stream, draft.open("wb") as out:
                shutil.copyfileobj(stream, out, PART)
            changed = changed_at(picture)
            os.utime(draft, ns=(changed, changed))

        is_new = write_new(target, write)
        if is_new and self.move:
            _take_away(picture)
        return is_new


def sorter(
    into: Path, classes: Iterable[str], taxa: Iterable[str] = (), *, move: bool = False
) -> Sorter:
    """For answers of these classes and taxa."""
    labels = (*classes, *taxa, UNSURE, UNLIKE, NO_LABEL, NO_ANSWER)
    return Sorter(into, folder_names(labels), move)


def folders_of(answer: Answer) -> tuple[str, ...]:
    """The labels of an answer, or in a word why there is none."""
    if isinstance(answer, Failure):
        return (NO_ANSWER,)
    return answer.labels or (answer.reason or NO_LABEL,)


def _source(picture: Path) -> Source:
    """What is copied. Raises DataError where it cannot be read."""
    if into_zip(picture) is not None:
        return content_at(picture)
    if not picture.is_file() or not os.access(picture, os.R_OK):
        raise DataError(f"{picture}: cannot be read any more, and is in no folder; look for it")
    return picture


def _numbered(name: str, number: int) -> str:
    """ "a.jpg", then "a-2.jpg" """
    path = Path(name)
    return name if number == 1 else f"{path.stem}-{number}{path.suffix}"


def _opened(source: Source) -> IO[bytes]:
    return io.BytesIO(source) if isinstance(source, bytes) else source.open("rb")


def _is_same(source: Source, there: Path) -> bool:
    """Whether a file has the same content. Raises DiskError where it cannot be read."""
    if not there.is_file():
        return False
    size = len(source) if isinstance(source, bytes) else source.stat().st_size
    if there.stat().st_size != size:
        return False
    with writing(there), _opened(source) as one, there.open("rb") as other:
        while part := one.read(PART):
            if part != other.read(PART):
                return False
    return True


def _is_one_file(picture: Path, there: Path) -> bool:
    """Whether two names are those of one file that has no other name, as where a disk does not
    tell capitals apart, or is at two places: to take one away would lose it."""
    if picture.resolve() == there.resolve():
        return True
    return not picture.is_symlink() and picture.samefile(there) and picture.stat().st_nlink == 1


def _take_away(picture: Path) -> None:
    try:
        picture.unlink()
    except OSError as error:
        why = error.strerror or error
        what = f"was copied and cannot be taken away ({why}); leave --move out"
        raise DiskError(f"{picture}: {what}") from error
