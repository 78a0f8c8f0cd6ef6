"""A network from its design: the catalog's network, its pooling, the head, what comes before it,
weights."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from torch import Tensor, nn

from fieldmark.catalog import Catalog
from fieldmark.errors import WeightsError
from fieldmark.models.catalog import BESIDE, MODELS, outline
from fieldmark.models.heads import (
    Head,
    Linear32,
    head_dropouts,
    head_of,
    make_head,
    redrawn,
    sides_of,
)
from fieldmark.models.joined import Joined
from fieldmark.models.mirrored import MeanOfBoth, Mirrored
from fieldmark.models.pooling import BOTH, MEAN, add_maximum
from fieldmark.models.resizer import Resized, Resizer, make_resizer
from fieldmark.models.timm_networks import PREFIX, adapted
from fieldmark.models.weights import WeightsReport, fill, load_into, plain_name


@dataclass(frozen=True)
class Design:
    """A network of the catalog, its head, and maybe a learned resizer before it.

    model, options: as MODELS.read gives them. head, head_options: as HEADS.read gives them.
    resizer: the side in pixels of what a learned resizer gives to the network; None is without.
    pool: what the last maps become, their "mean", as the network has it, or "mean+max". mirror:
    whether the head takes the mean of the features of an image and of its mirror image. several:
    labels an image, whose logits must reach below 0: squeezenet's own ReLU behind them is left out.
    words: the buckets that words of captions fall into, which the head takes too; 0 is without.
    """

    model: str
    options: dict[str, Any] = field(default_factory=dict)
    head: str = "linear"
    head_options: dict[str, Any] = field(default_factory=dict)
    resizer: int | None = None
    pool: str = MEAN
    mirror: bool = False
    several: bool = False
    words: int = 0


AFTER = "after"
KEPT = 1000  # outputs of the layer that the head "after" keeps, where no file says otherwise
RESIZER = "resizer."


def assemble(
    design: Design, classes: int, *, seed: int | None = None, kept: int = KEPT
) -> nn.Module:
    """The network with random weights: (N, 3, H, W) -> (N, classes) logits.

    The catalog's network is drawn from the global generators; a head with options, and a
    resizer, from `seed` alone (None is 0). With the head "linear" without options, weights and
    draws are those of MODELS.build, bit for bit. kept: outputs of the layer that the head
    "after" keeps.
    """
    network = _base(design, classes, kept)
    _crown(network, design, classes, seed or 0)
    return _wrapped(network, design, seed or 0)


def with_weights(
    design: Design,
    classes: int,
    tensors: Mapping[str, Tensor],
    *,
    seed: int,
    partial: bool = False,
) -> tuple[nn.Module, WeightsReport]:
    """The network with the weights of a file, and what became of each tensor.

    The names in the report are those of the network behind a resizer. A head that does not fit
    whole is new, drawn from `seed` alone; so is a resizer. The head "after" keeps the file's
    own last layer, with as many outputs as it has. Raises WeightsError as `load_into` does, and
    where the file has no layer to keep.
    """
    given = {plain_name(name): tensor for name, tensor in tensors.items()}
    kept = kept_outputs(design, given)
    if design.head == AFTER and kept is None:
        raise WeightsError(
            "the weights have no last layer for the head 'after' to keep; give those of a whole "
            "network, or take the head 'linear'"
        )
    network = _base(design, classes, kept or KEPT)
    if design.model.startswith(PREFIX) and BESIDE not in design.model:
        given = dict(adapted(design.model, network, given))
    place = head_of(network)[0]
    _crown(network, design, classes, seed)
    own = {plain_name(name) for name in network.state_dict()}
    new = {n: t for n, t in given.items() if n.startswith(RESIZER)} if design.resizer else {}
    if design.head == AFTER:
        given = {_name_when_kept(name, place, own): tensor for name, tensor in given.items()}
    old = [n for n in given if n.startswith(f"{place}.") and n not in own]  # another head's
    fitting = {name: given[name] for name in given if name not in old and name not in new}
    report = load_into(network, fitting, partial=partial)
    report = replace(report, unexpected=(*report.unexpected, *old))
    _draw_head(network, report, seed)
    whole = _wrapped(network, design, seed)
    return whole, _fill_resizer(whole, new, report)


def kept_outputs(design: Design, tensors: Mapping[str, Tensor]) -> int | None:
    """Outputs of the layer that the head "after" keeps, by a file's tensors under plain names.

    None where there is no such layer, or the design's head is another. The file may be of the
    catalog's network, or of the whole as `assemble` makes it.
    """
    if design.head != AFTER:
        return None
    place = head_of(outline(design.model, KEPT, design.options))[0]
    found = [tensors.get(f"{place}{inner}.weight") for inner in ("", ".0")]
    return next((len(tensor) for tensor in found if tensor is not None), None)


def _base(design: Design, classes: int, kept: int) -> nn.Module:
    """The catalog's network, with its own head."""
    outputs = kept if design.head == AFTER else classes
    network: nn.Module = MODELS.build(design.model, design.options, outputs)
    if design.pool == BOTH:
        add_maximum(network)
    return network


