"""Published weights on real photos in fewer bits: within a point of what they are in float32."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx", reason="needs onnx: pip install 'fieldmark[onnx]'")

from enginesthere import needs
from smallruns import QUIET

from fieldmark.data.images import unresized
from fieldmark.export import onnx_file
from fieldmark.export.exported import export
from fieldmark.export.formats import RECIPES, Asked
from fieldmark.export.parity import pictures_of
from fieldmark.records import Samples
from fieldmark.runs.concrete import gather
from fieldmark.runs.run import train_run
from fieldmark.use.asked import info_of_any

pytestmark = [pytest.mark.slow, needs("onnxruntime"), pytest.mark.usefixtures("quick")]
SHARED = Path(__file__).parents[2].parent / "shared"
MONKEYS, WEIGHTS = SHARED / "data" / "monkeys10", SHARED / "weights" / "mobilenet_v2.safetensors"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A frozen MobileNetV2 whose validation no part of it was trained on."""
    if not (MONKEYS.is_dir() and WEIGHTS.is_file()):
        pytest.skip("needs shared/data/monkeys10 and shared/weights beside the checkout")
    given = {"freeze": "true", "out": str(tmp_path_factory.mktemp("real")), "name": "run"}
    words = (f"model.weights={WEIGHTS}", "model.name=mobilenet_v2", "data.val=hold")
    return train_run(gather(str(MONKEYS), [*words, "run.explain=false"], given), QUIET, "a test")


@pytest.fixture(scope="module")
def photos(run):
    """The 200 photos of the test as the file takes them, and their classes."""
    samples, metrics = Samples.read(run.samples), run.read_metrics()
    rows, spec = samples.rows("test"), info_of_any(run.path).spec
    images = [unresized(read()[1], spec, "a photo") for read in pictures_of(samples, rows)]
    return images, samples.targets(samples.classes)[rows], metrics.sides["test"]["accuracy"]


@pytest.mark.parametrize("precision", list(RECIPES))
def test_the_test_photos_are_decided_within_a_point_of_float32(run, photos, precision):
    folder, seen = export(run.path, "onnx", None, Asked(precision=precision))
    images, truth, accuracy = photos
    answer = onnx_file.open_onnx(folder)
    guessed = np.array([answer(image[None])[0][0].argmax() for image in images])
    assert not seen.model_has_seen
    assert seen.points_worse <= 1
    assert 100 * (accuracy - np.mean(guessed == truth)) <= 1
    assert seen.bytes < {"float16": 0.55, "int8": 0.35}[precision] * seen.float32_bytes
