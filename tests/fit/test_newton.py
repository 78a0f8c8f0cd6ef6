"""The search for a linear head's minimum: against autograd, alone and beside others."""

import numpy as np
import pytest
import torch
from headtasks import C, D, N, drawn, several, task, task_of_several
from torch.nn import functional

from fieldmark.fit.exact import KEPT
from fieldmark.fit.logistic import begin
from fieldmark.fit.newton import solve


@pytest.mark.parametrize("penalty", [1.0, 1e-2, 1e-5])
@pytest.mark.parametrize("are_several", [False, True])
def test_where_a_problems_search_ends_does_not_depend_on_those_beside_it(are_several, penalty):
    given = task_of_several(*several(), folds=4) if are_several else task(*drawn(), folds=4)
    turned = given.turned("plain")
    together = solve(turned.rows, given, penalty, begin(turned, given), KEPT, lambda: None)
    for problem in range(5):
        own = given.of([problem])
        alone = solve(turned.rows, own, penalty, begin(turned, own), KEPT, lambda: None)
        torch.testing.assert_close(together[problem], alone[0], atol=1e-9, rtol=1e-7)


@pytest.mark.parametrize("penalty", [1e-2, 1e-6])
@pytest.mark.parametrize("start", [0.0, 30.0], ids=["zero", "far"])
def test_a_search_ends_at_the_minimum_wherever_it_is_begun(start, penalty):
    """Far away every image is told wrongly and for sure, where a whole step goes much too far."""
    given = task(*drawn(apart=0.5))
    turned = given.turned("standard")
    draw = torch.Generator().manual_seed(0)
    heads = start * torch.randn(1, C, D + 1, generator=draw, dtype=torch.float64)
    found = solve(turned.rows, given, penalty, heads, 1e-6, lambda: None)
    found.requires_grad_()
    logits = turned.rows @ found[0].T
    loss = functional.cross_entropy(logits, torch.from_numpy(given.targets), reduction="sum")
    (loss + penalty / 2 * found[..., :-1].square().sum()).backward()
    pull = penalty * found.detach()[..., :-1].abs().max()
    assert found.grad.abs().max() < 1e-2 * pull


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
