"""A planned run: its settings, its images, and what it is in its study."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

from fieldmark.errors import DataError
from fieldmark.models.catalog import BESIDE
from fieldmark.rundir import plain
from fieldmark.runs.concrete import is_file
from fieldmark.runs.run import JUDGED
from fieldmark.settings.layers import Resolved
from fieldmark.settings.run import TrackSettings
from fieldmark.settings.tree import Settings

PLACE = ("out", "name", "naming", "tag")  # settings of a run that say where it is, not what it is
CARRIED = {  # settings by section that say on what a run is done and who is told, not what it is
    "run": ("device", "workers", "threads", "explain"),
    "track": tuple(TrackSettings.model_fields),
}
BESIDE_RESULTS = {"run": {*PLACE, *CARRIED["run"]}, "track": {*CARRIED["track"]}}
LETTERS = 10  # of a hash, in a folder's name


@dataclass(frozen=True)
class Planned:
    """A run that is to be done.

    name: of its folder; it ends in a hash of its settings and images, so that the same run has
    the same name whenever it is planned. about: what it is in its study, such as {"fold": 2}.
    data: the name of its images in the study's folder. sides: whose images are predicted.
    files: see `files_of`.
    """

    name: str
    about: dict[str, Any]
    data: str
    resolved: Resolved
    sides: tuple[str, ...] = JUDGED
    files: dict[str, str] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """What it is called where people read: "fold 2"."""
        return in_words(self.about)

    def to_json(self) -> dict[str, Any]:
        """Plain values, which `from_json` reads back."""
        return {
            "name": self.name,
            "about": self.about,
            "data": self.data,
            "sides": list(self.sides),
            "files": self.files,
            "settings": self.resolved.settings.model_dump(mode="json"),
            "origins": self.resolved.origins,
        }

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> Self:
        """The reverse of `to_json`."""
        resolved = Resolved(Settings.model_validate(kept["settings"]), kept["origins"])
        sides = tuple(kept["sides"])
        return cls(
            kept["name"], kept["about"], kept["data"], resolved, sides, kept.get("files", {})
        )


def planned(
    resolved: Resolved, about: dict[str, Any], data: str, *, sides: Sequence[str] = JUDGED
) -> Planned:
    """The run of these settings on the images that the study's folder has under `data`."""
    files = files_of(resolved.settings)
    made_of = [identity(resolved.settings), data, list(sides), sorted(files.values())]
    name = f"{plain(in_words(about))}-{digest(made_of)}"
    return Planned(name, about, data, resolved, tuple(sides), files)


def identity(settings: Settings) -> dict[str, Any]:
    """What decides a result, by section and name, less what is the default.

    So a setting that a later version adds changes nothing of it.
    """
    kept = settings.model_dump(mode="json", exclude_defaults=True, exclude=BESIDE_RESULTS)
    return {section: values for section, values in kept.items() if values}


def decisive(settings: Settings) -> dict[str, Any]:
    """Every setting that decides a result, by dotted name."""
    kept = settings.model_dump(mode="json", exclude=BESIDE_RESULTS)
    return {f"{section}.{name}": value for section in kept for name, value in kept[section].items()}


def carried(settings: Settings, before: Settings, now: Settings) -> Settings:
    """The settings with what is CARRIED as `now` has it, where it was as `before` had it."""
    parts = {}
    for section, names in CARRIED.items():
        own, old, new = (getattr(each, section) for each in (settings, before, now))
        same = [name for name in names if getattr(own, name) == getattr(old, name)]
        parts[section] = {name: getattr(new, name) for name in same}
    return settings.having(**parts)


def files_of(settings: Settings) -> dict[str, str]:
    """A hash of each file beside the images that decides a result, by its path."""
    return {path: _hash(path, *_stamp(path)) for path in _paths(settings)}


def refuse_other_files(files: Mapping[str, str]) -> None:
    """Raise DataError where one of `files_of` is another than it was, or gone."""
    for path, before in files.items():
        if not Path(path).is_file() or _hash(path, *_stamp(path)) != before:
            raise DataError(
                f"{path}: is not the file that it was when the study began; put it back, or "
                "choose another --name"
            )


def _paths(settings: Settings) -> Iterator[str]:
    weights = settings.model.weights
    yield from filter(is_file, [weights] if is_file(weights) else weights.split(BESIDE))
    if Path(settings.augment.name).is_file():  # a pipeline
        yield settings.augment.name


def _stamp(path: str) -> tuple[int, int]:
    about = Path(path).stat()
    return about.st_mtime_ns, about.st_size


@lru_cache
def _hash(path: str, *_stamp: int) -> str:
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def digest(values: Any) -> str:
    """A short hash of plain values."""
    text = json.dumps(values, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()[:LETTERS]


def without_defaults(record: Any) -> dict[str, Any]:
    """A dataclass's values by name, less those that are the default; see `identity`."""
    own = [(each.name, getattr(record, each.name), each.default) for each in fields(record)]
    return {name: value for name, value, default in own if value != default}


def in_words(about: dict[str, Any]) -> str:
    """{"class": "cat", "fold": 2} -> "class cat, fold 2"; a dotted key by its last part.

    A table in it, such as a trial's settings, is left out.
    """
    plain_values = {key: each for key, each in about.items() if not isinstance(each, dict)}
    return ", ".join(f"{key.rpartition('.')[2]} {value}" for key, value in plain_values.items())
