"""Evaluations: a run's own splits from its table alone, new images in a folder of their own."""

import json
import re
import shutil
import signal
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from smallruns import QUIET, SMALL, draw_photos, in_process, look_and_die, points, train

from fieldmark.data.sources import read_listing
from fieldmark.errors import DataError, DiskError, RunError
from fieldmark.judge.calibrate import curve_of
from fieldmark.judge.cautions import with_cautions, without_unlike
from fieldmark.judge.figures import figures
from fieldmark.models.bundle_info import read_info
from fieldmark.records import Predictions, Samples
from fieldmark.reviews.evaluate import evaluate_new, unknown_sentence
from fieldmark.reviews.evaluated import Asked, Unknown
from fieldmark.reviews.stored import evaluate_stored
from fieldmark.rundir import RunDir
from fieldmark.runs.concrete import gather
from fieldmark.runs.run import train_run
from fieldmark.settings.data import DataSettings


def with_sites(root, name="labels.csv"):
    """A table of drawn photos with a column of sites: those of site B are all called red."""
    rows = ["image,label,site,day"]
    for path in sorted(root.glob("*/*.png")):
        day = int(path.stem)
        site, label = ("B", "red") if day % 4 == 0 else ("A", path.parent.name)
        rows.append(f"{path.relative_to(root)},{label},{site},{day}")
    (root / name).write_text("\n".join(rows) + "\n")
    return root / name


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return with_sites(draw_photos(tmp_path_factory.mktemp("table") / "photos", each=20))


@pytest.fixture(scope="module")
def base(table, tmp_path_factory):
    return train(table, tmp_path_factory.mktemp("base"), "run")


@pytest.fixture
def run(base, tmp_path):
    """A copy of the trained run, so that each test has its evaluations for itself."""
    shutil.copytree(base.path, tmp_path / "run")
    return RunDir(tmp_path / "run")


@pytest.fixture
def others(tmp_path):
    return draw_photos(tmp_path / "others", each=6, seed=3)


def look(run, data, *by, **settings):
    return evaluate_new(str(run.path), DataSettings(source=str(data), **settings), Asked(by), QUIET)


def folders(run):
    return sorted(path.name for path in run.evaluations.glob("*"))


def test_stored_figures_are_those_of_metrics_json(run):
    kept = run.read_metrics()
    assert evaluate_stored(str(run.path), Asked(), QUIET).sides == kept.sides


def test_stored_figures_by_a_column_are_those_of_the_filtered_table(run):
    found = evaluate_stored(str(run.path), Asked(("site",)), QUIET).by["site"]
    frame = Predictions.read(run.predictions).of_split("test").frame
    sites = Samples.read(run.samples).frame.select("path", "site")
    of_b = frame.join(sites, on="path").filter(pl.col("site") == "B").drop("site")
    alone = figures(Predictions(of_b), temperature=run.read_temperature(), with_intervals=True)
    assert list(found) == ["A", "B"]
    assert found["B"] == replace(alone, confusion=None, reliability=None, answers=None)
    assert found["A"].n + found["B"].n == run.read_metrics().sides["test"].n


def test_the_temperature_of_the_run_is_that_of_its_figures(run):
    info = json.loads((run.path / "model.json").read_text())
    (run.path / "model.json").write_text(json.dumps({**info, "temperature": 3.0}))
    found = evaluate_stored(str(run.path), Asked(("site",)), QUIET)
    hot = figures(Predictions.read(run.predictions).of_split("val"), temperature=3.0)
    assert found.sides["val"]["log_loss"] == hot["log_loss"]
    assert found.sides["val"]["log_loss"] != run.read_metrics().sides["val"]["log_loss"]


def test_a_stored_page_is_written_where_it_is_asked_for(run, tmp_path):
    page = tmp_path / "page.html"
    evaluate_stored(str(run.path), Asked(("site",), page, "fieldmark evaluate it"), QUIET)
    text = page.read_text()
    assert "fieldmark evaluate it" in text
    assert "By site" in text
    assert not run.evaluations.exists()


