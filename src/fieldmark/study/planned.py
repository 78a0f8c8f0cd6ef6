"""A planned run: its settings, its images, and what it is in its study."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from fieldmark.rundir import plain
from fieldmark.runs.run import JUDGED
from fieldmark.settings.layers import Resolved
from fieldmark.settings.tree import Settings

PLACE = ("out", "name", "naming", "tag")  # settings of a run that say where it is, not what it is
LETTERS = 10  # of a hash, in a folder's name


@dataclass(frozen=True)
class Planned:
    """A run that is to be done.

    name: of its folder; it ends in a hash of its settings and images, so that the same run has
    the same name whenever it is planned. about: what it is in its study, such as {"fold": 2}.
    data: the name of its images in the study's folder. sides: whose images are predicted.
    """

    name: str
    about: dict[str, Any]
    data: str
    resolved: Resolved
    sides: tuple[str, ...] = JUDGED

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
            "settings": self.resolved.settings.model_dump(mode="json"),
            "origins": self.resolved.origins,
        }

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> Self:
        """The reverse of `to_json`."""
        resolved = Resolved(Settings.model_validate(kept["settings"]), kept["origins"])
        sides = tuple(kept["sides"])
        return cls(kept["name"], kept["about"], kept["data"], resolved, sides)


def planned(
    resolved: Resolved, about: dict[str, Any], data: str, *, sides: Sequence[str] = JUDGED
) -> Planned:
    """The run of these settings on the images that the study's folder has under `data`."""
    settings = resolved.settings.model_dump(mode="json")
    settings["run"] = {key: value for key, value in settings["run"].items() if key not in PLACE}
    name = f"{plain(in_words(about))}-{digest([settings, data, list(sides)])}"
    return Planned(name, about, data, resolved, tuple(sides))


def digest(values: Any) -> str:
    """A short hash of plain values."""
    text = json.dumps(values, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()[:LETTERS]


def in_words(about: dict[str, Any]) -> str:
    """{"class": "cat", "fold": 2} -> "class cat, fold 2"; a dotted key by its last part.

    A table in it, such as a trial's settings, is left out.
    """
    plain_values = {key: each for key, each in about.items() if not isinstance(each, dict)}
    return ", ".join(f"{key.rpartition('.')[2]} {value}" for key, value in plain_values.items())
