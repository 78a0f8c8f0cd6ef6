"""The head, the layers that give the classes: the kinds there are, making one, finding it."""

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import takewhile
from typing import Annotated, Any, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from fieldmark import streams
from fieldmark.catalog import Catalog
from fieldmark.errors import UserError
from fieldmark.models.trees import Trees
from fieldmark.streams import Stream

Share = Annotated[float, Field(ge=0, lt=1)]
Sizes = Annotated[tuple[Annotated[int, Field(gt=0)], ...], Field(min_length=1)]
LAST = (nn.Linear, nn.Conv2d)
DRAWN = (nn.Linear, nn.Conv2d, nn.BatchNorm1d)  # the layers of heads that have weights
ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
}


class Linear32(nn.Linear):
    """nn.Linear that computes in its weights' own precision, whatever autocast says.

    (N, features), bf16 or other -> (N, classes) float32: logits in bf16 have three digits.
    Without autocast its results are nn.Linear's, bit for bit.

    A new one is zero: what is drawn at random in directions that few images never touch would
    stay there, and be added to every new image.
    """

    def reset_parameters(self) -> None:
        """Weight and bias to zero."""
        nn.init.zeros_(self.weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, features: Tensor) -> Tensor:
        """(N, features) -> (N, classes)"""
        device, kind = features.device.type, self.weight.dtype
        if not (torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)):
            return F.linear(features.to(kind), self.weight, self.bias)
        with torch.autocast(device, enabled=False):
            return F.linear(features.to(kind), self.weight, self.bias)


class UnitLength(nn.Module):
    """Each image's features divided by their own length: (N, D) -> (N, D) float32."""

    def forward(self, features: Tensor) -> Tensor:
        """(..., D) -> (..., D); features that are all zero stay so"""
        return F.normalize(features.float(), dim=-1)


class Head(nn.Sequential):
    """Layers that an entry of HEADS built: (N, features) -> (N, classes) float32."""


def linear(
    features: int,
    classes: int,
    *,
    length: bool = False,
    norm: bool = False,
    dropout: Share | None = None,
) -> nn.Module:
    """One layer, with `dropout` just before it. Before that, in this order, the features are
    divided by their length (`length`) and batch normalised (`norm`).

    Where nothing is given it is the bare layer, which takes the place of the network's own and
    leaves the network's own dropout; a dropout that is given replaces the network's.
    """
    layers: list[nn.Module] = [UnitLength()] if length else []
    if norm:
        layers.append(nn.BatchNorm1d(features))
    if dropout is not None:
        layers.append(nn.Dropout(dropout))
    last = Linear32(features, classes)
    return Head(*layers, last) if layers else last


def mlp(
    features: int,
    classes: int,
    *,
    sizes: Sizes = (512,),
    activation: Literal["relu", "gelu", "silu", "tanh"] = "relu",
    dropout: Share = 0.0,
    norm: bool = False,
) -> nn.Module:
    """Hidden layers of `sizes`, an activation and dropout after each, then the classes' layer.

    With `norm`, batch normalisation of the features before all of it.
    """
    layers: list[nn.Module] = [nn.BatchNorm1d(features)] if norm else []
    for before, size in zip((features, *sizes), sizes, strict=False):
        layers += [nn.Linear(before, size), ACTIVATIONS[activation](), nn.Dropout(dropout)]
    return Head(*layers, Linear32(sizes[-1], classes))


def after(
    features: int,
    classes: int,
    *,
    activation: Literal["none", "relu", "gelu", "silu", "tanh"] = "none",
    dropout: Share = 0.0,
    norm: bool = False,
) -> nn.Module:
    """One layer after the network's own 1,000-way layer, which is kept with its weights.

    `features` are the outputs of the kept layer. On them work, in this order, batch
    normalisation (`norm`), the activation and dropout.
    """
    layers: list[nn.Module] = [nn.BatchNorm1d(features)] if norm else []
    if activation != "none":
        layers.append(ACTIVATIONS[activation]())
    return Head(*layers, nn.Dropout(dropout), Linear32(features, classes))


def boosted(
    features: int,
    classes: int,
    *,
    trees: Annotated[int, Field(gt=0)] = 300,
    leaves: Annotated[int, Field(gt=1)] = 4,
    rate: Annotated[float, Field(gt=0, le=1)] = 0.1,
    share: Annotated[float, Field(gt=0, le=1)] = 0.05,
) -> nn.Module:
    """Trees of at most `leaves` leaves, `trees` a class, which `fit.boosted` grows on features.

    `rate` and `share` (of the features, that each tree looks at) say how they are grown.
    """
    return Head(Trees(features, classes, trees=trees, leaves=leaves))