def test_a_run_without_validation_and_test_images_has_no_figures(tmp_path):
    photos = draw_photos(tmp_path / "photos", each=4)
    bare = train(photos, tmp_path, "bare", "data.val=none", "data.test_fraction=0", epochs="1")
    sentence = (
        f"{bare.path}: kept no images for validation or test, so it has no figures; evaluate it "
        f"on labelled images: fieldmark evaluate {bare.path} DATA"
    )
    with pytest.raises(RunError, match=f"^{re.escape(sentence)}$"):
        evaluate_stored(str(bare.path), Asked(page=tmp_path / "page.html"), QUIET)
    assert not (tmp_path / "page.html").exists()


def test_images_of_no_known_class_have_no_figures(run):
    table = Predictions.read(run.predictions).frame
    nobody = pl.Series([["moss"]] * len(table), dtype=table.schema["truth"])
    table.with_columns(truth=nobody).write_parquet(run.predictions)
    with pytest.raises(DataError, match="no image's class is known; evaluate it on others"):
        evaluate_stored(str(run.path), Asked(), QUIET)


def test_pages_tell_when_to_answer_as_predict_does(run, others, tmp_path, monkeypatch):
    pages = []
    monkeypatch.setattr(
        "fieldmark.reviews.evaluated.render", lambda *page: pages.append(page) or ""
    )
    evaluate_stored(str(run.path), Asked(page=tmp_path / "p.html"), QUIET)
    info = read_info(run.path / "model.json")
    ((found, _, tested),) = pages
    assert found.answers == info.unlike.answers
    table = Predictions.read(run.predictions).of_split("test")
    like = without_unlike(table, info.unlike, info.temperature)
    assert tested == curve_of(like, info.temperature)
    pages.clear()
    look(run, others)
    ((found, _, tested),) = pages
    assert found.answers == info.unlike.answers
    assert tested[-1][1] == 18  # none of them is told unlike


