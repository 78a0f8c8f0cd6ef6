"""A network of ONNX in fewer bits: in float16, or in int8 by what images show of its numbers.

int8 is static: each number's range is seen once, on images of the training. Weights and numbers
have all eight bits: with seven, the log loss of a frozen MobileNetV2 on validation was 1.3 to 5
times as high. x86 processors without VNNI may cut a sum of two products, and answer otherwise.
What comes after the last weights stays in float32: the temperature, softmax or sigmoid, and the
joining of several.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.onnx_model import ONNXModel
from onnxruntime.quantization.shape_inference import quant_pre_process
from onnxruntime.transformers.float16 import convert_float_to_float16

from fieldmark.export.formats import FLOAT16, PER_TENSOR, PERCENTILE, RECIPES
from fieldmark.export.resizing import RESIZED
from fieldmark.export.whole import unheard

WEIGHTED = ("Conv", "Gemm", "MatMul")
LOWERED = (*WEIGHTED, "Add", "Clip", "Relu", "GlobalAveragePool", "MaxPool", "Concat", "Pad")
ROUNDED = "_cast_to_fp16"  # behind the name of what a node gives that stays in float32
MOST = 99.999  # percent of a tensor's numbers that PERCENTILE has a range for


def lower(made: onnx.ModelProto, recipe: str, images: Sequence[np.ndarray]) -> onnx.ModelProto:
    """A network behind a resize (RESIZED), without that: (n, side, side, 3) uint8 -> its outputs.

    images: (side, side, 3) uint8, by which int8 sees ranges. Raises what onnx and onnxruntime do.
    """
    network = _behind_resize(made)
    with unheard():
        if recipe in RECIPES[FLOAT16]:
            return _halved(network)
        return _quantised(network, recipe, images)


def _behind_resize(made: onnx.ModelProto) -> onnx.ModelProto:
    known = onnx.shape_inference.infer_shapes(made)
    names = [each.name for each in made.graph.output]
    network: onnx.ModelProto = onnx.utils.Extractor(known).extract_model([RESIZED], names)
    for number, node in enumerate(network.graph.node):
        node.name = f"network_{number}_{node.op_type.lower()}"
    return _with_used_domains(network)


def _named_after_weights(network: onnx.ModelProto) -> list[str]:
    """The nodes from which no node with weights is reached."""
    before: set[str] = set()  # numbers that reach one
    after = []
    for node in reversed(network.graph.node):
        if node.op_type in WEIGHTED or before.intersection(node.output):
            before.update(node.input)
        elif node.op_type != "Constant":
            after.append(node.name)
    return after


def _halved(network: onnx.ModelProto) -> onnx.ModelProto:
    kept = _named_after_weights(network)
    half = ONNXModel(convert_float_to_float16(network, keep_io_types=True, node_block_list=kept))
    half.topological_sort()  # its own casts stand at the end
    graph = half.model.graph
    del graph.value_info[:]  # some are of float32 still
    rounded = {
        node.output[0]: node.input[0]
        for node in graph.node
        if node.op_type == "Cast" and node.output[0] == node.input[0].removesuffix(ROUNDED)
    }
    for node in graph.node:
        if node.op_type == "Cast" and node.input[0] in rounded:  # and back: as it was before
            node.input[0] = rounded[node.input[0]]
    return _with_used_domains(half.model)


def _quantised(
    network: onnx.ModelProto, recipe: str, images: Sequence[np.ndarray]
) -> onnx.ModelProto:
    ranges = CalibrationMethod.Percentile if recipe == PERCENTILE else CalibrationMethod.MinMax
    with tempfile.TemporaryDirectory() as folder:
        given, plain, small = (Path(folder, f"{name}.onnx") for name in ("given", "plain", "small"))
        onnx.save(network, given)
        quant_pre_process(given, plain, skip_symbolic_shape=True)
        quantize_static(
            plain,
            small,
            _Shown(images),
            per_channel=recipe != PER_TENSOR,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=ranges,
            op_types_to_quantize=list(LOWERED),
            nodes_to_exclude=_named_after_weights(onnx.load(plain)),
            extra_options={
                "CalibStridedMinMax": 1,  # an image at a time, or the numbers of all are in memory
                "CalibPercentile": MOST,
                "OpTypesToExcludeOutputQuantization": ["Gemm"],  # logits keep their digits
            },
        )
        return _with_used_domains(onnx.load(small))


def _with_used_domains(network: onnx.ModelProto) -> onnx.ModelProto:
    """Each once, and without those that onnxruntime adds for its own nodes, where there is none."""
    used = {node.domain for node in network.graph.node}
    kept = {each.domain: each.version for each in network.opset_import if each.domain in used}
    del network.opset_import[:]
    network.opset_import.extend(onnx.helper.make_opsetid(*each) for each in kept.items())
    return network


class _Shown(CalibrationDataReader):  # type: ignore[misc]
    """Images (side, side, 3) one after the other, as onnxruntime asks for them."""

    def __init__(self, images: Sequence[np.ndarray]):
        self._images = images
        self._ahead = iter(images)

    def __len__(self) -> int:
        return len(self._images)

    def set_range(self, start_index: int, end_index: int) -> None:
        """From where to where the next are."""
        self._ahead = iter(self._images[start_index:end_index])

    def get_next(self) -> dict[str, Any] | None:
        """One as a batch, or None at the end."""
        image = next(self._ahead, None)
        return None if image is None else {RESIZED: image[None]}
