"""Many heads as one computation: the same as each alone."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional

from fieldmark.fit.loop import seed_step
from fieldmark.fit.stacked import StackedHeads
from fieldmark.models.heads import Linear32, UnitLength

K, N, D, C = 3, 6, 10, 4


def last(features):
    """A last layer as it is after some steps: a new one is zero."""
    layer = Linear32(features, C)
    nn.init.normal_(layer.weight, std=0.3)
    return layer


def linear():
    return nn.Sequential(nn.Dropout(0.3), last(D))


def by_length():
    return nn.Sequential(UnitLength(), nn.Dropout(0.3), last(D))


def mlp():
    return nn.Sequential(
        nn.BatchNorm1d(D),
        nn.Sequential(nn.Linear(D, 8), nn.ReLU(inplace=True), nn.Dropout(0.5)),
        nn.Linear(8, 8, bias=False),
        nn.GELU(),
        nn.Dropout(0.2),
        last(8),
    )


def bare_norm():
    return nn.Sequential(nn.BatchNorm1d(D, affine=False), nn.Dropout(0.0), last(D))


def maps():
    """squeezenet's head: nothing in it but the dropout can be done side by side."""
    return nn.Sequential(
        nn.Dropout(0.5),
        nn.Conv2d(D, C, 1),
        nn.ReLU(inplace=True),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )


class Own(nn.Module):
    """A head of somebody's own, with a dropout that nobody sees from outside."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(D, C)

    def forward(self, features):
        return functional.dropout(self.layer(features), 0.5, self.training)


def own():
    return nn.Sequential(nn.Dropout(0.1), Own())


BUILDS = (linear, by_length, mlp, bare_norm, maps, own)


def heads(build):
    torch.manual_seed(1)
    return [build() for _ in range(K)]


def features(build, count=K):
    torch.manual_seed(2)
    return torch.randn(count, N, D, 3, 3) if build is maps else torch.randn(count, N, D)


def alone(head, images, place=None, seed=0):
    head.train(place is not None)
    if place is not None:
        seed_step(seed, *place)
    return head(images)


@pytest.mark.parametrize("build", BUILDS)
def test_a_head_side_by_side_gives_what_it_gives_alone(build, monkeypatch):
    single, images = heads(build), features(build)
    stacked = StackedHeads(copy.deepcopy(single), (5, 6, 5))
    wanted = torch.stack([alone(h, x) for h, x in zip(single, images, strict=True)])
    torch.testing.assert_close(stacked(images), wanted)
    same = torch.stack([alone(head, images[0]) for head in single])
    torch.testing.assert_close(stacked.predict(images[0]), same)
    monkeypatch.setattr("fieldmark.fit.stacked.AT_ONCE", 1)  # a row at a time
    torch.testing.assert_close(stacked.predict(images[0]), same)


@pytest.mark.parametrize("build", BUILDS)
def test_training_steps_side_by_side_are_those_of_the_loop_alone(build):
    """Dropout's masks, statistics, gradients through the slices, and the optimiser's steps."""
    single, images, seeds = heads(build), features(build), (5, 6, 5)
    together = copy.deepcopy(single)
    stacked = StackedHeads(together, seeds)
    rates = (0.01, 0.02, 0.03)

    def optimizers(modules):
        return [
            torch.optim.SGD(m.parameters(), lr=rate, momentum=0.9)
            for m, rate in zip(modules, rates, strict=True)
        ]

    ones, others = optimizers(single), optimizers(together)
    for place in ((0, 0), (0, 1), (4, 0)):
        wanted = [alone(*each) for each in zip(single, images, [place] * K, seeds, strict=True)]
        found = stacked(images, place)
        torch.testing.assert_close(found, torch.stack(wanted))
        stacked.zero_grad()
        torch.autograd.backward(found.square().sum())
        for logits, one, other in zip(wanted, ones, others, strict=True):
            one.zero_grad()
            torch.autograd.backward(logits.square().sum())
            one.step()
            other.step()
    for one, other in zip(single, together, strict=True):
        torch.testing.assert_close(dict(one.state_dict()), dict(other.state_dict()))
    assert not torch.equal(next(single[0].parameters()), next(single[2].parameters()))


@pytest.mark.parametrize("build", [linear, own])
def test_masks_are_those_of_the_seed_and_the_place_alone(build):
    images = features(build)[:1].expand(K, -1, -1)
    torch.manual_seed(1)
    head = build()

    def masks(seeds, place):
        return StackedHeads([copy.deepcopy(head) for _ in seeds], seeds)(
            images[: len(seeds)], place
        )

    found = masks((5, 6, 5), (1, 2))
    assert torch.equal(found[0], found[2])
    assert not torch.equal(found[0], found[1])
    torch.testing.assert_close(masks((6,), (1, 2))[0], found[1])
    assert not torch.equal(masks((6,), (1, 3))[0], found[1])


@pytest.mark.parametrize("build", BUILDS)
def test_the_features_and_the_global_generator_stay_as_they_are(build):
    images = features(build)
    before, state = images.clone(), torch.get_rng_state()
    stacked = StackedHeads(heads(build), (5, 6, 7))
    torch.set_rng_state(state)
    stacked(images, (0, 0))
    stacked.predict(images[0])
    assert torch.equal(images, before)
    assert torch.equal(torch.get_rng_state(), state)


def test_features_in_sixteen_bits_give_logits_in_thirty_two():
    stacked = StackedHeads(heads(linear), (0, 0, 0))
    assert stacked(features(linear).bfloat16(), (0, 0)).dtype == torch.float32


def test_heads_of_two_builds_are_refused():
    with pytest.raises(ValueError, match="one build"):
        StackedHeads([linear(), mlp()], (0, 0))
