"""Pillow's resize and the centre crop as nodes of ONNX, before a network that is exported.

(n, H, W, 3) uint8 of any size -> (n, side, side, 3) uint8, as `data.images.to_form` and
`centre_crop` make them: onnxruntime's Resize with antialias and without what lies outside of the
image is Pillow's, but for rounding in few pixels. OpenVINO leaves the antialias out without a
word, so there the resize stays outside.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from fieldmark.data.images import LONGEST
from fieldmark.export.pillow import goes_down_first
from fieldmark.records import InputSpec

OPSET = 18  # the first whose Resize knows antialias
IMAGES, RESIZED = "images", "resized"


class Nodes:
    """Nodes one after the other, each with one output, whose name it gives."""

    def __init__(self) -> None:
        self.made: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def add(self, kind: str, *given: str, **options: Any) -> str:
        """A node of these inputs. -> the name of its output"""
        name = f"pre_{len(self.made)}_{kind.lower()}"
        self.made.append(helper.make_node(kind, list(given), [name], name=name, **options))
        return name

    def ints(self, *values: int) -> str:
        """(n,) int64"""
        return self._constant(np.array(values, np.int64))

    def number(self, value: float) -> str:
        """(1,) float64"""
        return self._constant(np.array([value], np.float64))

    def _constant(self, values: np.ndarray) -> str:
        name = f"pre_constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(values, name))
        return name

    def rounded(self, value: str) -> str:
        """float64 -> int64, halves to even, as Python rounds."""
        return self.add("Cast", self.add("Round", value), to=TensorProto.INT64)

    def double(self, value: str) -> str:
        """int64 -> float64"""
        return self.add("Cast", value, to=TensorProto.DOUBLE)


def resizing(spec: InputSpec) -> onnx.ModelProto:
    """The nodes as a model of their own, from IMAGES to RESIZED."""
    nodes = Nodes()
    word, side, *smooth = spec.evaluated_form
    shape = nodes.add("Shape", IMAGES)
    height, width = (
        nodes.add("Slice", shape, nodes.ints(axis), nodes.ints(axis + 1)) for axis in (1, 2)
    )
    if word == "shorter":
        shorter = nodes.add("Min", height, width)
        images = _middle(nodes, IMAGES, [height, width], shorter)
        sides = [_kept_in_shape(nodes, each, shorter, side) for each in (height, width)]
    else:
        images, sides = IMAGES, [nodes.ints(side), nodes.ints(side)]
    upright = nodes.add("Transpose", images, perm=[0, 3, 1, 2])
    batch = nodes.add("Slice", shape, nodes.ints(0), nodes.ints(1))
    sizes = nodes.add("Concat", batch, nodes.ints(3), *sides, axis=0)
    resized = upright
    for passed in (_first_pass(nodes, [height, width], upright, sides), sizes):
        resized = nodes.add(
            *("Resize", resized, "", "", passed),
            antialias=1,
            exclude_outside=1,  # at the edges Pillow's weights are of the pixels that there are
            coordinate_transformation_mode="half_pixel",
            **({"mode": "cubic", "cubic_coeff_a": -0.5} if smooth else {"mode": "linear"}),
        )
    for axis, each in zip((2, 3), sides, strict=True):
        resized = _cropped(nodes, resized, each, axis, spec.size)
    nodes.add("Transpose", resized, perm=[0, 2, 3, 1])
    nodes.made[-1].output[0] = RESIZED
    return _model(nodes, spec.size)


def _first_pass(nodes: Nodes, whole: Sequence[str], upright: str, sides: Sequence[str]) -> str:
    """The sizes after the first of Pillow's two passes, between which it rounds to whole numbers.

    whole: height and width of the image, of which `upright` may be the middle.
    """
    shape = nodes.add("Shape", upright)
    both = [nodes.add("Slice", shape, nodes.ints(axis), nodes.ints(axis + 1)) for axis in (2, 3)]
    given = nodes.add("Slice", shape, nodes.ints(0), nodes.ints(2))
    sizes = nodes.add("Concat", given, both[0], sides[1], axis=0)
    if not goes_down_first():
        return sizes
    fewer = [nodes.add("Sub", *pair) for pair in zip(whole, sides, strict=True)]
    across = nodes.add("Mul", nodes.add("Max", fewer[1], nodes.ints(0)), nodes.ints(2))
    down = nodes.add("Concat", given, sides[0], both[1], axis=0)
    return nodes.add("Where", nodes.add("Greater", fewer[0], across), down, sizes)


def _middle(nodes: Nodes, images: str, sides: Sequence[str], shorter: str) -> str:
    """What is more than LONGEST times as long as wide, without its ends.

    It begins at a whole pixel; Pillow's begins between two where the ends are odd in number.
    """
    most = nodes.add("Mul", shorter, nodes.ints(LONGEST))
    kept = [nodes.add("Min", each, most) for each in sides]
    pairs = list(zip(sides, kept, strict=True))
    starts = [nodes.add("Div", nodes.add("Sub", *pair), nodes.ints(2)) for pair in pairs]
    ends = [nodes.add("Add", *pair) for pair in zip(starts, kept, strict=True)]
    first, last = (nodes.add("Concat", *each, axis=0) for each in (starts, ends))
    return nodes.add("Slice", images, first, last, nodes.ints(1, 2))


def _kept_in_shape(nodes: Nodes, length: str, shorter: str, side: int) -> str:
    """A side's length where the shorter one is `side`: see `data.images._size_in_form`."""
    scaled = nodes.add("Mul", nodes.double(length), nodes.number(side))
    fitting = nodes.rounded(nodes.add("Div", scaled, nodes.double(shorter)))
    least = nodes.add("Max", fitting, nodes.ints(side))
    return nodes.add("Min", least, nodes.ints(LONGEST * side))


def _cropped(nodes: Nodes, images: str, length: str, axis: int, size: int) -> str:
    """The middle `size` of an axis that is `length` long; where it is shorter, its ends again."""
    half = nodes.add(
        "Div", nodes.double(nodes.add("Sub", length, nodes.ints(size))), nodes.number(2)
    )
    start = nodes.add("Cast", nodes.add("Floor", half), to=TensorProto.INT64)
    places = nodes.add("Add", start, nodes.ints(*range(size)))
    last = nodes.add("Sub", length, nodes.ints(1))
    inside = nodes.add("Min", nodes.add("Max", places, nodes.ints(0)), last)
    return nodes.add("Gather", images, inside, axis=axis)


def _model(nodes: Nodes, size: int) -> onnx.ModelProto:
    def value(name: str, shape: Sequence[str | int]) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.UINT8, shape)

    graph = helper.make_graph(
        nodes.made,
        "resizing",
        [value(IMAGES, ["batch", "height", "width", 3])],
        [value(RESIZED, ["batch", size, size, 3])],
        nodes.constants,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