def _crown(network: nn.Module, design: Design, classes: int, seed: int) -> None:
    """Give the network the design's head. The network changes."""
    name, own = head_of(network)
    taken, given = sides_of(own)
    features = (given if design.head == AFTER else taken) + design.words
    head = make_head(design.head, design.head_options, features, classes, seed)
    on_features = design.mirror or design.words  # maps of two images differ, and words have none
    if on_features and isinstance(own, nn.Conv2d) and not isinstance(head, Head):
        head = Head(head)
    if isinstance(head, Head) and design.head == AFTER:
        _add_after(network, name, head)
    elif isinstance(head, Head):
        own_dropout = design.head_options.get("dropout") is None
        _put_in_place(network, name, head, own_dropout=own_dropout)
    elif design.words:
        network.set_submodule(name, head)
    elif type(own) is nn.Linear:  # a kind of Linear with a forward of its own stays as it is
        network.set_submodule(name, _in_float32(own))
    if design.several:
        _free_logits(network)
    if design.mirror:
        name, head = head_of(network)
        network.set_submodule(name, nn.Sequential(MeanOfBoth(), head))


def _free_logits(network: nn.Module) -> None:
    """Leave out what keeps logits from falling below 0. The network changes, no tensor's name."""
    name, head = head_of(network)
    above = network.get_submodule(name.rpartition(".")[0])
    if isinstance(head, nn.Conv2d) and isinstance(above, nn.Sequential):
        for place in range(list(above.children()).index(head) + 1, len(above)):
            if isinstance(above[place], nn.ReLU):
                above[place] = nn.Identity()


def _in_float32(layer: nn.Linear) -> Linear32:
    """The same layer, its parameters themselves, as a Linear32; draws no random number."""
    same = Linear32(*sides_of(layer), bias=layer.bias is not None, device="meta")
    same.weight, same.bias = layer.weight, layer.bias
    return same


def _add_after(network: nn.Module, name: str, head: Head) -> None:
    """Let `head` take what the network's own head gives."""
    own, above = network.get_submodule(name), network.get_submodule(name.rpartition(".")[0])
    if not isinstance(own, nn.Conv2d):
        network.set_submodule(name, nn.Sequential(own, head))
    elif isinstance(above, nn.Sequential):  # squeezenet pools the classes' maps after them
        above.extend([nn.Flatten(1), head])
    else:
        network.set_submodule(name, nn.Sequential(own, nn.Flatten(1), head))


def _put_in_place(network: nn.Module, name: str, head: Head, *, own_dropout: bool) -> None:
    """Let `head` take the place of the network's own, of a convolution on pooled features.

    own_dropout: whether the network's dropout before its own head remains.
    """
    own, above = network.get_submodule(name), network.get_submodule(name.rpartition(".")[0])
    dropouts, is_map = head_dropouts(network), isinstance(own, nn.Conv2d)
    for path, layer in list(network.named_modules()):
        if layer in dropouts and (is_map or not own_dropout):
            network.set_submodule(path, nn.Identity())
    if not is_map:
        network.set_submodule(name, head)
        return
    if isinstance(above, nn.Sequential):  # what follows works on the maps of classes
        for place in range(list(above.children()).index(own) + 1, len(above)):
            above[place] = nn.Identity()
    pooled = [nn.AdaptiveAvgPool2d(1), nn.Flatten(1), *(dropouts if own_dropout else ())]
    network.set_submodule(name, nn.Sequential(*pooled, head))


