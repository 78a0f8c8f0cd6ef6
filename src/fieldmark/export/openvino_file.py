"""A bundle as OpenVINO's two files: images in the network's size in, scores out.

OpenVINO leaves the antialias out of a resize without a word (2026.4), so that stays outside.
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnx
import torch

from fieldmark.export.formats import FLOAT16
from fieldmark.export.onnx_file import network_as_onnx
from fieldmark.export.resizing import IMAGES
from fieldmark.export.whole import NAMES, About, Maker, Runner, Source

# else importing it sends word of that to its makers; without the package it does not
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
import openvino  # noqa: E402

MODEL = "model.xml"  # model.bin, of that name, has the weights
KEY = "fieldmark"  # of what stands in the file about it
HINTS = {"INFERENCE_PRECISION_HINT": "f32"}  # else processors that have bf16 take that


def _save(model: onnx.ModelProto, about: About, folder: Path) -> None:
    """Both files, with plain values as JSON under their names in rt_info, below KEY.

    OpenVINO does not see that a disk is full, so it is seen before. Raises OSError.
    """
    found = openvino.Core().read_model(model.SerializeToString())
    found.inputs[0].get_tensor().set_names({IMAGES})
    for output, name in zip(found.outputs, NAMES, strict=False):
        output.get_tensor().set_names({name})
    for name, value in about.items():
        found.set_rt_info(json.dumps(value, ensure_ascii=False), [KEY, name])
    room = folder / MODEL
    room.write_bytes(bytes(2 * model.ByteSize()))
    room.unlink()
    is_half = about.get("precision") == FLOAT16  # weights alone: it computes in float32
    openvino.save_model(found, folder / MODEL, compress_to_fp16=is_half)


def _open(folder: Path, source: Source) -> Runner:
    core, threads = openvino.Core(), torch.get_num_threads()
    hints = {**HINTS, "INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"}
    compiled = core.compile_model(core.read_model(folder / MODEL), "CPU", hints)
    request = compiled.create_infer_request()

    def run(images: np.ndarray) -> tuple[np.ndarray, ...]:
        found = request.infer([images])
        return tuple(found[output] for output in compiled.outputs)

    return run


OPENVINO = Maker(network_as_onnx, _save, _open)
