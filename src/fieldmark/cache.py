"""One store for what can be made again: scans, stored images, features. Addressed by content.

It lies in FIELDMARK_CACHE (default ~/.cache/fieldmark; "off" keeps nothing) and holds at most
FIELDMARK_CACHE_GB (default 20); what was not used for longest goes first. Two processes may use
it at once: files appear by rename, and one that is in use stays readable after it was deleted.
A result never depends on the cache: a full disk or a store that cannot be written costs only
time.
"""

import contextlib
import hashlib
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from fieldmark.errors import DiskError, UserError
from fieldmark.files import write_whole

PLACE, SIZE = "FIELDMARK_CACHE", "FIELDMARK_CACHE_GB"
DEFAULT_GB = 20.0


class Cache:
    """A store in one folder, or none at all where `root` is None."""

    def __init__(self, root: Path | None, *, most_bytes: float = DEFAULT_GB * 1e9):
        self._root, self.most_bytes = root, most_bytes

    def get(self, kind: str, key: str) -> Path | None:
        """The file kept under this kind and key, now the last used; None where there is none."""
        path = self._path(kind, key)
        if path is None or not path.is_file():
            return None
        with contextlib.suppress(OSError):
            os.utime(path)
        return path

    def put(self, kind: str, key: str, write: Callable[[Path], Any]) -> Path | None:
        """Let `write` fill a file and keep it. -> its path; None where it cannot be kept."""
        path = self._path(kind, key)
        if path is None:
            return None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, write)
        except (OSError, DiskError):
            return None
        self._make_room(path)
        return path

    def array(self, kind: str, key: str, find: Callable[[], np.ndarray]) -> np.ndarray:
        """The array kept under this kind and key; else what `find` gives, which is kept then."""
        if (path := self.get(kind, key)) is not None:
            # deleted this moment, damaged, or empty
            with contextlib.suppress(OSError, ValueError, EOFError):
                return np.load(path)  # type: ignore[no-any-return]
        found = find()

        def write(draft: Path) -> None:
            with draft.open("wb") as stream:
                np.save(stream, found)

        self.put(kind, key, write)
        return found

    def _path(self, kind: str, key: str) -> Path | None:
        return None if self._root is None else self._root / kind / key[:2] / key

    def _make_room(self, newest: Path) -> None:
        """Delete what was not used for longest until the rest fits; never the newest."""
        found = []
        for path in Path(self._root or "").rglob("*"):
            with contextlib.suppress(OSError):  # another process may delete at the same time
                about = path.stat()
                if path.is_file():
                    found.append((about.st_mtime, about.st_size, path))
        total = sum(size for _, size, _ in found)
        for _, size, path in sorted(found):
            if total <= self.most_bytes:
                return
            if path != newest:
                with contextlib.suppress(OSError):
                    path.unlink()
                    total -= size


def open_cache() -> Cache:
    """The store that the environment names. Raises UserError where it names nonsense."""
    place, size = os.environ.get(PLACE), os.environ.get(SIZE, str(DEFAULT_GB))
    most = _bytes(size)
    if place is not None and place.casefold() in ("off", "none", ""):
        return Cache(None)
    root = Path(place) if place else Path.home() / ".cache" / "fieldmark"
    return Cache(root, most_bytes=most)


def _bytes(size: str) -> float:
    """Gigabytes in words as bytes. Raises UserError for what is no size, such as nan or -1."""
    with contextlib.suppress(ValueError):
        if 0 <= (most := float(size) * 1e9) < math.inf:
            return most
    raise UserError(f"{SIZE}: must be a number of gigabytes, 0 or more, not '{size}'")


def address(*parts: object) -> str:
    """A key from everything that decides a content: 32 hexadecimal digits."""
    return hashlib.blake2b(repr(parts).encode(), digest_size=16).hexdigest()
