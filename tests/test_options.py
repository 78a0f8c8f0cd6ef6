"""No option is without effect: each one of every catalog but the models' changes what is done.

A published network once took dropout and batch norm as options, passed neither on, and its
findings on both were void. (tests/models holds the same of every network.)
"""

import math

import numpy as np
import pytest
import torch

from fieldmark.data.augment import AUGMENTS
from fieldmark.data.batch_augment import BATCH_AUGMENTS, Draws
from fieldmark.fit.losses import LOSSES
from fieldmark.fit.mixing import MIXES
from fieldmark.fit.optimizers import OPTIMIZERS
from fieldmark.fit.schedules import SCHEDULES, Progress
from fieldmark.records import InputSpec

SPEC = InputSpec("square:32", 32)
CANDIDATES = (
    True,
    False,
    "balanced",
    "edge",
    "zero",
    "loss",
    3.5,
    0.9,
    0.4,
    2,
    3,
    5.5,
    40,
    (0.5, 0.6),
)
IN_A_FILE = {"pipeline"}  # Albumentations' own, which has tests of its own
BY_BATCH = {"alternate"}  # which needs to know the epoch


def options(catalog, skip=()):
    return [
        pytest.param(name, option, id=f"{name}-{option}")
        for name in catalog
        if not (catalog is AUGMENTS and "albumentations" in name)
        for option in catalog[name].options()
        if option not in skip
    ]


def changed(catalog, name, option):
    """A value that the option takes and that is not its default."""
    default = catalog[name].options()[option].default
    for value in CANDIDATES:
        read, mistakes = catalog.read(name, {option: value})
        if not mistakes and read[option] != default and type(read[option]) is type(value):
            return read[option]
    raise AssertionError(f"no candidate fits {name}.{option}; add one")


def differs(catalog, name, option, done):
    """Whether what `done` gives for a builder's product changes with the option."""
    value = changed(catalog, name, option)
    return not torch.equal(done(name, {}), done(name, {option: value}))


@pytest.mark.parametrize(("name", "option"), options(OPTIMIZERS))
def test_an_option_of_an_optimiser_changes_the_steps(name, option):
    def trained(name, given):
        weights = torch.nn.Parameter(torch.tensor([[1.0, -2.0], [0.03, 4.0]]))
        optimizer = OPTIMIZERS.build(name, given, [weights])
        for step in range(6):
            optimizer.zero_grad()
            ((weights - (3, -5, 1, 0.4, -2, 6)[step]) ** 2).sum().mul(1e-4).backward()
            optimizer.step()
        return weights.detach()

    assert differs(OPTIMIZERS, name, option, trained)


@pytest.mark.parametrize(("name", "option"), options(SCHEDULES))
def test_an_option_of_a_schedule_changes_the_rate(name, option):
    def rates(name, given):
        schedule = SCHEDULES.build(name, given)
        rising = tuple(2 + 0.001 * epoch for epoch in range(28))
        monitored, losses = (1.0, 2.0) + (1.5,) * 30 + rising, tuple(range(60, 0, -1))
        places = [
            Progress(step, 4, 60, monitored[: step // 4], losses[: step // 4])
            for step in range(240)
        ]
        return torch.tensor([schedule(place) for place in places], dtype=torch.float64)

    assert differs(SCHEDULES, name, option, rates)


@pytest.mark.parametrize(("name", "option"), options(LOSSES))
def test_an_option_of_a_loss_changes_the_loss(name, option):
    logits = torch.tensor([[2.0, -1.0, 0.5], [0.1, 0.2, 0.3], [-1.0, 0.0, 3.0]])

    def loss(name, given):
        if LOSSES.build(name, {}, np.ones((2, 3))).several:
            labels = torch.tensor([[0, 1, 1], [1, 0, 0], [0, 0, 1]])
            return LOSSES.build(name, given, np.array([[3, 6, 7], [5, 2, 1]]))(logits, labels)
        return LOSSES.build(name, given, np.array([5, 2, 1]))(logits, torch.tensor([0, 2, 1]))

    assert differs(LOSSES, name, option, loss)


@pytest.mark.parametrize(("name", "option"), options(MIXES))
def test_an_option_of_a_mix_changes_the_images(name, option):
    images = torch.randint(256, (8, 3, 16, 16), dtype=torch.uint8)

    def mixed(name, given):
        mix = MIXES.build(name, given)
        made = [
            mix(images, torch.arange(8) % 3, 3, np.random.default_rng(seed))[0] for seed in range(9)
        ]
        return torch.stack(made)

    assert differs(MIXES, name, option, mixed)


@pytest.mark.parametrize(("name", "option"), options(AUGMENTS, skip=IN_A_FILE | BY_BATCH))
def test_an_option_of_an_augmentation_changes_the_images(name, option):
    draw = np.random.default_rng(0)
    image = torch.from_numpy(draw.integers(0, 256, (3, 32, 36), dtype=np.uint8))

    def drawn(name, given):
        augment = AUGMENTS.build(name, given, SPEC)
        many = [augment(image, np.random.default_rng(seed)).float() for seed in range(16)]
        return torch.stack(many)

    assert differs(AUGMENTS, name, option, drawn)


@pytest.mark.parametrize(
    ("name", "option"),
    [each for each in options(AUGMENTS, skip=IN_A_FILE) if each.values[0] in BATCH_AUGMENTS],
)
def test_an_option_changes_images_in_memory_too(name, option):
    draw = np.random.default_rng(0)
    images = torch.from_numpy(draw.integers(0, 256, (32, 3, 32, 32), dtype=np.uint8))

    def drawn(name, given):
        augment = BATCH_AUGMENTS[name](SPEC, **given)
        rows = np.arange(32)
        return torch.stack(
            [augment(images, Draws(0, epoch, rows, rows * 0)).float() for epoch in (0, 1)]
        )

    assert differs(AUGMENTS, name, option, drawn)


def test_the_schedule_none_is_the_rate_as_it_is_given():
    assert math.isclose(SCHEDULES.build("none", {})(Progress(3, 4, 5)), 1.0)
