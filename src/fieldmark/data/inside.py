"""What lies inside of files: the members of a zip, read in place, and boxes of pictures.

A path may lead into a zip ("photos.zip/cat/1.jpg"). Nothing is unpacked to the disk: a member is
read when it is wanted, so that no name in a zip can lead out of it, and what it claims to be large
is refused before it is read.
"""

import os
import stat
import threading
import time
import zipfile
import zlib
from copy import copy
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from fieldmark.data.boxes import BOX, cut, parted
from fieldmark.data.folders import NOT_THE_USERS, Tree, parent_of, walk
from fieldmark.data.images import SUFFIXES, read_bytes
from fieldmark.data.kinds import HEAD, of_foreign
from fieldmark.data.opening import PictureError
from fieldmark.errors import DataError

ZIP = ".zip"
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
MOST_BYTES = 200_000_000  # of one member, unpacked
# what zipfile raises of a damaged file; an OSError also of a place before or behind the file
BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError)


@dataclass(frozen=True)
class Archive:
    """A zip that is open: its members by their path inside, and the folders that hold them."""

    path: Path
    file: zipfile.ZipFile
    members: dict[str, zipfile.ZipInfo] = field(default_factory=dict)
    folders: dict[str, set[str]] = field(default_factory=dict)
    outside: list[str] = field(default_factory=list)  # members whose names lead out of it


_open: dict[tuple[int, str], tuple[tuple[int, int], Archive]] = {}
_opening = threading.Lock()


def into_zip(path: Path) -> tuple[Path, str] | None:
    """The zip that a path is or leads into, and the way inside ("" for the zip itself)."""
    if ZIP not in str(path).lower():
        return None
    for each in (path, *path.parents):
        if each.suffix.lower() == ZIP and each.is_file():
            inside = path.relative_to(each).as_posix()
            return each, "" if inside == "." else inside
    return None


def content_at(path: Path) -> bytes:
    """A file's bytes, also of a member of a zip, or of the part of a picture that a box is.

    Raises DataError.
    """
    whole, box = parted(str(path))
    if box is not None:
        return cut(content_at(Path(whole)), str(path), box)
    found = into_zip(path)
    return read_bytes(path) if found is None else _member(*found)


def is_there(path: Path) -> bool:
    """Whether there is such a file, folder or member of a zip."""
    path = Path(parted(str(path))[0])
    found = into_zip(path)
    if found is None or not found[1]:
        return path.exists()
    archive = open_zip(found[0])
    return found[1] in archive.members or found[1] in archive.folders


def is_folder(path: Path) -> bool:
    """Whether there is such a folder, also a zip or a folder in one."""
    found = None if path.is_dir() else into_zip(path)
    return path.is_dir() or (found is not None and found[1] in open_zip(found[0]).folders)


def size_and_time(path: str) -> tuple[int, int] | None:
    """Bytes and time of change of the file that a path names; of a member of a zip, its bytes and
    the zip's time. None where there is no such file. Takes no Path: there may be 100,000 of them.
    """
    found = None
    if BOX in path or ZIP in path.lower():
        path = parted(path)[0]
        found = into_zip(Path(path))
    try:
        about = os.stat(found[0] if found else path)  # noqa: PTH116
        if found is None:
            return (about.st_size, about.st_mtime_ns) if stat.S_ISREG(about.st_mode) else None
        member = open_zip(found[0]).members.get(found[1])
    except (OSError, DataError):
        return None
    return None if member is None else (member.file_size, about.st_mtime_ns)


def changed_at(path: Path) -> int:
    """When a file was changed last, a member of a zip as that says it, in nanoseconds.

    Raises OSError, DataError.
    """
    found = into_zip(path)
    member = open_zip(found[0]).members.get(found[1]) if found else None
    if member is None:
        return path.stat().st_mtime_ns
    return int(time.mktime((*member.date_time, 0, 0, -1))) * 10**9


def names_in(folder: Path) -> list[str]:
    """The names in a folder, also in one of a zip, in order; [] where there is none."""
    found = into_zip(folder)
    if found is not None:
        return sorted(open_zip(found[0]).folders.get(found[1], ()))
    try:
        return sorted(os.listdir(folder))  # noqa: PTH208
    except OSError:
        return []


