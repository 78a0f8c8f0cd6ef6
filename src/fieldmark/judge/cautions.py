"""When not to answer, measured: how many images are told unlike, and how often sets keep a promise.

What is measured was chosen on validation, and says what it is worth on images that had no part.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from fieldmark.judge.conformal import row_for, sets
from fieldmark.judge.intervals import share_interval
from fieldmark.judge.unlike import entropy
from fieldmark.metrics_json import Figures, SetFigures, Share, UnlikeFigures
from fieldmark.models.bundle_info import BundleInfo, Unlike
from fieldmark.records import Predictions

LEVELS = (0.9, 0.95)  # of sets, that are measured where nobody asks for others


def unlike_figures(table: Predictions, info: BundleInfo) -> UnlikeFigures | None:
    """The share of the images that is told unlike the training ones, and by which of the two.

    None where the bundle cannot tell, or no distance was measured.
    """
    by = _signs(table, info.unlike, info.temperature)
    if not by:
        return None
    either = np.logical_or.reduce([*by.values()])
    own = {name: share_of(is_hit, table.groups) for name, is_hit in by.items()}
    return UnlikeFigures(len(table), share_of(either, table.groups), own)


def without_unlike(table: Predictions, unlike: Unlike | None, temperature: float) -> Predictions:
    """The rows that are not told unlike the training images; all where nothing tells it."""
    flagged = told_unlike(table, unlike, temperature)
    return table if flagged is None else replace(table, frame=table.frame.filter(~flagged))


def told_unlike(table: Predictions, unlike: Unlike | None, temperature: float) -> np.ndarray | None:
    """Whether each row is told unlike the training images; None where nothing tells it. -> (N,)"""
    by = _signs(table, unlike, temperature)
    return np.logical_or.reduce([*by.values()]) if by else None


def _signs(table: Predictions, unlike: Unlike | None, temperature: float) -> dict[str, np.ndarray]:
    """Which rows each of the two tells unlike; {} where nothing tells it. -> (N,) bool each"""
    if unlike is None or table.distances is None or not len(table):
        return {}
    by = {"distance": table.distances > unlike.distance}
    if unlike.entropy is not None:
        by["scores"] = entropy(table.scores(temperature)) > unlike.entropy
    return by


def set_figures(
    table: Predictions, info: BundleInfo, levels: Sequence[float] = LEVELS
) -> tuple[SetFigures, ...] | None:
    """Of each level that the bundle can promise, how often sets hold the truth, and their size.

    Of the images whose class is known; None without any, or without sets.
    """
    known = table.known & np.isfinite(table.logits).all(axis=1)
    if info.sets is None or table.task.several or not known.any():
        return None
    scores, targets = table.scores(info.temperature)[known], table.targets[known]
    groups, found = table.groups[known] if table.groups is not None else None, []
    for level in levels:
        if row := row_for(info.sets.rows, level):
            inside = sets(scores, row.bound)
            held = inside[np.arange(len(targets)), targets]
            size = float(inside.sum(axis=1).mean())
            found.append(SetFigures(level, len(targets), size, share_of(held, groups)))
    return tuple(found) or None


def with_cautions(
    found: Mapping[str, Figures],
    tables: Mapping[str, Predictions],
    info: BundleInfo,
    levels: Sequence[float] = LEVELS,
) -> dict[str, Figures]:
    """Figures by split with what the test says of when not to answer; validation has chosen it.

    As all its figures, it is of the images whose class is known.
    """
    told = dict(found)
    if "test" in told:
        table = replace(tables["test"], frame=tables["test"].frame.filter(tables["test"].known))
        unlike, of_sets = unlike_figures(table, info), set_figures(table, info, levels)
        told["test"] = replace(told["test"], unlike=unlike, sets=of_sets)
    return told


def share_of(is_hit: np.ndarray, groups: np.ndarray | None) -> Share:
    """A share of the images and its 95 % interval."""
    return Share(float(is_hit.mean()), share_interval(is_hit, groups))
