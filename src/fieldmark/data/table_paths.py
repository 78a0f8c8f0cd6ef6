"""The files that the cells of a table mean, also under another ending or in another place."""

import os
import posixpath
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

from fieldmark.data.file_names import (
    above,
    by_keys,
    folder_of,
    goes_up,
    is_of_web,
    keys_of,
    may_be,
    only,
    plain_path,
    shared_end,
)
from fieldmark.data.folders import join, may_be_file, pictures_below
from fieldmark.data.images import SUFFIXES
from fieldmark.data.inside import into_zip, is_folder, names_in, tree_of
from fieldmark.data.split_words import split_of
from fieldmark.errors import DataError, counted, listed
from fieldmark.names import written

ENDINGS = ("", *SUFFIXES, *map(str.upper, SUFFIXES))
GONE, OUTSIDE = "there is no file", "lies outside of"  # how reasons say it
TRIED = 60  # cells of a column that are looked for, to see whether it names files


class Found(NamedTuple):
    """A file's path below the root, or None and why there is none.

    as_said: whether it lies where the name says, but for an ending that the name lacks.
    places: of a file that was found by the end of its path, or of several, the folders below which
    each lies as the name says.
    """

    path: str | None
    reason: str | None = None
    as_said: bool = False
    places: tuple[str, ...] = ()


class Files(NamedTuple):
    """The file of each name, in order; the names whose file is not there; and how those were found
    whose path is not what the table says."""

    found: list[Found]
    missing: list[str]
    notes: list[str]


