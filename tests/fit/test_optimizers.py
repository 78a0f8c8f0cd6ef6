"""Optimisers are torch's, and refuse what makes no sense."""

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


def test_cross_entropy_is_that_of_torch_in_float32():
    draw = torch.Generator().manual_seed(0)
    logits = torch.randn(9, 4, generator=draw)
    targets = torch.randint(0, 4, (9,), generator=draw)
    loss = LOSSES.build("cross_entropy", {"label_smoothing": 0.1}, np.ones(4))
    wanted = torch.nn.CrossEntropyLoss(label_smoothing=0.1)(logits, targets)
    assert torch.equal(loss(logits, targets), wanted)
    assert loss(logits.bfloat16(), targets).dtype == torch.float32
