"""A network that a caller built, as a builder of the catalog."""

import copy
from collections.abc import Callable

from torch import nn

from fieldmark.models.heads import LAST, head_of, sides_of


def copies_of(given: nn.Module) -> Callable[[int], nn.Module]:
    """What gives copies of a network, with its weights, for any number of classes.

    The last layer is new where it has other outputs than there are classes.
    """

    def build(num_classes: int) -> nn.Module:
        network = copy.deepcopy(given)
        name, last = head_of(network)
        if isinstance(last, LAST) and sides_of(last)[1] != num_classes:
            if not name:
                return _like(last, num_classes)
            network.set_submodule(name, _like(last, num_classes))
        return network

    return build


def _like(layer: nn.Module, classes: int) -> nn.Module:
    """A layer that takes what this one does, and gives a logit a class."""
    bias = layer.bias is not None
    if isinstance(layer, nn.Conv2d):
        inside = (layer.kernel_size, layer.stride, layer.padding)
        return nn.Conv2d(layer.in_channels, classes, *inside, bias=bias)  # type: ignore[arg-type]
    return nn.Linear(sides_of(layer)[0], classes, bias=bias)
