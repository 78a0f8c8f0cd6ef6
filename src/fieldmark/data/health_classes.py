"""The classes: too few images, names that are spelt in two ways, classes that a split lacks."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping

import polars as pl

from fieldmark.data.finding import Finding, some
from fieldmark.errors import listed
from fieldmark.records import SPLITS

FEW = 10  # images of a class: with fewer, val and test hold one or two of them
LEAST = 2  # one to learn, one to be tested
UNEVEN = 50  # times as many images in the largest class as in the smallest
MANY = 10  # images of the class that a single image's label may be a misspelling of


def class_findings(rows: pl.DataFrame) -> Iterator[Finding]:
    """What is wrong with the classes. `rows`: labels, split and problem of every listed image.

    A class counts though none of its images can be read. Without any label there are none.
    """
    each = rows.select("labels", "split", good=pl.col("problem").is_null()).explode("labels")
    each = each.drop_nulls("labels").group_by("labels", "split").agg(pl.col("good").sum())
    counts: dict[str, dict[str | None, int]] = defaultdict(dict)
    for label, split, number in each.sort("labels").iter_rows():
        counts[label][split] = number
    if not counts:
        return
    sizes = {label: sum(by_split.values()) for label, by_split in counts.items()}
    yield from _one_class(sizes)
    yield from _few_images(sizes)
    yield from _missing(counts)
    yield from _spelling(sizes)
    yield from _imbalance(sizes)


def _one_class(sizes: Mapping[str, int]) -> Iterator[Finding]:
    if len(sizes) == 1:
        yield Finding(
            "one-class",
            "error",
            f"there is only the class {listed(sizes)}; a classifier needs at least two",
            tuple(sizes),
        )


def _few_images(sizes: Mapping[str, int]) -> Iterator[Finding]:
    none = [label for label, size in sizes.items() if size < LEAST]
    few = [label for label, size in sizes.items() if LEAST <= size < FEW]
    for severity, labels, most in (("error", none, LEAST), ("warning", few, FEW)):
        if labels:
            words = f"fewer than {most} images"
            yield Finding(
                "few-images",
                severity,
                f"{some(labels, f'has {words}', f'have {words}', 'class')}; "
                "add images, or merge the class with another",
                tuple(labels),
            )


def _missing(counts: Mapping[str, Mapping[str | None, int]]) -> Iterator[Finding]:
    """Classes that a given split lacks: not learned where it is train, else not judged."""
    present = {split for by_split in counts.values() for split in by_split}
    for split in (split for split in SPLITS if split in present and len(present) > 1):
        labels = [label for label, by_split in counts.items() if not by_split.get(split)]
        if labels:
            words = some(labels, f"has no image in {split}", f"have no image in {split}", "class")
            then = "cannot be learned" if split == "train" else "cannot be judged there"
            yield Finding(
                "class-missing-in-split",
                "error" if split == "train" else "warning",
                f"{words} and {then}; add images, or take the class out",
                tuple(labels),
            )


def _spelling(sizes: Mapping[str, int]) -> Iterator[Finding]:
    """Labels that differ in case, spaces or accents' coding alone, or are likely misspelt."""
    alike: dict[str, list[str]] = defaultdict(list)
    for label in sizes:
        alike[_plain(label)].append(label)
    groups = [tuple(labels) for labels in alike.values() if len(labels) > 1]
    large = [label for label, size in sizes.items() if size >= MANY]
    for label in (label for label, size in sizes.items() if size == 1):
        near = [other for other in large if _is_misspelt(_plain(label), _plain(other))]
        groups += [(other, label) for other in near]
    if groups:
        first = " and ".join(f"'{label}' ({sizes[label]:,})" for label in groups[0])
        others = f", and so are {len(groups) - 1} more" if len(groups) > 1 else ""
        yield Finding(
            "label-spelling",
            "warning",
            f"the labels {first} are spelt nearly alike{others}; where they mean the same class, "
            "spell them alike",
            tuple(dict.fromkeys(label for group in groups for label in group)),
            tuple(groups),
        )


def _plain(label: str) -> str:
    """A label without what is easily typed in two ways: "Black_bear " -> "black bear"."""
    folded = unicodedata.normalize("NFKC", label).casefold()
    return " ".join(re.split(r"[\s_-]+", folded.strip(" \t\r\n_-")))


def _is_misspelt(label: str, known: str) -> bool:
    """Whether one letter was changed, left out, added, or exchanged with the next; not a digit."""
    without_digits = [re.sub(r"\d", "", name) for name in (label, known)]
    if min(len(label), len(known)) < 3 or without_digits[0] == without_digits[1]:
        return False
    differing = (at for at, (a, b) in enumerate(zip(label, known, strict=False)) if a != b)
    start = next(differing, min(len(label), len(known)))
    mine, theirs = label[start:], known[start:]
    exchanged = mine[:2] == theirs[:2][::-1] and mine[2:] == theirs[2:]
    return exchanged or mine[1:] in (theirs, theirs[1:]) or mine == theirs[1:]


def _imbalance(sizes: Mapping[str, int]) -> Iterator[Finding]:
    readable = {label: size for label, size in sizes.items() if size}
    if not readable:
        return
    small, large = (choose(readable, key=readable.__getitem__) for choose in (min, max))
    if readable[large] > UNEVEN * readable[small]:
        yield Finding(
            "imbalance",
            "note",
            f"the classes are uneven: '{large}' has {readable[large]:,} images, '{small}' "
            f"{readable[small]:,}; look at macro F1 rather than accuracy",
            (small, large),
        )
