"""The last pooling of a network, whose mean of each map is joined by the map's maximum."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from fieldmark.errors import UserError
from fieldmark.models.catalog import MODELS
from fieldmark.models.heads import head_of
from fieldmark.models.infer import evaluating
from fieldmark.models.memory import on_meta

MEAN, BOTH = "mean", "mean+max"


class MeanMax(nn.Module):
    """The mean of each map, by the network's own pooling, then the maximum of each."""

    def __init__(self, mean: nn.Module):
        super().__init__()
        self.mean = mean

    def forward(self, maps: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, 2C, 1, 1)"""
        return torch.cat([self.mean(maps), maps.amax(dim=(2, 3), keepdim=True)], dim=1)


def add_maximum(network: nn.Module) -> None:
    """Let the last pooling give the maxima too, and make a layer for the classes that takes them.

    The network changes. Raises UserError where it has no such pooling, or no linear last layer.
    """
    pools = [path for path, layer in network.named_modules() if _is_mean(layer)]
    place, own = head_of(network)
    if not pools or not isinstance(own, nn.Linear):
        raise UserError("there is no mean of maps before a linear layer")
    network.set_submodule(pools[-1], MeanMax(network.get_submodule(pools[-1])))
    with_bias = own.bias is not None
    network.set_submodule(place, nn.Linear(2 * own.in_features, own.out_features, bias=with_bias))


def pool_mistake(name: str, options: Mapping[str, Any], side: int) -> str | None:
    """What stands against `mean+max` for this network on images of `side` pixels; None: nothing."""

    def build() -> nn.Module:
        network: nn.Module = MODELS.build(name, options, 2)
        add_maximum(network)
        return network

    try:
        network = on_meta(build)
        with evaluating(network), torch.no_grad():
            network(torch.empty(1, 3, side, side, device="meta"))
    except (UserError, RuntimeError):  # RuntimeError: what comes in between has weights of its own
        return (
            f"{BOTH} needs a network whose last layer works on the mean of its maps, by a pooling "
            f"that can be replaced, and '{name}' has none; take {MEAN}"
        )
    return None


def _is_mean(layer: nn.Module) -> bool:
    """Whether it gives one mean a map. Of timm's networks, too, it is inside their pooling."""
    return isinstance(layer, nn.AdaptiveAvgPool2d) and layer.output_size in (1, (1, 1))
