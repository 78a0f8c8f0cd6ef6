"""Which settings of a sweep mattered: importance with its uncertainty, and rank correlation."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fieldmark import streams
from fieldmark.streams import Stream
from fieldmark.study.names import more_is_better
from fieldmark.study.trials import Trial

FEWEST = 6  # trials that anything can be said of
DRAWS, TREES = 40, 16
LAST = 2  # of a place in the stream
METHOD = (
    "A random forest is fitted to settings and scores, and a setting's importance is how much "
    "worse it guesses when the values of that setting alone are shuffled, as a share of all "
    f"settings. The bar is the middle 95 % of {DRAWS} forests, each of trials drawn anew."
)


@dataclass(frozen=True)
class Mattered:
    """A setting's share of the importance: the mean, and the middle 95 % of the draws."""

    name: str
    share: float
    low: float
    high: float


@dataclass(frozen=True)
class Column:
    """A column of numbers that stands for a setting, or for one of its values. values: (T,)"""

    name: str
    setting: str
    values: np.ndarray


def scores_of(trials: Sequence[Trial], figure: str) -> tuple[list[Trial], np.ndarray]:
    """The trials that have come to a score, and it: of those that were pruned the best so far."""
    better = more_is_better(figure)
    known, scores = [], []
    for trial in trials:
        reached = [each for each in trial.by_epoch if math.isfinite(each)]
        value = trial.value
        if value is None and trial.state == "pruned" and reached:
            value = max(reached) if better else min(reached)
        if value is not None:
            known.append(trial)
            scores.append(value)
    return known, np.array(scores)


def columns(trials: Sequence[Trial]) -> list[Column]:
    """Every setting that varies as numbers: as they are, their logarithms where they span more
    than a factor of ten, or a column of 0 and 1 for each value of other kinds."""
    found = []
    for name in trials[0].point if trials else ():
        values = [trial.point[name] for trial in trials]
        kinds = list({repr(value): value for value in values}.values())
        if len(kinds) < 2:
            continue
        if all(type(value) in (int, float) for value in values):
            numbers = np.array(values, np.float64)
            wide = numbers.min() > 0 and numbers.max() > 10 * numbers.min()
            found.append(Column(name, name, np.log(numbers) if wide else numbers))
        else:
            shown = kinds[:1] if len(kinds) == 2 else kinds
            for kind in shown:
                has = np.array([repr(value) == repr(kind) for value in values], np.float64)
                found.append(Column(f"{name} = {kind}", name, has))
    return found


def mattered(trials: Sequence[Trial], figure: str, *, seed: int) -> list[Mattered]:
    """The settings by their importance, the first the most; [] where there are too few trials.

    Permutation importance (Breiman, 2001) of a forest, measured on the trials that it was drawn
    from; draws of the trials give what is not known of it.
    """
    known, scores = scores_of(trials, figure)
    made = columns(known)
    names = list(dict.fromkeys(column.setting for column in made))
    if len(known) < FEWEST or not names or np.ptp(scores) == 0:
        return []
    table = np.stack([column.values for column in made], axis=1)
    groups = [[k for k, column in enumerate(made) if column.setting == name] for name in names]
    draws = np.stack([_draw(table, scores, groups, seed, number) for number in range(DRAWS)])
    low, high = np.quantile(draws, [0.025, 0.975], axis=0)
    rows = zip(names, draws.mean(axis=0), low, high, strict=True)
    found = [Mattered(name, *map(float, numbers)) for name, *numbers in rows]
    return sorted(found, key=lambda each: -each.share)


def _draw(
    table: np.ndarray, scores: np.ndarray, groups: Sequence[list[int]], seed: int, number: int
) -> np.ndarray:
    """Each setting's share of the importance in one forest. -> (settings,)"""
    from sklearn.ensemble import RandomForestRegressor

    numbers = streams.draw(Stream.SWEEP, seed, number, 0, LAST)
    rows = numbers.integers(0, len(table), len(table))
    forest = RandomForestRegressor(TREES, random_state=int(numbers.integers(2**31)))
    forest.fit(table[rows], scores[rows])
    error = np.mean((forest.predict(table) - scores) ** 2)
    lost = []
    for places in groups:
        shuffled = table.copy()
        shuffled[:, places] = table[numbers.permutation(len(table))][:, places]
        lost.append(max(0.0, np.mean((forest.predict(shuffled) - scores) ** 2) - error))
    total = sum(lost)
    return np.array(lost) / total if total else np.full(len(groups), 1 / len(groups))


def correlations(trials: Sequence[Trial], figure: str) -> tuple[list[str], np.ndarray]:
    """Spearman's rank correlation of all columns, the score the last. -> names, (C + 1, C + 1)

    nan where one does not vary; ([], empty) where there are too few trials.
    """
    known, scores = scores_of(trials, figure)
    made = columns(known)
    if len(known) < FEWEST or not made:
        return [], np.zeros((0, 0))
    from scipy.stats import rankdata

    ranks = rankdata([*(column.values for column in made), scores], axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        found = np.corrcoef(ranks)
    return [*(column.name for column in made), "score"], found
