"""Losses of several labels an image."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from fieldmark.errors import SettingsError
from fieldmark.fit.losses import LOSSES, asymmetric, bce, binary_focal, counts_of, pos_weights_of
from fieldmark.fit.mixing import mixup

DRAW = torch.Generator().manual_seed(1)
LOGITS = 3 * torch.randn(7, 4, generator=DRAW)
LABELS = (torch.rand(7, 4, generator=DRAW) < 0.4).long()
COUNTS = counts_of(LABELS.numpy(), 4)
SEVERAL = ("bce", "binary_focal", "asymmetric")


def brute_force(labels, *, present=0.0, absent=0.0, margin=0.0, weights=(1, 1, 1, 1)):
    """The mean over images and labels, term by term in float64."""
    total = 0.0
    for row, own in zip(LOGITS.double().numpy(), np.asarray(labels, float), strict=True):
        for k, (logit, label) in enumerate(zip(row, own, strict=True)):
            score = 1 / (1 + np.exp(-logit))
            lowered = max(score - margin, 0)
            total += label * weights[k] * (1 - score) ** present * -np.log(score)
            total += (1 - label) * lowered**absent * -np.log(1 - lowered)
    return total / LOGITS.numel()


def test_counts_are_the_images_without_and_with_each_label():
    assert COUNTS.tolist() == [(1 - LABELS).sum(0).tolist(), LABELS.sum(0).tolist()]
    assert counts_of(np.array([0, 2, 2]), 4).tolist() == [1, 0, 2, 0]


def test_bce_is_torchs():
    wanted = functional.binary_cross_entropy_with_logits(LOGITS, LABELS.float())
    assert torch.equal(bce(COUNTS)(LOGITS, LABELS), wanted)
    assert bce(COUNTS)(LOGITS, LABELS).item() == pytest.approx(brute_force(LABELS), rel=1e-6)


@pytest.mark.parametrize("given", ["balanced", 2.5])
def test_an_image_with_a_label_weighs_more_for_it(given):
    weights = pos_weights_of(given, COUNTS)
    wanted = COUNTS[0] / COUNTS[1] if given == "balanced" else [given] * 4
    assert weights.tolist() == pytest.approx(wanted)
    for name in SEVERAL:
        loss = LOSSES.build(name, {"pos_weight": given}, COUNTS)
        gammas = {"bce": {}, "binary_focal": {"present": 2, "absent": 2}}.get(
            name, {"absent": 4, "margin": 0.05}
        )
        found = brute_force(LABELS, weights=weights.tolist(), **gammas)
        assert loss(LOGITS, LABELS).item() == pytest.approx(found, rel=1e-5)


def test_a_label_without_an_image_weighs_one():
    assert pos_weights_of("balanced", np.array([[3, 4, 0], [1, 0, 4]])).tolist() == [3, 1, 1]


def test_without_gammas_and_margin_all_are_bce():
    wanted = bce(COUNTS)(LOGITS, LABELS)
    torch.testing.assert_close(binary_focal(COUNTS, gamma=0)(LOGITS, LABELS), wanted)
    plain = asymmetric(COUNTS, gamma_absent=0.0, margin=0.0)
    torch.testing.assert_close(plain(LOGITS, LABELS), wanted)


def test_smoothed_labels_are_drawn_towards_a_half():
    found = bce(COUNTS, label_smoothing=0.2)(LOGITS, LABELS)
    assert found.item() == pytest.approx(brute_force(LABELS * 0.8 + 0.1), rel=1e-6)


@pytest.mark.parametrize("name", SEVERAL)
def test_gradients_of_extreme_logits_are_finite_and_halves_are_computed_as_floats(name):
    logits = torch.tensor([[80.0, -80.0, 0.0, 12.0]], requires_grad=True)
    for labels in (torch.tensor([[0, 1, 0, 1]]), torch.tensor([[1, 0, 1, 0]])):
        loss = LOSSES.build(name, {}, COUNTS)
        (slope,) = torch.autograd.grad(loss(logits, labels), logits)
        assert slope.isfinite().all()
    half = LOGITS.bfloat16()
    assert torch.equal(loss(half, LABELS), loss(half.float(), LABELS))


@pytest.mark.parametrize("options", [{}, {"pos_weight": "balanced"}, {"label_smoothing": 0.2}])
def test_the_shares_of_a_convex_loss_give_its_mean(options):
    loss = bce(COUNTS, **options)
    shares, against = loss.shares(LABELS), loss.against(LABELS)
    logits = LOGITS.double()
    terms = shares * -functional.logsigmoid(logits) + against * -functional.logsigmoid(-logits)
    assert terms.sum().item() / 7 == pytest.approx(loss(LOGITS, LABELS).item(), rel=1e-6)
    assert all(LOSSES.build(name, {}, COUNTS).shares is None for name in SEVERAL[1:])


def test_mixed_images_have_the_labels_of_both_in_their_shares():
    images, draw = torch.zeros(7, 3, 2, 2), np.random.default_rng(0)
    _, shares = mixup(alpha=1.0)(images, LABELS, 4, draw)
    partner, taken = (drawn := np.random.default_rng(0)).permutation(7), drawn.beta(1.0, 1.0)
    wanted = (1 - taken) * LABELS.float() + taken * LABELS[torch.from_numpy(partner)].float()
    torch.testing.assert_close(shares, wanted.float())
    assert shares[(LABELS == 1) & (LABELS[torch.from_numpy(partner)] == 1)].eq(1).all()


@pytest.mark.parametrize("given", [0, -1, "even"])
def test_a_weight_is_a_positive_number_or_balanced(given):
    _, mistakes = LOSSES.read("bce", {"pos_weight": given})
    assert [each.where for each in mistakes] == ["pos_weight"]
    with pytest.raises((SettingsError, ValueError, TypeError)):
        LOSSES.build("bce", {"weight": 1}, COUNTS)
