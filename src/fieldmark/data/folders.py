"""Folders of pictures: train, val and test with class folders in them, or class folders only."""

import os
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath

import polars as pl

from fieldmark.data.images import SUFFIXES
from fieldmark.data.listing import Listing, shown, split_of
from fieldmark.errors import DataError, listed
from fieldmark.records import Samples

# What programs leave behind: thumbnails and other halves of files that are no images of the user's
NOT_THE_USERS = ("__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information")
# Pictures that are not read. Some begin like a TIFF and are none.
FOREIGN = [".heic", ".heif", ".avif", ".jp2", ".j2k", ".jxl", ".ico", ".svg", ".psd", ".tga"]
FOREIGN += [".ppm", ".pgm", ".pbm", ".exr", ".hdr", ".dds", ".eps", ".dng", ".nef", ".cr2", ".cr3"]
FOREIGN += [".pcx", ".arw", ".orf", ".raf", ".rw2", ".pef", ".srw", ".raw", ".hif", ".heics"]
FOREIGN += [".nrw", ".3fr", ".iiq", ".rwl", ".erf", ".kdc", ".mrw", ".sr2", ".x3f", ".crw", ".jxr"]
FOREIGN += [".dcm", ".dicom", ".nii", ".qoi", ".xcf", ".pdf"]
VIDEOS = [".mp4", ".mov", ".avi", ".mkv", ".m4v", ".wmv", ".webm", ".mts", ".m2ts", ".3gp", ".mpg"]
VIDEOS += [".mpeg", ".flv", ".insv", ".asf"]
HEAD = 16  # bytes of a file that say whether it is a picture


@dataclass
class Tree:
    """The folders below `root`, each by its path from there ("" for itself, "a/b")."""

    root: Path
    folders: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    pictures: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    others: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    foreign: list[str] = field(default_factory=list)  # of formats that are not read, and videos
    hidden: list[str] = field(default_factory=list)
    not_followed: list[str] = field(default_factory=list)  # links to folders read already

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

    def below(self, folder: str) -> Iterator[str]:
        """Every picture in a folder and below it: its own first, then folder by folder."""
        waiting = [folder]
        while waiting:
            here = waiting.pop()
            yield from (join(here, name) for name in self.pictures.get(here, ()))
            waiting += [join(here, name) for name in reversed(self.folders.get(here, ()))]

    def notes(self) -> Iterator[str]:
        """What was passed over."""
        if self.not_followed:
            yield (
                "links to folders that are read already, or that lead back up, are not followed: "
                f"{listed(map(shown, sorted(self.not_followed)), most=5)}"
            )
        if self.hidden:
            names = {PurePosixPath(shown(each)).name for each in self.hidden}
            what = _counted(len(self.hidden), "hidden file or folder", "hidden files and folders")
            yield f"{what} passed over: {listed(sorted(names), most=3)}"
        kinds = Counter(
            PurePosixPath(name).suffix.lower() or "no suffix"
            for names in self.others.values()
            for name in names
        )
        if kinds:
            most = ", ".join(shown(kind) for kind, _ in kinds.most_common(5))
            yield f"{_counted(kinds.total(), 'file', 'files')} passed over: no pictures ({most})"


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
    elif suffix in SUFFIXES or _begins_as_picture(entry.path, suffix):
        tree.pictures[folder].append(entry.name)
    elif suffix in (*FOREIGN, *VIDEOS):
        tree.foreign.append(join(folder, entry.name))
    else:
        tree.others[folder].append(entry.name)


def why_not_read(path: str) -> str:
    """What to say of a file of a format in FOREIGN or VIDEOS."""
    suffix = PurePosixPath(path).suffix.lower()
    if suffix in VIDEOS:
        return f"{suffix} videos are not read; save frames of it as JPEG or PNG"
    return f"{suffix} pictures are not read; save it as JPEG or PNG"


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


def _begins_as_picture(path: str, suffix: str) -> bool:
    """Whether a file without a picture's suffix begins as a picture does."""
    try:
        with Path(path).open("rb") as stream:
            head = stream.read(HEAD)
    except OSError:
        return False
    if head[:4] in (b"II*\0", b"MM\0*"):
        return suffix not in FOREIGN
    if head.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a")):
        return True
    if head[:4] == b"RIFF":
        return head[8:12] == b"WEBP"
    is_bmp = head[:2] == b"BM" and head[6:10] == bytes(4)  # and the size of one of its headers:
    return is_bmp and len(head) == HEAD and head[14] in (12, 40, 52, 56, 64, 108, 124)


