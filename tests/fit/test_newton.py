"""The search for a linear head's minimum: against autograd, alone and beside others."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from headtasks import C, D, N, drawn, several, task, task_of_several
from torch.nn import functional

from fieldmark.fit import newton
from fieldmark.fit.exact import KEPT
from fieldmark.fit.logistic import begin
from fieldmark.fit.newton import solve


@pytest.mark.parametrize("penalty", [1.0, 1e-2, 1e-4])
@pytest.mark.parametrize("are_several", [False, True])
def test_a_problems_minimum_is_found_as_well_beside_others(are_several, penalty):
    given = task_of_several(*several(), folds=4) if are_several else task(*drawn(), folds=4)
    turned = given.turned("plain")
    together = solve(turned.rows, given, penalty, begin(turned, given), 1e-7, lambda: None)
    for problem in range(5):
        own = given.of([problem])
        alone = solve(turned.rows, own, penalty, begin(turned, own), 1e-7, lambda: None)
        torch.testing.assert_close(together[problem], alone[0], atol=1e-5, rtol=1e-5)


def steepness(given, rows, heads, penalty):
    """By autograd: the loss and penalty of problem 0, and its slope beside the penalty's own."""
    heads = heads.detach().clone().requires_grad_()
    logits, truth = rows @ heads[0].T, torch.from_numpy(given.targets)
    if given.against is None:
        loss = functional.cross_entropy(logits, truth, reduction="sum")
    else:
        mean = functional.binary_cross_entropy_with_logits(logits, truth.double())
        loss = mean * len(truth)
    whole = loss + penalty / 2 * heads[..., :-1].square().sum()
    whole.backward()
    pull = penalty * heads.detach()[..., :-1].abs().max()
    return float(whole.detach()), float(heads.grad.abs().max() / pull)


@pytest.mark.parametrize("penalty", [1e-2, 1e-6])
@pytest.mark.parametrize("far", [0, 1, 30, 1e4])
@pytest.mark.parametrize("are_several", [False, True])
def test_a_search_ends_at_the_minimum_wherever_it_is_begun(are_several, far, penalty):
    """Far away images are told wrongly and for sure: there a whole step goes much too far."""
    given = task_of_several(*several()) if are_several else task(*drawn(apart=0.5))
    rows, looks = given.turned("standard").rows, []
    draw = torch.Generator().manual_seed(0)
    start = far * torch.randn(1, C, rows.shape[1], generator=draw, dtype=torch.float64)
    found = solve(rows, given, penalty, start, 1e-6, lambda: looks.append(None))
    at_zero = solve(rows, given, penalty, torch.zeros_like(start), 1e-6, lambda: None)
    least, steep = steepness(given, rows, found, penalty)
    assert steep < 1e-2
    assert least == pytest.approx(steepness(given, rows, at_zero, penalty)[0], rel=1e-6)
    assert len(looks) < 300


@pytest.mark.parametrize("penalty", [1e-2, 1e-6])
@pytest.mark.parametrize("are_several", [False, True])
def test_where_all_images_of_a_problem_are_alike_its_search_ends_and_spoils_no_other(
    are_several, penalty
):
    """A label that all have, or a fold of one class: the bias alone would grow for ever."""
    features, labels = several(labels=2)
    labels[:40, 1] = 1
    targets = labels[:, 1]
    given = task_of_several(features, labels) if are_several else task(features, targets, classes=2)
    alike = np.arange(len(targets)) < 40
    sides = np.stack([np.ones(len(targets), bool), alike])
    given = replace(given, trained=sides, judged=~sides)
    turned, looks = given.turned("plain"), []
    found = solve(
        turned.rows, given, penalty, begin(turned, given), KEPT, lambda: looks.append(None)
    )
    assert len(looks) < 300
    scores = turned.rows[alike] @ found[1].T
    assert found.isfinite().all()
    alone = given.of([0])
    wanted = solve(turned.rows, alone, penalty, begin(turned, alone), KEPT, lambda: None)
    torch.testing.assert_close(found[0], wanted[0], atol=1e-9, rtol=1e-7)
    told = scores[:, 1] if are_several else scores[:, 1] - scores[:, 0]
    assert told.min() > 5


def test_a_step_knows_nothing_of_images_that_are_not_trained_on():
    features, targets = drawn(400)
    given, looks = task(features, targets, out=np.arange(400) >= 40), []
    far = replace(given, features=given.features.clone())
    far.features[40:] = 100 * far.features[40:].flip(0)
    for each in (given, far):
        rows = each.turned("plain").rows
        start = torch.zeros(1, C, rows.shape[1], dtype=torch.float64)
        looks.append(0)
        scaled = rows.clone()
        scaled[40:] *= 100 if each is far else 1

        def looking():
            looks[-1] += 1

        solve(scaled, given, 1e-4, start, KEPT, looking)
    assert abs(looks[0] - looks[1]) < 10


@pytest.mark.parametrize("penalty", [1e-2, 1e-6])
def test_a_search_with_the_fewest_looks_is_near_the_minimum(penalty, monkeypatch):
    given = task(*drawn(600, 100, 20, apart=0.5), classes=20)
    turned = given.turned("plain")
    best = solve(turned.rows, given, penalty, begin(turned, given), 1e-6, lambda: None)
    monkeypatch.setattr(newton, "AFFORDED", 0)
    looks = []
    found = solve(turned.rows, given, penalty, begin(turned, given), 1e-6, lambda: looks.append(0))
    assert len(looks) <= newton.LEAST + 30  # those with a stronger penalty do not count
    least, near = (steepness(given, turned.rows, each, penalty)[0] for each in (best, found))
    assert near == pytest.approx(least, rel=0.01)


@pytest.mark.parametrize("shape", [(N, D), (12, 40)], ids=["many", "few"])
def test_a_head_is_taken_to_other_scaled_features_with_what_it_answers(shape):
    given, draw = task(*drawn(*shape)), torch.Generator().manual_seed(0)
    plain, standard, length = (given.turned(kind) for kind in ("plain", "standard", "length"))
    heads = torch.randn(2, C, plain.rows.shape[1], generator=draw, dtype=torch.float64)
    wanted = plain.rows @ heads.mT
    taken = standard.taken(heads, plain)
    torch.testing.assert_close(standard.rows @ taken.mT, wanted)
    torch.testing.assert_close(plain.taken(taken, standard), heads)
    near = length.rows @ length.taken(heads, plain).mT
    assert np.corrcoef(near.flatten(), wanted.flatten())[0, 1] > 0.9
