"""What is told of images that stand more than once, or look alike."""

from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np
import polars as pl

from fieldmark.data.finding import Finding, number
from fieldmark.records import SPLITS

# rows that are the same image: at, name, hash, labels, said, split, and of all of them: how many
# sides of the split they are on, and under how many labels (ways)
Group: TypeAlias = pl.DataFrame


def copy_findings(good: pl.DataFrame, alike: np.ndarray) -> Iterator[Finding]:
    """What stands more than once. Rows with `at`, `name`, `equal`, `near` (Copies), ...

    Only what is equal leaks or conflicts for certain. What seems to be a photo saved again is
    told apart, and so is what looks alike and is taken for no copy. Copies across splits or
    labels are told as that, and not once more as copies; an image without a label conflicts
    with none. alike: of Copies.
    """
    given = good["split"].is_not_null().any()
    side = pl.col("split").fill_null("train") if given else pl.lit("train")
    labels = pl.col("labels")  # said: each row's, in order, as one text; null where it has none
    said = pl.when(labels.list.len() > 0).then(labels.list.sort().list.join("\0"))
    good = good.with_columns(side.alias("split"), said=said)
    equal = _groups(good, "equal")
    across = [group for group in equal if group["sides"][0] > 1]
    conflicting = [group for group in equal if group["ways"][0] > 1]
    told = {group["equal"][0] for group in [*across, *conflicting]}
    yield from _leakage(across, "leakage")
    if conflicting:
        yield _conflict(conflicting)
    yield from _inside([group for group in equal if group["equal"][0] not in told], "exact-copies")
    near = _groups(good.unique(["near", "hash"], maintain_order=True), "near")
    yield from _leakage([group for group in near if group["sides"][0] > 1], "near-leakage")
    yield from _inside([group for group in near if group["sides"][0] == 1], "near-copies")
    yield from _look_alikes(good, alike)


def _groups(rows: pl.DataFrame, by: str) -> list[Group]:
    several = rows.filter(pl.len().over(by) > 1).with_columns(
        sides=pl.col("split").n_unique().over(by),
        ways=pl.col("said").drop_nulls().n_unique().over(by),
    )
    return several.partition_by(by, maintain_order=True)


def _leakage(groups: Sequence[Group], kind: str) -> Iterator[Finding]:
    if not groups:
        return
    taken = dict.fromkeys(SPLITS, 0)
    for group in groups:
        last = max(group["split"], key=SPLITS.index)
        for side in group["split"]:
            taken[side] += side != last
    counts = " and ".join(f"{side} ({count:,})" for side, count in taken.items() if count)
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
    texts = pl.col("said").str.replace_all("\0", ", ", literal=True)
    shown = _each(groups[0].drop_nulls("said").with_columns(texts), "said", most=2)
    return _finding(
        *("conflicting-labels", "error", groups),
        f"{_many(groups, 'image')} under different labels, e.g. {shown}; keep the copies whose "
        "labels are right",
    )


def _inside(groups: Sequence[Group], kind: str) -> Iterator[Finding]:
    if groups:
        shown = " = ".join(f"'{name}'" for name in groups[0]["name"].head(2))
        word = "image" if kind == "exact-copies" else "photo"
        differ = [group for group in groups if group["ways"][0] > 1]
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
    return f"{number(groups, noun)} {'stands' if len(groups) == 1 else 'stand'}"


def _finding(kind: str, severity: str, groups: Sequence[Group], sentence: str) -> Finding:
    names = tuple(tuple(group["name"].to_list()) for group in groups)
    return Finding(
        kind, severity, sentence, tuple(name for group in names for name in group), names
    )
