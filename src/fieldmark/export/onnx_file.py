"""A bundle as one ONNX file: images of any size in, scores out, and what it is for inside."""

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch

from fieldmark.data.images import made_up
from fieldmark.errors import RunError
from fieldmark.export.resizing import OPSET, RESIZED, resizing
from fieldmark.export.whole import NAMES, About, Maker, Runner, Source, Whole, reason_of, unheard
from fieldmark.models.infer import evaluating
from fieldmark.use.exported_info import MODEL


def make_onnx(source: Source, way: str, embedding: bool) -> onnx.ModelProto:
    """The network behind Pillow's resize: (n, H, W, 3) uint8 of any size -> NAMES.

    way: one of EXPORTERS. Raises RunError where it cannot write the network.
    """
    return with_resizing(network_as_onnx(source, way, embedding), source)


def network_as_onnx(source: Source, exporter: str, embedding: bool) -> onnx.ModelProto:
    """The networks without the resize: (n, side, side, 3) uint8 -> NAMES. Raises RunError."""
    whole, side = Whole(source, embedding=embedding), source.info.spec.size
    images = torch.from_numpy(made_up(2, side, side, 3))
    try:
        with evaluating(whole), torch.no_grad(), unheard():
            model = _written_by(exporter, whole, images, NAMES[: 2 + embedding])
    except Exception as error:  # of torch, onnxscript or protobuf, and of no common kind
        raise RunError(
            f"{source.path}: {source.info.model} cannot be written as ONNX by torch's exporter "
            f"'{exporter}' ({reason_of(error)})"
        ) from error
    return _without_traces(model)


def _without_traces(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same without the lines of code, and the folders of this machine, that each node came
    from."""
    for each in (*model.graph.node, *model.graph.value_info):
        each.ClearField("metadata_props")
        each.ClearField("doc_string")
    return model


def _written_by(
    exporter: str, whole: Whole, images: torch.Tensor, given: Sequence[str]
) -> onnx.ModelProto:
    """By one of torch's two, which say in ways of their own that the number of images is free."""
    stream: Any = io.BytesIO()
    is_dynamo = exporter == "dynamo"
    free: dict[str, Any] = (
        {"dynamic_shapes": {"images": {0: torch.export.Dim("batch")}}}
        if is_dynamo
        else {"dynamic_axes": {name: {0: "batch"} for name in (RESIZED, *given)}}
    )
    program: Any = torch.onnx.export(
        whole,
        (images,),
        None if is_dynamo else stream,
        dynamo=is_dynamo,
        input_names=[RESIZED],
        output_names=list(given),
        opset_version=OPSET,
        verbose=False,
        **free,
    )
    model: onnx.ModelProto = (
        program.model_proto if is_dynamo else onnx.load_from_string(stream.getvalue())
    )
    return model


def with_resizing(network: onnx.ModelProto, source: Source) -> onnx.ModelProto:
    """A network behind the resize that its images are given. Its opset stays."""
    before = resizing(source.info.spec)
    before.ir_version = network.ir_version
    own = next(each for each in network.opset_import if each.domain == "")
    before = onnx.version_converter.convert_version(before, own.version)
    return onnx.compose.merge_models(before, network, io_map=[(RESIZED, RESIZED)])


def save_onnx(model: onnx.ModelProto, about: About, folder: Path) -> None:
    """One file, with plain values as JSON under their names in its metadata."""
    kept = {name: json.dumps(value, ensure_ascii=False) for name, value in about.items()}
    onnx.helper.set_model_props(model, kept)
    model.producer_name = "fieldmark"
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, folder / MODEL)


def open_onnx(folder: Path) -> Runner:
    """The file in onnxruntime on the processor, on as many threads as torch has."""
    return runner_of(str(folder / MODEL))


def runner_of(model: str | bytes) -> Runner:
    """The same of any such file, or of its content."""
    import onnxruntime

    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 4  # what goes wrong it raises too
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    (taken,) = session.get_inputs()

    def run(images: np.ndarray) -> tuple[np.ndarray, ...]:
        return tuple(session.run(None, {taken.name: images}))

    return run


def _lower(
    made: onnx.ModelProto, source: Source, recipe: str, images: Sequence[np.ndarray]
) -> onnx.ModelProto:
    from fieldmark.export.lower_onnx import lower

    small = with_resizing(lower(made, recipe, images), source)
    onnx.checker.check_model(small, full_check=True)
    return small


ONNX = Maker(make_onnx, save_onnx, lambda folder, _: open_onnx(folder), lower=_lower)
