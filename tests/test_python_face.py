"""Python's face: train, metrics, load, predict."""

import random
from importlib.metadata import version

import pytest
import torch
from smallruns import draw_photos

import fieldmark
from fieldmark.errors import SettingsError
from fieldmark.python.run import Run


def test_a_run_in_five_lines(tmp_path):
    photos = draw_photos(tmp_path / "photos", each=8)
    generators = torch.get_rng_state().tolist(), random.getstate()
    run = fieldmark.train(
        photos,
        model="small_cnn",
        epochs=2,
        batch_size=16,
        out=tmp_path / "runs",
        quiet=True,
        **{"model.width": 4, "train.patience": None, "optimizer.betas": (0.8, 0.9)},
    )
    assert (torch.get_rng_state().tolist(), random.getstate()) == generators
    assert "- 0.8" in (run.path / "settings.yaml").read_text()
    assert 0 <= run.metrics["test"]["macro_f1"] <= 1
    assert run.report.is_file()
    answer = fieldmark.load(run.path).predict(photos / "red" / "00.png")
    assert answer.label in ("blue", "green", "red")
    assert run.metrics["about"]["command"].startswith("fieldmark.train(")


def test_the_command_that_is_recorded_repeats_the_call(tmp_path, monkeypatch):
    (tmp_path / "mine.yaml").write_text("train:\n  epochs: 3\n")
    calls = []

    def train_run(resolved, console, command):
        calls.append((resolved, command))
        return fieldmark.Run(tmp_path)

    monkeypatch.setattr("fieldmark.runs.run.train_run", train_run)
    monkeypatch.setattr("fieldmark.runs.budgets.refuse_missed", lambda run: None)
    fieldmark.train(
        recipe="digits",
        config=tmp_path / "mine.yaml",
        lr=0.5,
        name="taken",
        workers=None,
        **{"train.patience": None, "run.tag": "a"},
    )
    fieldmark.train("digits", **{"run.name": "taken"})
    assert [command for _, command in calls] == [
        f"fieldmark.train(recipe='digits', config='{tmp_path / 'mine.yaml'}', lr=0.5, "
        "**{'train.patience': None, 'run.tag': 'a'})",
        "fieldmark.train('digits')",
    ]
    for resolved, command in (*calls,):  # each eval adds a call
        eval(command, {"fieldmark": fieldmark})
        settings = [each.settings.model_dump() for each in (resolved, calls[-1][0])]
        assert settings[0].pop("run") | {"name": None} == settings[1].pop("run")
        assert settings[0] == settings[1]


def test_mistakes_are_raised_with_every_sentence():
    with pytest.raises(SettingsError) as caught:
        fieldmark.train("nowhere", epochs=0)
    sentences = [str(mistake) for mistake in caught.value.mistakes]
    assert sentences[0] == "--epochs: must be at least 1, not 0"
    assert sentences[1].startswith("DATA: there is no folder or file 'nowhere', and no built-in")
    assert len(sentences) == 2


def test_the_public_names_are_listed():
    assert fieldmark.__all__ == ["Run", "compare", "inspect", "load", "resume", "train"]
    assert fieldmark.__version__ == version("fieldmark")
    assert fieldmark.Run is Run
    with pytest.raises(AttributeError, match=r"^module 'fieldmark' has no attribute 'fit_all'$"):
        fieldmark.fit_all  # noqa: B018
