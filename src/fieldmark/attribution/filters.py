"""The filters that see the image itself, as pictures."""

import numpy as np
import torch
from torch import Tensor, nn

from fieldmark.errors import UserError
from fieldmark.insides import Filters
from fieldmark.models.resizer import Resizer
from fieldmark.models.side_by_side import PLACES, SideBySide
from fieldmark.models.stages import plain

SIDE = 48  # pixels that a picture has at least, where a filter is smaller
GREY = 127.5


def first_filters(network: nn.Module, most: int = 64) -> list[Filters]:
    """The filters of the network's first layer that takes three channels; of two networks side by
    side, of both.

    That is a convolution, a transformer's patch embedding, or cifar_fast's whitening. A learned
    resizer's are not meant. A filter's picture has its own scale: a weight of zero is grey, and
    the weight farthest from zero is black or white. The network stays as it is. Raises UserError
    where there is no such layer.
    """
    both = next((name for name, m in network.named_modules() if isinstance(m, SideBySide)), None)
    if both is None:
        return [_of(*_first(network), most=most)]
    path = f"{both}." if both else ""
    found = []
    for place in PLACES:
        name, weight = _first(network.get_submodule(path + place))
        found.append(_of(f"{path}{place}.{name}", weight, most=most))
    return found


def _first(network: nn.Module) -> tuple[str, Tensor]:
    """The name and the weight, (n, 3, h, w), in the order in which the network was put together."""
    resizers = [layer for layer in network.modules() if isinstance(layer, Resizer)]
    left_out = {layer for resizer in resizers for layer in resizer.modules()}
    for name, layer in network.named_modules():
        weight = getattr(layer, "weight", None)
        if not isinstance(weight, Tensor) or layer in left_out:
            continue
        if weight.dim() == 4 and weight.shape[1] == 3:
            return name, weight
    kind = type(network).__name__
    raise UserError(f"{kind} has no layer with filters on the three channels of an image")


def _of(name: str, weight: Tensor, *, most: int) -> Filters:
    """weight: (n, 3, h, w)"""
    own = weight.detach().float().cpu()
    order = torch.argsort(own.flatten(1).norm(dim=1), descending=True, stable=True)[:most]
    sides = (weight.shape[2], weight.shape[3])
    pictures = pictured(own[order].permute(0, 2, 3, 1).numpy())
    return Filters(plain(name), len(weight), sides, pictures)


def pictured(weights: np.ndarray) -> np.ndarray:
    """(k, h, w, 3) of any size -> (k, H, W, 3) uint8, at least SIDE a side, with hard edges."""
    largest = np.abs(weights).max(axis=(1, 2, 3), keepdims=True)
    shares = np.divide(weights, largest, out=np.zeros_like(weights), where=largest > 0)
    pixels = (GREY + GREY * shares).round().astype(np.uint8)
    factor = -(-SIDE // min(weights.shape[1:3]))
    enlarged: np.ndarray = pixels.repeat(factor, axis=1).repeat(factor, axis=2)
    return enlarged
