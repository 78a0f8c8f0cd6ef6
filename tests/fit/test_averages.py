"""Slow weights against the algorithm written out, and what becomes of them at the end."""

import copy

import torch

from fieldmark.fit.averages import Lookahead
from fieldmark.fit.state import State


def wandering(seed=0):
    """A network, and a function that moves its weights and statistics as training would."""
    torch.manual_seed(seed)
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    draw = torch.Generator().manual_seed(1)

    def move():
        with torch.no_grad():
            for value in model.state_dict().values():
                if value.is_floating_point():
                    value.add_(torch.randn(value.shape, generator=draw))
                else:
                    value.add_(1)

    return model, move


def test_slow_weights_are_those_of_the_algorithm_written_out():
    every, total = 5, 20
    model, move = wandering()
    lookahead = Lookahead(model, every)
    slow = {name: value.clone() for name, value in model.state_dict().items()}
    for done in range(1, total + 1):
        move()
        fast = {name: value.clone() for name, value in model.state_dict().items()}
        lookahead.update(model, done / total)
        if done % every == 0:
            held = 0.95**every * (done / total) ** 3
            for name, value in fast.items():
                is_whole = not value.is_floating_point()
                slow[name] = value if is_whole else held * slow[name] + (1 - held) * value
            fast = slow
        for name, value in model.state_dict().items():
            torch.testing.assert_close(value, fast[name])
        for name, value in lookahead.model.state_dict().items():
            torch.testing.assert_close(value, slow[name])
    assert lookahead.updates == total


def test_the_trained_weights_end_as_the_slow_ones_wherever_the_last_step_falls():
    model, move = wandering()
    lookahead = Lookahead(model, 4)
    for done in range(1, 7):
        move()
        before = copy.deepcopy(lookahead.model.state_dict())
        lookahead.update(model, done / 6)
    for name, value in lookahead.model.state_dict().items():
        assert torch.equal(value, model.state_dict()[name])
        if value.is_floating_point():
            assert torch.equal(value, before[name])


def test_the_slow_network_is_the_one_that_is_judged():
    model, move = wandering()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    state = State(model, optimizer, ema=Lookahead(model, 3))
    move()
    assert state.judged is state.ema.model
    assert not state.judged.training
    assert not any(parameter.requires_grad for parameter in state.judged.parameters())
    assert not torch.equal(state.judged[0].weight, model[0].weight)
