"""Exports made without torch and without training: logits are the mean colours of an image."""

import json

import numpy as np
import pytest

from fieldmark.models.bundle_info import BundleInfo
from fieldmark.records import InputSpec

SIDE = 16


def mean_colours(
    folder,
    classes=("red", "green", "blue"),
    *,
    embedding=False,
    drift=None,
    resizes=True,
    figures=None,
    name=None,
    **about,
):
    """An export whose logits are the means of three channels, of 0 to 1. -> its folder"""
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    from fieldmark.export.resizing import IMAGES, RESIZED, resizing

    helper, kinds = onnx.helper, onnx.TensorProto
    several = about.get("task") == "multi-label"
    axes = onnx.numpy_helper.from_array(np.array([1, 2], np.int64), "axes")
    most = onnx.numpy_helper.from_array(np.array([255], np.float32), "most")
    info = BundleInfo("small_cnn", tuple(classes), InputSpec(f"square:{SIDE}", SIDE), **about)
    calm = onnx.numpy_helper.from_array(np.array([info.temperature], np.float32), "temperature")
    taken = RESIZED if resizes else IMAGES
    nodes = [
        helper.make_node("Cast", [taken], ["floats"], to=kinds.FLOAT),
        helper.make_node("Div", ["floats", "most"], ["shares"]),
        helper.make_node("ReduceMean", ["shares", "axes"], ["logits"], keepdims=0),
        helper.make_node("Div", ["logits", "temperature"], ["calm"]),
        helper.make_node("Sigmoid" if several else "Softmax", ["calm"], ["scores"]),
        helper.make_node("Identity", ["logits"], ["embedding"]),
    ]
    names = ["scores", "logits", *["embedding"] * embedding]
    outputs = [helper.make_tensor_value_info(name, kinds.FLOAT, ["n", 3]) for name in names]
    shape = ["n", "height", "width", 3]
    images = helper.make_tensor_value_info(taken, kinds.UINT8, shape)
    nodes = nodes[: 5 + embedding]
    graph = helper.make_graph(nodes, "mean", [images], outputs, [axes, most, calm])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 9
    if resizes:
        before = resizing(info.spec)
        before.ir_version = 9
        model = onnx.compose.merge_models(before, model, io_map=[(RESIZED, RESIZED)])
    words, side = info.spec.evaluated_form[:2]
    said = {
        "to": "onnx",
        **({"name": name} if name else {}),
        "task": info.task,
        "classes": list(classes),
        "thresholds": info.thresholds,
        "input": {"resize": words, "to": side},
        "resizes": resizes,
        "figures": figures or {},
        "model": info.to_json(),
        **({"drift": drift} if drift else {}),
    }
    onnx.helper.set_model_props(model, {name: json.dumps(value) for name, value in said.items()})
    folder.mkdir(parents=True)
    onnx.save(model, folder / "model.onnx")
    (folder / "export.json").write_text(json.dumps(said))
    return folder
