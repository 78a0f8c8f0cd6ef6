import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from fieldmark.judge.thresholds import best_cut, best_thresholds, in_order
from fieldmark.task import SEVERAL_LABELS, sigmoid


def drawn(seed, n=60, shares=(0.5, 0.2, 0.05), decimals=1):
    rng = np.random.default_rng(seed)
    targets = (rng.random((n, len(shares))) < shares).astype(np.int64)
    logits = rng.normal(size=targets.shape) + 1.5 * targets - 0.7
    return logits.round(decimals).astype(np.float32), targets


def by_trying_all(logits, truth):
    """The greatest F1 of all cuts, and the fewest guesses that give it."""
    tried = [(f1_score(truth, logits >= cut), -(logits >= cut).sum()) for cut in np.unique(logits)]
    f1, guesses = max(tried)
    return f1, -guesses


@settings(max_examples=100, deadline=None, database=None)
@given(st.integers(0, 10**6), st.integers(1, 40), st.floats(0, 1), st.integers(0, 2))
def test_a_cut_is_the_best_of_all_and_of_equals_the_one_that_guesses_fewest(
    seed, n, share, decimals
):
    logits, truth = (each[:, 0] for each in drawn(seed, n, (share,), decimals))
    if not truth.any():
        truth[0] = 1
    found = logits >= best_cut(logits, truth == 1)
    assert (f1_score(truth, found), found.sum()) == pytest.approx(by_trying_all(logits, truth))


def test_a_cut_lies_half_way_between_neighbours_and_at_the_lowest_where_all_are_guessed():
    logits = np.array([3.0, 1.0, -1.0, -2.0])
    assert best_cut(logits, np.array([True, True, False, False])) == 0.0
    assert best_cut(logits, np.array([True, False, False, False])) == 2.0
    assert best_cut(logits, np.ones(4, bool)) == -2.0
    assert best_cut(np.full(4, 0.5), np.array([True, False, False, False])) == 0.5


@pytest.mark.parametrize("temperature", [1.0, 1.7])
def test_thresholds_are_drawn_to_the_common_one_by_the_positives(temperature):
    logits, targets = drawn(0, n=300)
    found = best_thresholds(logits, targets, temperature=temperature)
    raised = logits.astype(float) / temperature
    common = best_cut(raised.ravel(), targets.ravel() == 1)
    positives = targets.sum(axis=0)
    assert found.positives.tolist() == positives.tolist()
    assert found.common == pytest.approx(1 / (1 + np.exp(-common)))
    for k, n in enumerate(positives):
        own = best_cut(raised[:, k], targets[:, k] == 1)
        wanted = (n * own + 20 * common) / (n + 20)
        assert found.least[k] == pytest.approx(1 / (1 + np.exp(-wanted)))


def test_the_common_threshold_is_the_best_of_all_by_micro_f1():
    logits, targets = drawn(1)
    scores, found = sigmoid(logits), best_thresholds(logits, targets)
    best = max(f1_score(targets, scores >= cut, average="micro") for cut in np.unique(scores))
    assert f1_score(targets, scores >= found.common, average="micro") == best


def test_drawn_by_nothing_each_label_has_its_own_best_f1():
    logits, targets = drawn(2)
    found = best_thresholds(logits, targets, pull=0.0)
    guesses = SEVERAL_LABELS.decide(sigmoid(logits), found.least)
    for k in range(3):
        f1 = f1_score(targets[:, k], guesses[:, k])
        assert f1 == by_trying_all(logits[:, k], targets[:, k])[0]


def test_a_label_without_positives_has_the_common_threshold_and_without_any_it_is_a_half():
    logits, targets = drawn(3, shares=(0.5, 0.3, 0.0))
    for pull in (20.0, 0.0):
        found = best_thresholds(logits, targets, pull=pull)
        assert found.least[2] == found.common != found.least[0]
    none = best_thresholds(logits, np.zeros_like(targets))
    assert (none.least.tolist(), none.common) == ([0.5] * 3, 0.5)
    empty = best_thresholds(logits[:0], targets[:0])
    assert (empty.least.tolist(), empty.positives.tolist()) == ([0.5] * 3, [0] * 3)


def test_where_all_images_have_all_labels_all_are_guessed():
    logits, targets = drawn(4, shares=(1, 1))
    found = best_thresholds(logits, targets, pull=0.0)
    assert SEVERAL_LABELS.decide(sigmoid(logits), found.least).all()


def test_rows_without_numbers_or_truth_are_left_out():
    logits, targets = drawn(5)
    odd = np.concatenate([logits, [[np.nan, 9, 9], [9, 9, 9], [np.inf, 0, 0]]])
    more = np.concatenate([targets, [[1, 1, 1], [-1, -1, -1], [1, 1, 1]]])
    wanted, found = best_thresholds(logits, targets), best_thresholds(odd, more)
    assert found.least.tolist() == wanted.least.tolist()
    assert found.positives.tolist() == wanted.positives.tolist()


def test_a_bundle_has_them_by_name():
    found = best_thresholds(*drawn(6))
    named = found.named(("a", "b", "c"))
    assert in_order(named, ("b", "a")).tolist() == [found.least[1], found.least[0]]
    assert in_order(named, ("x",)).tolist() == [0.5]
    assert in_order(None, ("a",)) is None
