"""timm's optimisers as timm/NAME: looked up in timm itself, which is imported only then."""

import inspect
from collections.abc import Callable, Iterable
from functools import cache, reduce
from operator import or_
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import torch
from pydantic import Field
from torch import nn, optim

from fieldmark.catalog import Entry, with_options
from fieldmark.errors import nearest

# what every optimiser is given, and the ranges that its options lie in
Parameters = Iterable[nn.Parameter] | Iterable[dict[str, Any]]  # or groups with their own rates
Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Decay = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, lt=1)]

PREFIX = "timm/"
NUMBERS = (Rate, Decay, Fraction, float)
KNOWN: dict[str, Any] = {"lr": Rate, "weight_decay": Decay, "momentum": Fraction}
PLAIN = (bool, int, float, str, tuple, NoneType)  # what settings.yaml can hold
# of speed or of the way a step is computed, not of its result; then what acts only where no
# rate is given, and here one always is; and a rate that no schedule would move
LEFT_OUT = {"foreach", "fused", "capturable", "differentiable", "maximize", "verbose"}
LEFT_OUT |= {"scale_parameter", "warmup_init", "adamw_lr"}
# where timm's own rate is none, or is torch's 1e-3 for plain descent, or 1 for Adafactor
RATES = {"SGD": 0.05, "SGDW": 0.05, "SGDP": 0.05, "Adafactor": 1e-3, "AdafactorBigVision": 1e-3}
MOMENTUM = 0.9  # which timm's own factory gives where the class would have none
REFUSED = {
    "bitsandbytes": "is of the package bitsandbytes, not timm's own",
    "apex": "is of the package apex, not timm's own",
    "Adahessian": "needs second derivatives, which training here does not compute",
    "Kron": "draws from a generator of its own, so that a run could not go on exactly",
}


@cache
def names() -> tuple[str, ...]:
    """Every optimiser of timm, without the prefix, also those that are refused here."""
    return tuple(_timm().list_optimizers())


def entry(name: str) -> Entry:
    """The catalog's line of timm/NAME. Raises KeyError where there is none, or it is refused."""
    bare = name.removeprefix(PREFIX)
    if refusal(name) is not None:
        raise KeyError(name)
    return Entry(name, builder(bare), _info(bare).description)


def refusal(name: str) -> str | None:
    """What stands against timm/NAME; None if nothing."""
    bare = name.removeprefix(PREFIX)
    if bare not in names():
        near = nearest(bare, names()).replace("mean '", f"mean '{PREFIX}")
        return f"timm has no optimizer '{bare}'{near or f'; there is {PREFIX}adamw, for one'}"
    made = _info(bare).opt_class
    kind = made.partition(".")[0] if isinstance(made, str) else made.__name__
    if kind in REFUSED:
        return f"'{name}' {REFUSED[kind]}; take another, such as {PREFIX}adamw"
    return None


@cache
def builder(bare: str) -> Callable[..., Any]:
    """The function that makes this optimiser; its keyword-only parameters are the options.

    Those of the class's signature that a plain value can say, with the defaults that timm has
    for this name. What the class refuses, also at its first step, is raised as ValueError.
    """
    kind, fixed = _info(bare).opt_class, _info(bare).defaults or {}

    def build(parameters: Any, **options: Any) -> optim.Optimizer:
        given = {**fixed, **defaults, **options}
        try:
            _step_once(kind, given)
            made: optim.Optimizer = kind(parameters, **given)
        except (AssertionError, TypeError, KeyError, RuntimeError) as error:  # each in its own way
            raise ValueError(str(error) or "these options do not go together") from error
        return made

    found = [o for p in inspect.signature(kind).parameters.values() if (o := _option(p, bare))]
    defaults = {option.name: option.default for option in found}
    return with_options(build, found)


def _step_once(kind: Callable[..., optim.Optimizer], options: dict[str, Any]) -> None:
    """A step on one small matrix (not too small for Muon): some options are looked at only then."""
    matrix = nn.Parameter(torch.zeros(8, 8))
    matrix.grad = torch.zeros(8, 8)
    kind([matrix], **options).step()


def _option(parameter: inspect.Parameter, bare: str) -> inspect.Parameter | None:
    """A parameter of an optimiser's class as an option; None where it is none."""
    name = parameter.name
    if name in LEFT_OUT or name == "params" or parameter.kind is parameter.VAR_KEYWORD:
        return None
    default = _default(parameter, bare)
    kind = KNOWN.get(name) or _kind(parameter, default)
    if kind is None or not isinstance(default, PLAIN):
        return None
    if kind in NUMBERS:
        default = float(default)  # type: ignore[arg-type]  # timm has whole numbers there, too
    return parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)


def _default(parameter: inspect.Parameter, bare: str) -> Any:
    """The value where the settings give none."""
    info = _info(bare)
    kind, fixed = info.opt_class, info.defaults or {}
    if parameter.name == "lr":
        return RATES.get(kind.__name__, parameter.default)
    if parameter.name == "momentum" and info.has_momentum and not parameter.default:
        return MOMENTUM
    return fixed.get(parameter.name, parameter.default)


def _kind(parameter: inspect.Parameter, default: Any) -> Any:
    """The type of an option's values, as far as they are plain; None where none is."""
    annotation = parameter.annotation
    if parameter.name == "betas":
        betas = tuple.__class_getitem__((Fraction,) * len(default or (0, 0)))
        return betas | None if default is None else betas
    if annotation is parameter.empty:  # timm's older classes tell no types
        return type(default) if isinstance(default, (bool, str)) else float
    is_union = get_origin(annotation) in (Union, UnionType)
    kinds = get_args(annotation) if is_union else (annotation,)
    plain = [kind for kind in kinds if (get_origin(kind) or kind) in PLAIN]
    return reduce(or_, plain) if plain else None


def _info(bare: str) -> Any:
    return _timm().get_optimizer_info(bare)


def _timm() -> Any:
    import timm.optim

    return timm.optim
