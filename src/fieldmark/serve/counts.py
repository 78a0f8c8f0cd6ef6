"""What went by, as Prometheus reads it (text format 0.0.4)."""

import math
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from fieldmark.use.predictor import Failure, Prediction

LATELY = 1000  # images that the gauges of shares are of
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
IMAGES = (1, 2, 4, 8, 16, 32, 64, 128)


class Histogram:
    """How often values were at most each of some bounds."""

    def __init__(self, bounds: tuple[float, ...]):
        self.bounds, self.counts, self.total = bounds, [0] * (len(bounds) + 1), 0.0

    def add(self, value: float) -> None:
        """Count a value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def lines(self, name: str) -> Iterator[str]:
        """As Prometheus has it: buckets that hold those before them, the sum, the number."""
        number = 0
        for bound, count in zip((*map(str, self.bounds), "+Inf"), self.counts, strict=True):
            number += count
            yield f'{name}_bucket{{le="{bound}"}} {number}'
        yield f"{name}_sum {self.total:.6g}"
        yield f"{name}_count {number}"


@dataclass
class Counts:
    """Requests by path and status, and images by what became of them, since the start.

    lately: of the last LATELY images with an answer, whether it was without a label, and whether
    the image was unlike the training ones.
    """

    requests: Counter[tuple[str, int]] = field(default_factory=Counter)
    images: Counter[str] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)
    lately: deque[tuple[bool, bool]] = field(default_factory=lambda: deque(maxlen=LATELY))
    seconds: Histogram = field(default_factory=lambda: Histogram(SECONDS))
    batches: Histogram = field(default_factory=lambda: Histogram(IMAGES))

    def answered(self, answers: Iterable[Prediction | Failure]) -> None:
        """Count the answers of a request."""
        for answer in answers:
            if isinstance(answer, Failure):
                self.images["failed"] += 1
                continue
            self.images["answered"] += 1
            self.images["unlabelled"] += answer.label is None
            self.images["unlike"] += answer.is_unlike
            self.labels.update(answer.labels)
            self.lately.append((answer.label is None, answer.is_unlike))

    def shares(self) -> tuple[float, float]:
        """Of the last images, those without a label and those unlike; nan before the first."""
        if not self.lately:
            return math.nan, math.nan
        unlabelled, unlike = (
            sum(each) / len(self.lately) for each in zip(*self.lately, strict=True)
        )
        return unlabelled, unlike


Metric = tuple[str, str, str, Iterable[str]]  # name, kind, what it is, its lines


def text(metrics: Iterable[Metric]) -> str:
    """The whole text."""
    found: list[str] = []
    for name, kind, about, lines in metrics:
        found += [f"# HELP {name} {about}", f"# TYPE {name} {kind}", *lines]
    return "\n".join(found) + "\n"


def one(name: str, kind: str, about: str, value: float) -> Metric:
    """A metric of a single value."""
    return name, kind, about, [f"{name} {value:g}"]


def metrics(counts: Counts) -> Iterator[Metric]:
    """Those of what went by."""
    name = "fieldmark_requests_total"
    lines = [
        f'{name}{{path="{path}",status="{status}"}} {number}'
        for (path, status), number in sorted(counts.requests.items())
    ]
    yield name, "counter", "Requests by path and status.", lines
    for kind, about in {
        "answered": "Images that had an answer.",
        "failed": "Images that had none, as they could not be read.",
        "unlabelled": "Images that had an answer without a label.",
        "unlike": "Images that are unlike the training ones.",
    }.items():
        yield one(f"fieldmark_images_{kind}_total", "counter", about, counts.images[kind])
    name = "fieldmark_labels_total"
    lines = [f'{name}{{label="{_escaped(k)}"}} {v}' for k, v in sorted(counts.labels.items())]
    yield name, "counter", "Labels that were given.", lines
    unlabelled, unlike = counts.shares()
    lately = f"of the last {LATELY} images with an answer."
    yield one("fieldmark_unlabelled_share", "gauge", f"Without a label, {lately}", unlabelled)
    yield one("fieldmark_unlike_share", "gauge", f"Unlike the training ones, {lately}", unlike)
    name = "fieldmark_request_seconds"
    yield name, "histogram", "Seconds that predictions took.", counts.seconds.lines(name)
    name = "fieldmark_batch_images"
    yield name, "histogram", "Images that the network saw at once.", counts.batches.lines(name)


def _escaped(label: str) -> str:
    return label.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
