"""What can go wrong, as one tree. Each error is one sentence: where, what, what to do.

FieldmarkError                 exit code
├── UserError                  2   the user must change something
│   ├── SettingsError              one or many mistakes in the settings, told together
│   ├── DataError                  the images or the table of labels
│   ├── WeightsError               a weights file, or a bundle
│   └── RunError                   a run folder that exists, or a path that is no run
├── WorkError                  1   the work failed, or was done in part
│   ├── DiskError                  no room, or not allowed to write
│   ├── NotFiniteError             a loss that is nan or infinite
│   ├── OutOfMemoryError           the accelerator's memory is too small for the batch
│   └── BudgetError                a run that is kept, and missed a budget
└── StoppedError               130 Ctrl-C or SIGTERM
    └── PrunedError                a study ends a run that others have left behind
"""

import errno
import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

WORD = 4  # letters that the beginning of a name must have to be taken for it


class FieldmarkError(Exception):
    """The root of the tree; its text is what the user reads."""

    exit_code = 1


class UserError(FieldmarkError):
    """Something that the user must change before the work can be done."""

    exit_code = 2


@dataclass(frozen=True)
class Mistake:
    """One mistake in the settings: where it stands, and what is wrong and what to do."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


class SettingsError(UserError):
    """Every mistake that was found in the settings, a line each."""

    def __init__(self, mistakes: Iterable[Mistake]):
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join(str(mistake) for mistake in self.mistakes))


def refuse(mistakes: Iterable[Mistake]) -> None:
    """Raise SettingsError with these mistakes, where there are any."""
    if found := tuple(mistakes):
        raise SettingsError(found)


class DataError(UserError):
    """The images or the table of labels cannot be used as they are."""


class WeightsError(UserError):
    """A weights file or a bundle that cannot be read, or that is of another network."""


class RunError(UserError):
    """A run folder that exists already, or a path that is no run."""


class WorkError(FieldmarkError):
    """The work failed, or was done in part."""


class DiskError(WorkError):
    """A file could not be written."""


class NotFiniteError(WorkError):
    """The loss became nan or infinite."""


class OutOfMemoryError(WorkError):
    """The accelerator has too little memory for the batch."""


class BudgetError(WorkError):
    """A run that came to its end and missed a budget, or had no hours left to reach anything."""


class StoppedError(FieldmarkError):
    """The user stopped the work; what was reached is kept."""

    exit_code = 130


class PrunedError(StoppedError):
    """A study ended the run, since others had left it behind; what was reached is kept."""


def nearest(name: str, known: Iterable[str]) -> str:
    """The ending "; did you mean 'husky'?" for a misspelt name, or "" where nothing is near.

    Near is also the one name that begins so, or in which one word does: 'patas' of 'patas_monkey'.
    """
    found = _near(name, known)
    return f"; did you mean '{found}'?" if found else ""


def nearest_path(path: str | os.PathLike[str], fits: Callable[[Path], bool]) -> str:
    """The ending "; did you mean '../photos5'?" for a misspelt path, as it can be typed, or "".

    One name in the path may be wrong, also that of a folder; what is named then is there and fits.
    """
    whole = Path(path)
    with suppress(OSError, ValueError):  # a text that can be no path, a folder that is not read
        lost = [each for each in (whole, *whole.parents) if not each.exists()]
        if lost:
            above, below = lost[-1].parent, whole.relative_to(lost[-1])
            names = [each.name for each in above.iterdir() if fits(each / below)]
            found = _near_file(lost[-1].name, names)
            return f"; did you mean '{above / found / below}'?" if found else ""
    return ""


def _near_file(name: str, known: Iterable[str]) -> str | None:
    """The nearest name: of those with the same ending by what stands before it, else of others."""
    whole, alike, others = Path(name), dict[str, str](), list[str]()
    for each in map(Path, known):
        if each.suffix.casefold() == whole.suffix.casefold():
            alike[each.stem] = each.name
        else:
            others.append(each.name)
    found = _near(whole.stem, alike)
    return alike[found] if found is not None else _near(name, others)


def _near(name: str, known: Iterable[str]) -> str | None:
    options = {option.casefold(): option for option in known}
    name = name.casefold()
    found = get_close_matches(name, options, n=1, cutoff=0.6) or _with_the_word(name, options)
    return options[found[0]] if found else None


def _with_the_word(name: str, options: Iterable[str]) -> list[str]:
    """The one option that begins with the name, or else the one of which a word does; or []."""
    if len(name) < WORD:
        return []
    begun = [option for option in options if option.startswith(name)]
    inside = [
        each for each in options if any(w.startswith(name) for w in re.split(r"[\W_]+", each))
    ]
    return next((fitting for fitting in (begun, inside) if len(fitting) == 1), [])


def listed(names: Iterable[object], most: int = 8) -> str:
    """Names in a sentence, the first `most` of them: "'a', 'b' and 3 more"."""
    words = [f"'{name}'" for name in names]
    if len(words) > most:
        return f"{', '.join(words[:most])} and {len(words) - most} more"
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def counted(number: int, noun: str) -> str:
    """A number and its noun: "1 file", "2 files", "3 classes"."""
    plural = f"{noun}es" if noun.endswith(("s", "x")) else f"{noun}s"
    return f"{number} {noun if number == 1 else plural}"


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn an OSError met while `path` is written into a DiskError of one sentence."""
    try:
        yield
    except OSError as error:
        raise disk_error(path, error) from error


def disk_error(path: Path, error: OSError) -> DiskError:
    """The one sentence for an OSError met while `path` was written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskError(f"{path}: the disk is full; free some space and try again")
    return DiskError(f"{path}: cannot be written ({error.strerror or error}); choose another place")
