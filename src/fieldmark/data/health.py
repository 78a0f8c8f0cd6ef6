"""What is wrong with the images, told before training. From the table and the scan, no pixels."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import polars as pl

from fieldmark.data.copies import LEAST_SIDE, Copies
from fieldmark.data.sources import place_name
from fieldmark.errors import counted, listed
from fieldmark.names import folded, is_misspelt
from fieldmark.records import SPLITS, Samples

Group: TypeAlias = pl.DataFrame  # rows that are the same image: at, name, hash, labels, split
SEVERITIES = ("error", "warning", "note")


@dataclass(frozen=True)
class Finding:
    """Something about the images that a person should know before training.

    kind:     a word such as `exact-copies`; those that there are stand in `health.KINDS`.
    severity: `error` spoils the score or leaves images out, and fails `inspect --strict`;
              `warning` wants a look; `note` only tells.
    sentence: what, how many, an example, what to do.
    files:    all the files in question, or the classes where the finding is about classes.
    groups:   where it is about copies: the files, those together that are the same image.
    """

    kind: str
    severity: str
    sentence: str
    files: tuple[str, ...] = ()
    groups: tuple[tuple[str, ...], ...] = ()


def some(names: Sequence[str], one: str, more: str, noun: str = "image") -> str:
    """How many do what, and which: "2 images are small ('a.jpg' and 'b.jpg')"."""
    return f"{_number(names, noun)} {one if len(names) == 1 else more} ({listed(names, most=3)})"


PROBLEMS = {  # and how a sentence says it, of one file and of several
    "missing": ("is not there", "are not there"),
    "zero-byte": ("is empty", "are empty"),
    "truncated": ("ends too early", "end too early"),
    "unreadable": ("cannot be read", "cannot be read"),
    "bomb": ("has too many pixels", "have too many pixels"),
}
KINDS = {
    **dict.fromkeys(PROBLEMS, "error"),
    **dict.fromkeys(("misnamed", "nearly-black", "nearly-white", "blurred", "tiny"), "warning"),
    **dict.fromkeys(("animated", "mended", "other-profile"), "note"),
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
LOOKS = {  # how a sentence says it, of one image and of several, then what, and what to do
    "nearly-black": ("is", "are", "nearly black", "look whether they show anything"),
    "nearly-white": ("is", "are", "nearly white", "look whether they show anything"),
    "blurred": ("looks", "look", "blurred", "take out what nobody could tell"),
    "tiny": ("is", "are", "much smaller than the others", "look whether they are thumbnails"),
    "misnamed": (
        *("is", "are", "of another format than the suffix says"),
        "the content counts here, but other programs may go by the suffix: rename them",
    ),
    "animated": ("has", "have", "several frames or pages", "the first one is used"),
    "mended": (
        *("is", "are", "damaged beside the pixels (in texts, a colour profile or the end marker)"),
        "the pixels are whole and are read; other programs may refuse them: save them anew",
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
    return sorted(found, key=lambda finding: SEVERITIES.index(finding.severity))


def _none_named(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows without a label under a word that says so: of several labels that is an answer, too."""
    labels, none = pl.col("labels"), pl.lit(["no label"], dtype=pl.List(pl.String))
    return rows.with_columns(labels=pl.when(labels.list.len() == 0).then(none).otherwise(labels))


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
    """Images that show nothing, or little, or files that somebody may expect otherwise."""
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
        "misnamed": pl.col("misnamed"),
        "animated": pl.col("frames") > 1,
        "mended": pl.col("mended"),
        "other-profile": pl.col("profile").is_not_null(),
    }
    for kind, condition in conditions.items():
        names = good.filter(condition)["name"].to_list()
        if names:
            one, more, what, advice = LOOKS[kind]
            words = f"{some(names, f'{one} {what}', f'{more} {what}')}; {advice}"
            yield Finding(kind, KINDS[kind], words, tuple(names))


def copy_findings(good: pl.DataFrame, alike: np.ndarray) -> Iterator[Finding]:
    """What stands more than once. Rows with `at`, `name`, `equal`, `near` (Copies), ...

    Only what is equal leaks or conflicts for certain. What seems to be a photo saved again is
    told apart, and so is what looks alike and is taken for no copy. Copies across splits or
    labels are told as that, and not once more as copies; an image without a label conflicts
    with none. alike: of Copies.
    """
    given = good["split"].is_not_null().any()
    side = pl.col("split").fill_null("train") if given else pl.lit("train")
    good = good.with_columns(side.alias("split"))
    equal = _groups(good, "equal")
    across = [group for group in equal if group["split"].n_unique() > 1]
    conflicting = [group for group in equal if _labels(group).n_unique() > 1]
    told = {group["equal"][0] for group in [*across, *conflicting]}
    yield from _leakage(across, "leakage")
    if conflicting:
        yield _conflict(conflicting)
    yield from _inside([group for group in equal if group["equal"][0] not in told], "exact-copies")
    near = [group.unique("hash", maintain_order=True) for group in _groups(good, "near")]
    near = [group for group in near if group.height > 1]
    across = [group for group in near if group["split"].n_unique() > 1]
    yield from _leakage(across, "near-leakage")
    yield from _inside([group for group in near if group["split"].n_unique() == 1], "near-copies")
    yield from _look_alikes(good, alike)


