"""How the name of a file in a table is held against those on the disk."""

import posixpath
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import cache

from fieldmark.data.folders import parent_of
from fieldmark.data.images import SUFFIXES
from fieldmark.names import written


def plain_path(name: str) -> str:
    """A path as a table has it, with "/" between folders."""
    return name.strip().removeprefix("file://").replace("\\", "/")


def is_of_web(name: str) -> bool:
    """Whether a name is an address."""
    return "://" in name and not name.startswith("file://")


def goes_up(name: str) -> bool:
    """Whether a name leads out of the folder that it begins in."""
    return posixpath.normpath(plain_path(name)).startswith("../")


def folder_of(name: str | None) -> str:
    """The folder that a name gives, without "." and ".." where that can be."""
    return _normal(parent_of(plain_path(name))) if name else ""


@cache
def _normal(folder: str) -> str:
    return posixpath.normpath(folder)


def tails_of(path: str) -> Iterator[str]:
    """A path and its ends, the longest first: a/b.jpg, b.jpg."""
    while path:
        yield path
        path = path.partition("/")[2]


def keys_of(name: str) -> list[str]:
    """What a file's name is compared by, the closest first: itself, its letters, its stem, its
    number. Names that share any share the last."""
    text = written(name)
    small = text.casefold()
    stem, dot, ending = small.rpartition(".")
    stem = stem if dot + ending in SUFFIXES else small
    number = [f"number {int(stem)}"] if stem.isdecimal() else []
    return [f"name {text}", f"small {small}", f"stem {stem}", *number]


def by_keys(paths: Iterable[str]) -> dict[str, list[str]]:
    """Pictures by what their names are compared by."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in paths:
        if path.lower().endswith(SUFFIXES):
            for key in keys_of(path.rpartition("/")[2]):
                found[key].append(path)
    return found


def only(alike: dict[str, list[str]], keys: Sequence[str]) -> str | None:
    """The one picture under the closest key of a name; None where there are several or none."""
    if keys[-1] not in alike:
        return None
    closest = next(key for key in keys if key in alike)
    return alike[closest][0] if len(alike[closest]) == 1 else None


def may_be(path: str, name: str, key: str) -> bool:
    """Whether a file below the root may be meant by a name that has folders: its last folder is
    the name's, or it lies in the root itself and is called as the name says."""
    if not parent_of(name).rpartition("/")[2].strip(".:") or parent_of(name)[1:] == ":":
        return True
    return shared_end(path, name) > 0 or ("/" not in path and key.startswith(("name ", "small ")))


def above(path: str, parts: int) -> str:
    """A path without its last parts; "" where none is left."""
    return "/".join(path.split("/")[:-parts])


def shared_end(path: str, other: str) -> int:
    """How many folders before the names of two paths are the same, counted from the end."""
    mine, its = (
        [written(part).casefold() for part in each.split("/")[-2::-1]] for each in (path, other)
    )
    return next(
        (at for at, (a, b) in enumerate(zip(mine, its, strict=False)) if a != b),
        min(len(mine), len(its)),
    )
