"""Lion, an optimiser that moves every weight by the same amount, up or down."""

from collections.abc import Callable

import torch
from torch import Tensor, optim

from fieldmark.fit.ranges import Parameters


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
            first, second = group["betas"]
            shrink = 1 - group["lr"] * group["weight_decay"]
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                momentum = self._momentum(parameter)
                move = momentum.lerp(parameter.grad, 1 - first).sign_()
                parameter.mul_(shrink).add_(move, alpha=-group["lr"])
                momentum.lerp_(parameter.grad, 1 - second)

    def _momentum(self, parameter: Tensor) -> Tensor:
        state = self.state[parameter]
        if not state:
            state["momentum"] = torch.zeros_like(parameter)
        momentum: Tensor = state["momentum"]
        return momentum
