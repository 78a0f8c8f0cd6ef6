"""A network as a table: layers, shapes, parameters, multiply-adds, stages, and layers' times."""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Container
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torchinfo
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode
from torchinfo.layer_info import LayerInfo

from fieldmark.errors import UserError
from fieldmark.models.infer import evaluating
from fieldmark.models.stages import HEAD, RESIZER, stages


@dataclass(frozen=True)
class SummaryRow:
    """One module. parameters and multiply_adds are its own, without those of modules inside it."""

    depth: int
    type: str
    index: str
    shape: tuple[int, ...]
    parameters: int
    multiply_adds: int


@dataclass(frozen=True)
class Summary:
    """All modules in the order in which they run; the rows add up to the totals.

    multiply_adds are for one image, counted on matrix products, convolutions and attention
    (half of torch's FLOPs); what is done to single elements (batch norm, ReLU) is not counted.
    megabytes (1e6 bytes): of the parameters as they are stored. stages: name and parameters of
    each part that can be trained by itself, from input to head; none without a head.
    """

    rows: tuple[SummaryRow, ...]
    parameters: int
    trainable: int
    multiply_adds: int
    megabytes: float
    stages: tuple[tuple[str, int], ...] = ()


def summarise(network: nn.Module, size: int) -> Summary:
    """Run one black image of `size` x `size` pixels through the network and note each layer.

    The network's modes, weights and the random generators stay as they are. A network on the
    meta device (`outline`) is summarised without its memory.
    """
    weights = list(network.parameters())
    device = weights[0].device if weights else torch.device("cpu")
    kind = weights[0].dtype if weights else torch.float32
    image = torch.zeros(1, 3, size, size, device=device, dtype=kind)
    layers, work = _layers(network, image)
    return Summary(
        rows=_rows(network, layers, work),
        parameters=sum(w.numel() for w in weights),
        trainable=sum(w.numel() for w in weights if w.requires_grad),
        multiply_adds=work.get("", 0),
        megabytes=sum(w.numel() * w.element_size() for w in weights) / 1e6,
        stages=_stages(network),
    )


def text(summary: Summary) -> str:
    """The table, nested by indentation, and below it the stages and the totals."""
    lines = [("layer", "output shape", "parameters", "multiply-adds")]
    for row in summary.rows:
        name = f"{'  ' * row.depth}{row.type}" + (f": {row.index}" if row.index else "")
        shape = " x ".join(map(str, row.shape))
        lines.append((name, shape, _number(row.parameters), _number(row.multiply_adds)))
    wide = [max(len(line[column]) for line in lines) for column in range(4)]
    table = [
        f"{name:<{wide[0]}}  {shape:<{wide[1]}}  {parameters:>{wide[2]}}  {work:>{wide[3]}}"
        for name, shape, parameters, work in lines
    ]
    totals = [
        f"total parameters:          {summary.parameters:,} ({summary.megabytes:,.1f} MB)",
        f"trainable parameters:      {summary.trainable:,}",
        f"non-trainable parameters:  {summary.parameters - summary.trainable:,}",
        f"multiply-adds:             {summary.multiply_adds:,} (one image)",
    ]
    rule = "-" * len(table[0])
    parts = [*_stage_lines(summary), rule] if summary.stages else []
    return "\n".join([table[0], rule, *table[1:], rule, *parts, *totals])


def short(summary: Summary) -> str:
    """The totals in one line."""
    weights = f"{summary.parameters:,} parameters ({summary.megabytes:,.1f} MB)"
    return f"{weights}, {summary.multiply_adds:,} multiply-adds for one image"


def _stages(network: nn.Module) -> tuple[tuple[str, int], ...]:
    counts = {name: weight.numel() for name, weight in network.named_parameters()}
    try:
        parts = stages(network)
    except UserError:  # there is nothing that could give classes
        return ()
    return tuple((part.name, sum(counts[name] for name in part.parameters)) for part in parts)