HEADS = Catalog(
    "head",
    {
        "linear": (linear, "one layer in the place of the network's own"),
        "mlp": (mlp, "hidden layers, then one that gives the classes"),
        "after": (after, "one layer after the network's own 1,000-way layer, which is kept"),
        "boosted": (boosted, "gradient-boosted trees on the features, by LightGBM"),
    },
    group="fieldmark.heads",
)


def make_head(
    name: str, options: Mapping[str, Any], features: int, classes: int, seed: int
) -> nn.Module:
    """A new head, its last layer zero, other weights drawn from `seed` alone; the global
    generators stay as they are."""
    with drawn_from(Stream.HEAD, seed):
        head: nn.Module = HEADS.build(name, options, features, classes)
    return head


def redrawn(module: nn.Module, seed: int) -> nn.Module:
    """A copy of a head, that of `body_and_head` too, with all weights drawn anew from `seed`.

    For a head of `make_head` it is what `make_head` would give with this seed, bit for bit.
    """
    fresh = copy.deepcopy(module)
    with drawn_from(Stream.HEAD, seed):
        for layer in fresh.modules():
            if isinstance(layer, DRAWN):
                layer.reset_parameters()
    return fresh


@contextmanager
def drawn_from(stream: Stream, seed: int) -> Iterator[None]:
    """Inside, torch draws from this stream on the processor; afterwards it goes on as before."""
    word = streams.word(stream, seed)
    with torch.random.fork_rng(devices=[]):
        torch.set_rng_state(torch.Generator().manual_seed(word).get_state())
        yield


def head_of(network: nn.Module) -> tuple[str, nn.Module]:
    """The name and the module of the layer that gives the classes, or of the Head that does.

    Where there is no Head, it is the layer that a network of timm names so, else the last
    nn.Linear, or where there is none (squeezenet) the last nn.Conv2d, in the order in which
    the network was put together. Raises UserError where there is none of them.
    """
    named = list(network.named_modules())
    told = _told_by_timm(network)
    found: list[tuple[str, nn.Module]]
    for found in (
        [line for line in named if isinstance(line[1], Head)],
        [line for line in named if line[1] is told],
        [line for line in named if isinstance(line[1], nn.Linear)],
        [line for line in named if isinstance(line[1], nn.Conv2d)],
    ):
        if found:
            return found[-1]
    raise UserError(
        f"{type(network).__name__} has no nn.Linear and no nn.Conv2d that could give the "
        "classes; end it with one"
    )


def is_inside(name: str, module: str) -> bool:
    """Whether a parameter or module of this name is in that module; in the whole, "", all are."""
    return name.startswith(f"{module}.") or not module


def _told_by_timm(network: nn.Module) -> nn.Module | None:
    """The classifier of a network of timm, also inside others; None where it is no one layer."""
    for module in network.modules():
        classifier: Any = getattr(module, "get_classifier", None)
        if classifier is not None and hasattr(module, "pretrained_cfg"):
            layer = classifier()
            return layer if isinstance(layer, (nn.Linear, nn.Conv2d)) else None
    return None


def bias_of(network: nn.Module) -> Tensor | None:
    """What the last layer adds to the logits, (classes,); None where it has none."""
    layers = [each for each in head_of(network)[1].modules() if isinstance(each, (*LAST, Trees))]
    return layers[-1].bias if layers else None


def take_head_off(network: nn.Module) -> tuple[tuple[nn.Module, ...], nn.Module]:
    """Let the network give what entered its head, and drop nothing of it. -> dropouts, head"""
    dropouts, (place, head) = head_dropouts(network), head_of(network)
    for path, layer in list(network.named_modules()):
        if layer in dropouts or path == place:
            network.set_submodule(path, nn.Identity())
    return dropouts, head


def sides_of(layer: nn.Module) -> tuple[int, int]:
    """Features that a last layer takes, and those that it gives."""
    if isinstance(layer, nn.Conv2d):
        return layer.in_channels, layer.out_channels
    assert isinstance(layer, nn.Linear)
    return layer.in_features, layer.out_features


def head_dropouts(network: nn.Module) -> tuple[nn.Module, ...]:
    """The dropout layers between the last layer that has weights and the head.

    They regularise the head, so a frozen backbone does not switch them off: they act on the
    backbone's features, which stay the same from epoch to epoch. Dropout further back
    would change the features themselves.
    """
    _, head = head_of(network)
    first = next(layer for layer in head.modules() if not any(layer.children()))
    layers = [layer for layer in network.modules() if not any(layer.children())]
    backwards = reversed(layers[: layers.index(first)])
    bare = takewhile(lambda layer: not [*layer.parameters(), *layer.buffers()], backwards)
    return tuple(layer for layer in bare if isinstance(layer, nn.Dropout))[::-1]
