"""model.json, the half of a bundle that is read without torch: what the weights are for."""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import TypeAdapter, ValidationError

from fieldmark.errors import WeightsError
from fieldmark.records import InputSpec
from fieldmark.rundir import INFO, WEIGHTS
from fieldmark.task import Name

FORMAT = 1


class SetRow(NamedTuple):
    """A set of the classes whose 1 - score is at most `bound` holds the truth in `level` of images.

    size: the mean number of classes in such a set, in validation.
    """

    level: float
    bound: float
    size: float


@dataclass(frozen=True)
class Sets:
    """What `predict --sets` goes by: rows, levels rising, and what they rest on.

    images: of validation; groups: how many, where there are any; folds: how many heads answered,
    each the images that it was trained without, or None.
    """

    rows: tuple[SetRow, ...]
    images: int
    groups: int | None = None
    folds: int | None = None


@dataclass(frozen=True)
class Unlike:
    """What says that an image is unlike those of the training: one of two values is above a most.

    entropy: of the scores; None of several labels an image, which go by distance alone. distance:
    to the features in known.safetensors, whose SHA-256 is known_sha256. images, groups, folds: of
    validation, as in Sets; flagged: how many of these images are called unlike. answers: as a
    bundle's, of the images that are not.
    """

    distance: float
    entropy: float | None
    images: int
    flagged: int
    known_sha256: str
    groups: int | None = None
    folds: int | None = None
    answers: tuple[tuple[float, int, int], ...] = ()


@dataclass(frozen=True)
class BundleInfo:
    """What must be known to use a trained network, beside its weights.

    model, options: its name in the catalog and what its builder was given. head, head_options:
    the same of its head. resizer: the side in pixels that a learned resizer gives to it, if
    there is one. pool: what becomes of its last maps, "mean" or "mean+max". mirror: whether mirror
    images are averaged in. classes: in the order of the logits. thresholds: of each class's score,
    for several labels an image. temperature: what logits are divided by to become scores. answers:
    of validation, for scores from high to low, how many images have at least that score and how
    many of them are guessed right. unlike, sets: what tells images unlike the training ones, and
    what sets of classes go by; None where validation could not say. weights: where training began.
    samples_hash: of the table that it was trained on. precision: what it was trained and measured
    in. engine: what passed the images of its figures, "torch" of a bundle by an older Fieldmark.
    weights_sha256: of the file of weights beside it, whoever wrote it; None of a bundle by an
    older Fieldmark.
    """

    model: str
    classes: tuple[str, ...]
    spec: InputSpec
    options: dict[str, Any] = field(default_factory=dict)
    task: Name = "single-label"
    thresholds: dict[str, float] | None = None
    temperature: float = 1.0
    answers: tuple[tuple[float, int, int], ...] = ()
    licence: str | None = None
    weights: str = "random"
    versions: dict[str, str] = field(default_factory=dict)
    samples_hash: str | None = None
    precision: str = "float32"
    engine: str = "torch"
    head: str = "linear"
    head_options: dict[str, Any] = field(default_factory=dict)
    resizer: int | None = None
    pool: str = "mean"
    mirror: bool = False
    unlike: Unlike | None = None
    sets: Sets | None = None
    weights_sha256: str | None = field(default=None, compare=False)

    @property
    def curve(self) -> tuple[tuple[float, int, int], ...]:
        """What `predict --abstain` goes by: answers, of the images that are not told unlike."""
        return self.unlike.answers if self.unlike else self.answers

    def to_json(self) -> dict[str, Any]:
        """Plain values for model.json."""
        return {"format": FORMAT, **asdict(self), "spec": self.spec.to_json()}


def read_info(path: Path) -> BundleInfo:
    """What a model.json says. Raises WeightsError: missing, damaged, or of a newer Fieldmark."""
    if not path.is_file():
        raise WeightsError(
            f"{path}: there is no such file; name a folder that holds {INFO} and {WEIGHTS}"
        )
    try:
        values = dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise WeightsError(f"{path}: is damaged ({error}); copy the bundle again") from error
    return info_from(values, path)


def info_from(values: dict[str, Any], path: Path) -> BundleInfo:
    """What the values of a model.json say; path: where they stand. Raises WeightsError."""
    values = dict(values)
    form = values.pop("format", None)
    if isinstance(form, int) and form > FORMAT:
        raise WeightsError(
            f"{path}: was written by a newer Fieldmark (format {form}, this one reads {FORMAT}); "
            "update fieldmark"
        )
    if form != FORMAT:
        raise WeightsError(f"{path}: is not a bundle's {INFO} (no format); name a bundle's folder")
    try:
        return TypeAdapter(BundleInfo).validate_python(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise WeightsError(
            f"{path}: is damaged ('{where}': {first['msg'].lower()}); copy the bundle again"
        ) from error


def refuse_damaged(weights: Path) -> None:
    """Raise WeightsError where the model.json beside these weights was written with others.

    A file without a bundle's model.json beside it, or with one that knows no hash, passes.
    """
    try:
        wanted = read_info(weights.with_name(INFO)).weights_sha256
        with weights.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest() if wanted else None
    except (OSError, WeightsError):  # reading it will say
        return
    if found != wanted:
        raise WeightsError(
            f"{weights}: does not belong to the {INFO} beside it, or was damaged (its SHA-256 is "
            "another); copy the bundle again, both files"
        )
