import numpy as np
import pytest

from fieldmark.judge.evidence import Evidence, placements
from fieldmark.judge.exchange import TwoModels, area_differences, count_differences
from fieldmark.judge.metrics import overall

ROC, PRECISION = "roc_auc", "average_precision"
METRIC = {ROC: "roc_auc", PRECISION: "mean_average_precision"}  # the means of both


def logits_of(n, classes, seed, targets):
    drawn = np.random.default_rng(seed).normal(size=(n, classes))
    drawn[np.arange(n), targets] += 1
    return drawn.astype(np.float32)


@pytest.fixture
def pair():
    targets = np.random.default_rng(0).integers(4, size=60)
    return pair_of(targets, [logits_of(60, 4, seed, targets) for seed in (1, 2)])


def pair_of(targets, logits):
    return TwoModels(*(Evidence.of(each, targets) for each in logits))


def difference(pair, area):
    """Of the mean area, as it is computed without any draw."""
    return overall(pair.second)[METRIC[area]] - overall(pair.first)[METRIC[area]]


def anew(targets, logits, weights, area):
    """The same of images that are taken so often."""
    taken = np.repeat(np.arange(len(targets)), weights)
    return difference(pair_of(targets[taken], [each[taken] for each in logits]), area)


def ranks_exchanged(pair, crossed, area):
    """The mean area's difference where ranks of some images are really exchanged."""
    ranked = [
        np.stack([placements(column, column) for column in each.scores.T], axis=1)
        for each in (pair.first, pair.second)
    ]
    one, two = (
        Evidence.of(each, pair.first.targets, scores=each).areas[area].mean()
        for each in (np.where(crossed[:, None], ranked[1 - k], ranked[k]) for k in (0, 1))
    )
    return two - one


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


@pytest.mark.parametrize(("area", "near"), [(ROC, 1e-6), (PRECISION, 1e-9)])
def test_the_shares_of_an_area_sum_to_the_difference_where_no_scores_are_equal(pair, area, near):
    assert pair.areas[area].shares.sum() == pytest.approx(difference(pair, area), abs=near)


def test_the_shares_of_an_area_tell_what_any_exchange_gives(pair):
    for crossed in np.random.default_rng(5).random((5, 60)) < 0.5:
        wanted = ranks_exchanged(pair, crossed, ROC)
        signs = np.where(crossed, -1, 1)
        assert signs @ pair.areas[ROC].shares == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize("area", [ROC, PRECISION])
@pytest.mark.parametrize("weight", [1, 3])
def test_images_drawn_equally_often_have_the_difference_itself(pair, area, weight):
    found = pair.areas[area].drawn(np.full((1, 60), float(weight)))[0]
    assert found == pytest.approx(difference(pair, area), abs=1e-6)


def as_they_come(n=400, classes=3):
    targets = np.random.default_rng(0).integers(classes, size=n)
    return targets, [logits_of(n, classes, seed, targets) for seed in (1, 2)]


def far_apart(n=400, classes=3):
    """The second ahead, and classes of unlike sizes with equal scores among them."""
    targets = np.random.default_rng(0).choice(classes, size=n, p=(0.7, 0.2, 0.1))
    logits = [logits_of(n, classes, seed, targets).round(1) for seed in (1, 2)]
    logits[1][np.arange(n), targets] += 1
    return targets, logits


@pytest.mark.parametrize(
    ("area", "made", "alike", "near"),
    [(ROC, as_they_come, 0.995, 0.05), (PRECISION, far_apart, 0.98, 0.1)],
)
def test_areas_of_draws_are_near_those_that_are_computed_anew(area, made, alike, near):
    targets, logits = made()
    rng = np.random.default_rng(6)
    weights = np.stack([np.bincount(rng.integers(400, size=400), minlength=400) for _ in range(50)])
    wanted = [anew(targets, logits, row, area) for row in weights]
    found = pair_of(targets, logits).areas[area].drawn(weights.astype(float))
    assert np.corrcoef(found, wanted)[0, 1] > alike
    assert found.std() == pytest.approx(np.std(wanted), rel=near)


@pytest.mark.parametrize("thrice", [0, 2])
def test_precisions_of_a_draw_with_more_images_of_one_class_drift_with_it(thrice):
    targets, logits = far_apart()
    weights = np.where(targets == thrice, 3, 1)
    found = pair_of(targets, logits).areas[PRECISION].drawn(weights[None].astype(float))[0]
    assert found == pytest.approx(anew(targets, logits, weights, PRECISION), abs=0.01)


def test_the_shares_of_precisions_nearly_tell_what_an_exchange_gives():
    pair = pair_of(*far_apart())
    coins = np.random.default_rng(5).random((50, 400)) < 0.5
    coins[0] = False
    wanted = [ranks_exchanged(pair, crossed, PRECISION) for crossed in coins]
    found = np.where(coins, -1, 1) @ pair.areas[PRECISION].shares
    assert np.corrcoef(found[1:], wanted[1:])[0, 1] > 0.98
    assert found[1:].std() == pytest.approx(np.std(wanted[1:]), rel=0.05)
    assert found[0] == pytest.approx(wanted[0], rel=0.05)


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
