"""Counts of labels and captions as the inspect page shows them."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from fieldmark.insight.label_counts import Captions, LabelCounts
from fieldmark.report import label_counts_words as words
from fieldmark.report.label_counts_words import Naming
from fieldmark.report.words import count, quoted, whole_percent

MATRIX = 30  # labels that stand in the matrix, those of most images
PAIRS = 12
Bar = tuple[str, int, float, str]  # a name, its number, its part of the largest, a title


@dataclass(frozen=True)
class Together:
    """A cell of the matrix: the share of the row's images that have the column's label too.

    percent: as a text, "" on the diagonal and where it is 0. shade: its opacity, 0..1.
    """

    percent: str
    shade: float
    title: str


def label_counts_values(labels: LabelCounts, shown: Naming) -> dict[str, Any]:
    """What the template draws. shown: from a label to its name."""
    return {
        "sentences": _sentences(labels),
        "labels_an_image": _labels_an_image(labels),
        "matrix": _matrix(labels, shown) if labels.several else None,
        "pairs": [
            (shown(pair.one), shown(pair.other), words.pair_shares(pair))
            for pair in labels.strongest(PAIRS)
        ],
        "captions": _captions(labels, labels.captions, shown) if labels.captions else None,
    }


def _sentences(labels: LabelCounts) -> list[str]:
    """What the counts of the labels come to, beside the largest and the smallest."""
    ratio = labels.imbalance or 1.0
    uneven = f"The largest is {words.times(ratio)} the smallest." if ratio > 1 else ""
    gap = words.absent(labels)
    return [each for each in (uneven, f"{gap}." if gap else "") if each]


def _labels_an_image(labels: LabelCounts) -> list[Bar]:
    """A bar for each number of labels; [] where every image has one, or none can be read."""
    if not labels.counts or labels.labels_an_image.keys() <= {1}:
        return []
    most = max(labels.labels_an_image.values())
    return [
        (words.how_many(k), n, n / most, f"{whole_percent(n / labels.images)} of the images")
        for k, n in labels.labels_an_image.items()
    ]


def _matrix(labels: LabelCounts, shown: Naming) -> dict[str, Any]:
    """Rows and columns of the labels on most images, in the labels' order, and how often each
    column's label stands on any image."""
    ranked = sorted(labels.counts, key=lambda label: -labels.counts[label])
    kept = set(ranked[:MATRIX])
    chosen = [label for label in labels.counts if label in kept]
    both = labels.together(chosen)
    own = np.diag(both)
    names = [shown(label) for label in chosen]
    return {
        "names": names,
        "rows": [
            [
                _cell(int(both[i, j]), int(own[i]), names[i], names[j]) if i != j else None
                for j in range(len(chosen))
            ]
            for i in range(len(chosen))
        ],
        "all": [_percent(n / max(labels.images, 1)) for n in own],
        "left_out": len(labels.counts) - len(chosen),
    }


def _cell(both: int, of_row: int, row: str, column: str) -> Together:
    share = both / of_row if of_row else 0.0
    title = f"{count(both)} of {count(of_row)} {quoted(row)} have {quoted(column)} too"
    return Together(_percent(share), round(0.08 + 0.84 * share, 2), title) if both else NOTHING


NOTHING = Together("", 0.0, "")


def _percent(share: float) -> str:
    """0.823 -> "82"; "<1" for what would be 0 and is not."""
    return "<1" if 0 < share < 0.005 else f"{100 * share:.0f}"


def _captions(labels: LabelCounts, captions: Captions, shown: Naming) -> dict[str, Any]:
    names = {each.label: each for each in captions.names}
    most = captions.common[0][1] if captions.common else 1
    return {
        "facts": words.caption_facts(captions, labels.images),
        "common": [(word, n, n / most, f"in {count(n)} captions") for word, n in captions.common],
        "proposed": bool(names) and all(shown(label) == label for label in names),
        "labels": [
            {
                "label": shown(label),
                "images": labels.counts[label],
                "name": names.get(label),
                "basis": _basis(names.get(label)),
                "words": ", ".join(word.word for word in its),
            }
            for label in labels.counts
            if (its := captions.particular.get(label, []))
        ],
    }


def _basis(name: Any) -> str:
    """On what a proposed name stands."""
    if name is None:
        return ""
    return f"in {count(name.captions)} of {count(name.of)} captions, weight {name.weight:.2f}"
