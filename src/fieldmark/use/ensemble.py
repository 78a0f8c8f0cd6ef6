"""The models of a study as one: a file beside them says which they are and how they are joined.

    {"format": 1, "kind": "mean", "classes": [...], "thresholds": null, "members": [{"run": ...}]}

Kinds: `mean`, of the members' scores; `one-vs-rest`, where each member knows one class from the
rest, and a class's logit is the mean over its members of scale * (its logit - that of the rest)
+ shift. One model is one that has the whole of a bundle's ways: it reads, predicts and tells.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import TypeAdapter, ValidationError

from fieldmark.data.images import Content
from fieldmark.data.tables import Named
from fieldmark.errors import RunError
from fieldmark.files import write_json
from fieldmark.judge.calibrate import joined_curve
from fieldmark.models.bundle_info import BundleInfo, read_info
from fieldmark.rundir import INFO
from fieldmark.task import TASKS

if TYPE_CHECKING:
    from fieldmark.captioned import Seen
    from fieldmark.use.opened import Opened
    from fieldmark.use.reading import Pixels, Read

FILE = "ensemble.json"  # its presence makes a folder's models one
FORMAT = 1


@dataclass(frozen=True)
class Member:
    """A bundle's folder below that of the ensemble; of one-vs-rest, which class it knows."""

    run: str
    label: str | None = None
    scale: float = 1.0
    shift: float = 0.0


@dataclass(frozen=True)
class Joining:
    """What the file says. thresholds: by class, of several labels an image."""

    classes: tuple[str, ...]
    members: tuple[Member, ...]
    kind: Literal["mean", "one-vs-rest"] = "mean"
    thresholds: dict[str, float] | None = None
    format: int = FORMAT

    def write(self, folder: Path) -> None:
        """The file, whole or not at all. Raises DiskError."""
        members = [vars(each) for each in self.members]
        write_json(folder / FILE, {**vars(self), "classes": list(self.classes), "members": members})


def is_ensemble(path: str | Path) -> bool:
    """Whether the models in a folder are one."""
    return (Path(path) / FILE).is_file()


def alone(path: str | Path) -> Path | None:
    """The one model of an ensemble that has no other, as a sweep's winner; else None."""
    joining = read_joining(path)
    is_alone = len(joining.members) == 1 and joining.kind == "mean"
    return Path(path) / joining.members[0].run if is_alone else None


def of_several(path: str | Path) -> str:
    """Why what goes by the validation of one model cannot be had of an ensemble, in words."""
    joining = read_joining(path)
    if joining.kind == "one-vs-rest":
        return (
            "goes by the validation of one model that knows all classes, and each of these knows "
            "one class; leave it out"
        )
    one = Path(path) / joining.members[0].run
    return (
        f"goes by the validation of one model, and these are {len(joining.members)}; "
        f"name one of them, such as {one}, or leave it out"
    )


def read_joining(path: str | Path) -> Joining:
    """How the models in a folder are joined. Raises RunError where the file is damaged."""
    file = Path(path) / FILE
    try:
        found = TypeAdapter(Joining).validate_python(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, ValidationError) as error:
        what = "cannot be read; let the command that made the study put it together again"
        raise RunError(f"{file}: {what}") from error
    if found.format != FORMAT or not found.members:
        raise RunError(f"{file}: is of another Fieldmark (format {found.format}); update it")
    return found


def joined_info(path: str | Path) -> BundleInfo:
    """What the models in a folder are for, as one; no weights are read. Raises as reading does.

    answers: what each model answered of its own validation, put together. The mean of scores is
    less sure of itself than each of them and more often right, so a score that was enough there is.
    """
    joining = read_joining(path)
    infos = [read_info(Path(path) / each.run / INFO) for each in joining.members]
    curves = [each.answers for each in infos] if joining.kind == "mean" else []
    return replace(
        infos[0],
        classes=joining.classes,
        thresholds=joining.thresholds,
        temperature=1.0,
        answers=tuple(joined_curve(curves)) if all(curves) else (),
        unlike=None,
        sets=None,
        weights_sha256=None,
    )


class Ensemble:
    """Models that look at the same images and answer as one, as an `Opened` does."""

    def __init__(self, joining: Joining, info: BundleInfo, opened: Sequence["Opened"]):
        self.info, self._joining, self._opened = info, joining, opened

    @property
    def told(self) -> list[str]:
        """What another engine than torch has computed, in words."""
        return [line for each in self._opened for line in each.told]

    def batches(
        self, images: Iterable[Path | Content | Named], size: int
    ) -> Iterator[list["Read"]]:
        """As `Opened.batches`; each image is read once."""
        return self._opened[0].batches(images, size)

    def read(self, image: Path | Content, name: str) -> "Pixels":
        """As `Opened.read`."""
        return self._opened[0].read(image, name)

    def together(self, read: Iterable["Read"]) -> list["Seen"]:
        """As `Opened.together`."""
        return self._opened[0].together(read)

    def logits(
        self, batches: Iterable[Any], advance: Callable[[int], None] | None = None
    ) -> np.ndarray:
        """Joined logits (N, C), whose scores at a temperature of 1 are the joined ones."""
        kept = list(batches)
        found = [
            each.logits(kept, advance if place == 0 else None)
            for place, each in enumerate(self._opened)
        ]
        if not kept:
            return np.zeros((0, len(self.info.classes)), np.float32)
        return joined(self._joining, [each.info for each in self._opened], found)


def open_ensemble(path: str | Path, device: str = "auto", engine: str = "torch") -> Ensemble:
    """The models in a folder, opened on a device. Raises as `open_bundle`, and RunError."""
    from fieldmark.use.opened import open_bundle

    joining = read_joining(path)
    opened = [open_bundle(Path(path) / each.run, device, engine) for each in joining.members]
    return Ensemble(joining, joined_info(path), opened)


def joined(
    joining: Joining, infos: Sequence[BundleInfo], logits: Sequence[np.ndarray]
) -> np.ndarray:
    """The members' logits as those of one model. -> (N, C)"""
    if joining.kind == "one-vs-rest":
        return one_vs_rest(joining, infos, logits)
    return mean_of_scores(infos, logits)


def mean_of_scores(infos: Sequence[BundleInfo], logits: Sequence[np.ndarray]) -> np.ndarray:
    """Logits of the mean of the members' scores, each at its own temperature. -> (N, C)"""
    task = TASKS[infos[0].task]
    scores = np.mean(
        [task.scores(each, info.temperature) for each, info in zip(logits, infos, strict=True)],
        axis=0,
    )
    least = np.finfo(np.float64).tiny
    logs = np.log(np.maximum(scores, least))
    if task.several:
        logs -= np.log(np.maximum(1 - scores, least))
    return np.asarray(np.where(np.isnan(scores), np.nan, logs))


def one_vs_rest(
    joining: Joining, infos: Sequence[BundleInfo], logits: Sequence[np.ndarray]
) -> np.ndarray:
    """Each class's logit from the members that know it. -> (N, C)"""
    columns: dict[str, list[np.ndarray]] = {name: [] for name in joining.classes}
    for member, info, each in zip(joining.members, infos, logits, strict=True):
        assert member.label is not None
        place = info.classes.index(member.label)
        margin = (each[:, place] - each[:, 1 - place]).astype(np.float64)
        columns[member.label].append(member.scale * margin + member.shift)
    return np.stack([np.mean(columns[name], axis=0) for name in joining.classes], axis=1)