class Finder:
    """Finds files below `root`, in the first of `folders` that has them; each is listed once."""

    def __init__(
        self,
        root: Path,
        folders: Sequence[str] = ("",),
        *,
        side: str | None = None,
        chosen: bool = False,
    ):
        """side: the split that the table is of, by its name; of equal files those below a folder
        of that name are meant. chosen: whether the user names the root: then what lies outside of
        it by "..", too, is looked for by its end."""
        self.root, self._folders, self._side, self._chosen = root, folders, side, chosen
        self._starts = tuple(
            each.as_posix().rstrip("/") + "/" for each in (root.absolute(), root.resolve())
        )
        self._names: dict[str, dict[str, str]] = {}
        self._places: dict[str, list[str]] = {}
        self._alike: dict[str, dict[str, list[str]]] = {}
        self._below_root: dict[str, list[str]] | None = None

    def find_all(self, names: Sequence[str | None]) -> Files:
        """The file of each name.

        A name without a suffix may stand for the picture of that name ("56" for "56.jpg"). Where
        nothing is in the folder that a name gives, the file is looked for below the root by the
        end of its path, its name's last folder with it; with another ending, in other letters or
        without zeros in the same place.
        """
        found = {name: self._at_its_place(name) for name in dict.fromkeys(names)}
        lost: list[str] = [
            n for n, its in found.items() if n and its.path is None and not is_of_web(n)
        ]
        filled = {folder_of(n) for n, its in found.items() if its.path is not None} if lost else ()
        at_place = {name: found[name] for name in lost}
        for name in lost:
            if not self._chosen and goes_up(name):
                continue
            if folder_of(name) not in filled or OUTSIDE in (found[name].reason or ""):
                found[name] = self._by_its_end(name) or found[name]
        self._tell_places(found)
        others = [name for name, its in found.items() if name and its.path and not its.as_said]
        said = {its.path for its in found.values() if its.as_said} if others else ()
        for name in others:  # a file that a row names itself is no other row's
            path = found[name].path
            if path in said:
                gone = f"{GONE} '{name}' in {self.root}; did you mean '{path}'?"
                found[name] = at_place.get(name, Found(None, gone))
        notes = _moved_notes(found, [name for name in others if found[name].path], set(lost))
        missing = {n for n in (*lost, *others) if (found[n].reason or "").startswith(GONE)}
        gone_ones = [name for name in names if name in missing] if missing else []
        return Files([found[name] for name in names], gone_ones, notes)

    def share(self, names: Sequence[str | None]) -> float:
        """The share of some of these names that have a file."""
        filled = list(dict.fromkeys(name for name in names if name))
        step = max(1, len(filled) // TRIED)
        tried = filled[::step][:TRIED]
        there = [each.path for each in self.find_all(tried).found if each.path is not None]
        return len(there) / len(tried) if tried else 0.0

    def unnamed(self, files: Sequence[str | None]) -> dict[str, frozenset[str]]:
        """The pictures in the folders of `files`, by folder, that are not among these."""
        named = {file for file in files if file is not None}
        result = {}
        for folder in sorted({posixpath.dirname(file) for file in named}):
            names = set(self._listed(folder).values())
            pictures = {name for name in names if name.lower().endswith(SUFFIXES)}
            rest = frozenset(name for name in pictures if join(folder, name) not in named)
            result[str(self.root.resolve() / folder)] = rest
        return result

    def _at_its_place(self, name: str | None) -> Found:
        """The file in the folder that the name gives."""
        if name is None:
            return Found(None, "names no image; name one, or take the row out")
        if is_of_web(name):
            return Found(None, f"'{name}' lies in the web; download it, and name the file")
        below = self._below(plain_path(name))
        if below is None:
            do = "name the folder that holds all images: --images DIR"
            return Found(None, f"'{name}' {OUTSIDE} {self.root}; {do}")
        folder, _, file = below.rpartition("/")
        if folder not in self._places:
            places = [join(place, folder) if folder else place for place in self._folders]
            real_ones = [self._real(place) for place in places]
            self._places[folder] = [real for real in real_ones if real is not None]
        for here in self._places[folder]:
            real = self._exact(here, file)
            if real is not None:
                return Found(join(here, real), as_said=True)
        keys = keys_of(file)
        for here in self._places[folder]:
            real = self._variant(here, keys)
            if real is not None:
                return Found(join(here, real))
        return Found(None, f"{GONE} '{name}' in {self.root}; add it, or take the row out")

    def _below(self, name: str) -> str | None:
        """The path from the root, without "." and ".."; None where it leads out."""
        if name.startswith("/") or name[1:2] == ":":  # from the top, of Windows too
            start = next((start for start in self._starts if name.startswith(start)), None)
            if start is None:
                return None
            name = name.removeprefix(start)
        path = posixpath.normpath(name)
        return None if path.split("/")[0] == ".." else path

    def _real(self, folder: str) -> str | None:
        """A folder as it is called on the disk, where its accents are coded in another way."""
        if folder.isascii() or is_folder(self.root / folder):
            return folder
        here = ""
        for part in folder.split("/"):
            names = [n for n in names_in(self.root / here) if written(n) == written(part)]
            real = next((name for name in names if is_folder(self.root / here / name)), None)
            if real is None:
                return None
            here = join(here, real)
        return here

    def _exact(self, folder: str, name: str) -> str | None:
        """The name of a file in a folder, maybe with the suffix that `name` lacks."""
        here = self._listed(folder)
        if not here or name in here:
            return here.get(name)
        whole, text = name.lower().endswith(SUFFIXES), written(name)
        for ending in ("",) if whole else ENDINGS:
            real = here.get(name + ending) or here.get(text + ending)
            if real is not None:
                return real
        return None

    def _variant(self, folder: str, keys: Sequence[str]) -> str | None:
        """The one picture in a folder that has a name in other letters, or but for its ending,
        or for zeros before its number."""
        if folder not in self._alike:
            names = set(self._listed(folder).values())
            self._alike[folder] = by_keys(names)
        return only(self._alike[folder], keys)

    def _by_its_end(self, name: str) -> Found | None:
        """The file below the root whose path ends as this one does; None where there is none."""
        if self._below_root is None:
            is_zip = into_zip(self.root)
            paths = [*tree_of(self.root).below("")] if is_zip else pictures_below(self.root)
            self._below_root = by_keys(paths)
        path = plain_path(name).removeprefix("./")
        keys = keys_of(path.rpartition("/")[2]) if self._below_root else []
        for key in keys if keys and keys[-1] in self._below_root else ():
            here = self._below_root.get(key, ())
            paths = [each for each in here if may_be(each, path, key)]
            if not paths:
                continue
            ends = {each: shared_end(each, path) for each in paths}
            best = [each for each in paths if ends[each] == max(ends.values())]
            if len(best) > 1 and self._side:
                own = [each for each in best if self._side in map(split_of, each.split("/")[:-1])]
                best = own or best
            places = tuple(above(each, ends[each] + 1) for each in best)
            return Found(best[0] if len(best) == 1 else None, places=places)
        return None

    def _tell_places(self, found: dict[str | None, Found]) -> None:
        """Say of names that lie in several folders which these are, and name the one of them under
        which most of all names lie."""
        most = Counter(place for its in found.values() for place in its.places)
        for name, its in found.items():
            if its.places[1:]:
                best = max(its.places, key=lambda place: most[place])
                folders = listed([place or "." for place in its.places], most=3)
                reason = f"'{name}' lies in several folders, {folders}; write which, or name one: "
                found[name] = its._replace(reason=f"{reason}--images {self.root / best}")

    def _listed(self, folder: str) -> dict[str, str]:
        """The files in a folder by name, and by name with its accents composed, as texts have it.

        None where there is no such folder. Raises DataError for one that may not be read.
        """
        if folder not in self._names:
            names: list[str] = []
            try:
                names = _files_in(self.root / folder)
            except PermissionError as error:
                raise DataError(
                    f"{self.root / folder}: cannot be read ({error.strerror}); allow it, or take "
                    "the folder out"
                ) from error
            except (OSError, ValueError):  # no such folder, or a text that can be no path
                pass
            self._names[folder] = {written(name): name for name in names}
            self._names[folder].update({name: name for name in names})
        return self._names[folder]


def _moved_notes(
    found: dict[str | None, Found], others: Sequence[str], moved: Collection[str]
) -> list[str]:
    """What is to be said of files that do not lie as the table says."""
    notes, called = [], "called otherwise than the table says"
    for is_moved, one, more in (
        (True, "found by the end of its path", "found by the ends of their paths"),
        (False, called, called),
    ):
        names = [name for name in others if (name in moved) is is_moved]
        if names:
            is_are = f"is {one}" if len(names) == 1 else f"are {more}"
            first = f"'{names[0]}' is '{found[names[0]].path}'"
            notes.append(f"{counted(len(names), 'image')} {is_are}: {first}")
    return notes


def _files_in(folder: Path) -> list[str]:
    if into_zip(folder):
        return names_in(folder)
    with os.scandir(folder) as entries:
        return [each.name for each in entries if may_be_file(each)]
