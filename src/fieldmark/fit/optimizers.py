"""Optimisers by name: torch's own and Lion, with their defaults made explicit.

Every optimiser of timm is there too, as timm/NAME: not listed, but found when it is asked for.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, optim

from fieldmark.catalog import Catalog, Entry
from fieldmark.errors import Mistake
from fieldmark.fit import timm_optimizers
from fieldmark.fit.timm_optimizers import PREFIX, Decay, Fraction, Parameters, Rate


class Idle(optim.Optimizer):
    """Of a stage without steps. torch's own, once made, bring its compiler with them: a second."""

    def __init__(self) -> None:
        self.state, self.defaults = {}, {}  # type: ignore[assignment]
        self.param_groups = [{"lr": 0.0, "base_lr": 0.0}]

    def state_dict(self) -> dict[str, Any]:
        """Nothing is to be remembered."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Nothing was."""


def adamw(
    parameters: Parameters,
    *,
    lr: Rate = 1e-3,
    weight_decay: Decay = 1e-2,
    betas: tuple[Fraction, Fraction] = (0.9, 0.999),
    eps: Rate = 1e-8,
) -> optim.Optimizer:
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2017)."""
    return optim.AdamW(parameters, lr=lr, weight_decay=weight_decay, betas=betas, eps=eps)


def adam(
    parameters: Parameters,
    *,
    lr: Rate = 1e-3,
    weight_decay: Decay = 0.0,
    betas: tuple[Fraction, Fraction] = (0.9, 0.999),
    eps: Rate = 1e-8,
) -> optim.Optimizer:
    """Adam (Kingma and Ba, 2014); weight_decay adds an L2 term to the gradient."""
    return optim.Adam(parameters, lr=lr, weight_decay=weight_decay, betas=betas, eps=eps)


def sgd(
    parameters: Parameters,
    *,
    lr: Rate = 0.05,
    momentum: Fraction = 0.9,
    weight_decay: Decay = 5e-4,
    nesterov: bool = False,
) -> optim.Optimizer:
    """Stochastic gradient descent with momentum."""
    return optim.SGD(
        parameters, lr=lr, momentum=momentum, weight_decay=weight_decay, nesterov=nesterov
    )


def adadelta(
    parameters: Parameters,
    *,
    lr: Rate = 1.0,
    rho: Fraction = 0.9,
    eps: Rate = 1e-6,
    weight_decay: Decay = 0.0,
) -> optim.Optimizer:
    """Adadelta (Zeiler, 2012)."""
    return optim.Adadelta(parameters, lr=lr, rho=rho, eps=eps, weight_decay=weight_decay)


def rmsprop(
    parameters: Parameters,
    *,
    lr: Rate = 1e-3,
    alpha: Fraction = 0.99,
    eps: Rate = 1e-8,
    momentum: Fraction = 0.0,
    weight_decay: Decay = 0.0,
) -> optim.Optimizer:
    """RMSprop (Tieleman and Hinton, 2012)."""
    return optim.RMSprop(
        parameters, lr=lr, alpha=alpha, eps=eps, momentum=momentum, weight_decay=weight_decay
    )


class Lion(optim.Optimizer):
    """The sign of interpolated momentum and gradient, with decoupled weight decay.

    With gradient g and momentum m: w <- w - lr (sign(b1 m + (1 - b1) g) + decay w), and only then
    m <- b2 m + (1 - b2) g. Chen et al., "Symbolic Discovery of Optimization Algorithms", 2023,
    algorithm 2. It wants 3 to 10 times less rate and as much more decay than AdamW, as its paper
    has it: the defaults are a tenth and ten times those of `adamw`.
    """

    def __init__(
        self,
        params: Parameters,
        *,
        lr: Rate = 1e-4,
        weight_decay: Decay = 0.1,
        betas: tuple[Fraction, Fraction] = (0.9, 0.99),
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
                if not self.state[parameter]:
                    self.state[parameter]["momentum"] = torch.zeros_like(parameter)
                momentum: Tensor = self.state[parameter]["momentum"]
                move = momentum.lerp(parameter.grad, 1 - first).sign_()
                parameter.mul_(shrink).add_(move, alpha=-group["lr"])
                momentum.lerp_(parameter.grad, 1 - second)


class Optimizers(Catalog):
    """The catalog's own lines, and beyond them timm/NAME for every optimiser of timm."""

    def __getitem__(self, name: str) -> Entry:
        if name.startswith(PREFIX):
            return timm_optimizers.entry(name)
        return super().__getitem__(name)

    def read(self, name: str, options: Mapping[str, Any]) -> tuple[dict[str, Any], list[Mistake]]:
        """As every catalog's, with timm's own names to choose from where one is misspelt."""
        if name.startswith(PREFIX) and (refusal := timm_optimizers.refusal(name)):
            return {}, [Mistake("", refusal)]
        return super().read(name, options)


OPTIMIZERS = Optimizers(
    "optimizer",
    {
        "adamw": (adamw, "Adam with decoupled weight decay"),
        "adam": (adam, "adaptive moments"),
        "sgd": (sgd, "gradient descent with momentum"),
        "lion": (Lion, "the sign of the momentum; wants a tenth of adamw's rate"),
        "adadelta": (adadelta, "adaptive, without a rate to choose"),
        "rmsprop": (rmsprop, "gradients over their running root mean square"),
    },
    group="fieldmark.optimizers",
)
