import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight
from torch.nn import functional

from fieldmark.errors import SettingsError
from fieldmark.fit.losses import LOSSES, cross_entropy, focal, weights_of

COUNTS = np.array([6, 3, 1])
LOGITS = 3 * torch.randn(7, 3, generator=torch.Generator().manual_seed(1))
TARGETS = torch.tensor([0, 1, 2, 0, 0, 1, 2])
SHARES = torch.rand(7, 3, generator=torch.Generator().manual_seed(2)).softmax(dim=1)
ONE_HOT = functional.one_hot(TARGETS, 3).float()
OPTIONS = [
    {},
    {"label_smoothing": 0.1},
    {"class_weights": "balanced"},
    {"class_weights": (1.0, 2.0, 0.5), "label_smoothing": 0.2},
]


def brute_force(logits, shares, *, gamma=0.0, weights=(1, 1, 1), smoothing=0.0):
    """The loss in float64, term by term."""
    total = weight = 0.0
    for each, row in zip(logits.double().numpy(), shares.double().numpy(), strict=True):
        scores = np.exp(each - each.max()) / np.exp(each - each.max()).sum()
        for k in range(3):
            share = row[k] * (1 - smoothing) + smoothing / 3
            total += weights[k] * share * (1 - scores[k]) ** gamma * -np.log(scores[k])
            weight += weights[k] * row[k]
    return total / weight


def weights_in(options):
    weights = weights_of(options.get("class_weights"), COUNTS)
    return (1, 1, 1) if weights is None else weights.tolist()


def test_without_options_the_bits_are_those_of_torch():
    found = cross_entropy(COUNTS)(LOGITS, TARGETS)
    assert torch.equal(found, functional.cross_entropy(LOGITS, TARGETS))
    smooth = cross_entropy(COUNTS, label_smoothing=0.1)(LOGITS, TARGETS)
    assert torch.equal(smooth, functional.cross_entropy(LOGITS, TARGETS, label_smoothing=0.1))


@pytest.mark.parametrize("options", OPTIONS)
def test_cross_entropy_of_classes_is_that_of_torch(options):
    found = LOSSES.build("cross_entropy", options, COUNTS)(LOGITS, TARGETS)
    wanted = functional.cross_entropy(
        LOGITS,
        TARGETS,
        weight=weights_of(options.get("class_weights"), COUNTS),
        label_smoothing=options.get("label_smoothing", 0.0),
    )
    torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize(("name", "gamma"), [("cross_entropy", 0), ("focal", 0), ("focal", 2.0)])
@pytest.mark.parametrize("shares", [SHARES, ONE_HOT])
def test_losses_of_shares_are_those_of_brute_force(options, name, gamma, shares):
    more = {"gamma": gamma} if name == "focal" else {}
    found = LOSSES.build(name, {**options, **more}, COUNTS)(LOGITS, shares)
    smoothing = options.get("label_smoothing", 0.0)
    wanted = brute_force(
        LOGITS, shares, gamma=gamma, weights=weights_in(options), smoothing=smoothing
    )
    assert found.item() == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("name", ["cross_entropy", "focal"])
def test_a_class_and_a_whole_share_of_it_give_the_same(name, options):
    loss = LOSSES.build(name, options, COUNTS)
    torch.testing.assert_close(loss(LOGITS, TARGETS), loss(LOGITS, ONE_HOT))


def test_focal_looks_past_what_is_right_already():
    sure, unsure = torch.tensor([[4.0, 0.0, 0.0]]), torch.tensor([[0.0, 0.0, 0.0]])
    right = torch.tensor([0])
    plain, found = cross_entropy(COUNTS), focal(COUNTS)
    assert found(sure, right) / plain(sure, right) == pytest.approx(0.0012, rel=0.05)
    assert found(unsure, right) / plain(unsure, right) == pytest.approx(4 / 9)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_focal_has_a_slope_where_a_score_is_one(gamma):
    logits = torch.tensor([[200.0, 0.0, 0.0], [0.0, 200.0, 0.0]], requires_grad=True)
    torch.autograd.backward(focal(COUNTS, gamma=gamma)(logits, torch.tensor([0, 0])))
    assert logits.grad.isfinite().all()
    assert logits.grad[1, 0] < 0


def test_balanced_weights_are_those_of_scikit_learn():
    labels = np.repeat(np.arange(3), COUNTS)
    wanted = compute_class_weight("balanced", classes=np.arange(3), y=labels)
    found = weights_of("balanced", COUNTS).double().numpy()
    assert found == pytest.approx(wanted)
    assert found[labels].mean() == pytest.approx(1)


def test_a_class_without_images_weighs_one_and_changes_no_other():
    found = weights_of("balanced", np.array([6, 0, 3, 1])).tolist()
    assert found[1] == 1
    assert [found[k] for k in (0, 2, 3)] == weights_of("balanced", COUNTS).tolist()


def test_logit_adjustment_adds_the_log_of_each_classes_share():
    shares = torch.tensor([0.6, 0.3, 0.1])
    for tau in (1.0, 0.5):
        found = cross_entropy(COUNTS, logit_adjustment=tau)(LOGITS, TARGETS)
        wanted = functional.cross_entropy(LOGITS + tau * shares.log(), TARGETS)
        torch.testing.assert_close(found, wanted)


def test_logit_adjustment_asks_more_of_rare_classes():
    loss = cross_entropy(COUNTS, logit_adjustment=1.0)
    common, rare = (loss(torch.zeros(1, 3), torch.tensor([k])) for k in (0, 2))
    assert rare > common


def test_a_class_without_images_has_a_finite_adjusted_loss():
    loss = cross_entropy(np.array([6, 0, 3]), logit_adjustment=1.0)
    wanted = functional.cross_entropy(torch.tensor([[6.0, 1.0, 3.0]]).log(), torch.tensor([1]))
    torch.testing.assert_close(loss(torch.zeros(1, 3), torch.tensor([1])), wanted)


@pytest.mark.parametrize("name", ["cross_entropy", "focal"])
def test_half_precision_is_computed_in_float32(name):
    loss = LOSSES.build(name, {}, COUNTS)
    half = LOGITS.bfloat16()
    assert loss(half, TARGETS).dtype == torch.float32
    assert torch.equal(loss(half, TARGETS), loss(half.float(), TARGETS))


@pytest.mark.parametrize("name", ["cross_entropy", "focal"])
def test_as_many_weights_are_wanted_as_there_are_classes(name):
    with pytest.raises(SettingsError) as told:
        LOSSES.build(name, {"class_weights": (1.0, 2.0)}, COUNTS)
    assert str(told.value) == (
        "loss.class_weights: there are 2 numbers for 3 classes; "
        "give one a class, in the order of the classes"
    )


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("none", None),
        (None, None),
        ("balanced", "balanced"),
        ("[1, 2.5]", (1.0, 2.5)),
        ((1, 2.5), (1.0, 2.5)),
    ],
)
def test_class_weights_are_read_from_texts_too(given, read):
    assert LOSSES.read("focal", {"class_weights": given}) == ({"class_weights": read}, [])


@pytest.mark.parametrize("given", ["balance", "[1, 0]", "[1, .inf]", "3", "[]", "[1, x]"])
def test_other_class_weights_are_told(given):
    values, mistakes = LOSSES.read("cross_entropy", {"class_weights": given})
    assert values == {}
    assert mistakes[0].where == "class_weights"
    assert mistakes[0].what.startswith(
        "must be none, balanced, or a list of positive numbers, one a class, not "
    )
