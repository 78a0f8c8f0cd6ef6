"""Pillow's resize and the centre crop as nodes of ONNX, before a network that is exported.

(n, H, W, 3) uint8 of any size -> (n, side, side, 3) uint8, as `data.images.to_form` and
`centre_crop` make them, to the last bit. ONNX has a Resize, but its places are float32, so that
where a sum lies between two whole numbers, as of 224 to 256 pixels every twentieth does, it rounds
otherwise than Pillow; OpenVINO leaves its antialias out without a word. Here each pass is a
product with the weights of Pillow (`src/libImaging/Resample.c`), which are whole numbers of 22
bits: their upper and lower bits apart, every sum is exact in float32.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from fieldmark.data.images import LONGEST
from fieldmark.export.pillow import goes_down_first
from fieldmark.records import InputSpec

OPSET = 18
IMAGES, RESIZED = "images", "resized"
ONE = 1 << 22  # a weight of 1, as Pillow has it
# what the upper bits count by: they sum to 1.3 * 2^15 at most, of a cubic, times 255 below 2^24, up
# to where float32 is exact; the lower ones are 64 at most, exact for a thousand pixels of any kind
UPPER = 1 << 7
BLOCKS = 8  # of a pass: each looks at the pixels near it, and not at a whole line
REACH = {"linear": 1, "cubic": 2}  # pixels on either side, where nothing is made smaller


class Nodes:
    """Nodes one after the other, each with one output, whose name it gives."""

    def __init__(self) -> None:
        self.made: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def add(self, kind: str, *given: str, **options: Any) -> str:
        """A node of these inputs. -> the name of its output"""
        return self.several(kind, 1, *given, **options)[0]

    def several(self, kind: str, outputs: int, *given: str, **options: Any) -> list[str]:
        """A node of so many outputs. -> their names"""
        name = f"pre_{len(self.made)}_{kind.lower()}"
        names = [name, *(f"{name}_{place}" for place in range(1, outputs))]
        self.made.append(helper.make_node(kind, list(given), names, name=name, **options))
        return names

    def ints(self, *values: int) -> str:
        """(n,) int64"""
        return self._constant(np.array(values, np.int64))

    def number(self, value: float) -> str:
        """(1,) float64"""
        return self._constant(np.array([value], np.float64))

    def int32(self, value: int) -> str:
        """(1,) int32"""
        return self._constant(np.array([value], np.int32))

    def _constant(self, values: np.ndarray) -> str:
        name = f"pre_constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(values, name))
        return name

    def double(self, value: str) -> str:
        """int64 -> float64"""
        return self.add("Cast", value, to=TensorProto.DOUBLE)

    def whole(self, value: str, how: str = "Floor") -> str:
        """float64 -> int64; how: Floor, or Round, halves to even, as Python rounds."""
        return self.add("Cast", self.add(how, value), to=TensorProto.INT64)


@dataclass(frozen=True)
class Axis:
    """One axis of the image and what becomes of it, as names of nodes.

    length: its pixels; out: what it is resized to; start, span: of the part that is resized, in
    pixels, float64. Each is (1,).
    """

    length: str
    out: str
    start: str
    span: str


@dataclass(frozen=True)
class Pass:
    """One axis on its way: which of its resized pixels are wanted, where the part of the image that
    they are made of begins, (1,) int64, and which axis of that it is."""

    axis: Axis
    places: str
    begins: str
    at: int


def resizing(spec: InputSpec) -> onnx.ModelProto:
    """The nodes as a model of their own, from IMAGES to RESIZED."""
    nodes = Nodes()
    word, side, *smooth = spec.evaluated_form
    filtered = "cubic" if smooth else "linear"
    shape = nodes.add("Shape", IMAGES)
    down, across = _axes(nodes, shape, side if word == "shorter" else None, side)
    images = nodes.add("Transpose", IMAGES, perm=[0, 3, 1, 2])
    first, second = across, down
    turned = None
    if goes_down_first():
        turned = _loses_more(nodes, down, across)
        pairs = [(getattr(down, name), getattr(across, name)) for name in Axis.__annotations__]
        first = Axis(*(nodes.add("Where", turned, a, b) for a, b in pairs))
        second = Axis(*(nodes.add("Where", turned, b, a) for a, b in pairs))
        images = _turned_if(nodes, turned, images)
    places = [_places(nodes, axis, spec.size) for axis in (second, first)]
    images, begins = _seen_part(nodes, images, (second, first), places, filtered)
    for axis, its, start, at in zip(
        (first, second), places[::-1], begins[::-1], (3, 2), strict=True
    ):
        images = _passed(nodes, images, Pass(axis, its, start, at), spec.size, filtered)
    images = nodes.add("Cast", images, to=TensorProto.UINT8)
    if turned is not None:
        images = _turned_if(nodes, turned, images)
    nodes.add("Transpose", images, perm=[0, 2, 3, 1])
    nodes.made[-1].output[0] = RESIZED
    return _model(nodes, spec.size)


def _axes(nodes: Nodes, shape: str, shorter_to: int | None, side: int) -> tuple[Axis, Axis]:
    """Height and width: see `data.images._size_in_form`, and `_middle` of what is long."""
    lengths = [nodes.add("Slice", shape, nodes.ints(axis), nodes.ints(axis + 1)) for axis in (1, 2)]
    if shorter_to is None:
        made = [Axis(n, nodes.ints(side), nodes.number(0), nodes.double(n)) for n in lengths]
        return made[0], made[1]
    shorter = nodes.add("Min", *lengths)
    found = []
    for length in lengths:
        scaled = nodes.add("Mul", nodes.double(length), nodes.number(side))
        fitting = nodes.whole(nodes.add("Div", scaled, nodes.double(shorter)), "Round")
        least = nodes.add("Max", fitting, nodes.ints(side))
        out = nodes.add("Min", least, nodes.ints(LONGEST * side))
        kept = nodes.add("Min", length, nodes.add("Mul", shorter, nodes.ints(LONGEST)))
        spare = nodes.double(nodes.add("Sub", length, kept))
        start = nodes.add("Div", spare, nodes.number(2))
        found.append(Axis(length, out, start, nodes.double(kept)))
    return found[0], found[1]


def _loses_more(nodes: Nodes, down: Axis, across: Axis) -> str:
    """Whether the height loses more than twice what the width does: see `goes_down_first`."""
    fewer = [nodes.add("Sub", axis.length, axis.out) for axis in (down, across)]
    least = nodes.add("Max", fewer[1], nodes.ints(0))
    return nodes.add("Greater", fewer[0], nodes.add("Mul", least, nodes.ints(2)))


def _turned_if(nodes: Nodes, wanted: str, images: str) -> str:
    """Height and width exchanged, (n, 3, H, W) uint8, where that is wanted."""
    name = f"pre_{len(nodes.made)}_turned"
    branches = {}
    for branch, perm in (("then_branch", [0, 1, 3, 2]), ("else_branch", [0, 1, 2, 3])):
        out = f"{name}_{branch}"
        value = helper.make_tensor_value_info(out, TensorProto.UINT8, ["n", 3, None, None])
        node = helper.make_node("Transpose", [images], [out], perm=perm)
        branches[branch] = helper.make_graph([node], branch, [], [value])
    return nodes.add("If", nodes.add("Squeeze", wanted), **branches)


def _places(nodes: Nodes, axis: Axis, size: int) -> str:
    """Which of the resized pixels the crop shows, (size,) int64; where they end, the last again."""
    spare = nodes.double(nodes.add("Sub", axis.out, nodes.ints(size)))
    start = nodes.whole(nodes.add("Div", spare, nodes.number(2)))
    places = nodes.add("Add", start, nodes.ints(*range(size)))
    last = nodes.add("Sub", axis.out, nodes.ints(1))
    return nodes.add("Min", nodes.add("Max", places, nodes.ints(0)), last)


def _seen_part(
    nodes: Nodes, images: str, axes: Sequence[Axis], places: Sequence[str], filtered: str
) -> tuple[str, list[str]]:
    """The pixels that the crop is made of, (n, 3, h, w), and where they begin on both axes."""
    windows = [_window(nodes, *each, filtered)[1:] for each in zip(axes, places, strict=True)]
    first, last = (nodes.add("Concat", *each, axis=0) for each in zip(*windows, strict=True))
    return nodes.add("Slice", images, first, last, nodes.ints(2, 3)), [each[0] for each in windows]


def _window(nodes: Nodes, axis: Axis, places: str, filtered: str) -> tuple[str, str, str]:
    """Where the centres of resized pixels lie (k,) float64, and the pixels that they are made of:
    the first, and the one after the last, (1,) int64."""
    scale = nodes.add("Div", axis.span, nodes.double(axis.out))
    middles = nodes.add("Add", nodes.double(places), nodes.number(0.5))
    centres = nodes.add("Add", nodes.add("Mul", middles, scale), axis.start)
    reach = nodes.add("Mul", _shrunk(nodes, scale), nodes.number(REACH[filtered]))
    ends = []
    for kind, at, way in (("Sub", 0, "Max"), ("Add", -1, "Min")):
        one = nodes.add("Gather", centres, nodes.ints(at))
        end = nodes.whole(nodes.add("Add", nodes.add(kind, one, reach), nodes.number(0.5)))
        ends.append(nodes.add(way, end, nodes.ints(0) if way == "Max" else axis.length))
    return centres, ends[0], ends[1]


def _shrunk(nodes: Nodes, scale: str) -> str:
    """How many pixels become one, at least 1."""
    return nodes.add("Max", scale, nodes.number(1))


def _passed(nodes: Nodes, images: str, its: Pass, size: int, filtered: str) -> str:
    """One axis resized, (n, 3, h, w) -> the same in int32, with the `size` places of that axis."""
    lengths = [len(each) for each in np.array_split(range(size), min(BLOCKS, size))]
    parts = nodes.several("Split", len(lengths), its.places, nodes.ints(*lengths), axis=0)
    blocks = [_block(nodes, images, replace(its, places=part), filtered) for part in parts]
    return nodes.add("Concat", *blocks, axis=its.at)


def _block(nodes: Nodes, images: str, its: Pass, filtered: str) -> str:
    """Some places of each line, of the pixels near them."""
    centres, first, last = _window(nodes, its.axis, its.places, filtered)
    bounds = [nodes.add("Sub", each, its.begins) for each in (first, last)]
    near = nodes.add("Slice", images, *bounds, nodes.ints(its.at))
    near = nodes.add("Cast", near, to=TensorProto.FLOAT)
    ends = [nodes.add("Squeeze", each) for each in (first, last)]
    pixels = nodes.add("Range", *ends, nodes.add("Squeeze", nodes.ints(1)))
    weights = _weights(nodes, its.axis, centres, pixels, filtered)
    if its.at == 3:
        sums = nodes.add("MatMul", near, nodes.add("Transpose", weights, perm=[1, 0]))
    else:
        sums = nodes.add("MatMul", weights, near)
    sums = nodes.add("Cast", sums, to=TensorProto.INT32)
    upper, lower = nodes.several("Split", 2, sums, axis=its.at, num_outputs=2)
    whole = nodes.add("Add", nodes.add("Mul", upper, nodes.int32(UPPER)), lower)
    rounded = nodes.add("Max", nodes.add("Add", whole, nodes.int32(ONE // 2)), nodes.int32(0))
    return nodes.add("Min", nodes.add("Div", rounded, nodes.int32(ONE)), nodes.int32(255))


def _weights(nodes: Nodes, axis: Axis, centres: str, pixels: str, filtered: str) -> str:
    """What each of the pixels, (m,) int64, counts for places with these centres (k,).

    -> (2 k, m) float32, whole numbers all: their upper bits, then what these are off by.
    """
    rows = nodes.add("Unsqueeze", centres, nodes.ints(1))
    apart = nodes.add("Sub", nodes.double(pixels), rows)
    apart = nodes.add("Add", apart, nodes.number(0.5))
    scale = nodes.add("Div", axis.span, nodes.double(axis.out))
    per = nodes.add("Div", nodes.number(1), _shrunk(nodes, scale))
    far = nodes.add("Abs", nodes.add("Mul", apart, per))
    weights = (_cubic if filtered == "cubic" else _linear)(nodes, far)
    total = nodes.add("ReduceSum", weights, nodes.ints(1), keepdims=1)
    scaled = nodes.add("Mul", nodes.add("Div", weights, total), nodes.number(ONE))
    size = nodes.add("Floor", nodes.add("Add", nodes.add("Abs", scaled), nodes.number(0.5)))
    whole = nodes.add("Mul", nodes.add("Sign", scaled), size)
    upper = nodes.add("Round", nodes.add("Div", whole, nodes.number(UPPER)))
    lower = nodes.add("Sub", whole, nodes.add("Mul", upper, nodes.number(UPPER)))
    return nodes.add("Cast", nodes.add("Concat", upper, lower, axis=0), to=TensorProto.FLOAT)


def _linear(nodes: Nodes, far: str) -> str:
    """The triangle: 1 - far, 0 beyond 1."""
    return nodes.add("Max", nodes.add("Sub", nodes.number(1), far), nodes.number(0))


def _cubic(nodes: Nodes, far: str) -> str:
    """Keys' cubic with a = -0.5, as Pillow has it."""

    def steps(*factors: float) -> str:
        found = nodes.add("Mul", far, nodes.number(factors[0]))
        for factor in factors[1:]:
            found = nodes.add("Mul", nodes.add("Add", found, nodes.number(factor)), far)
        return found

    near = nodes.add("Add", steps(1.5, -2.5, 0), nodes.number(1))
    beyond = nodes.add("Add", steps(1, -5, 8), nodes.number(-4))
    beyond = nodes.add("Mul", beyond, nodes.number(-0.5))
    is_inside = nodes.add("Less", far, nodes.number(2))
    outer = nodes.add("Where", is_inside, beyond, nodes.number(0))
    return nodes.add("Where", nodes.add("Less", far, nodes.number(1)), near, outer)


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
