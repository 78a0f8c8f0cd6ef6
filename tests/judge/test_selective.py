import numpy as np
import pytest

from fieldmark.judge.evidence import Evidence
from fieldmark.judge.selective import answer_curve, threshold_for


def evidence_of(scores, right):
    """Two classes; each image's guess is class 0 with this score, and its truth as told."""
    scores = np.asarray(scores, float)
    logits = np.stack([np.log(scores), np.log1p(-scores)], axis=1)
    return Evidence.of(logits, np.where(right, 0, 1))


def drawn(seed, n=400, decimals=1, classes=4):
    rng = np.random.default_rng(seed)
    targets = rng.integers(classes, size=n)
    logits = rng.normal(size=(n, classes)).round(decimals)
    logits[np.arange(n), targets] += 1
    return logits, targets


def test_a_row_counts_the_images_of_at_least_its_score():
    evidence = Evidence.of(*drawn(0))
    curve = answer_curve(evidence, most=10**6)
    scores = [score for score, _, _ in curve]
    assert scores == sorted(set(evidence.confidence.tolist()), reverse=True)
    for score, answered, right in curve:
        sure = evidence.confidence >= score
        assert (answered, right) == (sure.sum(), (sure & evidence.right).sum())


def test_images_of_one_score_come_together():
    curve = answer_curve(evidence_of([0.9, 0.75, 0.75, 0.6], [True, False, True, True]))
    assert [(answered, right) for _, answered, right in curve] == [(1, 1), (3, 2), (4, 3)]
    assert [score for score, _, _ in curve] == pytest.approx([0.9, 0.75, 0.6])


def test_the_order_of_the_images_does_not_matter():
    logits, targets = drawn(1)
    order = np.random.default_rng(0).permutation(len(targets))
    assert answer_curve(Evidence.of(logits, targets)) == answer_curve(
        Evidence.of(logits[order], targets[order])
    )


@pytest.mark.parametrize("n", [199, 200, 201, 5000])
def test_a_curve_has_at_most_200_rows_and_keeps_its_ends(n):
    evidence = Evidence.of(*drawn(2, n=n, decimals=9))
    whole, curve = answer_curve(evidence, most=10**6), answer_curve(evidence)
    assert len(whole) == n
    assert len(curve) == min(n, 200)
    assert (curve[0], curve[-1]) == (whole[0], whole[-1])
    assert set(curve) <= set(whole)
    assert len(set(curve)) == len(curve)


@pytest.mark.parametrize("n", [201, 3000])
@pytest.mark.parametrize("seed", range(3))
def test_a_curve_that_is_cut_short_loses_no_row_of_the_usual_shares(n, seed):
    evidence = Evidence.of(*drawn(seed, n=n, decimals=9))
    whole, curve = answer_curve(evidence, most=10**6), answer_curve(evidence)
    asked = (0.5, 0.66, 0.8, 0.9, 0.925, 0.95, 0.975, 0.98, 0.99, 0.995, 0.999, 1.0)
    found = [threshold_for(whole, share) for share in asked]
    assert len(set(found)) >= 3
    assert [threshold_for(curve, share) for share in asked] == found


def test_of_any_other_share_a_curve_that_is_cut_short_loses_few_images():
    evidence = Evidence.of(*drawn(4, n=3000, decimals=9))
    whole, curve = answer_curve(evidence, most=10**6), answer_curve(evidence)
    for share in np.linspace(0.61, 0.9, 80):
        best, found = threshold_for(whole, share), threshold_for(curve, share)
        assert best[1] - 3000 / 50 < found[1] <= best[1]


def test_images_without_a_guess_are_never_answered():
    logits, targets = drawn(3, n=20)
    logits[::4] = np.nan
    assert answer_curve(Evidence.of(logits, targets))[-1][1] == 15


@pytest.mark.parametrize("logits", [np.zeros((0, 3)), np.full((2, 3), np.nan)])
def test_without_a_guess_there_is_no_curve_and_no_threshold(logits):
    curve = answer_curve(Evidence.of(logits, np.zeros(len(logits), int)))
    assert curve == []
    assert threshold_for(curve, 0.5) is None


def test_one_image_is_one_row():
    assert [row[1:] for row in answer_curve(evidence_of([0.8], [False]))] == [(1, 0)]


@pytest.mark.parametrize("accuracy", [0.3, 0.55, 0.6, 0.8, 0.95, 1.0])
@pytest.mark.parametrize("seed", range(4))
def test_the_threshold_answers_the_most_that_are_right_often_enough(accuracy, seed):
    evidence = Evidence.of(*drawn(seed))
    best = None
    for score in np.unique(evidence.confidence):
        sure = evidence.confidence >= score
        if evidence.right[sure].mean() >= accuracy and (best is None or sure.sum() > best[1]):
            best = (score, sure.sum(), evidence.right[sure].sum())
    assert threshold_for(answer_curve(evidence, most=10**6), accuracy) == best


def test_a_share_that_is_met_exactly_is_reached():
    assert threshold_for([(0.9, 20, 11)], 0.55) == (0.9, 20, 11)  # 0.55 * 20 is above 11 in floats
    assert threshold_for([(0.9, 20, 11)], 0.56) is None


def test_a_later_row_counts_though_one_before_it_falls_short():
    curve = [(0.9, 2, 1), (0.8, 10, 9), (0.7, 20, 12)]
    assert threshold_for(curve, 0.9) == (0.8, 10, 9)
