"""Boosted trees: against LightGBM's own scores, and what chooses how many there are."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from fieldmark.errors import StoppedError
from fieldmark.fit.boosted import PATIENCE, fit_boosted
from fieldmark.fit.logistic import Task
from fieldmark.machine import is_installed
from fieldmark.models.heads import HEADS

pytestmark = pytest.mark.skipif(not is_installed("lightgbm"), reason="lightgbm is not installed")
GROWN = {"trees": 12, "leaves": 4, "rate": 0.3, "share": 0.5, "seed": 3}


def task(count=80, *, several=False, folds=3, weight=1.0, shift=0.0):
    """Problem 0 on all images and one a fold: classes, or three labels, that features tell."""
    draw = np.random.default_rng(0)
    features = torch.from_numpy(draw.normal(size=(count, 6)).astype(np.float32))
    judged = np.stack(
        [np.zeros(count, bool), *(np.arange(count) % folds == k for k in range(folds))]
    )
    if several:
        targets = (features[:, :3] + 0.5 * features[:, 3:] > 0.4).long()
        present = weight * targets.double() / 3
        sides = present, torch.full((3,), shift).double(), ~judged, judged
        return Task(features, targets.numpy(), *sides, (1 - targets.double()) / 3)
    targets = (features[:, :3] + 0.5 * features[:, 3:]).argmax(dim=1)
    shares = weight * functional.one_hot(targets, 3).double()
    return Task(
        features, targets.numpy(), shares, torch.full((3,), shift).double(), ~judged, judged
    )


@pytest.mark.parametrize("several", [False, True])
def test_logits_are_the_raw_scores_of_lightgbm_on_the_text_that_is_kept(several):
    import lightgbm

    given = task(several=several)
    made = fit_boosted(given, **GROWN)
    for problem, head in enumerate(made.heads):
        theirs = lightgbm.Booster(model_str=head.text())
        scores = theirs.predict(given.features.numpy(), raw_score=True)
        assert made.logits(given.features, problem).numpy() == pytest.approx(scores, abs=1e-5)
        assert scores.std(axis=0).min() > 0.3


def test_a_feature_at_a_threshold_goes_where_it_goes_in_lightgbm():
    import lightgbm

    given = task()
    (head, *_) = fit_boosted(given, **GROWN).heads
    theirs = lightgbm.Booster(model_str=head.text())
    edges = torch.zeros(60, 6)
    for row, (place, at) in enumerate(
        zip(head.feature.flatten(), head.threshold.flatten(), strict=True)
    ):
        if row // 3 < 20:
            edges[row % 60, place] = [at, at.nextafter(torch.tensor(9.0)), -at][row % 3]
    scores = theirs.predict(edges.numpy(), raw_score=True)
    assert head(edges).detach().numpy() == pytest.approx(scores, abs=1e-5)


@pytest.mark.parametrize("several", [False, True])
def test_the_rounds_that_are_kept_have_the_least_loss_of_images_held_out(several):
    given = task(several=several)
    made = fit_boosted(given, **{**GROWN, "trees": 200})
    assert made.trees == int(np.argmin(made.losses)) + 1
    assert len(made.losses) == min(200, made.trees + PATIENCE)
    held = [
        given.losses(made.logits(given.features, k).double())[given.judged[k]] for k in (1, 2, 3)
    ]
    loss = float(torch.cat(held).sum() / given.weights.sum())
    assert loss == pytest.approx(made.losses[made.trees - 1], abs=1e-6)


def test_they_are_grown_to_the_same_bits_again_and_otherwise_by_another_seed():
    one, again, other = (
        fit_boosted(task(), **{**GROWN, "seed": seed}).logits(task().features) for seed in (3, 3, 4)
    )
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


@pytest.mark.parametrize("option", ["leaves", "rate", "share", "trees"])
def test_every_option_changes_the_trees(option):
    other = {"leaves": 2, "rate": 0.1, "share": 1.0, "trees": 3}[option]
    one = fit_boosted(task(), **GROWN).logits(task().features)
    assert not torch.allclose(
        one, fit_boosted(task(), **{**GROWN, option: other}).logits(task().features)
    )


@pytest.mark.parametrize("several", [False, True])
def test_weights_of_all_images_alike_change_nothing_but_the_start_of_labels(several):
    plain = fit_boosted(task(several=several), **GROWN).logits(task().features)
    heavy = fit_boosted(task(several=several, weight=8.0), **GROWN).logits(task().features)
    if several:  # there a weight is of images that have the label
        assert (heavy - plain).mean() > 0.5
    else:
        assert torch.allclose(plain, heavy, atol=0.1)


def test_a_shift_while_they_grow_is_taken_off_again():
    plain, moved = (fit_boosted(task(shift=s), **GROWN).logits(task().features) for s in (0, 2.0))
    assert torch.allclose(plain, moved + 2, atol=1e-5)


@pytest.mark.parametrize("several", [False, True])
def test_they_memorise_eight_images(several):
    given = task(8, several=several, folds=2)
    alone = Task(
        *(given.features, given.targets, given.shares, given.shift),
        *(np.ones((1, 8), bool), np.zeros((1, 8), bool), given.against),
    )
    made = fit_boosted(alone, trees=100, leaves=4, rate=0.3, share=1.0, seed=0)
    assert made.trees == 100
    assert made.losses == ()
    logits = made.logits(given.features)
    guessed = (logits > 0).long().numpy() if several else logits.argmax(dim=1).numpy()
    assert (guessed == given.targets).all()


@pytest.mark.parametrize("count", [2, 3])
def test_so_few_images_that_nothing_can_split_them_give_how_common_classes_are(count):
    given = task(count, folds=1)
    alone = Task(
        *(given.features[:1].expand(count, -1), given.targets, given.shares, given.shift),
        *(np.ones((1, count), bool), np.zeros((1, count), bool)),
    )
    made = fit_boosted(alone, **GROWN)
    common = np.log((np.bincount(given.targets, minlength=3) + 0.5) / (count + 0.5))
    assert made.logits(given.features)[0].numpy() == pytest.approx(common, abs=1e-5)


def test_growing_can_be_stopped():
    def stop():
        raise StoppedError("enough")

    with pytest.raises(StoppedError, match="enough"):
        fit_boosted(task(), **GROWN, looking=stop)


def test_a_new_head_gives_zero_and_keeps_float32_under_autocast():
    head = HEADS.build("boosted", {"trees": 2, "leaves": 3}, 5, 4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = head(torch.ones(2, 5, dtype=torch.bfloat16))
    assert logits.dtype == torch.float32
    assert torch.equal(logits, torch.zeros(2, 4))
