"""A network as stages from input to head: which of them are trained, how, and at which rate."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Literal

from torch import nn

from fieldmark.errors import UserError, counted, listed, nearest
from fieldmark.models.heads import Head, head_of, is_inside
from fieldmark.models.resizer import Resizer

HEAD, RESIZER, ALL, LAST = "head", "resizer", "all", "last:"
FEWEST = 3  # stages before the head, where the network can be taken apart into so many
MOST = 0.8  # of the layers before the head that one stage may hold, where it can be taken apart


@dataclass(frozen=True)
class Stage:
    """A part of a network, by the names of its parameters."""

    name: str
    parameters: tuple[str, ...]


def stages(network: nn.Module) -> tuple[Stage, ...]:
    """The network's stages from input to head; each parameter is in one of them.

    The last is "head", and a learned resizer is the first, "resizer". Between them stand the
    network's own parts: its children, and where these are fewer than FEWEST, or where one of
    them holds more than MOST of the layers, that part's own children in its place. What only
    normalises belongs to the part before it; so does a parameter that a part which was taken
    apart held itself, such as a position embedding (to the first part, where it is the first).
    resnet18: conv1, layer1 to layer4, head.
    """
    head = head_of(network)[0]
    names = [name for name, _ in network.named_parameters()]
    resizers = [name for name, part in network.named_modules() if isinstance(part, Resizer)]
    first = [Stage(RESIZER, tuple(n for n in names if is_inside(n, r))) for r in resizers]
    last = Stage(HEAD, tuple(name for name in names if is_inside(name, head)))
    taken = {name for stage in (*first, last) for name in stage.parameters}
    rest = Stage("", tuple(name for name in names if name not in taken))
    units = _taken_apart(network, rest) if rest.parameters else []
    return (*first, *(Stage(plain(unit.name), unit.parameters) for unit in units), last)


def _taken_apart(network: nn.Module, rest: Stage) -> list[Stage]:
    """What stands before the head, in parts; each part's name is its module's."""
    units = _opened(network, [rest], 0)
    while (place := _next_to_open(network, units)) is not None:
        units = _opened(network, units, place)
    return _joined(network, units)


def _next_to_open(network: nn.Module, units: Sequence[Stage]) -> int | None:
    """The place of the unit that is too large to be one stage; None where all are well."""
    sizes = [len(_layers(network, unit)) for unit in units]
    can = [place for place, unit in enumerate(units) if _children(network, unit)]
    if not can:
        return None
    for place in can:
        if plain(units[place].name) == HEAD:  # what is left of a part that holds the head
            return place
    largest = max(can, key=lambda place: sizes[place])
    few = len(_joined(network, units)) < FEWEST
    return largest if few or sizes[largest] > MOST * sum(sizes) else None


def _opened(network: nn.Module, units: Sequence[Stage], place: int) -> list[Stage]:
    """The units with the children of one in its place."""
    children = _children(network, units[place])
    inside = {name for child in children for name in child.parameters}
    own = tuple(name for name in units[place].parameters if name not in inside)
    before = list(units[:place])
    if not children:
        return list(units)
    if before:
        before[-1] = Stage(before[-1].name, (*before[-1].parameters, *own))
    else:
        children[0] = Stage(children[0].name, (*own, *children[0].parameters))
    return [*before, *children, *units[place + 1 :]]


def _children(network: nn.Module, unit: Stage) -> list[Stage]:
    """The children of a unit's module, each with those of the unit's parameters inside it."""
    path = f"{unit.name}." if unit.name else ""
    parts = [path + name for name, _ in network.get_submodule(unit.name).named_children()]
    found = [Stage(p, tuple(n for n in unit.parameters if is_inside(n, p))) for p in parts]
    return [stage for stage in found if stage.parameters]


def _joined(network: nn.Module, units: Sequence[Stage]) -> list[Stage]:
    """The units, each that only normalises together with the one before it."""
    found: list[Stage] = []
    for unit in units:
        if found and not _layers(network, unit):
            found[-1] = Stage(found[-1].name, (*found[-1].parameters, *unit.parameters))
        else:
            found.append(unit)
    return found


def _layers(network: nn.Module, unit: Stage) -> set[str]:
    """The modules that hold the unit's parameters, without those that normalise."""
    holders = {name.rpartition(".")[0] for name in unit.parameters}
    # by their names: timm has many kinds of its own beside torch's
    return {name for name in holders if "Norm" not in type(network.get_submodule(name)).__name__}


