"""Builders that other installed packages offer: entry points, whose code runs only where it is
allowed.

A package lists them in its pyproject.toml, here for a network:

    [project.entry-points."fieldmark.models"]
    tiny = "mypackage.networks:tiny"

It is then called mypackage/tiny, and built as one of the catalog's own. A run's folder may come
from anybody, and must not choose what code is run: so packages count only that the environment
names, FIELDMARK_PLUGINS=mypackage (several with commas between).
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, version

from fieldmark.errors import FieldmarkError, Mistake, SettingsError

ALLOWED = "FIELDMARK_PLUGINS"


def allowed() -> tuple[str, ...]:
    """The packages whose builders may be run, as the environment names them."""
    words = os.environ.get(ALLOWED, "").split(",")
    return tuple(filter(None, (_plain(word.strip()) for word in words)))


def offered(group: str, name: str) -> EntryPoint | None:
    """What PACKAGE/NAME stands for in a group; None where no package offers it. Nothing is run."""
    package, slash, own = name.partition("/")
    if not (group and package and slash):
        return None
    for point in entry_points(group=group, name=own):
        if point.dist is not None and _plain(point.dist.name) == _plain(package):
            return point
    return None


def all_allowed(group: str) -> list[EntryPoint]:
    """All that the allowed packages offer in a group. Nothing is run."""
    packages = allowed()
    return [
        point
        for point in (entry_points(group=group) if packages else ())
        if point.dist is not None and _plain(point.dist.name) in packages
    ]


def is_allowed(name: str) -> bool:
    """Whether the package of PACKAGE/NAME may be run."""
    return _plain(name.partition("/")[0]) in allowed()


def versions() -> dict[str, str]:
    """The versions of the packages that may be run and are there."""
    found = {}
    for name in allowed():
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def not_allowed(name: str) -> str:
    """What to say where a package offers this and the environment does not name it."""
    package = name.partition("/")[0]
    return (
        f"'{name}' is of the package {package}, whose code runs only where you say so; set "
        f"{ALLOWED}={package} in the environment"
    )


def not_here(name: str) -> str | None:
    """What to say of PACKAGE/NAME where no such package is installed; None where one is."""
    package, slash, own = name.partition("/")
    if not slash or "/" in own or not re.fullmatch(r"[A-Za-z0-9][\w.-]*", package):
        return None
    try:
        version(package)
    except PackageNotFoundError:
        return f"'{name}' is of the package {package}, which is not installed here; install it"
    return None


@contextmanager
def blamed(point: EntryPoint | None) -> Iterator[None]:
    """Inside, what goes wrong in a package's own code is told as its fault: SettingsError."""
    try:
        yield
    except FieldmarkError:
        raise
    except Exception as error:
        if point is None:
            raise
        package = "" if point.dist is None else point.dist.name
        what = (
            f"cannot give '{point.name}' (entry point {point.group}: "
            f"{point.value}): {type(error).__name__}: {error}; mend the package, or take another"
        )
        raise SettingsError([Mistake(f"the package {package}", what)]) from error


def _plain(name: str) -> str:
    """A package's name as the index compares it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()
