"""Prediction: the same answers as training saw, files and folders, broken ones and many."""

import json
import os
import tracemalloc
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from enginesthere import ENGINES
from PIL import Image
from smallruns import train

import fieldmark
from fieldmark.data.images import decode
from fieldmark.errors import DataError, DiskError, RunError, SettingsError
from fieldmark.models import engines
from fieldmark.models.infer import infer
from fieldmark.records import Predictions
from fieldmark.use.info import unended
from fieldmark.use.predictor import Failure, Predictor
from fieldmark.use.table import write_table


@pytest.fixture(scope="module")
def run(photos, tmp_path_factory):
    return train(photos, tmp_path_factory.mktemp("a"), "run", epochs="2")


def test_a_file_gets_the_scores_that_its_row_in_the_predictions_table_has(run, photos):
    table = Predictions.read(run.predictions)
    scores = table.scores(run.read_temperature())
    answers = Predictor(run.path, batch_size=7).predict(
        [photos / path for path in table.frame["path"]]
    )
    for answer, row in zip(answers, scores, strict=True):
        assert list(answer.scores.values()) == pytest.approx(row, abs=1e-6)
        assert answer.label == table.classes[row.argmax()]
        assert answer.score == max(answer.scores.values())
        assert sum(answer.scores.values()) == pytest.approx(1)


def test_one_image_gives_one_answer_and_a_folder_a_list(run, photos):
    predictor = fieldmark.load(run.path)
    one = predictor.predict(photos / "red" / "00.png")
    assert one.image == str(photos / "red" / "00.png")
    folder = predictor.predict(str(photos / "red"))
    assert [answer.image for answer in folder] == sorted(map(str, (photos / "red").iterdir()))
    assert (folder[0].image, folder[0].label) == (one.image, one.label)
    assert folder[0].scores == pytest.approx(one.scores, abs=1e-6)


def test_a_bundle_of_two_files_is_enough(run, photos, tmp_path):
    for name in ("model.safetensors", "model.json"):
        (tmp_path / name).write_bytes((run.path / name).read_bytes())
    image = photos / "red" / "00.png"
    assert Predictor(tmp_path).predict(image) == Predictor(run.path).predict(image)


def test_the_stream_goes_on_after_a_broken_file(run, photos, tmp_path):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no picture")
    paths = [photos / "red" / "00.png", broken, photos / "red" / "01.png"]
    answers = list(Predictor(run.path).stream(paths))
    assert [type(answer).__name__ for answer in answers] == ["Prediction", "Failure", "Prediction"]
    assert isinstance(answers[1], Failure)
    assert answers[1].reason.startswith(f"{broken}: is not a picture")


def test_predict_raises_for_a_broken_file(run, tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"broken.jpg: is not a picture"):
        Predictor(run.path).predict(tmp_path / "broken.jpg")


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_an_image_whose_scores_are_not_finite_has_no_answer_and_a_reason(
    run, photos, monkeypatch, number
):
    def some_broken(model, batches, **options):
        logits = infer(model, batches, **options)
        logits[1, 0] = number
        return logits

    monkeypatch.setattr("fieldmark.use.opened.infer", some_broken)
    paths = [photos / "red" / f"0{row}.png" for row in range(3)]
    answers = list(Predictor(run.path).stream(paths))
    assert [type(answer).__name__ for answer in answers] == ["Prediction", "Failure", "Prediction"]
    sentence = (
        f"{paths[1]}: has no answer, since the model's scores for it are not finite; try it on the "
        "processor (--device cpu), or train anew"
    )
    assert answers[1] == Failure(str(paths[1]), sentence)
    with pytest.warns(UserWarning, match="got no answer") as told:
        assert Predictor(run.path).predict(paths) == answers
    assert [str(each.message) for each in told] == [
        f"1 of 3 images got no answer; the first: {sentence}"
    ]