def _groups(good: pl.DataFrame, number: str) -> list[Group]:
    several = good.filter(pl.len().over(number) > 1)
    return several.partition_by(number, maintain_order=True)


def _labels(group: Group) -> pl.Series:
    """Each row's labels, in order, as one text; rows without a label are left out."""
    known = group.filter(pl.col("labels").list.len() > 0)
    return known.select(pl.col("labels").list.sort().list.join("\0")).to_series()


def _leakage(groups: Sequence[Group], kind: str) -> Iterator[Finding]:
    if not groups:
        return
    taken = dict.fromkeys(SPLITS, 0)
    for group in groups:
        last = max(group["split"], key=SPLITS.index)
        for side in group["split"]:
            taken[side] += side != last
    counts = " and ".join(f"{side} ({number:,})" for side, number in taken.items() if number)
    again = ", as it seems saved again" * (kind == "near-leakage")
    unless = "; data.copies=equal keeps them" * (kind == "near-leakage")
    yield _finding(
        *(kind, "error", groups),
        f"{_many(groups, 'image')} in more than one split{again}, e.g. "
        f"{_each(groups[0], 'split')}; what is learned by heart would count as known: the "
        f"copies in {counts} are taken out before training{unless}",
    )


def _each(group: Group, column: str, most: int = 3) -> str:
    """The first image of each value in a column: "'1.jpg' (train) = '2.jpg' (test)"."""
    first = group.unique(column, maintain_order=True).head(most)
    return " = ".join(f"'{name}' ({value})" for name, value in first.select("name", column).rows())


def _conflict(groups: Sequence[Group]) -> Finding:
    known = groups[0].filter(pl.col("labels").list.len() > 0)
    texts = pl.col("labels").list.sort().list.join(", ")
    shown = _each(known.with_columns(texts), "labels", most=2)
    return _finding(
        *("conflicting-labels", "error", groups),
        f"{_many(groups, 'image')} under different labels, e.g. {shown}; keep the copies whose "
        "labels are right",
    )


def _inside(groups: Sequence[Group], kind: str) -> Iterator[Finding]:
    if groups:
        shown = " = ".join(f"'{name}'" for name in groups[0]["name"].head(2))
        word = "image" if kind == "exact-copies" else "photo"
        differ = [group for group in groups if _labels(group).n_unique() > 1]
        under = f" ({len(differ):,} under different labels: see which are right)" if differ else ""
        yield _finding(
            *(kind, "warning", groups),
            f"{_many(groups, word)} more than once{under}, e.g. {shown}; they weigh more than "
            "others, and a split that is drawn keeps them on one side: take out what is too much",
        )


def _look_alikes(good: pl.DataFrame, alike: np.ndarray) -> Iterator[Finding]:
    """Images that look like one another and are taken for no copies, each with the first such."""
    about = good.with_columns(pl.col("at").cast(pl.Int64)).filter(pl.col("at").is_in(alike.ravel()))
    about = about.select("at", "name", "near", labels=pl.col("labels").list.sort().list.join(", "))
    pairs = pl.DataFrame(alike, {"at": pl.Int64, "other": pl.Int64}, orient="row")
    pairs = pairs.join(about, on="at").join(about, left_on="other", right_on="at", suffix="_other")
    pairs = pairs.filter(pl.col("near") != pl.col("near_other"))
    if not pairs.height:
        return
    differ = (pl.col("labels") != pl.col("labels_other")) & (pl.col("labels") != "")
    pairs = pairs.with_columns(differ=differ & (pl.col("labels_other") != ""))
    pairs = pairs.sort("differ", descending=True, maintain_order=True)
    names = [*pairs["name"], *pairs["name_other"]]
    shown = pairs.unique("at", keep="first", maintain_order=True)
    one, other, mine, theirs = shown.select("name", "name_other", "labels", "labels_other").row(0)
    two = f"'{one}' ({mine}) and '{other}' ({theirs})" if mine else f"'{one}' and '{other}'"
    yield Finding(
        "look-alikes",
        "warning" if pairs["differ"].any() else "note",
        f"{len(set(names)):,} images look like others and are taken for no copies, e.g. {two}; so "
        "it is with a fixed camera or parts of one kind: where one is the other saved again, take "
        "it out",
        tuple(dict.fromkeys(names)),
        tuple(shown.select("name", "name_other").rows()),
    )


def _many(groups: Sequence[Group], noun: str) -> str:
    return f"{_number(groups, noun)} {'stands' if len(groups) == 1 else 'stand'}"


def _number(things: Sequence[object], noun: str) -> str:
    return f"{len(things):,}{counted(len(things), noun).removeprefix(str(len(things)))}"


def _finding(kind: str, severity: str, groups: Sequence[Group], sentence: str) -> Finding:
    names = tuple(tuple(group["name"].to_list()) for group in groups)
    return Finding(
        kind, severity, sentence, tuple(name for group in names for name in group), names
    )


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