def _name_when_kept(name: str, place: str, own: set[str]) -> str:
    """The name that a file's tensor has where the network's own head is kept."""
    moved = f"{place}.0{name.removeprefix(place)}"
    return moved if name.startswith(f"{place}.") and name not in own and moved in own else name


def _draw_head(network: nn.Module, report: WeightsReport, seed: int) -> None:
    """Draw the network's own head from `seed`, where the file had none that fits."""
    name, head = head_of(network)
    if isinstance(head, Head) or any(n.startswith(f"{name}.") for n in report.loaded):
        return
    head.load_state_dict(redrawn(head, seed).state_dict())


def _wrapped(network: nn.Module, design: Design, seed: int) -> nn.Module:
    """The network behind what the design puts before it, and beside words where it reads them."""
    if design.mirror:
        network = Mirrored(network)
    if design.resizer is not None:
        network = Resized(make_resizer(design.resizer, seed), network)
    return Joined(network, design.words) if design.words else network


def _fill_resizer(
    whole: nn.Module, tensors: Mapping[str, Tensor], report: WeightsReport
) -> WeightsReport:
    """Take a resizer's weights from the file, where all of them fit."""
    inner = next((part for part in whole.modules() if isinstance(part, Resizer)), None)
    if inner is None or not tensors:
        return report
    given = {name.removeprefix(RESIZER): tensor for name, tensor in tensors.items()}
    own = {name: tensor.shape for name, tensor in inner.state_dict().items()}
    if own != {name: tensor.shape for name, tensor in given.items()}:
        return replace(report, unexpected=(*report.unexpected, *tensors))
    fill(inner, given)
    return replace(report, loaded=(*report.loaded, *tensors))


NORMS = (nn.modules.batchnorm._BatchNorm, nn.GroupNorm, nn.LayerNorm)
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
LINEAR_STD = 0.01


def pytorch(network: nn.Module) -> None:
    """Nothing is changed: each weight is as the network's own builder drew it."""


def kaiming(network: nn.Module) -> None:
    """The start that He et al., "Delving Deep into Rectifiers", 2015, gives convolutions.

    Convolutions: normal with variance 2 / (outputs x kernel), bias 0. Norms (batch, group and
    layer): weight 1, bias 0. Linear layers: normal with standard deviation 0.01, bias 0. All is
    drawn from torch's global generator, in the order of the modules.

    What is none of these stays as it was: transposed convolutions, the joint projection inside
    nn.MultiheadAttention, tokens and position embeddings, layer scales, a PReLU's slope, and
    every buffer (running statistics, the whitening layer of cifar_fast). A start that a network
    gives its convolutions otherwise (cifar_fast's identities) is lost.
    """
    _kaiming(network, "fan_out")


def kaiming_in(network: nn.Module) -> None:
    """As `kaiming`, but a convolution's variance is 2 / (inputs x kernel).

    By outputs, a convolution to one channel, as attention_cnn's scores are, begins so large that
    the softmax after it gives one place nearly all, and hardly learns.
    """
    _kaiming(network, "fan_in")


def _kaiming(network: nn.Module, mode: Literal["fan_in", "fan_out"]) -> None:
    for layer in network.modules():
        if isinstance(layer, CONVOLUTIONS):
            nn.init.kaiming_normal_(layer.weight, mode=mode, nonlinearity="relu")
        elif isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=LINEAR_STD)
        elif isinstance(layer, NORMS) and isinstance(layer.weight, nn.Parameter):
            nn.init.ones_(layer.weight)
        if isinstance(layer, (*CONVOLUTIONS, nn.Linear, *NORMS)) and layer.bias is not None:
            nn.init.zeros_(layer.bias)


INITS = Catalog(  # how random weights begin: each draws those of a network anew, in place
    "initialisation",
    {
        "pytorch": (pytorch, "as the network's own builder draws its weights"),
        "kaiming": (kaiming, "Kaiming normal for convolutions, small normal for linear layers"),
        "kaiming_in": (kaiming_in, "the same, with convolutions by their inputs, not outputs"),
    },
)
