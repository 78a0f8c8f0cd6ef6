"""Lion, an optimiser that moves every weight by the same amount, up or down."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn, optim

Parameters = Iterable[nn.Parameter] | Iterable[dict[str, Any]]


class Lion(optim.Optimizer):
    """The sign of interpolated momentum and gradient, with decoupled weight decay.

    With gradient g and momentum m: w <- w - lr (sign(b1 m + (1 - b1) g) + decay w), and only then
    m <- b2 m + (1 - b2) g. Chen et al., "Symbolic Discovery of Optimization Algorithms", 2023,
    algorithm 2.
    """

    def __init__(
        self,
        params: Parameters,
        *,
        lr: float,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
    ):
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One step on the gradients that there are; a closure is not called, for none is needed."""
        for group in self.param_groups:
            params: list[Tensor] = [p for p in group["params"] if p.grad is not None]
            if not params:
                continue
            grads = [p.grad for p in params if p.grad is not None]
            momenta = [self._momentum(p) for p in params]
            first, second = group["betas"]
            moves = torch._foreach_lerp(momenta, grads, 1 - first)
            torch._foreach_sign_(moves)
            torch._foreach_mul_(params, 1 - group["lr"] * group["weight_decay"])
            torch._foreach_add_(params, moves, alpha=-group["lr"])
            torch._foreach_lerp_(momenta, grads, 1 - second)

    def _momentum(self, parameter: Tensor) -> Tensor:
        state = self.state[parameter]
        if not state:
            state["momentum"] = torch.zeros_like(parameter)
        momentum: Tensor = state["momentum"]
        return momentum
