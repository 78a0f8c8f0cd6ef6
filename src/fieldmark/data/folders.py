"""A folder and all below it: what of it are pictures, what is passed over, and why."""

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath

from fieldmark.data import kinds
from fieldmark.data.images import SUFFIXES
from fieldmark.data.listing import shown
from fieldmark.errors import DataError, listed

# What programs leave behind: thumbnails and other halves of files that are no images of the user's
NOT_THE_USERS = ("__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information")
TABLES = (".csv", ".tsv", ".parquet")
# files, folders and levels, among which `pictures_below` looks
MOST_FILES, MOST_FOLDERS, MOST_DEEP = 500_000, 50_000, 8


@dataclass
class Tree:
    """The folders below `root`, each by its path from there ("" for itself, "a/b")."""

    root: Path
    folders: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    pictures: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    others: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    foreign: dict[str, str] = field(default_factory=dict)  # of formats not read, and what they are
    hidden: list[str] = field(default_factory=list)
    not_followed: list[str] = field(default_factory=list)  # links to folders read already
    outside: list[str] = field(default_factory=list)  # of a zip, what its names put out of it

    @cached_property
    def with_pictures(self) -> frozenset[str]:
        """Folders below the root that hold a picture, themselves or below."""
        found: set[str] = set()
        for folder in self.pictures:
            while folder and folder not in found:
                found.add(folder)
                folder = parent_of(folder)
        return frozenset(found)

    def inside(self, folder: str) -> list[str]:
        """Names of the folders in a folder that hold pictures, themselves or below."""
        names = self.folders.get(folder, ())
        return [name for name in names if join(folder, name) in self.with_pictures]

    def level_below(self, folders: Iterable[str]) -> list[str]:
        """The folders in these that hold pictures, themselves or below, by their paths."""
        return [join(folder, name) for folder in folders for name in self.inside(folder)]

    def below(self, folder: str) -> Iterator[str]:
        """Every picture in a folder and below it: its own first, then folder by folder."""
        for here in self.folders_below(folder):
            yield from (join(here, name) for name in self.pictures[here])

    def folders_below(self, folder: str) -> Iterator[str]:
        """A folder and every folder below it that holds pictures itself, in order."""
        waiting = [folder]
        while waiting:
            here = waiting.pop()
            if self.pictures.get(here):
                yield here
            waiting += [join(here, name) for name in reversed(self.folders.get(here, ()))]

    def notes(self) -> Iterator[str]:
        """What was passed over."""
        if self.not_followed:
            yield (
                "links to folders that are read already, or that lead back up, are not followed: "
                f"{listed(map(shown, sorted(self.not_followed)), most=5)}"
            )
        if self.outside:
            what = _counted(len(self.outside), "file", "files")
            put = listed(map(shown, self.outside), most=3)
            yield f"{what} passed over, as named to lie outside of the zip: {put}"
        if self.hidden:
            names = {PurePosixPath(shown(each)).name for each in self.hidden}
            what = _counted(len(self.hidden), "hidden file or folder", "hidden files and folders")
            yield f"{what} passed over: {listed(sorted(names), most=3)}"
        suffixes = Counter(
            PurePosixPath(name).suffix.lower() or "no suffix"
            for names in self.others.values()
            for name in names
        )
        if suffixes:
            most = ", ".join(shown(suffix) for suffix, _ in suffixes.most_common(5))
            yield f"{_counted(suffixes.total(), 'file', 'files')} passed over: no pictures ({most})"


def walk(root: Path) -> Tree:
    """Look through a folder, links to folders last and each real folder once.

    Links that lead back up, or to what was read already, are not followed. Raises DataError
    for a folder that may not be read.
    """
    tree, real = Tree(root), os.path.realpath(root)
    seen: set[str] = set()
    links = [("", real)]
    while links:
        place, target = links.pop(0)
        if target in seen or (place and _holds(target, real)):
            tree.not_followed.append(place)
            continue
        if place:
            tree.folders[parent_of(place)].append(PurePosixPath(place).name)
        links += _walk_real(tree, place, target, seen)
    for names in (*tree.folders.values(), *tree.pictures.values()):
        names.sort()
    return tree