def plain(name: str) -> str:
    """A name inside the network, whatever the network is wrapped in."""
    while name.startswith("network."):
        name = name.removeprefix("network.")
    return name


def chosen(network: nn.Module, wanted: Sequence[str]) -> frozenset[str]:
    """The names of the parameters that `wanted` means, all of its words together.

    A word is "head", "all", "resizer", "last:K" (the last K stages before the head, and the
    head), the name of a stage or a layer, or a pattern with * and ? over the names of stages,
    layers and parameters. Raises UserError where one fits nothing.
    """
    parts = stages(network)
    found = [_meant(parts, word) for word in wanted]
    return frozenset(name for names in found for name in names)


def _meant(parts: Sequence[Stage], word: str) -> Collection[str]:
    names = [name for part in parts for name in part.parameters]
    if word == ALL:
        return names
    if word.startswith(LAST):
        return [name for part in _last(parts, word) for name in part.parameters]
    of_stage = {name for p in parts if fnmatchcase(p.name, word) for name in p.parameters}
    if word in (HEAD, RESIZER) and of_stage:  # a layer may have that name, too
        return of_stage
    found = {n for n in names if any(fnmatchcase(layer, word) for layer in _path(plain(n)))}
    if not of_stage | found:
        known = [p.name for p in parts]
        layers = {layer for name in names for layer in _path(plain(name))}
        hint = nearest(word, [*known, *layers, ALL]) or f"; its stages are {listed(known, 30)}"
        raise UserError(f"'{word}' fits no part of the network that has weights{hint}")
    return of_stage | found


def _last(parts: Sequence[Stage], word: str) -> Sequence[Stage]:
    """The head and the K stages before it."""
    body = [part for part in parts if part.name not in (RESIZER, HEAD)]
    count = word.removeprefix(LAST)
    if not count.isdecimal() or int(count) > len(body):
        raise UserError(
            f"'{word}': there are {counted(len(body), 'stage')} before the head; "
            f"give a whole number up to that, such as {LAST}{min(2, len(body))}"
        )
    return [*body[len(body) - int(count) :], parts[-1]]


def _path(name: str) -> list[str]:
    """ "a.b.c" -> ["a", "a.b", "a.b.c"]"""
    parts = name.split(".")
    return [".".join(parts[: count + 1]) for count in range(len(parts))]


def set_trained(network: nn.Module, names: Collection[str]) -> None:
    """Let these parameters, and no others, be trained."""
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(name in names)


def set_training(network: nn.Module, *, norm_frozen: bool = False) -> None:
    """Training mode where something is trained, eval mode elsewhere: for `network.train()`.

    A part whose parameters are all trained, or all not, is so with everything in it. Elsewhere
    a layer without parameters (dropout) goes with the next that has some, since what it gives
    is what that one is trained on, or where none follows with the one before; a part is in
    training mode where anything in it is. norm_frozen leaves the statistics of batch norms as
    they are, but not of those in a new head or resizer.
    """
    leaves = [layer for layer in network.modules() if not any(layer.children())]
    _set_modes(network, dict(zip(leaves, _modes(leaves), strict=True)))
    if norm_frozen:
        new_parts = [part for part in network.modules() if isinstance(part, (Head, Resizer))]
        new = {layer for part in new_parts for layer in part.modules()}
        for layer in leaves:
            if isinstance(layer, nn.modules.batchnorm._BatchNorm) and layer not in new:
                layer.training = False


def _modes(leaves: Sequence[nn.Module]) -> list[bool]:
    """Whether each layer is trained, or without parameters goes with one that is."""
    flags = [_trained(layer, recurse=False) for layer in leaves]
    own = [any(flag) if flag else None for flag in flags]
    before, after = _carried(own), _carried(own[::-1])[::-1]
    found: list[bool] = []
    for layer, *near in zip(leaves, own, after, before, strict=True):
        if any(True for _ in layer.buffers()):  # a batch norm without weights normalises
            near = [near[0], near[2], near[1]]  # what the layer before it gives
        found.append(next((mode for mode in near if mode is not None), False))
    return found


