"""L1 and L2 penalties: what weights cost by themselves, so that they stay small."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from fieldmark.models.stages import weight_names


@dataclass(frozen=True)
class Penalty:
    """l1 * sum |p| + l2 / 2 * sum p^2 over the trained parameters.

    on: all of them, or "weights" alone, which are no biases and nothing of norms.
    """

    l1: float = 0.0
    l2: float = 0.0
    on: Literal["all", "weights"] = "all"

    def covered(self, model: nn.Module) -> list[nn.Parameter]:
        """The parameters that it is on, of those that are trained now."""
        trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
        wanted = weight_names(model) if self.on == "weights" else trained.keys()
        return [parameter for name, parameter in trained.items() if name in wanted]

    @torch.no_grad()
    def add_gradient(self, covered: Sequence[nn.Parameter]) -> Tensor:
        """Add its gradient, l1 * sign(p) + l2 * p, to the one that is there. -> the penalty ()

        covered: of `covered`. The gradients must not be scaled any more. That of |p| at 0 is 0,
        as torch has it.
        """
        found = torch.zeros((), device=covered[0].device if covered else None)
        for parameter in covered:
            if self.l1:
                found += self.l1 * torch.linalg.vector_norm(parameter, 1)
                _gradient(parameter).add_(parameter.sign(), alpha=self.l1)
            if self.l2:
                found += self.l2 / 2 * torch.linalg.vector_norm(parameter).square()
                _gradient(parameter).add_(parameter, alpha=self.l2)
        return found


def _gradient(parameter: nn.Parameter) -> Tensor:
    """The parameter's gradient; zeros, in place, where the loss gave it none."""
    if parameter.grad is None:
        parameter.grad = torch.zeros_like(parameter)
    return parameter.grad
