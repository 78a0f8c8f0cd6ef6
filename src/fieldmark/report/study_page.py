"""The study of labels and captions as the inspect page shows it."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from fieldmark.insight.study import Captions, Study
from fieldmark.report import study_words as words
from fieldmark.report.study_words import Naming
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


def study_values(study: Study, shown: Naming) -> dict[str, Any]:
    """What the template draws. shown: from a label to its name."""
    return {
        "sentences": _sentences(study),
        "labels_an_image": _labels_an_image(study),
        "matrix": _matrix(study, shown) if study.several else None,
        "pairs": [
            (shown(pair.one), shown(pair.other), words.pair_shares(pair))
            for pair in study.strongest(PAIRS)
        ],
        "captions": _captions(study, study.captions, shown) if study.captions else None,
    }


def _sentences(study: Study) -> list[str]:
    """What the counts of the labels come to, beside the largest and the smallest."""
    ratio = study.imbalance or 1.0
    uneven = f"The largest is {words.times(ratio)} the smallest." if ratio > 1 else ""
    gap = words.absent(study)
    return [each for each in (uneven, f"{gap}." if gap else "") if each]


def _labels_an_image(study: Study) -> list[Bar]:
    """A bar for each number of labels; [] where every image has one, or there are no labels."""
    if not study.counts or list(study.labels_an_image) == [1]:
        return []
    most = max(study.labels_an_image.values())
    return [
        (words.how_many(k), n, n / most, f"{whole_percent(n / study.images)} of the images")
        for k, n in study.labels_an_image.items()
    ]


def _matrix(study: Study, shown: Naming) -> dict[str, Any]:
    """Rows and columns of the labels on most images, in the labels' order, and how often each
    column's label stands on any image."""
    ranked = sorted(study.counts, key=lambda label: -study.counts[label])
    kept = set(ranked[:MATRIX])
    labels = [label for label in study.counts if label in kept]
    both = study.together(labels)
    own = np.diag(both)
    names = [shown(label) for label in labels]
    return {
        "names": names,
        "rows": [
            [
                _cell(int(both[i, j]), int(own[i]), names[i], names[j]) if i != j else None
                for j in range(len(labels))
            ]
            for i in range(len(labels))
        ],
        "all": [_percent(n / max(study.images, 1)) for n in own],
        "left_out": len(study.counts) - len(labels),
        "upright": max(map(len, names)) > 4 and len(names) > 4,
        "dense": len(names) > 14,
        "roomy": len(names) <= 4,
    }


def _cell(both: int, of_row: int, row: str, column: str) -> Together:
    share = both / of_row if of_row else 0.0
    title = f"{count(both)} of {count(of_row)} {quoted(row)} have {quoted(column)} too"
    return Together(_percent(share), round(0.08 + 0.84 * share, 2), title) if both else NOTHING


NOTHING = Together("", 0.0, "")


def _percent(share: float) -> str:
    """0.823 -> "82"; "<1" for what would be 0 and is not."""
    return "<1" if 0 < share < 0.005 else f"{100 * share:.0f}"


def _captions(study: Study, captions: Captions, shown: Naming) -> dict[str, Any]:
    names = {each.label: each for each in captions.names}
    most = captions.common[0][1] if captions.common else 1
    return {
        "facts": words.caption_facts(captions, study.images),
        "common": [(word, n, n / most, f"in {count(n)} captions") for word, n in captions.common],
        "proposed": bool(names) and all(shown(label) == label for label in names),
        "labels": [
            {
                "label": shown(label),
                "images": study.counts[label],
                "name": names.get(label),
                "basis": _basis(names.get(label)),
                "words": ", ".join(word.word for word in its),
            }
            for label in study.counts
            if (its := captions.particular.get(label, []))
        ],
    }


def _basis(name: Any) -> str:
    """On what a proposed name stands."""
    if name is None:
        return ""
    return f"in {count(name.captions)} of {count(name.of)} captions, weight {name.weight:.2f}"