def _stage_lines(summary: Summary) -> list[str]:
    """A line a stage: name, parameters, and how to train it and all that follow."""
    body = [name for name, _ in summary.stages if name not in (HEAD, RESIZER)]
    words = {name: f"last:{len(body) - place}" for place, name in enumerate(body)}
    lines = [("stage", "parameters", "trains it and what follows")]
    lines += [(name, f"{count:,}", words.get(name, name)) for name, count in summary.stages]
    wide = [max(len(line[column]) for line in lines) for column in range(2)]
    return [f"{name:<{wide[0]}}  {count:>{wide[1]}}  {word}" for name, count, word in lines]


def _number(count: int) -> str:
    return f"{count:,}" if count else ""


def _layers(network: nn.Module, image: Tensor) -> tuple[list[LayerInfo], dict[str, int]]:
    """torchinfo's list of layers, and the multiply-adds inside each module by its name."""
    fast = torch.backends.mha.get_fastpath_enabled()
    trained = [weight for weight in network.parameters() if weight.requires_grad]
    # the fast path of nn.MultiheadAttention is one operation that no counter looks into
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        for weight in trained:  # the counter fails on some that are, without gradients
            weight.requires_grad_(False)
        with evaluating(network), FlopCounterMode(display=False) as counter:
            found = torchinfo.summary(
                network, input_data=image, device=image.device, mode="eval", verbose=0
            )
    finally:
        for weight in trained:
            weight.requires_grad_(True)
        torch.backends.mha.set_fastpath_enabled(fast)
        torchinfo.torchinfo._cached_forward_pass.clear()  # it would keep the network alive
    work = {
        # names are the root's class and the path: "ResNet.layer1.0.conv1"
        name.partition(".")[2]: sum(operations.values()) // 2
        for name, operations in counter.get_flop_counts().items()
        if name != "Global"
    }
    return found.summary_list, work


def _rows(
    network: nn.Module, layers: list[LayerInfo], work: dict[str, int]
) -> tuple[SummaryRow, ...]:
    names = {module: name for name, module in network.named_modules()}
    shown = {names[layer.module] for layer in layers}
    parameters, own = Counter[str](), Counter[str]()
    for name, weight in network.named_parameters():
        parameters[_holder(name, shown)] += weight.numel()
    for name, count in work.items():
        own[_holder(name, shown)] += count
        if name:  # a container that is never called, as a ModuleDict, counted nothing itself
            own[_holder(_holder(name.rpartition(".")[0], work), shown)] -= count
    return tuple(
        SummaryRow(
            depth=layer.depth,
            type=layer.class_name,
            index=f"{layer.depth}-{layer.depth_index}" if layer.depth else "",
            shape=tuple(layer.output_size),
            # a module that runs again is a row again, but its parameters are there once
            parameters=parameters.pop(names[layer.module], 0),
            multiply_adds=own.pop(names[layer.module], 0),
        )
        for layer in layers
    )


def _holder(name: str, shown: Container[str]) -> str:
    """The innermost of these modules in which this module or parameter stands; "" is the whole."""
    while name and name not in shown:
        name = name.rpartition(".")[0]
    return name


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

    def begin(name: str, _: nn.Module, given: tuple[Any, ...]) -> None:
        begun[name] = _now(given[0] if given else None)

    def end(name: str, _: nn.Module, *passed: Any) -> None:
        spent[name] += _now(passed[-1]) - begun[name]

    with evaluating(network), torch.inference_mode(), autocast(), ExitStack() as hooks:
        network(images)
        for name, module in leaves.items():
            hooks.enter_context(module.register_forward_pre_hook(partial(begin, name)))
            hooks.enter_context(module.register_forward_hook(partial(end, name)))
        started, passes = _now(images), 0
        while passes < PASSES and (not passes or _now(images) - started < AT_MOST):
            network(images)
            passes += 1
        whole = (_now(images) - started) / passes
    found = [LayerTime(n, type(leaves[n]).__name__, s / passes) for n, s in spent.items()]
    return whole, sorted(found, key=lambda layer: -layer.seconds)


def _now(where: Any) -> float:
    """The time when everything is done on the device of this tensor."""
    if isinstance(where, Tensor) and where.device.type == "cuda":
        torch.cuda.synchronize(where.device)
    elif isinstance(where, Tensor) and where.device.type == "mps":
        torch.mps.synchronize()
    return time.perf_counter()
