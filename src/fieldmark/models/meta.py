"""A network's shapes without its memory: on torch's meta device."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

INITIALISERS = (Tensor.normal_, Tensor.uniform_, Tensor.fill_, Tensor.zero_)


def on_meta(build: Callable[[], nn.Module]) -> nn.Module:
    """What `build` gives, on the meta device."""
    with _TensorsOnMeta():
        network = build()
    return network.to("meta")


class _TensorsOnMeta(TorchFunctionMode):
    """Sends to the meta device what holds parameters and buffers, and nothing else.

    `torch.device("meta")` would send all: regnet computes its widths with tensors and then
    needs their values.
    """

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if function in INITIALISERS and args[0].is_meta:
            return args[0]  # there is nothing to fill, and trying takes a third of the time
        kwargs = dict(kwargs or {})
        if function in (torch.empty, torch.zeros, torch.ones):
            kwargs["device"] = "meta"
        return function(*args, **kwargs)