def _carried(modes: Sequence[bool | None]) -> list[bool | None]:
    """Each mode that is not known as the last known one before it."""
    found: list[bool | None] = []
    for mode in modes:
        found.append(found[-1] if mode is None and found else mode)
    return found


def _trained(module: nn.Module, *, recurse: bool = True) -> list[bool]:
    return [parameter.requires_grad for parameter in module.parameters(recurse)]


def _set_modes(module: nn.Module, modes: dict[nn.Module, bool]) -> bool:
    """Set the modes of a module and all inside it. -> its own"""
    flags = _trained(module)
    if flags and all(flags) is any(flags):
        for inner in module.modules():
            inner.training = flags[0]
    elif module in modes:
        module.training = modes[module]
    else:
        inside = [_set_modes(child, modes) for child in module.children()]
        # its own parameters count too: nn.MultiheadAttention holds the switch of its dropout
        module.training = any([*inside, *_trained(module, recurse=False)])
    return module.training


def weight_names(network: nn.Module) -> frozenset[str]:
    """The parameters that are weights: no biases, nothing of norms, two dimensions or more."""
    found = set()
    for path, module in network.named_modules():
        if "Norm" in type(module).__name__:
            continue
        for name, parameter in module.named_parameters(path, recurse=False):
            if parameter.dim() > 1 and not _is_bias(name):
                found.add(name)
    return frozenset(found)


def _is_bias(name: str) -> bool:
    """Also "in_proj_bias" of attention and "relative_position_bias_table"."""
    return "bias" in name.rpartition(".")[2]


def parameter_groups(
    network: nn.Module,
    *,
    lr: float,
    decay: float = 1.0,
    head_factor: float = 1.0,
    decay_on: Literal["all", "weights"] = "all",
    bias_factor: float = 1.0,
    weight_decay: float = 0.0,
) -> list[dict[str, Any]]:
    """The trained parameters as an optimiser takes them, by stage from head to input.

    Each: {"params": [...], "lr": rate, "stage": name}. The rate of the head, and of a learned
    resizer, for both are new, is lr * head_factor; of the stage i places before the head,
    lr * decay**i. A stage without a trained parameter has no group, but keeps its place. Where
    neither factor is given all stages are one, "all".

    decay_on "weights" takes weight decay from what `weight_names` leaves out. The rate of
    biases is bias_factor times that of the rest, and their decay as much less: the product,
    which is what moves them, stays. With either a group has a "weight_decay" of its own, made
    from the one given, and biases or what has no decay are groups apart.
    """
    named, weights = dict(network.named_parameters()), weight_names(network)
    is_apart = decay_on != "all" or bias_factor != 1
    groups = []
    for stage, rate in _rates(network, lr, decay, head_factor):
        kinds: dict[tuple[float, bool], list[nn.Parameter]] = {(1.0, True): []}  # the first group
        for name in stage.parameters:
            factor = bias_factor if _is_bias(name) else 1.0
            has_decay = decay_on == "all" or name in weights
            if named[name].requires_grad:
                kinds.setdefault((factor, has_decay), []).append(named[name])
        for (factor, has_decay), params in kinds.items():
            own = {"weight_decay": weight_decay / factor if has_decay else 0.0} if is_apart else {}
            if params:
                groups.append({"params": params, "lr": rate * factor, "stage": stage.name, **own})
    return groups


def _rates(
    network: nn.Module, lr: float, decay: float, head_factor: float
) -> Iterator[tuple[Stage, float]]:
    """Each stage from head to input with its rate; all as one where the rates are one."""
    if decay == 1 and head_factor == 1:
        yield Stage(ALL, tuple(name for name, _ in network.named_parameters())), lr
        return
    for place, stage in enumerate(reversed(stages(network))):
        is_new = stage.name in (HEAD, RESIZER)
        yield stage, lr * (head_factor if is_new else decay**place)
