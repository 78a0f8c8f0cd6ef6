"""The page of `fieldmark predict --page`: the pictures by their label, each with its score."""

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fieldmark.data.images import Content, decode
from fieldmark.data.inside import content_at
from fieldmark.errors import DataError, counted
from fieldmark.insight.album import encoded
from fieldmark.report.skeleton import render_page
from fieldmark.report.thumbs import Thumb, thumb
from fieldmark.use.predictor import Failure, Prediction

MOST = 24  # pictures a label: half the least sure, half the surest
MOST_IN_ALL = 600
SIDE = 240  # pixels of the shorter side of a picture
NONE = "no label"
Shot = tuple[float, int, Prediction, Path | Content | None]


@dataclass
class Group:
    """The images of one label: how many, and the least and the most sure of them."""

    number: int = 0
    total: float = 0.0
    least: list[Shot] = field(default_factory=list)  # a heap, with scores turned over
    most: list[Shot] = field(default_factory=list)

    def add(self, answer: Prediction, image: Path | Content | None, score: float) -> None:
        """Count an image, and keep it where it is among those that are shown."""
        self.number += 1
        self.total += score
        for heap, sign in ((self.least, -1), (self.most, 1)):
            heapq.heappush(heap, (sign * score, self.number, answer, image))
            if len(heap) > MOST // 2:
                heapq.heappop(heap)

    @property
    def shown(self) -> list[tuple[float, Prediction, Path | Content | None]]:
        """Each once, the least sure first."""
        found = {shot[1]: (abs(shot[0]), *shot[2:]) for shot in (*self.least, *self.most)}
        return sorted(found.values(), key=lambda each: each[0])


@dataclass
class Groups:
    """Answers as they go by, gathered by label; memory does not grow with their number."""

    of: dict[str, Group] = field(default_factory=dict)
    seen: int = 0
    failures: list[str] = field(default_factory=list)

    def watch(
        self, answers: Iterable[Prediction | Failure], images: Sequence[Path | Content | None]
    ) -> Iterator[Prediction | Failure]:
        """The answers. images: the picture of each, in order."""
        for answer, image in zip(answers, images, strict=True):
            if isinstance(answer, Failure):
                self.failures.append(answer.reason)
            else:
                self.seen += 1
                for label in answer.labels or (None,):
                    name = NONE if label is None else label
                    score = answer.scores.get(label or "", answer.score)
                    self.of.setdefault(name, Group()).add(answer, image, score)
            yield answer


def render(groups: Groups, title: str, notes: Sequence[str], about: Mapping[str, str]) -> str:
    """The whole HTML text. Pictures that cannot be read again are left out of it."""
    names = sorted(groups.of, key=lambda name: (name == NONE, -groups.of[name].number, name))
    each = max(2, min(MOST, MOST_IN_ALL // max(len(names), 1)))
    shown = {name: list(_pictures(groups.of[name], each)) for name in names}
    left = groups.of[NONE].number if NONE in groups.of else 0
    labelled = counted(groups.seen - left, "image")
    without = [f"{left:,} without a label" if left else ""]
    without.append(f"{len(groups.failures):,} without an answer" if groups.failures else "")
    values: dict[str, Any] = {
        "title": title,
        "headline": (f"{labelled} labelled", ", ".join(filter(None, without))),
        "notes": [*notes, *groups.failures[:5]],
        "groups": [(name, groups.of[name], shown[name]) for name in names],
        "none": NONE,
        "about": about,
    }
    return render_page("answers.html", values)


def _pictures(group: Group, most: int) -> Iterator[tuple[Thumb, float, str]]:
    its = group.shown
    half = most // 2
    for score, answer, image in its if len(its) <= most else its[:half] + its[-(most - half) :]:
        if image is None:
            continue
        try:
            content = content_at(image) if isinstance(image, Path) else image
            pixels = decode(content, answer.image) if isinstance(content, bytes) else None
        except DataError:
            continue
        if pixels is not None:
            content, mime = encoded(pixels, SIDE)
            yield thumb(content, mime, answer.image), score, answer.reason
