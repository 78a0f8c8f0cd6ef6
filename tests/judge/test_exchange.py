import numpy as np
import pytest

from fieldmark.judge.evidence import Evidence, placements
from fieldmark.judge.exchange import TwoModels, area_differences, count_differences
from fieldmark.judge.metrics import overall

ROC, PRECISION = "roc_auc", "average_precision"


def logits_of(n, classes, seed, targets):
    drawn = np.random.default_rng(seed).normal(size=(n, classes))
    drawn[np.arange(n), targets] += 1
    return drawn.astype(np.float32)


@pytest.fixture
def pair():
    targets = np.random.default_rng(0).integers(4, size=60)
    first, second = (Evidence.of(logits_of(60, 4, seed, targets), targets) for seed in (1, 2))
    return TwoModels(first, second)


def exchanged(pair, crossed):
    """Both figures anew, from scores that were really exchanged."""
    first, second = pair.first.scores.copy(), pair.second.scores.copy()
    first[crossed], second[crossed] = second[crossed], first[crossed].copy()
    one, two = (overall(Evidence.of(np.log(s), pair.first.targets)) for s in (first, second))
    return {name: two[name] - one[name] for name in one}


def test_exchanged_answers_give_the_figures_of_answers_that_were_exchanged(pair):
    crossed = np.random.default_rng(3).random((5, 60)) < 0.5
    found = count_differences(pair, 1.0 - crossed, crossed.astype(float))
    for row, those in enumerate(crossed):
        wanted = exchanged(pair, those)
        for name, values in found.items():
            assert values[row] == pytest.approx(wanted[name], abs=1e-12), name


def test_an_image_that_is_drawn_twice_counts_twice(pair):
    weights = np.random.default_rng(4).integers(0, 3, size=(1, 60)).astype(float)
    taken = np.repeat(np.arange(60), weights[0].astype(int))
    found = count_differences(pair, weights, np.zeros((1, 60)))
    one, two = (
        overall(Evidence.of(np.log(each.scores[taken]), each.targets[taken]))
        for each in (pair.first, pair.second)
    )
    for name, values in found.items():
        assert values[0] == pytest.approx(two[name] - one[name], abs=1e-12), name


def test_exchanging_all_turns_the_sign(pair):
    kept, none = np.ones((1, 60)), np.zeros((1, 60))
    straight, crossed = count_differences(pair, kept, none), count_differences(pair, none, kept)
    assert all(straight[name] == -crossed[name] for name in straight)


def test_the_shares_of_an_area_sum_to_the_difference(pair):
    wanted = overall(pair.second)["roc_auc"] - overall(pair.first)["roc_auc"]
    assert pair.areas[ROC].shares.sum() == pytest.approx(wanted, abs=1e-6)


def test_the_shares_of_an_area_tell_what_any_exchange_gives(pair):
    ranked = [
        np.stack([placements(column, column) for column in each.scores.T], axis=1)
        for each in (pair.first, pair.second)
    ]
    for crossed in np.random.default_rng(5).random((5, 60)) < 0.5:
        first, second = (np.where(crossed[:, None], ranked[1 - k], ranked[k]) for k in (0, 1))
        targets = pair.first.targets
        areas = [
            Evidence.of(each, targets, scores=each).areas["roc_auc"].mean()
            for each in (first, second)
        ]
        signs = np.where(crossed, -1, 1)
        assert signs @ pair.areas[ROC].shares == pytest.approx(areas[1] - areas[0], abs=1e-6)


def test_areas_drawn_once_each_are_the_difference_itself(pair):
    wanted = overall(pair.second)["roc_auc"] - overall(pair.first)["roc_auc"]
    assert pair.areas[ROC].drawn(np.ones((1, 60)))[0] == pytest.approx(wanted, abs=1e-6)


def test_areas_of_draws_are_near_those_that_are_computed_anew():
    targets = np.random.default_rng(0).integers(3, size=400)
    logits = [logits_of(400, 3, seed, targets) for seed in (1, 2)]
    pair = TwoModels(*(Evidence.of(each, targets) for each in logits))
    rng = np.random.default_rng(6)
    weights = np.stack([np.bincount(rng.integers(400, size=400), minlength=400) for _ in range(50)])
    wanted = []
    for row in weights:
        taken = np.repeat(np.arange(400), row)
        one, two = (overall(Evidence.of(each[taken], targets[taken])) for each in logits)
        wanted.append(two["roc_auc"] - one["roc_auc"])
    found = pair.areas[ROC].drawn(weights.astype(float))
    assert np.corrcoef(found, wanted)[0, 1] > 0.995
    assert found.std() == pytest.approx(np.std(wanted), rel=0.05)


def test_precisions_drawn_once_each_are_the_difference_itself(pair):
    name = "mean_average_precision"
    wanted = overall(pair.second)[name] - overall(pair.first)[name]
    assert pair.areas[PRECISION].drawn(np.ones((1, 60)))[0] == pytest.approx(wanted, abs=1e-6)
    assert pair.areas[PRECISION].drawn(np.full((1, 60), 3.0))[0] == pytest.approx(wanted, abs=1e-6)


