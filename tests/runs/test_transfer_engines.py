"""A frozen network in another engine: in the settings, in the figures, refused where of no use."""

from importlib.metadata import version

import numpy as np
import pytest
from enginesthere import ENGINES
from smallruns import QUIET, train

from fieldmark.errors import SettingsError
from fieldmark.machine import INSTALL
from fieldmark.models.bundle_info import read_info
from fieldmark.records import Predictions
from fieldmark.runs.concrete import gather
from fieldmark.runs.run import prepare
from fieldmark.settings.texts import read_file
from fieldmark.use.predictor import Predictor


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.slow
def test_a_run_says_what_computed_and_predicts_what_it_was_measured_on(
    photos, weights, tmp_path, engine
):
    words = (*weights, "model.freeze=true", f"run.engine={engine}")
    run = train(photos, tmp_path, "run", *words, epochs="2")
    assert read_file(run.settings).values["run.engine"] == engine
    assert read_info(run.path / "model.json").engine == engine
    assert run.read_metrics().about.versions[engine] == version(engine)
    table = Predictions.read(run.predictions)
    answers = Predictor(run.path, engine=engine).predict([photos / p for p in table.frame["path"]])
    found = np.array([list(answer.scores.values()) for answer in answers])
    np.testing.assert_allclose(found, table.scores(run.read_temperature()), atol=1e-6)


def test_an_engine_without_a_head_that_is_trained_alone_is_refused(photos, weights, monkeypatch):
    monkeypatch.setattr("fieldmark.models.engines.is_installed", lambda package: True)
    words = [*weights, "run.engine=openvino", "train.stages=[{train: all}]"]
    with pytest.raises(SettingsError) as caught:
        prepare(gather(str(photos), words, {}), QUIET)
    assert str(caught.value) == (
        "--engine: is for a network that stays as it is, and no stage trains the head alone; "
        "take --freeze, or leave it out"
    )


def test_an_engine_that_is_not_installed_and_a_precision_it_lacks_are_told_together(
    photos, monkeypatch
):
    monkeypatch.setattr("fieldmark.models.engines.is_installed", lambda package: False)
    words = ["run.engine=onnxruntime", "run.precision=bf16", "run.device=cpu"]
    with pytest.raises(SettingsError) as caught:
        gather(str(photos), words, {})
    assert [str(each) for each in caught.value.mistakes] == [
        "run.precision: onnxruntime has float32 alone; take float32 or auto",
        "--engine: 'onnxruntime' is not installed; install it with: "
        f"{INSTALL} 'fieldmark[onnxruntime]'",
    ]
