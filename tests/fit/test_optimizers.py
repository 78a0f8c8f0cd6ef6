"""Optimisers are torch's and Lion's paper's, learn, and refuse what makes no sense."""

import numpy as np
import pytest
import torch

from fieldmark.fit.losses import LOSSES
from fieldmark.fit.optimizers import OPTIMIZERS


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("adamw", torch.optim.AdamW),
        ("adam", torch.optim.Adam),
        ("sgd", torch.optim.SGD),
        ("adadelta", torch.optim.Adadelta),
        ("rmsprop", torch.optim.RMSprop),
    ],
)
def test_each_name_is_the_optimizer_of_torch_with_every_option_passed_on(name, kind):
    options = {
        option: parameter.default for option, parameter in OPTIMIZERS[name].options().items()
    }
    optimizer = OPTIMIZERS.build(name, options, [torch.nn.Parameter(torch.zeros(2))])
    assert type(optimizer) is kind
    for option, value in options.items():
        assert optimizer.defaults[option] == value
    changed = {o: _other(v) for o, v in options.items()}
    optimizer = OPTIMIZERS.build(name, changed, [torch.nn.Parameter(torch.zeros(2))])
    for option, value in changed.items():
        assert optimizer.defaults[option] == value


def _other(value):
    if isinstance(value, bool):
        return not value
    if isinstance(value, tuple):
        return (0.5, 0.6)
    return 0.25


@pytest.mark.parametrize("name", list(OPTIMIZERS))
@pytest.mark.parametrize("rate", ["-1", "0", "nan", "inf"])
def test_a_rate_that_is_not_positive_is_refused(name, rate):
    _, mistakes = OPTIMIZERS.read(name, {"lr": rate})
    assert [mistake.where for mistake in mistakes] == ["lr"]


@pytest.mark.parametrize("name", list(OPTIMIZERS))
def test_each_optimizer_learns_at_its_own_rate(name):
    losses = descent(name, steps=120)
    assert losses[-1] < 0.85 * losses[0]
    assert losses[-1] < losses[60]


def descent(name, steps, **options):
    """Logistic regression on classes that can be told apart. -> the loss before each step"""
    draw = torch.Generator().manual_seed(0)
    targets = torch.arange(64) % 4
    rows = torch.randn(64, 32, generator=draw) + 2 * torch.eye(4)[targets].repeat(1, 8)
    weight = torch.nn.Parameter(torch.zeros(32, 4))
    optimizer, losses = OPTIMIZERS.build(name, options, [weight]), []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(rows @ weight, targets)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def test_lion_is_that_of_its_paper():
    draw = torch.Generator().manual_seed(0)
    weights = [torch.nn.Parameter(torch.randn(3, 4, generator=draw)) for _ in range(2)]
    lr, decay, (first, second) = 0.01, 0.3, (0.8, 0.95)
    groups = [{"params": weights[:1]}, {"params": weights[1:], "lr": 0.1, "weight_decay": 0.0}]
    options = {"lr": lr, "weight_decay": decay, "betas": (first, second)}
    optimizer = OPTIMIZERS.build("lion", options, groups)
    wanted = [weight.detach().double().clone() for weight in weights]
    momenta = [torch.zeros(3, 4, dtype=torch.float64) for _ in weights]
    for _ in range(9):
        for place, (rate, shrink) in enumerate([(lr, decay), (0.1, 0.0)]):
            gradient = torch.randn(3, 4, generator=draw)
            weights[place].grad = gradient
            move = (first * momenta[place] + (1 - first) * gradient).sign()
            wanted[place] -= rate * (move + shrink * wanted[place])
            momenta[place] = second * momenta[place] + (1 - second) * gradient
        optimizer.step()
    for weight, value in zip(weights, wanted, strict=True):
        torch.testing.assert_close(weight.detach().double(), value, rtol=1e-5, atol=1e-6)


def test_lion_leaves_alone_what_has_no_gradient():
    weight = torch.nn.Parameter(torch.ones(3))
    OPTIMIZERS.build("lion", {"weight_decay": 0.5}, [weight]).step()
    assert torch.equal(weight.detach(), torch.ones(3))


def test_cross_entropy_is_that_of_torch_in_float32():
    draw = torch.Generator().manual_seed(0)
    logits = torch.randn(9, 4, generator=draw)
    targets = torch.randint(0, 4, (9,), generator=draw)
    loss = LOSSES.build("cross_entropy", {"label_smoothing": 0.1}, np.ones(4))
    wanted = torch.nn.CrossEntropyLoss(label_smoothing=0.1)(logits, targets)
    assert torch.equal(loss(logits, targets), wanted)
    assert loss(logits.bfloat16(), targets).dtype == torch.float32
