"""What is wrong with the images, told before training. From the table and the scan, no pixels."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

import polars as pl

from fieldmark.data.coded_colours import HDR
from fieldmark.data.copies import LEAST_SIDE, Copies
from fieldmark.data.finding import KINDS, PROBLEMS, Finding, by_severity, some
from fieldmark.data.health_copies import copy_findings
from fieldmark.data.sources import place_name
from fieldmark.errors import listed
from fieldmark.names import folded, is_misspelt
from fieldmark.records import SPLITS, Samples

LOOKS = {  # how a sentence says it, of one image and of several, then what, and what to do
    "nearly-black": ("is", "are", "nearly black", "look whether they show anything"),
    "nearly-white": ("is", "are", "nearly white", "look whether they show anything"),
    "blurred": ("looks", "look", "blurred", "take out what nobody could tell"),
    "tiny": ("is", "are", "much smaller than the others", "look whether they are thumbnails"),
    "panorama": (
        *("is", "are", "far longer than the others"),
        "of each a network sees a little square in the middle, or all of it squeezed out of shape: "
        "cut them into parts",
    ),
    "misnamed": (
        *("is", "are", "of another format than the suffix says"),
        "the content counts here, but other programs may go by the suffix: rename them",
    ),
    "animated": ("has", "have", "several frames or pages", "the first one is used"),
    "mended": (
        *("is", "are", "damaged beside the pixels (in texts, a colour profile or the end marker)"),
        "the pixels are whole and are read; other programs may refuse them: save them anew",
    ),
    "hdr": (
        *("is", "are", "HDR (PQ or HLG)"),
        "their tones are read as if they were sRGB, which is pale: save them as ordinary pictures",
    ),
    "other-profile": (
        *("has", "have", "a colour profile other than sRGB"),
        "their colours are converted to sRGB, as a browser shows them",
    ),
}
DARK, BRIGHT = 40, 215  # gray levels that three standard deviations from the mean stay beyond
BLURRED = 40.0  # sharpness: of photos blurred by 2 pixels of 256 nine in ten are below, sharp ones
# not (4,300 photos: none below 135). And below SOFT of the class's median, or else every photo of
# clouds, or all that a microscope gives, would be blurred.
SOFT = 0.05
FEW = 10  # images of a class: with fewer, val and test hold one or two of them
LEAST = 2  # one to learn, one to be tested
UNEVEN = 50  # times as many images in the largest class as in the smallest
MANY = 10  # images of the class that a single image's label may be a misspelling of
TINY = 32  # pixels of the shorter side
PANORAMA, UNUSUAL = 3, 1.5  # times the shorter side is the longer one, and times the usual shape


def findings(samples: Samples, facts: pl.DataFrame, copies: Copies) -> list[Finding]:
    """What is wrong, the gravest first. `facts`: of `scan`, a row a sample.

    samples: every image that was listed, with the splits that its layout gives; those that
             cannot be read are told, and do not count for the rest.
    copies:  what `find_copies` gave of the same images.
    """
    rows = facts.with_row_index("at").with_columns(
        pl.Series("name", [place_name(*place) for place in samples.places()], pl.String),
        pl.Series("equal", copies.equal),
        pl.Series("near", copies.near),
        samples.frame["labels"],
        samples.frame["split"],
    )
    good = rows.filter(pl.col("problem").is_null())
    found = [
        *_problems(rows, samples.root),
        *copy_findings(_none_named(good) if samples.task.several else good, copies.alike),
        *class_findings(rows),
        *_looks(good),
    ]
    return sorted(found, key=by_severity)


def _none_named(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows without a label under a word that says so: of several labels that is an answer, too."""
    labels, none = pl.col("labels"), pl.lit(["no label"], dtype=pl.List(pl.String))
    return rows.with_columns(labels=pl.when(labels.list.len() == 0).then(none).otherwise(labels))


def _problems(rows: pl.DataFrame, root: str) -> Iterator[Finding]:
    """Files that are left out, those that cannot be read by why; else the first one's is given."""
    for kind, (one, more) in PROBLEMS.items():
        by_why: dict[str, dict[str, str]] = defaultdict(dict)
        bad = rows.filter(pl.col("problem") == kind).select("path", "row", "name", "reason")
        for path, row, name, sentence in bad.iter_rows():
            why = sentence.removeprefix(f"{place_name(str(Path(root, path)), row)}: ")
            by_why[re.sub(r" \(.*\)", "", why) if kind == "unreadable" else ""][name] = why
        for names in by_why.values():
            first, reason = next(iter(names.items()))
            if len(names) == 1:
                words = f"1 file {one} and is left out: '{first}' {reason}"
            else:
                their = f"{len(names):,} files {more} and are left out"
                words = f"{their} ({listed(names, most=3)}); '{first}' {reason}"
            yield Finding(kind, "error", words, tuple(names))


def _looks(good: pl.DataFrame) -> Iterator[Finding]:
    """Images that show nothing, or little, or files that somebody may expect otherwise."""
    mean, contrast, sharp = pl.col("mean"), pl.col("contrast"), pl.col("sharpness")
    usual = sharp.median().over(pl.col("labels").list.first())
    side = pl.min_horizontal("width", "height")
    shape = pl.max_horizontal("width", "height") / side
    dark, bright = mean + 3 * contrast < DARK, mean - 3 * contrast > BRIGHT
    conditions = {
        "nearly-black": dark,
        "nearly-white": bright,
        "blurred": (sharp < pl.min_horizontal(pl.lit(BLURRED), SOFT * usual))
        & ~(dark | bright | (side < LEAST_SIDE)),
        "tiny": (side < TINY) & (side < side.median() / 2),
        "panorama": (shape > PANORAMA) & (shape > UNUSUAL * shape.median()),
        "misnamed": pl.col("misnamed"),
        "animated": pl.col("frames") > 1,
        "mended": pl.col("mended"),
        "hdr": pl.col("profile").is_in([*HDR.values()]),
        "other-profile": pl.col("profile").is_not_null()
        & ~pl.col("profile").is_in([*HDR.values()]),
    }
    for kind, condition in conditions.items():
        names = good.filter(condition)["name"].to_list()
        if names:
            one, more, what, advice = LOOKS[kind]
            words = f"{some(names, f'{one} {what}', f'{more} {what}')}; {advice}"
            yield Finding(kind, KINDS[kind], words, tuple(names))


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
    if len(sizes) == 1:
        words = f"there is only the class {listed(sizes)}; a classifier needs at least two"
        yield Finding("one-class", "error", words, tuple(sizes))
    yield from _few_images(sizes)
    yield from _missing(counts)
    yield from _spelling(sizes)
    yield from _imbalance(sizes)


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
    plain = {label: folded(label) for label in sizes}
    for label in sizes:
        alike[plain[label]].append(label)
    groups = [tuple(labels) for labels in alike.values() if len(labels) > 1]
    large = [label for label, size in sizes.items() if size >= MANY]
    for label in (label for label, size in sizes.items() if size == 1):
        near = [other for other in large if is_misspelt(plain[label], plain[other])]
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


def _imbalance(sizes: Mapping[str, int]) -> Iterator[Finding]:
    readable = [label for label, size in sizes.items() if size]
    small, large = (choose(readable, key=sizes.__getitem__, default="") for choose in (min, max))
    if readable and sizes[large] > UNEVEN * sizes[small]:
        yield Finding(
            "imbalance",
            "note",
            f"the classes are uneven: '{large}' has {sizes[large]:,} images, '{small}' "
            f"{sizes[small]:,}; look at macro F1 rather than accuracy",
            (small, large),
        )
