"""Optimisers by name: torch's own, with their defaults made explicit."""

from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import Field
from torch import nn, optim

from fieldmark.catalog import Catalog

Parameters = Iterable[nn.Parameter] | Iterable[dict[str, Any]]
Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Decay = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, lt=1)]


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


OPTIMIZERS = Catalog(
    "optimizer",
    {
        "adamw": (adamw, "Adam with decoupled weight decay"),
        "adam": (adam, "adaptive moments"),
        "sgd": (sgd, "gradient descent with momentum"),
        "adadelta": (adadelta, "adaptive, without a rate to choose"),
        "rmsprop": (rmsprop, "gradients over their running root mean square"),
    },
)