def open_zip(path: Path) -> Archive:
    """A zip, opened once a process. Raises DataError.

    Forked processes open it anew: they would share one place in the file.
    """
    try:
        about = path.stat()
        stamp, key = (about.st_size, about.st_mtime_ns), (os.getpid(), str(path))
        with _opening:
            if key not in _open or _open[key][0] != stamp:
                _open[key] = stamp, _listed(path)
            return _open[key][1]
    except BROKEN as error:
        raise DataError(
            f"{path}: cannot be read as a zip ({error}); copy or download it anew"
        ) from error


def walk_zip(path: Path) -> Tree:
    """The folders and pictures of a zip, or of a folder in one, as `walk` gives those of a folder.

    Pictures are told by their suffix alone. Raises DataError.
    """
    whole, inside = into_zip(path) or (path, "")
    archive, above = open_zip(whole), f"{inside}/" if inside else ""
    tree = Tree(path, outside=archive.outside)
    below = (name for name in archive.members if name.startswith(above))
    for name in sorted(name.removeprefix(above) for name in below):
        folder, file = parent_of(name), name.rpartition("/")[2]
        hidden = next((p for p in name.split("/") if p.startswith(".") or p in NOT_THE_USERS), None)
        if hidden is not None:
            tree.hidden.append(hidden)
        elif file.lower().endswith(SUFFIXES):
            tree.pictures[folder].append(file)
            _add_folders(tree, folder)
        elif of_foreign(b"", suffix := PurePosixPath(file).suffix):
            tree.foreign[name] = of_foreign(_head(archive, above + name), suffix) or ""
        else:
            tree.others[folder].append(file)
            _add_folders(tree, folder)
    return tree


def _head(archive: Archive, name: str) -> bytes:
    """How a member begins; b"" where it cannot be read, as one that is locked."""
    try:
        with archive.file.open(name) as stream:
            return stream.read(HEAD)
    except (*BROKEN, KeyError, RuntimeError):
        return b""


def _add_folders(tree: Tree, folder: str) -> None:
    while folder:
        above, name = parent_of(folder), folder.rpartition("/")[2]
        if name in tree.folders[above]:
            return
        tree.folders[above].append(name)
        folder = above


def _listed(path: Path) -> Archive:
    archive = Archive(path, zipfile.ZipFile(path))
    for each in archive.file.infolist():
        name = each.filename.replace("\\", "/").removeprefix("./")
        if each.is_dir():
            continue
        if name.startswith("/") or ".." in name.split("/"):
            archive.outside.append(name)
            continue
        archive.members[name] = each
        while name:
            above, last = parent_of(name), name.rpartition("/")[2]
            archive.folders.setdefault(above, set()).add(last)
            name = above
    return archive


def _member(path: Path, name: str) -> bytes:
    archive = open_zip(path)
    about, where = archive.members.get(name), f"{path}/{name}"
    if about is None:
        raise PictureError(f"{where}: there is no such file in the zip", "missing")
    if about.flag_bits & 1:
        raise PictureError(f"{where}: is locked by a password; unpack the zip, and name the folder")
    if about.compress_type not in METHODS:
        raise PictureError(
            f"{where}: is packed by a method other than stored or deflated; unpack the zip, and "
            "name the folder"
        )
    if about.file_size > MOST_BYTES:
        raise PictureError(
            f"{where}: claims {about.file_size / 1e9:.3g} GB unpacked, more than the "
            f"{MOST_BYTES / 1e9:.3g} that are read of one file; take it out",
            "bomb",
        )
    try:
        content = _unpacked(archive.file, about)
    except BROKEN as error:
        raise PictureError(
            f"{where}: is damaged in the zip ({error}); copy or download the zip anew", "truncated"
        ) from error
    if content is None:
        raise PictureError(
            f"{where}: unpacks to more than the {about.file_size:,} bytes that the zip says of it; "
            "take it out",
            "bomb",
        )
    return content


def _unpacked(file: zipfile.ZipFile, about: zipfile.ZipInfo) -> bytes | None:
    """A member's bytes; None where there are more than the zip says, and then one more is read.

    Python's own reading unpacks all of it at once, and cuts it off. Raises BadZipFile.
    """
    one_more = copy(about)
    one_more.file_size, one_more.CRC = about.file_size + 1, None  # type: ignore[assignment]
    with file.open(one_more) as stream:
        content = stream.read(one_more.file_size)
    if len(content) > about.file_size:
        return None
    if zlib.crc32(content) != about.CRC:
        raise zipfile.BadZipFile(f"Bad CRC-32 for file {about.filename!r}")
    return content


def tree_of(path: Path) -> Tree:
    """The folders and pictures of a folder or of a zip. Raises DataError."""
    return walk(path) if path.is_dir() else walk_zip(path)
