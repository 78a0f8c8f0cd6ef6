"""Copies of images: across splits, across classes, and inside a class."""

from collections.abc import Iterator, Sequence
from typing import TypeAlias

import polars as pl

from fieldmark.data.finding import Finding, plural
from fieldmark.records import SPLITS

Group: TypeAlias = pl.DataFrame  # rows that are the same image: at, name, hash, labels, split


def copy_findings(good: pl.DataFrame) -> Iterator[Finding]:
    """Leakage, conflicting labels, and copies inside a class. Rows with `group`, `name`, ...

    Copies across splits or labels are told as that, and not once more as copies. An image that
    has no label yet conflicts with none.
    """
    given = good["split"].is_not_null().any()
    side = pl.col("split").fill_null("train") if given else pl.lit("train")
    several = good.filter(pl.len().over("group") > 1).with_columns(side.alias("split"))
    groups = several.partition_by("group", maintain_order=True)
    across = [group for group in groups if group["split"].n_unique() > 1]
    conflicting = [group for group in groups if _labels(group).n_unique() > 1]
    told = {group["group"][0] for group in [*across, *conflicting]}
    inside = [group for group in groups if group["group"][0] not in told]
    if across:
        yield _leakage(across)
    if conflicting:
        yield _conflict(conflicting)
    yield from _inside(inside)


def _labels(group: Group) -> pl.Series:
    """Each row's labels, in order, as one text; rows without a label are left out."""
    known = group.filter(pl.col("labels").list.len() > 0)
    return known.select(pl.col("labels").list.sort().list.join("\0")).to_series()


def _leakage(groups: Sequence[Group]) -> Finding:
    taken = dict.fromkeys(SPLITS, 0)
    for group in groups:
        last = max(group["split"], key=SPLITS.index)
        for side in group["split"]:
            taken[side] += side != last
    counts = [f"{side} ({number:,})" for side, number in taken.items() if number]
    first = groups[0].unique("split", maintain_order=True)
    shown = " = ".join(f"'{name}' ({side})" for name, side in first.select("name", "split").rows())
    return _finding(
        *("leakage", "error", groups),
        f"{_many(groups, 'image')} in more than one split, e.g. {shown}; what is learned by heart "
        f"would count as known: the copies in {' and '.join(counts)} are taken out before training",
    )


def _conflict(groups: Sequence[Group]) -> Finding:
    known = groups[0].filter(pl.col("labels").list.len() > 0)
    first = known.unique("labels", maintain_order=True).head(2)
    rows = first.select("name", pl.col("labels").list.join(", ")).rows()
    shown = " = ".join(f"'{name}' ({labels})" for name, labels in rows)
    return _finding(
        *("conflicting-labels", "error", groups),
        f"{_many(groups, 'image')} under different labels, e.g. {shown}; keep the copies whose "
        "labels are right",
    )


def _inside(groups: Sequence[Group]) -> Iterator[Finding]:
    exact = [
        part
        for group in groups
        for part in group.partition_by("hash", maintain_order=True)
        if part.height > 1
    ]
    near = [group.unique("hash", maintain_order=True) for group in groups]
    near = [group for group in near if group.height > 1]
    for kind, found, word in (("exact-copies", exact, "image"), ("near-copies", near, "scene")):
        if found:
            shown = " = ".join(f"'{name}'" for name in found[0]["name"].head(2))
            yield _finding(
                *(kind, "warning", found),
                f"{_many(found, word)} more than once, e.g. {shown}; they weigh more than "
                "others, and the splits keep them on one side: take out what is too much",
            )


def _many(groups: Sequence[Group], noun: str) -> str:
    one = len(groups) == 1
    return f"1 {noun} stands" if one else f"{len(groups):,} {plural(noun)} stand"


def _finding(kind: str, severity: str, groups: Sequence[Group], sentence: str) -> Finding:
    names = tuple(tuple(group["name"].to_list()) for group in groups)
    return Finding(
        kind, severity, sentence, tuple(name for group in names for name in group), names
    )
