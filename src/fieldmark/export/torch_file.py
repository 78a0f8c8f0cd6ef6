"""A bundle as torch.export's file: scores for torch without Fieldmark and without its networks.

torch's own resize of uint8 with antialias differs from Pillow's by 1 of 255 in some of a thousand
numbers; where that moves a score too far, the resize stays outside.
"""

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from fieldmark.data.images import LONGEST, made_up
from fieldmark.errors import RunError
from fieldmark.export.formats import INSIDE
from fieldmark.export.pillow import goes_down_first
from fieldmark.export.whole import About, Maker, Runner, Source, Whole, reason_of, unheard
from fieldmark.models.infer import evaluating
from fieldmark.records import InputSpec

MODEL = "model.pt2"
ABOUT = "fieldmark.json"  # in the file
Length = Any  # a whole number, or torch's symbol of one


class Resizing(nn.Module):
    """Images of any size before a network, as `data.images.to_form` and `centre_crop` make them.

    Lengths are those of symbols while it is exported, so no branch may depend on them.
    """

    def __init__(self, spec: InputSpec, whole: nn.Module):
        super().__init__()
        self.whole, self._size = whole, spec.size
        word, self._side, *smooth = spec.evaluated_form
        self._is_square, self._mode = word == "square", "bicubic" if smooth else "bilinear"

    def forward(self, images: Tensor) -> Any:
        """(n, H, W, 3) uint8 -> what the network gives"""
        height, width = images.shape[1:3]
        down, across = self._side, self._side
        if not self._is_square:
            least = torch.sym_min(height, width)
            images = _middle(_middle(images, 1, height, least), 2, width, least)
            down, across = (_fitting(length, least, self._side) for length in (height, width))
        resized = images.permute(0, 3, 1, 2)
        first = _first_pass((height, width), resized.shape[2:], (down, across))
        for size in (first, (down, across)):
            resized = functional.interpolate(resized, size, mode=self._mode, antialias=True)
        for axis, side in ((2, down), (3, across)):
            places = torch.arange(self._size) + (side - self._size) // 2
            resized = resized.index_select(axis, places.clamp(0, side - 1))
        return self.whole(resized.permute(0, 2, 3, 1))


def _middle(images: Tensor, axis: int, length: Length, least: Length) -> Tensor:
    """What is more than LONGEST times as long as wide, without its ends."""
    kept = torch.sym_min(length, LONGEST * least)
    return images.index_select(axis, torch.arange(kept) + (length - kept) // 2)


def _fitting(length: Length, least: Length, side: int) -> Length:
    """round(length * side / least), halves to even, within what `data.images` takes."""
    doubled = 2 * length * side + least
    up = doubled // (2 * least)
    is_half = 1 - torch.sym_min(doubled % (2 * least), 1)
    return torch.sym_min(torch.sym_max(up - is_half * (up % 2), side), LONGEST * side)


def _first_pass(whole: Sequence[Length], given: Sequence[Length], to: Sequence[Length]) -> Any:
    """The size after the first of Pillow's two passes, as `resizing` has it."""
    if not goes_down_first():
        return given[0], to[1]
    more = whole[0] - to[0] - 2 * torch.sym_max(whole[1] - to[1], 0)
    is_down = torch.sym_min(torch.sym_max(more, 0), 1)
    return tuple(is_down * a + (1 - is_down) * b for a, b in ((to[0], given[0]), (given[1], to[1])))


def _make(source: Source, way: str, embedding: bool) -> Any:
    """torch's exported program of the networks, behind the resize where `way` is INSIDE."""
    spec, whole = source.info.spec, Whole(source, embedding=embedding)
    module = Resizing(spec, whole) if way == INSIDE else whole
    free = torch.export.Dim.DYNAMIC
    sides = (spec.size + 12, spec.size + 7) if way == INSIDE else (spec.size, spec.size)
    shape = {0: free, 1: free, 2: free} if way == INSIDE else {0: free}
    images = torch.from_numpy(made_up(2, *sides, 3))
    try:
        with evaluating(module), torch.no_grad(), unheard():
            program = torch.export.export(module, (images,), dynamic_shapes={"images": shape})
    except Exception as error:  # of no common kind
        raise RunError(
            f"{source.path}: {source.info.model} cannot be exported by torch.export "
            f"({reason_of(error)})"
        ) from error
    return _without_traces(program)


def _without_traces(program: Any) -> Any:
    """The same without the lines of code, and the folders of this machine, that each node came
    from."""
    for module in program.graph_module.modules():
        for node in module.graph.nodes if isinstance(module, torch.fx.GraphModule) else ():
            node.meta.pop("stack_trace", None)
    return program


def _save(program: Any, about: About, folder: Path) -> None:
    stream = io.BytesIO()
    kept = {ABOUT: json.dumps(about, ensure_ascii=False)}
    with unheard():
        torch.export.save(program, stream, extra_files=kept)
    (folder / MODEL).write_bytes(stream.getvalue())


def _open(folder: Path, source: Source) -> Runner:
    with unheard():
        network = torch.export.load(folder / MODEL).module()

    def run(images: np.ndarray) -> tuple[np.ndarray, ...]:
        with torch.inference_mode():
            return tuple(each.numpy() for each in network(torch.from_numpy(images.copy())))

    return run


TORCH = Maker(_make, _save, _open)
