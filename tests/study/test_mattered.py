"""What made scores high is found, with how sure that is."""

import numpy as np
import pytest
from scipy import stats
from sweeps import trial

from fieldmark.study.mattered import columns, correlations, mattered, scores_of

DRAW = np.random.default_rng(0)


def made(count):
    trials = []
    for number in range(count):
        lr, kind = float(10 ** DRAW.uniform(-4, -1)), ["a", "b", "c"][DRAW.integers(3)]
        value = np.log10(lr) / 4 + 0.02 * DRAW.normal()
        trials.append(trial(number + 1, {"lr": lr, "kind": kind, "fixed": 3}, float(value)))
    return trials


@pytest.fixture(scope="module")
def trials():
    return made(24)


@pytest.fixture(scope="module")
def found(trials):
    return mattered(trials, "accuracy", seed=0)


def test_the_setting_that_made_the_scores_is_the_first(trials, found):
    assert [each.name for each in found] == ["lr", "kind"]  # what does not vary is none of them
    assert found[0].low > 0.8
    assert sum(each.share for each in found) == pytest.approx(1)
    assert mattered(trials, "accuracy", seed=0) == found


def test_of_fewer_trials_less_is_known(trials, found):
    few = mattered(trials[:7], "accuracy", seed=0)
    width = [each.high - each.low for each in (few[0], found[0])]
    assert width[0] > 2 * width[1]
    assert mattered(trials[:5], "accuracy", seed=0) == []


def test_correlations_are_spearmans(trials):
    names, table = correlations(trials, "accuracy")
    assert sorted(names) == ["kind = a", "kind = b", "kind = c", "lr", "score"]
    lr, score = [each.point["lr"] for each in trials], [each.value for each in trials]
    assert table[0, -1] == pytest.approx(stats.spearmanr(lr, score).statistic)
    kind = [each.point["kind"] == names[1][-1] for each in trials]
    assert table[1, -1] == pytest.approx(stats.spearmanr(kind, score).statistic)


def test_what_has_two_values_is_one_column():
    found = columns([trial(1, {"bn": True}), trial(2, {"bn": False}), trial(3, {"bn": True})])
    assert [(each.name, each.values.tolist()) for each in found] == [("bn = True", [1, 0, 1])]


def test_a_pruned_trial_counts_with_the_best_that_it_reached():
    ended = trial(2, {"a": 1}, state="pruned", by_epoch=(0.2, 0.4, 0.3))
    others = [trial(1, {"a": 2}, 0.9), ended, trial(3, {"a": 3}, state="failed")]
    assert scores_of(others, "accuracy")[1].tolist() == [0.9, 0.4]
    assert scores_of(others, "loss")[1].tolist() == [0.9, 0.2]