def test_the_report_of_a_run_answers_by_its_bundle(table, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr("fieldmark.report.page.render", lambda page: seen.append(page) or "")
    run = train(table, tmp_path, "answering", epochs="1", page=True)
    info = read_info(run.path / "model.json")
    assert info.answers
    assert seen[0].info == info
    test = run.read_metrics().sides["test"]
    assert seen[0].tested[-1][1] == round(test.n * (1 - test.unlike.flagged.value))


def test_the_whole_curve_has_a_row_a_score():
    draw = np.random.default_rng(0)
    samples = Samples.from_columns(
        {
            "path": [f"{k}.png" for k in range(500)],
            "labels": [["a"] if k % 3 else ["b"] for k in range(500)],
            "split": ["test"] * 500,
        }
    )
    logits = draw.normal(size=(500, 2)).astype(np.float32)
    table = Predictions.of(samples, np.arange(500), logits, classes=("a", "b"), model="m")
    assert len(curve_of(table, 1.0)) > 490
    assert len(curve_of(table, 1.0, most=200)) <= 200
    none = Predictions.of(samples, np.arange(0), logits[:0], classes=("a", "b"), model="m")
    assert curve_of(none, 1.0) == ()


def test_training_has_its_own_name_on_the_screen(table, tmp_path, capsys):
    words = [*SMALL, "train.epochs=1"]
    given = {"out": str(tmp_path), "name": "told"}
    train_run(gather(str(table), words, given), type(QUIET)(), "a test")
    said = capsys.readouterr().out
    assert re.search(r"; training took [0-9.]+ s; the weights of epoch 1 are kept", said)
    assert "<dt>Training</dt>" in (tmp_path / "told" / "report.html").read_text()


def test_new_images_have_a_folder_that_carries_its_proof(run, others):
    found = look(run, others)
    folder = RunDir(run.evaluations / "others-1")
    assert folders(run) == ["others-1"]
    assert {path.name for path in folder.path.iterdir()} == {
        "samples.parquet",
        "predictions.parquet",
        "metrics.json",
        "report.html",
        "manifest.json",
    }
    assert folder.read_metrics() == found
    table = Predictions.read(folder.predictions)
    again = figures(table, temperature=folder.read_temperature(), with_intervals=True)
    info = read_info(run.path / "model.json")
    assert found.sides["test"] == with_cautions({"test": again}, {"test": table}, info)["test"]
    assert found.classes == ("blue", "green", "red")
    about = found.about
    assert about.samples_hash == Samples.read(folder.samples).hash()
    assert {"seed", "command", "finished", "versions", "machine", "run"} <= set(about.to_json())
    assert folder.read_manifest()["evaluation_of"] == "run"
    look(run, others)
    assert folders(run) == ["others-1", "others-2"]


def test_calibration_of_new_images_is_that_of_the_runs_temperature(run, others):
    its, found = run.read_metrics().calibration, look(run, others)
    assert found.calibration.temperature == its.temperature
    assert found.calibration.sides["test"].after["ece"] == found.sides["test"]["ece"]
    assert "val" not in found.calibration.sides


def test_classes_are_matched_by_name_in_any_order(run, others, tmp_path):
    whole = look(run, others).sides["test"]
    rows = [f"{path},{path.parent.name}" for path in sorted(others.glob("*/*.png"))]
    table = tmp_path / "turned.csv"
    table.write_text("\n".join(["image,label", *reversed(rows)]) + "\n")
    turned = look(run, table, images=str(others)).sides["test"]
    assert turned.confusion == whole.confusion
    assert turned["accuracy"] == whole["accuracy"]
    assert turned["log_loss"] == pytest.approx(whole["log_loss"], rel=1e-6)


def test_only_some_of_the_classes_are_figures_over_these(run, others):
    shutil.rmtree(others / "blue")
    found = look(run, others).sides["test"]
    assert found.absent == ("blue",)
    assert found.n == 12


def test_unknown_classes_are_counted_kept_and_left_out(run, others, capsys):
    (others / "blue").rename(others / "bleu")
    (others / "red").rename(others / "violet")
    (others / "violet" / "00.png").unlink()
    console = type(QUIET)()
    asked = Asked(command="it")
    found = evaluate_new(str(run.path), DataSettings(source=str(others)), asked, console)
    assert found.unknown_classes == {"bleu": 6, "violet": 5}
    assert (found.sides["test"].n, found.sides["test"].unknown) == (6, 11)
    assert (
        "note: 11 images of 'bleu' (6) and 'violet' (5), which the model does not know, are out of "
        "the figures; none of them is told unlike the training images; did you mean 'blue' by "
        "'bleu'?"
    ) in capsys.readouterr().out.splitlines()
    kept = Predictions.read(run.evaluations / "others-1" / "predictions.parquet")
    assert len(kept) == 17
    assert "violet" in (run.evaluations / "others-1" / "report.html").read_text()


def test_a_class_that_is_spelt_as_a_known_one_is_named_though_that_is_there_too(others):
    (others / "Blue").mkdir()
    (others / "blue" / "00.png").rename(others / "Blue" / "00.png")
    samples = read_listing(str(others)).samples
    assert unknown_sentence((Unknown("Blue", 1, ()),), samples, ["blue", "green", "red"]) == [
        "1 image of 'Blue', which the model does not know, is out of the figures; did you mean "
        "'blue' by 'Blue'?"
    ]


@pytest.mark.parametrize(
    ("unlike", "told"),
    [
        ((2, 1), "3 of them are told unlike the training images"),
        ((0, 1), "1 of them is told unlike the training images"),
        ((0, 0), "none of them is told unlike the training images"),
    ],
)
def test_of_images_of_unknown_classes_it_is_said_how_many_are_told_unlike(others, unlike, told):
    samples = read_listing(str(others)).samples
    unknown = [Unknown(name, 3, (), n) for name, n in zip(("fox", "owl"), unlike, strict=True)]
    assert unknown_sentence(unknown, samples, ["blue"]) == [
        "6 images of 'fox' (3) and 'owl' (3), which the model does not know, are out of the "
        f"figures; {told}"
    ]
    [one] = unknown_sentence([Unknown("fox", 1, (), min(unlike))], samples, ["blue"])
    negation = "" if min(unlike) else "not "
    assert one.endswith(f"is out of the figures; it is {negation}told unlike the training images")


def test_each_figure_is_of_the_images_whose_class_is_known(run, others, capsys):
    (others / "red").rename(others / "violet")
    console = type(QUIET)()
    found = evaluate_new(str(run.path), DataSettings(source=str(others)), Asked(), console)
    own = found.sides["test"]
    assert (own.n, own.unknown, own.unlike.n) == (12, 6, 12)
    assert capsys.readouterr().out.count("6 images") == 1
    page = (run.evaluations / "others-1" / "report.html").read_text()
    assert "without a known class" not in page
    assert ">Told unlike<" in page.replace("\N{NO-BREAK SPACE}", " ")


def test_where_no_class_is_known_nothing_is_done(run, others):
    for name in ("blue", "green", "red"):
        (others / name).rename(others / f"x{name}")
    sentence = (
        f"{others}: none of its classes ('xblue', 'xgreen' and 'xred') is known to the model, "
        "which has 'blue', 'green' and 'red'; name the classes as it does"
    )
    with pytest.raises(DataError, match=f"^{re.escape(sentence)}$"):
        look(run, others)
    assert not run.evaluations.exists()


def test_several_labels_an_image_are_refused(run, others, tmp_path):
    rows = [f"{path},{path.parent.name}|blue" for path in sorted(others.glob("*/*.png"))]
    table = tmp_path / "several.csv"
    table.write_text("\n".join(["image,labels", *rows]) + "\n")
    sentence = (
        f"{table}: 12 images have several labels, and one is asked for; keep one label an image, "
        "or ask for several: data.task=multi-label; or, where a cell is one label with its marks, "
        "say so: data.label_separator=none"
    )
    with pytest.raises(DataError, match=f"^{re.escape(sentence)}$"):
        look(run, table, images=str(others))


def test_figures_of_new_images_by_their_own_columns(run, others):
    found = look(run, with_sites(others), "site", "day")
    assert {name: its.n for name, its in found.by["site"].items()} == {"A": 12, "B": 6}
    assert list(found.by["day"]) == ["0", "1", "2", "3", "4", "5"]
    report = (run.evaluations / "labels.csv-1" / "report.html").read_text()
    assert "By site" in report
    assert "By day" in report


def test_a_group_column_goes_by_its_own_name(run, others):
    found = look(run, with_sites(others), "site", group_column="site")
    assert found.sides["test"].groups == 2
    assert list(found.by["site"]) == ["A", "B"]


def test_a_column_of_groups_that_is_not_used_is_pointed_out(table, others, tmp_path, capsys):
    grouped = train(table, tmp_path, "grouped", "data.group_column=day", epochs="1")
    sites, console = with_sites(others), type(QUIET)()
    sentence = "note: the run's images were grouped by 'day', and these have that column too; "
    for column in (None, "day"):
        data = DataSettings(source=str(sites), group_column=column)
        evaluate_new(str(grouped.path), data, Asked(), console)
        told = capsys.readouterr().out
        assert (sentence + "with data.group_column=day" in told) == (column is None)


def test_a_column_that_is_not_there_is_told_before_the_network_looks(run, others, monkeypatch):
    monkeypatch.setattr("fieldmark.reviews.evaluate.look", None)
    sentence = "--by sites: the images have no such column; did you mean 'site'?"
    with pytest.raises(DataError, match=f"^{re.escape(sentence)}$"):
        look(run, with_sites(others), "sites")


def test_a_run_without_weights_is_told_how_to_go_on(run, others):
    (run.path / "model.json").unlink()
    sentence = (
        f"{run.path}: has no trained model yet; go on with it: fieldmark train --resume {run.path}"
    )
    with pytest.raises(RunError, match=f"^{re.escape(sentence)}$"):
        look(run, others)


def test_a_full_disk_leaves_no_folder(run, others, monkeypatch):
    def full(*_):
        raise DiskError("x: the disk is full; free some space and try again")

    monkeypatch.setattr("fieldmark.metrics_json.write_json", full)
    with pytest.raises(DiskError):
        look(run, others)
    assert folders(run) == []


@pytest.mark.parametrize(
    "point",
    points(
        "fieldmark.rundir:RunDir.write_manifest",
        "fieldmark.metrics_json:write_json",
        "fieldmark.reviews.evaluate:write_page",
    ),
)
def test_a_kill_leaves_no_folder_that_looks_done(run, others, point):
    assert in_process(look_and_die, point, run, str(others)) == -signal.SIGKILL
    assert not RunDir(run.evaluations / "others-1").is_done
    look(run, others)
    assert RunDir(run.evaluations / "others-2").is_done
    assert run.is_done