def _holds(folder: str, path: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


def _counted(number: int, one: str, many: str) -> str:
    return f"1 {one} is" if number == 1 else f"{number} {many} are"


TABLES = (".csv", ".tsv", ".parquet")

Found = tuple[str, str | None, str | None]  # path, label, split


def read_folder(tree: Tree, *, labelled: bool = True) -> Listing:
    """Every picture below class folders, or below train, val and test folders of such.

    A class is a folder directly under its split; its pictures may lie at any depth. Folders
    that only wrap ("photos/data/train/cat") are looked into. With `labelled` False, pictures
    without class folders are listed too, without labels. Raises DataError where there are none.
    """
    top = _unwrapped(tree)
    sides = _split_folders(tree, top)
    parents = _parents(tree, top, sides)
    found: list[Found] = [
        (path, label, split)
        for parent, split in parents.items()
        for label in tree.inside(parent)
        for path in tree.below(join(parent, label))
    ]
    if labelled or found:
        _refuse_unlabelled(tree, top, sides, found)
        unused = _unused(tree, top, sides, parents)
        notes = [*_layout_notes(tree, top, sides, parents), *unused]
    else:
        unused = {}
        found = [(path, None, None) for path in tree.below("")]
        notes = ["there are no class folders: the pictures have no labels"]
    left_out = {}
    for path in tree.foreign:
        name = shown(path)
        left_out[name] = f"{tree.root}/{name}: {why_not_read(path)}"
    unnamed = [path for path, _, _ in found if shown(path) != path]
    left_out |= {
        shown(path): f"{tree.root}/{shown(path)}: has a name that is not UTF-8; rename it"
        for path in unnamed
    }
    good = [each for each in found if shown(each[0]) == each[0]]
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
    return Listing(samples, (*notes, *tree.notes()), left_out, called, unused=unused)


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


def _refuse_unlabelled(tree: Tree, top: str, sides: dict[str, str], found: list[Found]) -> None:
    """Raise DataError where the folders cannot be classes: none, or train and test themselves."""
    root = tree.root
    tables = [name for name in tree.others.get("", ()) if Path(name).suffix.lower() in TABLES]
    name_table = f"; or name the table that holds the labels: {root / tables[0]}" if tables else ""
    labels = sorted({label for _, label, _ in found if label is not None})
    if not found:
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
    bare = [name for name in beside if name not in tree.inside(top)]
    if bare:
        yield f"beside the split folders, {listed(map(shown, bare))} holds no pictures"
    named = {name for parent in parents for name in tree.folders.get(parent, ())}
    used = {name for parent in parents for name in tree.inside(parent)}
    if named - used:
        without = listed(map(shown, sorted(named - used)))
        yield f"no class is made of {without}: no pictures ({', '.join(SUFFIXES)}) there"


def _unused(
    tree: Tree, top: str, sides: dict[str, str], parents: dict[str, str | None]
) -> dict[str, tuple[str, ...]]:
    """Pictures that are in no class, by the sentence that tells of them: Listing.unused."""
    found = {}
    beside = [name for name in tree.inside(top) if sides and name not in sides]
    if beside:
        place, names = tree.root / top, listed(map(shown, beside))
        files = [shown(path) for name in beside for path in tree.below(join(top, name))]
        found[f"beside the split folders, {names} in {place} is not used"] = tuple(files)
    loose = [
        (shown(join(folder, name)), shown(name))
        for folder in {folder for parent in parents for folder in _up_from(parent)}
        for name in tree.pictures.get(folder, ())
    ]
    if loose:
        names = listed(sorted(name for _, name in loose), most=5)
        sentence = f"pictures outside of class folders are not used: {names}"
        found[sentence] = tuple(sorted(path for path, _ in loose))
    return found


def _up_from(folder: str) -> Iterator[str]:
    """A folder and all above it, up to the root."""
    while folder:
        yield folder
        folder = parent_of(folder)
    yield ""