def test_the_three_kinds_of_table_hold_the_same(run, photos, tmp_path):
    predictor = Predictor(run.path)
    answers = predictor.predict(photos / "red")
    for ending in ("csv", "jsonl", "parquet"):
        write_table(tmp_path / f"t.{ending}", iter(answers), predictor.classes, scores=True)
    tables = [
        pl.read_csv(tmp_path / "t.csv"),
        pl.read_ndjson(tmp_path / "t.jsonl"),
        pl.read_parquet(tmp_path / "t.parquet"),
    ]
    columns = ["image", "label", "score", "score:blue", "score:green", "score:red"]
    for table in tables:
        assert table.columns == columns
        assert table.equals(tables[0])
    assert tables[0]["label"].to_list() == [answer.label for answer in answers]
    scores = [float(f"{answer.score:.6g}") for answer in answers]
    assert tables[0]["score"].to_list() == scores != [answer.score for answer in answers]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["t.csv", "t.jsonl", "t.parquet"]


def test_a_table_that_cannot_be_finished_leaves_the_old_one(run, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("old")

    def answers():
        yield from ()
        raise DataError("in the middle")

    with pytest.raises(DataError):
        write_table(path, answers(), ("a",), scores=False)
    assert path.read_text() == "old"
    with pytest.raises(DiskError, match="cannot be written"):
        write_table(path / "t.csv", iter(()), ("a",), scores=False)
    write_table(tmp_path / "new" / "folder" / "t.csv", iter(()), ("a",), scores=False)
    assert (tmp_path / "new" / "folder" / "t.csv").read_text() == "image,label,score\n"
    with pytest.raises(SettingsError) as caught:
        write_table(tmp_path / "t.txt", iter(()), ("a",), scores=False)
    assert str(caught.value) == (
        f"--out {tmp_path / 't.txt'}: must end in .csv or .jsonl or .parquet or .xlsx, which "
        "names its kind"
    )


def test_memory_does_not_grow_with_the_number_of_files(run, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, size=(400, 400, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "0.png")
    for number in range(1, 300):
        os.link(tmp_path / "0.png", tmp_path / f"{number}.png")
    predictor = Predictor(run.path, batch_size=8)

    def peak(count):
        tracemalloc.start()
        for _ in predictor.stream(tmp_path / f"{number}.png" for number in range(count)):
            pass
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(8)
    assert peak(300) < 1.5 * peak(30)


def test_no_model_there_is_told(tmp_path):
    with pytest.raises(RunError) as caught:
        Predictor(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}: holds no trained model (model.json); name a run's folder, or go on with one "
        "that was stopped: fieldmark train --resume RUN"
    )


def test_a_folder_of_runs_names_the_newest(tmp_path):
    for age, name in enumerate(("new", "old")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.json").write_text("{}")
        os.utime(tmp_path / name / "model.json", (1e9 - age, 1e9 - age))
    with pytest.raises(RunError) as caught:
        Predictor(tmp_path)
    meant = tmp_path / "new"
    assert str(caught.value) == f"{tmp_path}: is a folder of runs; name one of them: {meant}"


def test_a_run_whose_training_has_not_ended_is_told(tmp_path):
    assert unended(tmp_path) == ()
    (tmp_path / "settings.yaml").touch()
    assert unended(tmp_path) == (
        f"{tmp_path}: its training has not ended, and these are the best weights so far; it goes "
        f"on with: fieldmark train --resume {tmp_path}",
    )
    (tmp_path / "manifest.json").touch()
    assert unended(tmp_path) == ()


def test_temperature_divides_the_logits(run, photos, tmp_path):
    for name in ("model.safetensors", "model.json"):
        (tmp_path / name).write_bytes((run.path / name).read_bytes())
    info = json.loads((tmp_path / "model.json").read_text())
    (tmp_path / "model.json").write_text(json.dumps({**info, "temperature": 1e6}))
    answer = Predictor(tmp_path).predict(photos / "red" / "00.png")
    assert list(answer.scores.values()) == pytest.approx([1 / 3] * 3, abs=1e-4)


@pytest.mark.parametrize("engine", ENGINES)
def test_an_engine_gives_torchs_scores_whatever_the_batch_and_says_what_computed(
    run, photos, engine
):
    images = sorted((photos / "red").iterdir())
    wanted = Predictor(run.path).predict(images)
    predictor = Predictor(run.path, engine=engine)
    assert predictor.told == []
    found = predictor.predict(images)
    for one, other in zip(found, wanted, strict=True):
        assert one.scores == pytest.approx(other.scores, abs=1e-4)
    assert predictor.predict(images[3]).scores == pytest.approx(found[3].scores, abs=1e-6)
    (told,) = predictor.told
    assert told.startswith(f"{engine} ")
    assert "of 16 images are within" in told


@pytest.mark.parametrize("engine", ENGINES)
def test_an_engine_that_is_far_from_torch_gives_no_answer(run, photos, engine, monkeypatch):
    monkeypatch.setattr(engines, "FARTHEST", {"float32": 0.0})
    with pytest.raises(SettingsError, match=r"^--engine: features of 16 images"):
        Predictor(run.path, engine=engine).predict(photos / "red")


def test_an_engine_that_there_is_not_is_told_before_the_weights_are_read(run, monkeypatch):
    monkeypatch.setattr("fieldmark.models.bundle.load", None)
    with pytest.raises(SettingsError) as caught:
        Predictor(run.path, engine="tensorrt")
    assert str(caught.value) == (
        "--engine: there is no engine 'tensorrt'; there are 'torch', 'onnxruntime' and 'openvino'"
    )
    monkeypatch.setattr(engines, "is_installed", lambda package: False)
    with pytest.raises(SettingsError, match=r"^--engine: 'openvino' is not installed; install it"):
        Predictor(run.path, engine="openvino")


def test_what_is_in_memory_is_answered_as_its_file_is(run, photos):
    paths = [photos / "red" / "00.png", photos / "green" / "00.png"]
    pixels = np.stack([decode(path.read_bytes(), path.name) for path in paths])
    predictor = Predictor(run.path)
    wanted = [(each.label, each.score) for each in predictor.predict(paths)]
    for images in (
        [path.read_bytes() for path in paths],
        [Image.fromarray(each) for each in pixels],
        list(pixels),
        pixels,
        torch.from_numpy(pixels),
        [Image.fromarray(pixels[0]), str(paths[1])],
    ):
        assert [(each.label, each.score) for each in predictor.predict(images)] == wanted
    one = predictor.predict(paths[0])  # alone, which moves the last bits on some processors
    assert (one.label, one.score) == (wanted[0][0], pytest.approx(wanted[0][1], abs=1e-6))
    for image in (str(paths[0]), paths[0].read_bytes(), pixels[0]):
        again = predictor.predict(image)
        assert (again.label, again.score) == (one.label, one.score)
    gray = pixels[..., 0]
    assert predictor.predict(gray[0]) == predictor.predict(gray[0][..., None])
    assert len(predictor.predict(gray)) == len(predictor.predict(gray[..., None])) == 2


def test_of_several_images_what_is_broken_or_missing_keeps_its_place(run, photos, tmp_path):
    good, lost = photos / "red" / "00.png", tmp_path / "lost.png"
    with pytest.warns(UserWarning, match=r"^3 of 4 images got no answer; the first: "):
        answers = Predictor(run.path).predict([lost, good, b"no picture", str(lost)])
    assert [each.label for each in answers] == [None, "red", None, None]
    assert [each.reason for each in answers] == [
        f"{lost}: there is no such file or folder; check the path",
        "",
        "image 3: is not a picture that can be read (PNG, JPEG, WEBP, BMP, TIFF, GIF, AVIF); take "
        "it out",
        f"{lost}: there is no such file or folder; check the path",
    ]
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a.png").write_bytes(good.read_bytes())
    (folder / "b.jpg").write_bytes(b"no picture")
    with pytest.warns(UserWarning, match=r"^1 of 2 images got no answer"):
        answers = Predictor(run.path).predict(folder)
    assert [Path(each.image).name for each in answers] == ["a.png", "b.jpg"]
