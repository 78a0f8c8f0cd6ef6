"""What is wrong with the images, told before training. From the table and the scan, no pixels."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from fieldmark.data.copies import LEAST_SIDE, Copies
from fieldmark.data.finding import SEVERITIES, Finding, some
from fieldmark.data.health_classes import class_findings
from fieldmark.data.health_copies import copy_findings
from fieldmark.data.sources import place_name
from fieldmark.records import Samples

PROBLEMS = {  # and how a sentence says it, of one file and of several
    "missing": ("is not there", "are not there"),
    "zero-byte": ("is empty", "are empty"),
    "truncated": ("ends too early", "end too early"),
    "unreadable": ("cannot be read", "cannot be read"),
    "bomb": ("has too many pixels", "have too many pixels"),
}
KINDS = {
    **dict.fromkeys(PROBLEMS, "error"),
    "misnamed": "warning",
    "animated": "note",
    "nearly-black": "warning",
    "nearly-white": "warning",
    "blurred": "warning",
    "tiny": "warning",
    "leakage": "error",
    "conflicting-labels": "error",
    "exact-copies": "warning",
    "near-copies": "warning",
    "near-leakage": "error",
    "look-alikes": "warning or note",
    "one-class": "error",
    "few-images": "error or warning",
    "class-missing-in-split": "error or warning",
    "label-spelling": "warning",
    "imbalance": "note",
}
LOOKS = {  # how a sentence says it, of one image and of several, and what to do
    "nearly-black": ("is nearly black", "are nearly black", "look whether they show anything"),
    "nearly-white": ("is nearly white", "are nearly white", "look whether they show anything"),
    "blurred": ("looks blurred", "look blurred", "take out what nobody could tell"),
    "tiny": (
        "is much smaller than the others",
        "are much smaller than the others",
        "look whether they are thumbnails",
    ),
}
DARK, BRIGHT = 40, 215  # gray levels that three standard deviations from the mean stay beyond
BLURRED = 40.0  # sharpness: of photos blurred by 2 pixels of 256 nine in ten are below, sharp ones
# not (4,300 photos: none below 135). And below SOFT of the class's median, or else every photo of
# clouds, or all that a microscope gives, would be blurred.
SOFT = 0.05
TINY = 32  # pixels of the shorter side


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
        *copy_findings(good, copies.alike),
        *class_findings(rows),
        *_looks(good),
        *_files(good),
    ]
    return sorted(found, key=lambda finding: SEVERITIES.index(finding.severity))


def _problems(rows: pl.DataFrame, root: str) -> Iterator[Finding]:
    """Files that are left out; the sentence gives the reason of the first."""
    for kind, (one, more) in PROBLEMS.items():
        bad = rows.filter(pl.col("problem") == kind)
        names = bad["name"].to_list()
        if not names:
            continue
        first = place_name(str(Path(root, bad["path"][0])), bad["row"][0])
        reason = bad["reason"][0].removeprefix(f"{first}: ")
        if len(names) == 1:
            words = f"1 file {one} and is left out: '{names[0]}' {reason}"
        else:
            words = f"{len(names):,} files {more} and are left out; '{names[0]}' {reason}"
        yield Finding(kind, "error", words, tuple(names))


def _looks(good: pl.DataFrame) -> Iterator[Finding]:
    """Images that show nothing, or little."""
    mean, contrast, sharp = pl.col("mean"), pl.col("contrast"), pl.col("sharpness")
    usual = sharp.median().over(pl.col("labels").list.first())
    side = pl.min_horizontal("width", "height")
    dark, bright = mean + 3 * contrast < DARK, mean - 3 * contrast > BRIGHT
    conditions = {
        "nearly-black": dark,
        "nearly-white": bright,
        "blurred": (sharp < pl.min_horizontal(pl.lit(BLURRED), SOFT * usual))
        & ~(dark | bright | (side < LEAST_SIDE)),
        "tiny": (side < TINY) & (side < side.median() / 2),
    }
    for kind, condition in conditions.items():
        names = good.filter(condition)["name"].to_list()
        if names:
            one, more, advice = LOOKS[kind]
            yield Finding(kind, "warning", f"{some(names, one, more)}; {advice}", tuple(names))


def _files(good: pl.DataFrame) -> Iterator[Finding]:
    """What is read, but not as somebody may expect."""
    odd = good.filter("misnamed")
    if odd.height:
        names, than = odd["name"].to_list(), "of another format than the suffix says"
        yield Finding(
            "misnamed",
            "warning",
            f"{some(names, f'is {than}', f'are {than}')}; the content counts here, but other "
            "programs may go by the suffix: rename them",
            tuple(names),
        )
    several = good.filter(pl.col("frames") > 1)["name"].to_list()
    if several:
        words = some(several, "has several frames or pages", "have several frames or pages")
        yield Finding("animated", "note", f"{words}; the first one is used", tuple(several))
