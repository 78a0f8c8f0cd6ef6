"""A bundle as one ONNX file: images of any size in, scores out, and what it is for inside."""

import contextlib
import io
import json
import warnings
from pathlib import Path
from typing import Any

import onnx
import torch

from fieldmark.errors import RunError
from fieldmark.export.resizing import OPSET, RESIZED, resizing
from fieldmark.export.whole import NAMES, Runner, Source, Whole
from fieldmark.models.infer import evaluating

MODEL = "model.onnx"
EXPORTERS = ("dynamo", "torchscript")  # torch's two, in the order in which they are tried


def network_as_onnx(source: Source, exporter: str, *, embedding: bool = False) -> onnx.ModelProto:
    """The networks without the resize: (n, side, side, 3) uint8 -> NAMES.

    exporter: one of EXPORTERS. Raises RunError where it cannot write the network.
    """
    whole, side = Whole(source, embedding=embedding), source.info.spec.size
    images = torch.randint(0, 256, (2, side, side, 3), dtype=torch.uint8)
    names = list(NAMES[: 2 + embedding])
    screen, stream = io.StringIO(), io.BytesIO()
    try:
        with (
            evaluating(whole),
            torch.no_grad(),
            warnings.catch_warnings(action="ignore"),
            contextlib.redirect_stdout(screen),
            contextlib.redirect_stderr(screen),
        ):
            if exporter == "dynamo":
                shapes = {"images": {0: torch.export.Dim("batch")}}
                how = {"dynamic_shapes": shapes, "opset_version": OPSET, "verbose": False}
                program: Any = torch.onnx.export(
                    *(whole, (images,)),
                    dynamo=True,
                    input_names=[RESIZED],
                    output_names=names,
                    **how,
                )
                model = program.model_proto
            else:
                axes = {name: {0: "batch"} for name in (RESIZED, *names)}
                torch.onnx.export(
                    *(whole, (images,), stream),
                    dynamo=False,
                    input_names=[RESIZED],
                    output_names=names,
                    dynamic_axes=axes,
                    opset_version=OPSET,
                )
                model = onnx.load_from_string(stream.getvalue())
    except Exception as error:  # of torch, onnxscript or protobuf, and of no common kind
        reason = str(error).strip().partition("\n")[0]
        raise RunError(
            f"{source.path}: {source.info.model} cannot be written as ONNX by torch's exporter "
            f"'{exporter}' ({reason})"
        ) from error
    return model


def with_resizing(network: onnx.ModelProto, source: Source) -> onnx.ModelProto:
    """The network behind Pillow's resize: (n, H, W, 3) uint8 of any size -> NAMES."""
    before = resizing(source.info.spec)
    before.ir_version = network.ir_version
    own = next(each for each in network.opset_import if each.domain == "")
    before = onnx.version_converter.convert_version(before, own.version)
    pairs = [(RESIZED, RESIZED)]
    return onnx.compose.merge_models(before, network, io_map=pairs, prefix1=None)


def write_onnx(model: onnx.ModelProto, about: dict[str, Any], folder: Path) -> None:
    """One file, with plain values as JSON under their names in its metadata."""
    kept = {name: json.dumps(value, ensure_ascii=False) for name, value in about.items()}
    onnx.helper.set_model_props(model, kept)
    model.producer_name = "fieldmark"
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, folder / MODEL)


def open_onnx(folder: Path, threads: int = 0) -> Runner:
    """The file in onnxruntime on the processor; threads: 0 for as many as it takes by itself."""
    import onnxruntime

    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(
        str(folder / MODEL), options, providers=["CPUExecutionProvider"]
    )
    (taken,) = session.get_inputs()
    return lambda images: tuple(session.run(None, {taken.name: images}))
