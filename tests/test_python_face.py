"""Python's face: train, metrics, load, predict."""

import pytest
from smallruns import draw_photos

import fieldmark
from fieldmark.errors import SettingsError


def test_a_run_in_five_lines(tmp_path):
    photos = draw_photos(tmp_path / "photos", each=8)
    run = fieldmark.train(
        photos,
        model="small_cnn",
        epochs=2,
        batch_size=16,
        out=tmp_path / "runs",
        quiet=True,
        **{"model.width": 4, "train.patience": None, "optimizer.betas": (0.8, 0.9)},
    )
    assert "- 0.8" in (run.path / "settings.yaml").read_text()
    assert 0 <= run.metrics["test"]["macro_f1"] <= 1
    assert run.report.is_file()
    answer = fieldmark.load(run.path).predict(photos / "red" / "00.png")
    assert answer.label in ("blue", "green", "red")
    assert run.metrics["about"]["command"].startswith("fieldmark.train(")


def test_mistakes_are_raised_with_every_sentence():
    with pytest.raises(SettingsError) as caught:
        fieldmark.train("nowhere", epochs=0)
    sentences = [str(mistake) for mistake in caught.value.mistakes]
    assert sentences[0] == "--epochs: must be at least 1, not 0"
    assert sentences[1].startswith("DATA: there is no folder or file 'nowhere', and no built-in")
    assert len(sentences) == 2


def test_the_public_names_are_listed():
    assert fieldmark.__all__ == ["Run", "load", "train"]
