"""What a file in fewer bits keeps of that in float32: the same images, seen by both in turn."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch

from fieldmark.console import Bar
from fieldmark.data.images import seen, unresized
from fieldmark.errors import DataError, RunError, counted
from fieldmark.export.parity import VALIDATION, differing, pictures_of
from fieldmark.export.whole import Runner, Source
from fieldmark.judge.evidence import Evidence
from fieldmark.judge.metrics import overall
from fieldmark.judge.paired import differences
from fieldmark.judge.thresholds import in_order
from fieldmark.records import Predictions, Samples
from fieldmark.report.figure_lines import amount
from fieldmark.report.words import metric_words


class Answers(NamedTuple):
    """What K files, the first of them in float32, gave for the same images.

    names: of the n images. scores: (K, n, C). evidence: that of each, of those rows.
    seconds: (K, n) of one image without its decoding. groups: (n,) or None. unread: images more.
    """

    names: list[str]
    scores: np.ndarray
    evidence: list[Evidence]
    seconds: np.ndarray
    groups: np.ndarray | None
    unread: int


@dataclass(frozen=True)
class Kept:
    """What one recipe came to beside float32, on `images` of `of`.

    metric: the task's; low, high: 95 % interval of value less float32. changed: the images that
    are decided otherwise. largest, mean: by how much scores differ. seconds: the median of an image
    without its decoding, on `threads`. model_has_seen: whether parts of the model were trained on
    them. tried: the same in short of each recipe; calibrating: images that ranges were seen on.
    """

    precision: str
    recipe: str
    images: int
    of: str
    model_has_seen: bool
    metric: str
    float32: float
    value: float
    low: float
    high: float
    log_loss: float
    changed: tuple[str, ...]
    largest: float
    mean: float
    bytes: int
    float32_bytes: int
    seconds: float
    float32_seconds: float
    threads: int
    unread: int
    calibrating: int = 0
    tried: dict[str, dict[str, Any]] = field(default_factory=dict)
    amount: str = ""
    several: bool = False

    @property
    def points_worse(self) -> float:
        """By how many points of a percent it is worse, as observed."""
        return 100 * (self.float32 - self.value)

    def words(self) -> str:
        """In a sentence."""
        worse = f", at most {-100 * self.low:.1f} points worse" if self.low < 0 else ""
        unread = f" ({self.unread} more could not be read)" if self.unread else ""
        known = ", which the model was trained on" if self.model_has_seen else ""
        share = 100 * len(self.changed) / self.images
        by = f" {self.recipe}" if len(self.tried) > 1 else ""
        otherwise = "with another label or one less" if self.several else "decided otherwise"
        return (
            f"{self.precision}{by} beside float32, {counted(self.images, 'image')} of "
            f"{self.of}{unread}{known}: {self.amount}{worse}; "
            f"{counted(len(self.changed), 'image')} ({share:.1f} %) {otherwise}; "
            f"{self.bytes / 1e6:.1f} MB, float32 {self.float32_bytes / 1e6:.1f}; "
            f"{1000 * self.seconds:.3g} ms an image, float32 {1000 * self.float32_seconds:.3g} ms"
        )

    def in_short(self) -> dict[str, Any]:
        """What one recipe is held against another by."""
        about = {name: getattr(self, name) for name in ("value", "log_loss", "bytes", "seconds")}
        return {**about, "changed": len(self.changed), "largest": self.largest}


def goodness(kept: Kept) -> tuple[float, float, int]:
    """What the one that is chosen has most of: the figure, then less log loss, then fewer bytes."""
    return kept.value, -kept.log_loss, -kept.bytes


def answered(
    source: Source,
    runs: Sequence[Runner],
    samples: Samples,
    rows: Sequence[int],
    bar: Bar,
    *,
    resizes: bool,
) -> Answers:
    """Each image by each file in turn, decoded once. Raises RunError where none can be read."""
    names, read_rows, given, seconds = [], [], [], []
    spec = source.info.spec
    for row, read in zip(rows, pictures_of(samples, rows), strict=True):
        bar.advance()
        try:
            name, content = read()
            pixels = (unresized if resizes else seen)(content, spec, name)[None]
        except DataError:
            continue
        found = [_timed(run, pixels) for run in runs]
        given.append([outputs for outputs, _ in found])
        seconds.append([spent for _, spent in found])
        names.append(name)
        read_rows.append(row)
    if not names:
        raise RunError(f"{source.path}: none of the images to judge it on can be read")
    scores, logits = (
        np.array([[each[part][0] for each in its] for its in zip(*given, strict=True)])
        for part in (0, 1)
    )
    tables = [
        Predictions.of(samples, np.array(read_rows), each, classes=source.info.classes)
        for each in logits.astype(np.float32)
    ]
    least = in_order(source.info.thresholds, source.info.classes)
    evidence = [Evidence.on(table, source.info.temperature, least) for table in tables]
    unread = len(rows) - len(names)
    return Answers(names, scores, evidence, np.array(seconds).T, tables[0].groups, unread)


def _timed(run: Runner, pixels: np.ndarray) -> tuple[tuple[np.ndarray, ...], float]:
    began = time.perf_counter()
    outputs = run(pixels)
    return outputs, time.perf_counter() - began


def kept_of(
    source: Source,
    named: tuple[str, str],
    of: str,
    answers: Answers,
    place: int,
    sizes: Sequence[int],
) -> Kept:
    """What the file at `place` came to beside the first. named: its precision and recipe."""
    first, second = answers.evidence[0], answers.evidence[place]
    metric = first.task.metric
    its = differences(first, second, groups=answers.groups)[metric]
    scores = answers.scores.astype(np.float64)
    apart = np.abs(scores[place] - scores[0])
    changed, _ = differing(scores[place], scores[0], source.info)
    middle = np.median(answers.seconds, axis=1)
    return Kept(
        *named,
        images=len(answers.names),
        of=of,
        model_has_seen=of != VALIDATION or source.joining is not None,
        metric=metric,
        float32=its.first,
        value=its.second,
        low=its.low,
        high=its.high,
        log_loss=overall(second)["log_loss"],
        changed=tuple(answers.names[row] for row in np.flatnonzero(changed)),
        largest=float(apart.max()),
        mean=float(apart.mean()),
        bytes=sizes[place],
        float32_bytes=sizes[0],
        seconds=float(middle[place]),
        float32_seconds=float(middle[0]),
        threads=torch.get_num_threads(),
        unread=answers.unread,
        several=first.task.several,
        amount=amount(its) if its.value else f"no difference of {metric_words(metric)} seen",
    )
