"""What labels and captions of images say before any training: counts, pairs, words. No pictures."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np

from fieldmark.insight.caption_words import Particular, common, particular, words_of
from fieldmark.insight.label_names import LabelName, are_numbers, in_order, name_by

LEAST_TOGETHER = 10  # images with both labels, for a pair to be called strong
COMMON_WORDS = 20
WORDS_A_LABEL = 8
LABELS_WITH_WORDS = 1000  # more get no words of their own


@dataclass(frozen=True)
class Pair:
    """Two labels that stand on the same images; `one` is the rarer.

    both, of_one, of_other: images with both, with `one`, with `other`; images: all.
    """

    one: str
    other: str
    both: int
    of_one: int
    of_other: int
    images: int

    @property
    def share(self) -> float:
        """How many images of `one` have `other` too, 0..1."""
        return self.both / self.of_one

    @property
    def alone(self) -> float:
        """How many of all images have `other`, 0..1."""
        return self.of_other / self.images

    @property
    def lift(self) -> float:
        """How many times as often both stand together as if they did not know of one another."""
        return self.share / self.alone


@dataclass(frozen=True)
class Captions:
    """What the captions say.

    images: with a caption. lengths: words of the shortest, the middle and the longest. common:
    words and in how many captions. particular: by label. names: proposals, for numbers alone.
    """

    images: int
    lengths: tuple[int, int, int]
    common: tuple[tuple[str, int], ...]
    particular: dict[str, list[Particular]]
    names: tuple[LabelName, ...]


@dataclass(frozen=True)
class LabelCounts:
    """Counts of the images that can be read.

    counts: images by label, in the labels' order. labels_an_image: images by how many labels
    they have, from the least to the most. both: images by two labels, each pair once.
    """

    images: int
    counts: dict[str, int]
    labels_an_image: dict[int, int]
    both: dict[tuple[str, str], int]
    captions: Captions | None

    @property
    def several(self) -> bool:
        """Whether some image has several labels."""
        return max(self.labels_an_image, default=0) > 1

    @cached_property
    def smallest(self) -> str:
        """The label with the fewest images."""
        return min(self.counts, key=lambda label: self.counts[label])

    @cached_property
    def largest(self) -> str:
        """The label with the most images."""
        return max(self.counts, key=lambda label: self.counts[label])

    @property
    def imbalance(self) -> float | None:
        """How many times as many images the largest label has; None with one label, or without."""
        if len(self.counts) < 2 or not self.counts[self.smallest]:
            return None
        return self.counts[self.largest] / self.counts[self.smallest]

    @cached_property
    def absent(self) -> tuple[str, ...]:
        """Numbers inside the run of the labels that are no label; () where half of it lacks."""
        if not are_numbers([*self.counts]):
            return ()
        there = {int(label) for label in self.counts}
        first, last = min(there), max(there)
        if 2 * len(there) <= last - first + 1:
            return ()
        return tuple(str(n) for n in range(first, last + 1) if n not in there)

    def strongest(self, most: int) -> list[Pair]:
        """The pairs with the highest lift above 1, of those on LEAST_TOGETHER images or more."""
        pairs = [self._pair(*labels, both) for labels, both in self.both.items()]
        strong = [each for each in pairs if each.both >= LEAST_TOGETHER and each.lift > 1]
        return sorted(strong, key=lambda each: (-each.lift, each.one, each.other))[:most]

    def together(self, labels: Sequence[str]) -> np.ndarray:
        """Images with the row's label and the column's; of one label, on the diagonal. -> (L, L)"""
        matrix = np.diag([self.counts[label] for label in labels])
        place = {label: k for k, label in enumerate(labels)}
        for (one, other), n in self.both.items():
            if one in place and other in place:
                matrix[place[one], place[other]] = matrix[place[other], place[one]] = n
        return matrix

    def _pair(self, one: str, other: str, both: int) -> Pair:
        if self.counts[one] > self.counts[other]:
            one, other = other, one
        return Pair(one, other, both, self.counts[one], self.counts[other], self.images)


def count_labels(
    labels: Sequence[Sequence[str]], captions: Sequence[str | None], classes: Sequence[str]
) -> LabelCounts:
    """The counts of images by their labels and captions, both of the same images.

    classes: every label, also those of no image.
    """
    its_labels = [tuple(dict.fromkeys(its)) for its in labels]
    found = Counter(label for its in its_labels for label in its)
    order = in_order(classes)
    rank = {label: place for place, label in enumerate(order)}
    both: Counter[tuple[str, str]] = Counter()
    for its in its_labels:
        both.update(combinations(sorted(its, key=rank.__getitem__), 2))
    return LabelCounts(
        images=len(its_labels),
        counts={label: found[label] for label in order},
        labels_an_image=dict(sorted(Counter(map(len, its_labels)).items())),
        both=dict(both),
        captions=_captions(its_labels, captions),
    )


def _captions(labels: Sequence[Sequence[str]], captions: Sequence[str | None]) -> Captions | None:
    """None where no image has a caption."""
    told = [
        (its, text) for its, text in zip(labels, captions, strict=True) if text and text.strip()
    ]
    if not told:
        return None
    words = words_of(text for _, text in told)
    lengths = sorted(map(len, words))
    its_labels = [its for its, _ in told]
    classes = {label for its in its_labels for label in its}
    named = are_numbers([*classes])
    few = len(classes) <= LABELS_WITH_WORDS
    return Captions(
        images=len(told),
        lengths=(lengths[0], lengths[len(lengths) // 2], lengths[-1]),
        common=tuple(common(words, COMMON_WORDS)),
        particular=particular(its_labels, words, most=WORDS_A_LABEL) if few else {},
        names=name_by(its_labels, words) if named else (),
    )
