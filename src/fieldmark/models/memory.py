"""Whether weights, a network or a batch fit into memory, and a network's shapes without any."""

import json
import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from math import sqrt
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from fieldmark.errors import Mistake, WeightsError
from fieldmark.models.infer import evaluating

MEMINFO = Path("/proc/meminfo")
GROUP = Path("/sys/fs/cgroup")  # of version 2, as a container sees its own
MOST_OF_AN_IMAGE = {  # times its own float32 that an image takes, by whether in training
    True: 3000,  # vit_h_14 1490
    False: 128,  # regnet_y_128gf 88
}
FEW = 4  # images in a batch: where no more fit, the images are too large

INITIALISERS = (Tensor.normal_, Tensor.uniform_, Tensor.fill_, Tensor.zero_)


def available(device: str = "cpu") -> int | None:
    """Bytes of memory that this process may still take; None where the system does not say.

    Of a CUDA GPU it is that one's own.
    """
    if device.startswith("cuda"):
        return int(torch.cuda.mem_get_info(torch.device(device))[0])
    free = [_free_of_machine(), _free_of_container()]
    return min((number for number in free if number is not None), default=None)


def refuse_large_file(path: Path, size: int, free: int | None) -> None:
    """Raise WeightsError where a file of `size` bytes is larger than `free` bytes of memory."""
    if free is not None and size > free:
        raise WeightsError(
            f"{path}: is too large for the memory of this machine ({_gigabytes(size)}, and "
            f"{_gigabytes(free)} are free); take smaller weights, or a machine with more memory"
        )


def refuse_large_network(name: str, network: nn.Module, free: int | None) -> None:
    """Raise WeightsError where the network's weights alone are larger than `free` bytes.

    It is on the meta device.
    """
    size = sum(tensor.nbytes for tensor in network.state_dict().values())
    if free is not None and size > free:
        raise WeightsError(
            f"the network '{name}' is too large for the memory of this machine (its weights alone "
            f"take {_gigabytes(size)}, and {_gigabytes(free)} are free); choose a smaller --model "
            "(`fieldmark models` lists their sizes), or a machine with more memory"
        )


def file_bytes(tensors: Mapping[str, Tensor]) -> int:
    """Bytes of the .safetensors file of these tensors, which may be on the meta device.

    A header (JSON, its length before it, filled up to eight bytes) and what the tensors hold, by
    the size of a number and the name (https://github.com/huggingface/safetensors, "Format").
    """
    header, end = {}, 0
    for name, tensor in sorted(tensors.items(), key=lambda each: (-each[1].itemsize, each[0])):
        begin, end = end, end + tensor.nbytes
        kind = f"{'F' if tensor.is_floating_point() else 'I'}{8 * tensor.itemsize}"
        offsets = {"data_offsets": [begin, end]}
        header[name] = {"dtype": kind, "shape": list(tensor.shape), **offsets}
    length = len(json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode())
    return 8 + -(-length // 8) * 8 + end


def large_batch(
    network: nn.Module, size: int, count: int, free: int | None, *, training: bool
) -> list[Mistake]:
    """What stands against `count` images of `size` x `size` pixels in `free` bytes of memory.

    The network may be on the meta device. What is counted, `image_bytes`, is less than what is
    used, so that no batch is refused that would have fitted.
    """
    if free is None or count * 3 * 4 * size**2 * MOST_OF_AN_IMAGE[training] < free:
        return []
    try:
        each = image_bytes(network, size, training=training)
    except RuntimeError:  # a network that does not pass by itself, or not on the meta device
        return []
    if count * each <= free:
        return []
    fitting = free // each
    where, most, other = "--batch-size", fitting, "--image-size"
    if fitting < FEW:
        where, most, other = "--image-size", int(size * sqrt(free / (count * each))), "--batch-size"
    what = (
        f"{count} images of {size} x {size} px take {_gigabytes(count * each)} or more"
        f"{' in training' if training else ''}, and {_gigabytes(free)} are free; "
        f"take {most} or less, or a smaller {other}"
    )
    return [Mistake(where, what)]


def image_bytes(network: nn.Module, size: int, *, training: bool) -> int:
    """Bytes of float32 that an image takes on its way through: all that is kept for gradients.

    Without training what the layer takes and gives that takes and gives most. In training modes
    and trained parameters are the network's own.
    """
    weights = [*network.parameters(), *network.buffers()]
    own = {_place(weight) for weight in weights}
    images = torch.zeros(2, 3, size, size, device=weights[0].device)  # batch norm needs two
    kept: dict[int, int] = {}
    largest = 0

    def keep(tensor: Tensor) -> Tensor:
        if _place(tensor) not in own:
            kept[_place(tensor)] = tensor.untyped_storage().nbytes()
        return tensor

    def note(_: nn.Module, taken: tuple[Any, ...], given: Any) -> None:
        nonlocal largest
        there = [each for each in (*taken, given) if isinstance(each, Tensor)]
        largest = max(largest, sum(each.nbytes for each in there))

    if training:
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            given = network(images)  # which holds what is kept, so that no place is used twice
        del given
        return sum(kept.values()) // 2
    leaves = [layer for layer in network.modules() if not any(layer.children())]
    with ExitStack() as hooks, evaluating(network), torch.inference_mode():
        for layer in leaves:
            hooks.enter_context(layer.register_forward_hook(note))
        network(images)
    return largest // 2


def on_meta(build: Callable[[], nn.Module]) -> nn.Module:
    """What `build` gives, on torch's meta device."""
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


def _place(tensor: Tensor) -> int:
    """What tells a tensor's memory from others', on the meta device too."""
    return int(tensor.untyped_storage()._cdata)


def _free_of_machine() -> int | None:
    try:
        lines = dict(line.split(":") for line in MEMINFO.read_text().splitlines() if ":" in line)
        return int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):  # not Linux: what there is in all
        return _all_of_machine()


def _all_of_machine() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None


def _free_of_container() -> int | None:
    """What a control group leaves; None where there is none, or it sets no limit ("max").

    Not memory.current, which counts cached files too: those give way.
    """
    try:
        limit = int((GROUP / "memory.max").read_text())
        stat = dict(line.split() for line in (GROUP / "memory.stat").read_text().splitlines())
        return max(0, limit - int(stat["anon"]))
    except (OSError, KeyError, ValueError):
        return None


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.1f} GB"
