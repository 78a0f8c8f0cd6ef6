"""Counts of labels and captions as lines of a terminal and as plain values."""

from collections.abc import Callable, Iterator
from typing import Any

from fieldmark.errors import listed
from fieldmark.insight.label_counts import Captions, LabelCounts, Pair
from fieldmark.report.words import count, images, whole_percent

PAIRS = 5  # on the screen
WORDS = 12  # on the screen
NAMES = 40  # on the screen
INDENT = 10  # columns before a line's text
Naming = Callable[[str], str]


def lines(labels: LabelCounts, shown: Naming) -> list[str]:
    """The essence, each line beginning with what it is about. shown: from a label to its name."""
    found = [*_labels(labels, shown), *_pairs(labels, shown)]
    if labels.captions is not None:
        found += _captions(labels.captions, labels.images, shown)
    return [f"{head:<{INDENT}}{text}" for head, text in found]


def balance(labels: LabelCounts, shown: Naming) -> str:
    """ "'car' has 299 images, 'bus' 87: 3.4 times as many"; "" where all have as many."""
    ratio = labels.imbalance
    if ratio is None or ratio == 1:
        return ""
    large, small = labels.largest, labels.smallest
    return (
        f"'{shown(large)}' has {images(labels.counts[large])}, "
        f"'{shown(small)}' {count(labels.counts[small])}: {times(ratio)} as many"
    )


def absent(labels: LabelCounts) -> str:
    """ "12 is never a label, though the labels run from 1 to 19"; "" where none is absent."""
    if not labels.absent:
        return ""
    first, *_, last = labels.counts
    verb = "is" if len(labels.absent) == 1 else "are"
    names = listed(labels.absent, most=12).replace("'", "")
    return f"{names} {verb} never a label, though the labels run from {first} to {last}"


def labels_an_image(labels: LabelCounts) -> str:
    """ "one 454, two 429, none 3"."""
    return ", ".join(f"{how_many(k)} {count(n)}" for k, n in labels.labels_an_image.items())


def how_many(labels: int) -> str:
    """0 -> "none", 1 -> "one", 12 -> "12"."""
    words = "none one two three four five six seven eight nine ten".split()  # noqa: SIM905
    return words[labels] if labels < len(words) else str(labels)


def pair_words(pair: Pair, shown: Naming) -> str:
    """Two labels, and how often one comes with the other."""
    return f"'{shown(pair.one)}' with '{shown(pair.other)}': {pair_shares(pair)}"


def pair_shares(pair: Pair) -> str:
    """How often one label comes with another, against how often that comes at all."""
    return (
        f"{count(pair.both)} of {count(pair.of_one)} ({whole_percent(pair.share)}; of all images "
        f"{whole_percent(pair.alone)}), {times(pair.lift)} as often"
    )


def times(ratio: float) -> str:
    """3.44 -> "3.4 times", 130.2 -> "130 times"."""
    return f"{ratio:.1f} times" if ratio < 100 else f"{count(ratio)} times"


def caption_facts(captions: Captions, among: int) -> str:
    """How many captions there are, and how long they are."""
    least, middle, most = captions.lengths
    length = f"{least} words each" if least == most else f"{middle} words ({least} to {most})"
    return f"{count(captions.images)} of {images(among)} have one, of {length}"


def as_json(labels: LabelCounts, shown: Naming) -> dict[str, Any]:
    """All of it as plain values. Labels are as the data have them, with their names apart."""
    return {
        "images": labels.images,
        "names": {label: shown(label) for label in labels.counts if shown(label) != label},
        "labels": labels.counts,
        "imbalance": labels.imbalance,
        "absent": list(labels.absent),
        "labels_an_image": {str(k): n for k, n in labels.labels_an_image.items()},
        "together": [
            {**vars(pair), "share": pair.share, "alone": pair.alone, "lift": pair.lift}
            for pair in labels.strongest(len(labels.both))
        ],
        "captions": None if labels.captions is None else _captions_json(labels.captions),
    }


def _labels(labels: LabelCounts, shown: Naming) -> Iterator[tuple[str, str]]:
    if labels.counts and not labels.labels_an_image.keys() <= {1}:
        yield "labels", f"of an image: {labels_an_image(labels)}"
    if words := balance(labels, shown):
        yield "balance", words
    if words := absent(labels):
        yield "absent", words


def _pairs(labels: LabelCounts, shown: Naming) -> Iterator[tuple[str, str]]:
    for place, pair in enumerate(labels.strongest(PAIRS)):
        yield "" if place else "together", pair_words(pair, shown)


def _captions(captions: Captions, among: int, shown: Naming) -> Iterator[tuple[str, str]]:
    yield "captions", caption_facts(captions, among)
    common = [f"{word} {count(n)}" for word, n in captions.common[:WORDS]]
    if common:
        yield "words", ", ".join(common)
    proposed = [f"{each.label} {each.name}" for each in captions.names[:NAMES]]
    more = len(captions.names) - len(proposed)
    if proposed and all(shown(each.label) == each.label for each in captions.names):
        yield "may mean", ", ".join(proposed) + (f" and {count(more)} more" if more else "")


def _captions_json(captions: Captions) -> dict[str, Any]:
    least, middle, most = captions.lengths
    return {
        "images": captions.images,
        "words": {"least": least, "median": middle, "most": most},
        "common": dict(captions.common),
        "particular": {
            label: [vars(word) for word in its] for label, its in captions.particular.items()
        },
        "proposed_names": [vars(name) for name in captions.names],
    }