def far_apart(n=400, classes=3):
    """The second ahead, and classes of unlike sizes with equal scores among them."""
    targets = np.random.default_rng(0).choice(classes, size=n, p=(0.7, 0.2, 0.1))
    logits = [logits_of(n, classes, seed, targets).round(1) for seed in (1, 2)]
    logits[1][np.arange(n), targets] += 1
    return targets, logits


def test_precisions_of_draws_are_near_those_that_are_computed_anew():
    targets, logits = far_apart()
    pair, rng = (
        TwoModels(*(Evidence.of(each, targets) for each in logits)),
        np.random.default_rng(6),
    )
    weights = np.stack([np.bincount(rng.integers(400, size=400), minlength=400) for _ in range(50)])
    wanted = []
    for row in weights:
        taken = np.repeat(np.arange(400), row)
        one, two = (overall(Evidence.of(each[taken], targets[taken])) for each in logits)
        wanted.append(two["mean_average_precision"] - one["mean_average_precision"])
    found = pair.areas[PRECISION].drawn(weights.astype(float))
    assert np.corrcoef(found, wanted)[0, 1] > 0.98
    assert found.std() == pytest.approx(np.std(wanted), rel=0.1)


@pytest.mark.parametrize("thrice", [0, 2])
def test_precisions_of_a_draw_with_more_images_of_one_class_drift_with_it(thrice):
    targets, logits = far_apart()
    pair = TwoModels(*(Evidence.of(each, targets) for each in logits))
    weights = np.where(targets == thrice, 3, 1)
    taken = np.repeat(np.arange(400), weights)
    one, two = (overall(Evidence.of(each[taken], targets[taken])) for each in logits)
    wanted = two["mean_average_precision"] - one["mean_average_precision"]
    assert pair.areas[PRECISION].drawn(weights[None].astype(float))[0] == pytest.approx(
        wanted, abs=0.01
    )


def test_the_shares_of_precisions_nearly_tell_what_an_exchange_gives():
    targets, logits = far_apart()
    pair = TwoModels(*(Evidence.of(each, targets) for each in logits))
    ranked = [
        np.stack([placements(column, column) for column in each.scores.T], axis=1)
        for each in (pair.first, pair.second)
    ]
    coins = np.random.default_rng(5).random((50, 400)) < 0.5
    coins[0] = False
    wanted = []
    for crossed in coins:
        first, second = (np.where(crossed[:, None], ranked[1 - k], ranked[k]) for k in (0, 1))
        one, two = (
            Evidence.of(each, targets, scores=each).areas["average_precision"].mean()
            for each in (first, second)
        )
        wanted.append(two - one)
    found = np.where(coins, -1, 1) @ pair.areas[PRECISION].shares
    assert np.corrcoef(found[1:], wanted[1:])[0, 1] > 0.98
    assert found[1:].std() == pytest.approx(np.std(wanted[1:]), rel=0.05)
    assert found[0] == pytest.approx(wanted[0], rel=0.05)


def test_the_shares_of_precisions_sum_to_the_difference_where_no_scores_are_equal(pair):
    name = "mean_average_precision"
    wanted = overall(pair.second)[name] - overall(pair.first)[name]
    assert pair.areas[PRECISION].shares.sum() == pytest.approx(wanted, abs=1e-9)


def test_exchanging_two_classifiers_turns_the_sign_of_every_share(pair):
    turned = TwoModels(pair.second, pair.first)
    assert np.allclose(
        pair.areas[PRECISION].shares,
        -turned.areas[PRECISION].shares,
        atol=1e-12,
    )


def test_one_class_alone_has_the_same_precision_throughout():
    scores = np.full((4, 2), 0.5)
    same = Evidence.of(scores, np.zeros(4, int), scores=scores)
    precisions = area_differences(same, same)[PRECISION]
    assert not precisions.shares.any()
    assert not precisions.apart.any()


def test_a_class_that_a_draw_lacks_is_left_out_of_its_mean(pair):
    weights = (pair.first.targets != 2).astype(float)[None]
    assert np.isfinite(pair.areas[ROC].drawn(weights)).all()
    one_class = (pair.first.targets == 2).astype(float)[None]
    assert np.isnan(pair.areas[ROC].drawn(one_class)).all()


def test_scores_that_are_nan_have_no_areas():
    scores = np.full((4, 2), 0.5)
    broken = scores.copy()
    broken[1] = np.nan
    first, second = (Evidence.of(x, np.array([0, 0, 1, 1]), scores=x) for x in (scores, broken))
    for areas in area_differences(first, second).values():
        assert np.isnan(areas.shares).all()
        assert np.isnan(areas.drawn(np.ones((2, 4)))).all()
