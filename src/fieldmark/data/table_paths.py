"""From the paths that a table has to the files that they mean, none outside of one folder."""

import os
import posixpath
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from fieldmark.data.images import SUFFIXES
from fieldmark.data.tree import join, may_be_file
from fieldmark.errors import DataError


class Finder:
    """Finds files below `root`, in the first of `folders` that has them; each is listed once.

    missing: how many were looked for and are not there.
    """

    def __init__(self, root: Path, folders: Sequence[str] = ("",)):
        self._root, self._folders = root, folders
        self._starts = tuple(
            each.as_posix().rstrip("/") + "/" for each in (root.absolute(), root.resolve())
        )
        self._names: dict[str, dict[str, str]] = {}
        self.missing = 0

    def find(self, name: str | None) -> tuple[str | None, str | None]:
        """-> the path below the root and None, or None and why there is none.

        A name without a suffix may stand for the picture of that name ("56" for "56.jpg").
        """
        if name is None:
            return None, "names no image; name one, or take the row out"
        if "://" in name:
            return None, f"'{name}' lies in the web; download it, and name the file"
        below = self._below(name.strip().replace("\\", "/"))
        if below is None:
            return None, (
                f"'{name}' lies outside of {self._root}; name the folder that holds all images: "
                "--images DIR"
            )
        folder, _, file = below.rpartition("/")
        for place in self._folders:
            here = join(place, folder) if folder else place
            real = self._exact(here, file)
            if real is not None:
                return join(here, real), None
        self.missing += 1
        return None, f"there is no file '{name}' in {self._root}{self._hint(folder, file)}"

    def _below(self, name: str) -> str | None:
        """The path from the root, without "." and ".."; None where it leads out."""
        if name.startswith("/") or name[1:2] == ":":  # from the top, of Windows too
            start = next((start for start in self._starts if name.startswith(start)), None)
            if start is None:
                return None
            name = name.removeprefix(start)
        path = posixpath.normpath(name)
        return None if path.split("/")[0] == ".." else path

    def _exact(self, folder: str, name: str) -> str | None:
        """The name of a file in a folder, maybe with the suffix that `name` lacks."""
        here = self._listed(folder)
        whole = name.lower().endswith(SUFFIXES)
        for ending in ("",) if whole else ("", *SUFFIXES, *map(str.upper, SUFFIXES)):
            real = here.get(name + ending) or here.get(_composed(name + ending))
            if real is not None:
                return real
        return None

    def _hint(self, folder: str, name: str) -> str:
        """What to do about a missing file: its name in other letters, or nothing better."""
        for place in self._folders:
            here = join(place, folder) if folder else place
            other = self._folded(here).get(name.casefold())
            if other is not None:
                return f"; did you mean '{join(here, other)}'?"
        return "; add it, or take the row out"

    def _folded(self, folder: str) -> dict[str, str]:
        """A folder's names by their small letters."""
        key = f"{folder}/ folded"
        if key not in self._names:
            self._names[key] = {name.casefold(): name for name in self._listed(folder)}
        return self._names[key]

    def _listed(self, folder: str) -> dict[str, str]:
        """The files in a folder by name, and by name with its accents composed, as texts have it.

        None where there is no such folder. Raises DataError for one that may not be read.
        """
        if folder not in self._names:
            names: list[str] = []
            try:
                with os.scandir(self._root / folder) as entries:
                    names = [entry.name for entry in entries if may_be_file(entry)]
            except PermissionError as error:
                raise DataError(
                    f"{self._root / folder}: cannot be read ({error.strerror}); allow it, or take "
                    "the folder out"
                ) from error
            except (OSError, ValueError):  # no such folder, or a text that can be no path
                pass
            self._names[folder] = {_composed(name): name for name in names}
            self._names[folder].update({name: name for name in names})
        return self._names[folder]


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)
