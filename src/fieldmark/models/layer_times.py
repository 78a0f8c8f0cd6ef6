"""Which layers of a network take the time of a forward pass."""

import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from fieldmark.models.infer import evaluating

PASSES, AT_MOST = 5, 10.0  # how often a batch passes, and seconds after which it does no more


@dataclass(frozen=True)
class LayerTime:
    """A layer that holds no others: its name in the network, its type, seconds of one pass."""

    name: str
    type: str
    seconds: float


def layer_times(
    network: nn.Module, images: Tensor, autocast: Callable[[], AbstractContextManager[object]]
) -> tuple[float, list[LayerTime]]:
    """Seconds of a whole forward pass of the batch, and of each of its layers, slowest first.

    The mean of a few passes in eval mode after one to warm up; `images` as the network takes
    them, on its device. An accelerator is waited for before and after every layer, so that a
    whole pass is slower than in training. What is computed between layers belongs to none. A
    layer that is used twice counts twice. The network stays as it is.
    """
    spent: dict[str, float] = defaultdict(float)
    begun: dict[str, float] = {}
    leaves = {name: m for name, m in network.named_modules() if name and not any(m.children())}
    with evaluating(network), torch.inference_mode(), autocast():
        network(images)
        handles = []
        for name, module in leaves.items():
            handles.append(module.register_forward_pre_hook(partial(_begin, begun, name)))
            handles.append(module.register_forward_hook(partial(_end, begun, spent, name)))
        started, passes = _now(images), 0
        try:
            while passes < PASSES and (not passes or _now(images) - started < AT_MOST):
                network(images)
                passes += 1
            whole = (_now(images) - started) / passes
        finally:
            for handle in handles:
                handle.remove()
    found = [LayerTime(n, type(leaves[n]).__name__, s / passes) for n, s in spent.items()]
    return whole, sorted(found, key=lambda layer: -layer.seconds)


def _begin(begun: dict[str, float], name: str, _: nn.Module, given: tuple[Any, ...]) -> None:
    begun[name] = _now(given[0] if given else None)


def _end(
    begun: dict[str, float], spent: dict[str, float], name: str, _: nn.Module, *passed: Any
) -> None:
    spent[name] += _now(passed[-1]) - begun[name]


def _now(where: Any) -> float:
    """The time when everything is done on the device of this tensor."""
    if isinstance(where, Tensor) and where.device.type == "cuda":
        torch.cuda.synchronize(where.device)
    elif isinstance(where, Tensor) and where.device.type == "mps":
        torch.mps.synchronize()
    return time.perf_counter()
