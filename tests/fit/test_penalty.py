"""The penalty is that of autograd, once a step of the optimiser, and apart from the loss."""

import numpy as np
import pytest
import torch
from loopparts import parts

from fieldmark.fit.epochs import row_of
from fieldmark.fit.loop import step
from fieldmark.fit.penalty import Penalty
from fieldmark.fit.plan import Plan
from fieldmark.fit.state import State

RATE = 0.5
IMAGES = torch.randn(8, 3, 2, 2, generator=torch.Generator().manual_seed(3))
TARGETS = torch.tensor([0, 1, 2, 0, 1, 2, 0, 1])


def begun(seed=0):
    torch.manual_seed(seed)
    layers = (torch.nn.Conv2d(3, 4, 1), torch.nn.BatchNorm2d(4), torch.nn.Flatten())
    model = torch.nn.Sequential(*layers, torch.nn.Linear(16, 3))
    with torch.no_grad():
        model[1].weight[0] = 0.0  # where |w| has a corner
    return State(model, torch.optim.SGD(model.parameters(), lr=RATE))


def by_hand(model, penalty):
    """The penalty by autograd, over the parameters that it is on."""
    names = {"all": None, "weights": {"0.weight", "3.weight"}}[penalty.on]
    trained = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    on = [p for name, p in trained if names is None or name in names]
    return sum(penalty.l1 * p.abs().sum() + penalty.l2 / 2 * p.square().sum() for p in on)


@pytest.mark.parametrize("on", ["all", "weights"])
@pytest.mark.parametrize(("l1", "l2"), [(0.02, 0.0), (0.0, 0.3), (0.02, 0.3)])
def test_a_step_with_a_penalty_is_that_of_autograd_on_loss_and_penalty(on, l1, l2):
    penalty, state, wanted = Penalty(l1=l1, l2=l2, on=on), begun(), begun().model
    added = by_hand(wanted, penalty)
    whole = torch.nn.functional.cross_entropy(wanted(IMAGES), TARGETS)
    (whole + added).backward()
    loss, _ = step(state, Plan(1, 0), parts([8], penalty), IMAGES, TARGETS)
    assert loss.item() == pytest.approx(whole.item())
    assert state.running.penalty_sum() == pytest.approx(added.item())
    for mine, theirs in zip(state.model.parameters(), wanted.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs - RATE * theirs.grad)


def test_accumulated_batches_have_the_penalty_once():
    penalty = Penalty(l1=0.02, l2=0.3)
    whole, pieces, plain = begun(), begun(), begun()
    for state in (whole, pieces, plain):
        state.model.eval()  # batch norm sees other batches otherwise
    step(whole, Plan(1, 0), parts([8], penalty), IMAGES, TARGETS)
    step(plain, Plan(1, 0), parts([8], None), IMAGES, TARGETS)
    for place in range(2):
        pieces.step, rows = place, slice(4 * place, 4 * place + 4)
        plan = Plan(1, 0, accumulate=2)
        step(pieces, plan, parts([4, 4], penalty), IMAGES[rows], TARGETS[rows])
    assert pieces.running.penalised_steps == 1
    for one, other in zip(whole.model.parameters(), pieces.model.parameters(), strict=True):
        torch.testing.assert_close(one, other)
    assert not torch.equal(whole.model[3].weight, plain.model[3].weight)


def test_a_penalty_is_cut_with_the_rest_of_the_gradient():
    state = begun()
    before = [parameter.detach().clone() for parameter in state.model.parameters()]
    plan = Plan(1, 0, clip_norm=0.01)
    step(state, plan, parts([8], Penalty(l1=5.0)), IMAGES, TARGETS)
    pairs = zip(before, state.model.parameters(), strict=True)
    moved = sum((old - new.detach()).square().sum() for old, new in pairs)
    assert moved.sqrt().item() == pytest.approx(RATE * 0.01, rel=1e-4)


def test_what_is_not_trained_has_no_penalty_and_what_the_loss_leaves_out_has():
    state = begun()
    state.model[0].requires_grad_(False)
    with torch.no_grad():
        wanted = by_hand(state.model, Penalty(l2=2.0)).item()
    penalty = Penalty(l2=2.0)
    covered = penalty.covered(state.model)
    assert penalty.add_gradient(covered).item() == pytest.approx(wanted)
    assert state.model[0].weight.grad is None
    torch.testing.assert_close(state.model[3].weight.grad, 2.0 * state.model[3].weight.detach())


def test_a_penalty_of_nothing_is_nothing():
    state = begun()
    assert Penalty().add_gradient(list(state.model.parameters())).item() == 0
    assert state.model[3].weight.grad is None


def test_where_nothing_is_covered_there_is_no_penalty():
    assert Penalty(l1=1.0).add_gradient([]).item() == 0


def test_what_is_covered_is_worked_out_once_a_stage(monkeypatch):
    state, asked, covered = begun(), [], Penalty.covered
    monkeypatch.setattr(Penalty, "covered", lambda *args: asked.append(1) or covered(*args))
    for place in range(2):
        state.step = place
        step(state, Plan(1, 0), parts([8, 8], Penalty(l1=0.02, on="weights")), IMAGES, TARGETS)
    assert len(asked) == 1


def test_history_tells_the_penalty_apart_and_only_where_there_is_one():
    rows = []
    for penalty in (None, Penalty(l1=0.02)):
        state = begun()
        added = [] if penalty is None else [by_hand(state.model, penalty).item()]
        for place in range(2):
            state.step = place
            found = parts([8, 8], penalty)
            loss, logits = step(state, Plan(1, 0), found, IMAGES, TARGETS)
            state.running.add(loss, logits, TARGETS)
            added += [by_hand(state.model, penalty).item()] if penalty and place == 0 else []
        rows.append(row_of(state, found, None))
    assert "train_penalty" not in rows[0]
    assert rows[1]["train_penalty"] == pytest.approx(np.mean(added))
    assert rows[1]["train_loss"] < rows[0]["train_loss"] + 0.5 * np.mean(added)


def test_a_scaled_gradient_is_unscaled_before_the_penalty_joins_it():
    """With a loss scaler, which a processor has too, though no use for it."""
    plain, scaled = begun(), begun()
    scaled.scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    for state in (plain, scaled):
        step(state, Plan(1, 0), parts([8], Penalty(l1=0.02, l2=0.3)), IMAGES, TARGETS)
    for one, other in zip(plain.model.parameters(), scaled.model.parameters(), strict=True):
        torch.testing.assert_close(one, other)
