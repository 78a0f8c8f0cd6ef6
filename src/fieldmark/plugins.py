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
from contextlib import suppress
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, version

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


def _plain(name: str) -> str:
    """A package's name as the index compares it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()
