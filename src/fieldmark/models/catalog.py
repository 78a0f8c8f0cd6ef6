"""Every network by name: how it is built, what it costs, and which images it takes.

Nothing here imports torch: a builder does, when it is called. To add a network of your own,
write a function `build(num_classes, *, option=...) -> nn.Module` that takes (N, 3, H, W) and
gives (N, num_classes) logits, and add a line to NETWORKS and to BUILDERS.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fieldmark.catalog import Catalog
from fieldmark.models import torchvision_networks
from fieldmark.models.series import SMALL, Network

NETWORKS = {
    "small_cnn": Network(SMALL, "six convolutions", 416_456, 38_761_472, 32),
    **torchvision_networks.NETWORKS,
}
BUILDERS: dict[str, Callable[..., Any] | str] = {
    "small_cnn": "fieldmark.models.small_cnn:small_cnn",
    **{name: torchvision_networks.builder(name) for name in torchvision_networks.NETWORKS},
}
MODELS = Catalog("model", {name: (build, NETWORKS[name].about) for name, build in BUILDERS.items()})


@dataclass(frozen=True)
class ModelRow:
    """What a list of networks says of one of them.

    parameters are for 1000 classes; megabytes (1e6 bytes) are those of the parameters in
    float32; multiply_adds are for one image of `size` x `size` pixels. year is None and paper
    is "" where there is none.
    """

    name: str
    family: str
    parameters: int
    megabytes: float
    multiply_adds: int
    size: int
    year: int | None
    paper: str
    about: str


def rows(pattern: str = "") -> list[ModelRow]:
    """The networks with `pattern` in their name, in the catalog's order; "" gives all."""
    return [_row(name) for name in MODELS if pattern.casefold() in name]


def family(name: str) -> str:
    """The family that a network belongs to, such as "resnet" for resnext50_32x4d."""
    return NETWORKS[name].series.family


def side_mistake(name: str, options: Mapping[str, Any], side: int) -> str | None:
    """What stands against square images of `side` pixels for this network; None if nothing."""
    network = NETWORKS[name]
    if side < network.series.smallest:
        return f"'{name}' needs images of {network.series.smallest} px or more, not {side}"
    if side % network.multiple:
        return f"'{name}' needs a side that is a multiple of {network.multiple} px, not {side}"
    built = options.get("image_size", network.defaults().get("image_size", side))
    if side != built:
        return f"'{name}' is built for {built} px, not {side}; set its image_size to {side}"
    return None


def _row(name: str) -> ModelRow:
    network, series = NETWORKS[name], NETWORKS[name].series
    return ModelRow(
        name=name,
        family=series.family,
        parameters=network.parameters,
        megabytes=network.parameters * 4 / 1e6,
        multiply_adds=network.multiply_adds,
        size=network.size,
        year=series.year,
        paper=series.paper,
        about=network.about,
    )