def pictures_below(root: Path) -> list[str]:
    """The pictures below a folder by their paths, but hidden ones; told by their suffix alone.

    [] where there is far more than a table names.
    """
    found: list[str] = []
    seen: set[str] = set()
    for place, folders, names in os.walk(root, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        here = Path(place).relative_to(root).as_posix().removeprefix(".")
        deep = here.count("/") + 1 >= MOST_DEEP
        visible = [n for n in folders if not n.startswith(".") and n not in NOT_THE_USERS]
        folders[:] = [] if deep else sorted(visible)
        pictures = [n for n in names if n.lower().endswith(SUFFIXES) and not n.startswith(".")]
        found += [join(here, name) for name in sorted(pictures)]
        if len(found) > MOST_FILES or len(seen) > MOST_FOLDERS:
            return []
    return found


def join(folder: str, name: str) -> str:
    """A path below a folder that may be the root ("")."""
    return f"{folder}/{name}" if folder else name


def parent_of(path: str) -> str:
    """The folder of a path; "" at the top."""
    return path.rpartition("/")[0]


def _walk_real(tree: Tree, place: str, target: str, seen: set[str]) -> list[tuple[str, str]]:
    """Add a folder and all real folders below it. -> the links to folders met on the way."""
    links, waiting = [], [(place, target)]
    while waiting:
        here, real = waiting.pop()
        if real in seen:
            continue
        seen.add(real)
        for entry in _entries(tree.root / here):
            path = join(here, entry.name)
            if entry.name.startswith(".") or entry.name in NOT_THE_USERS:
                tree.hidden.append(path)
            elif not _is_folder(entry):
                _add_file(tree, here, entry)
            elif entry.is_symlink():
                link = os.path.realpath(entry.path)
                if _holds(link, real):
                    tree.not_followed.append(path)
                else:
                    links.append((path, link))
            else:
                tree.folders[here].append(entry.name)
                waiting.append((path, str(Path(real, entry.name))))
    return links


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise DataError(
            f"{shown(str(folder))}: cannot be read ({error.strerror or error}); "
            "allow it, or take the folder out"
        ) from error


def _add_file(tree: Tree, folder: str, entry: os.DirEntry[str]) -> None:
    """Sort a file into pictures, pictures of formats that are not read, and others."""
    suffix = PurePosixPath(entry.name).suffix.lower()
    if not may_be_file(entry):
        if entry.is_symlink():
            tree.not_followed.append(join(folder, entry.name))
        else:
            tree.others[folder].append(entry.name)
    elif suffix in SUFFIXES or kinds.begins_as_picture(head := _head(entry.path), suffix):
        tree.pictures[folder].append(entry.name)
    elif what := kinds.of_foreign(head, suffix):
        tree.foreign[join(folder, entry.name)] = what
    else:
        tree.others[folder].append(entry.name)


def may_be_file(entry: os.DirEntry[str]) -> bool:
    """A file, or a link to one that is gone; no folder, no link in a circle, no pipe or device.

    To open a pipe could block for ever.
    """
    try:
        return entry.is_file() or (entry.is_symlink() and not Path(entry.path).exists())
    except OSError:
        return False


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """A folder, or a link to one; a link in a circle is none."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def _head(path: str) -> bytes:
    """How a file begins; b"" where it cannot be read."""
    try:
        with Path(path).open("rb") as stream:
            return stream.read(kinds.HEAD)
    except OSError:
        return b""


def _holds(folder: str, path: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


def _counted(number: int, one: str, many: str) -> str:
    return f"1 {one} is" if number == 1 else f"{number} {many} are"
