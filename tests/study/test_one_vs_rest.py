"""Every class has models that know it from the others, and all of them answer as one."""

import json
import shutil
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from smallruns import QUIET, SMALL, draw_photos, pages

import fieldmark
from fieldmark.console import Console
from fieldmark.errors import SettingsError, WorkError
from fieldmark.records import Predictions
from fieldmark.runs.concrete import gather
from fieldmark.study import one_vs_rest as ovr
from fieldmark.study.folder import StudyDir
from fieldmark.study.ovr_answers import ALL, Asked, read_answers
from fieldmark.study.work import work


def study_of(photos, out, name="ovr", *words, name_of=None, run=False, **asked):
    given = {"out": str(out), "name": name, "epochs": "2"}
    resolved = gather(str(photos), [*SMALL, *words], given, new=False)
    with pytest.MonkeyPatch.context() as patch:

        def do(study, console, **_):
            return work(study, console, alone=True) if run else None

        patch.setattr(ovr, "run_all", do)
        wanted = Asked(**{"folds": 2, "take": 0.5, "name": name_of, **asked})
        return ovr.one_vs_rest(resolved, QUIET, "fieldmark one-vs-rest", wanted)


@pytest.fixture(scope="module")
def finished(photos, tmp_path_factory):
    with pages(False):
        study = study_of(photos, tmp_path_factory.mktemp("out"), run=True)
    assert ovr.tell(study, QUIET) == 0
    return study


def test_notes_of_the_images_are_on_screen_and_page_once(finished, capsys):
    before = finished.read_data(ALL)
    try:
        finished.keep_data(ALL, replace(before, notes=("true of all images",)))
        ovr.tell(finished, Console())
        assert capsys.readouterr().out.count("note: true of all images") == 1
        assert finished.report.read_text().count("True of all images") == 1
    finally:
        finished.keep_data(ALL, before)
        ovr.tell(finished, QUIET)


def test_next_to_no_images_a_class_are_told(tmp_path):
    study = study_of(draw_photos(tmp_path / "photos", each=2), tmp_path)
    [note] = read_answers(study).notes
    assert note.startswith("each class has 2 images, of which little can be learned")


def test_every_class_and_fold_has_a_run_and_every_fold_one_of_all_classes(photos, tmp_path):
    study = study_of(photos, tmp_path)
    assert [each.about for each in study.plans()] == [
        *({"class": c, "fold": f} for c in ("blue", "green", "red") for f in (1, 2)),
        *({"model": "softmax", "fold": f} for f in (1, 2)),
    ]
    only = study_of(photos, tmp_path, "only", softmax=False)
    assert len(only.plans()) == 6


def test_the_test_is_a_whole_fold_and_training_a_share_of_the_others(photos, tmp_path):
    study = study_of(photos, tmp_path)
    fold_of = {}
    for each in study.plans():
        frame = study.read_data(each.data).samples.frame
        test = frame.filter(split="test")
        if "class" in each.about:
            name = each.about["class"]
            assert set(frame["labels"].explode()) == {name, "rest"}
            rest = frame.filter(pl.col("split") != "test", pl.col("labels").list.first() == "rest")
            own = frame.filter(pl.col("split") != "test", pl.col("labels").list.first() == name)
            assert (len(rest), len(own)) == (8, 8)
        assert len(test) == 24
        assert fold_of.setdefault(each.about["fold"], set(test["path"])) == set(test["path"])
        assert set(frame["split"]) == {"train", "val", "test"}
    assert not fold_of[1] & fold_of[2]


def test_a_class_alone_has_the_runs_that_it_has_beside_others(photos, tmp_path):
    whole, alone = study_of(photos, tmp_path), study_of(photos, tmp_path, "red", name_of="red")
    mine = {each.name: each for each in alone.plans()}
    theirs = {each.name: each for each in whole.plans() if each.about.get("class") == "red"}
    assert list(mine) == list(theirs)
    for each in mine.values():
        one, other = (study.read_data(each.data).samples for study in (whole, alone))
        assert one.frame.equals(other.frame)


def test_a_twin_has_the_same_images_and_one_setting_changed(photos, tmp_path):
    setting = "optimizer.lr=0.02"
    given = {"out": str(tmp_path), "name": "twins", "epochs": "2"}
    words = [[*SMALL[:1], each, *SMALL[2:]] for each in (SMALL[1], setting)]
    pair = [gather(str(photos), each, given, new=False) for each in words]
    wanted = Asked(2, 0.5, "red", twin=setting)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ovr, "run_all", lambda *_, **__: None)
        study = ovr.one_vs_rest(pair[0], QUIET, "a test", wanted, twin=pair[1])
    plans = study.plans()
    assert [each.about.get("twin") for each in plans] == [None, setting] * 2
    assert [each.data for each in plans[::2]] == [each.data for each in plans[1::2]]
    assert [each.resolved.settings.optimizer.lr for each in plans] == ["0.01", "0.02"] * 2


def test_a_class_that_is_not_there_is_refused_with_the_nearest(photos, tmp_path):
    with pytest.raises(SettingsError) as told:
        study_of(photos, tmp_path, name_of="rad")
    assert str(told.value) == "--class: there is no class 'rad'; did you mean 'red'?"


def test_a_table_to_predict_is_refused_for_each_model_knows_one_class(photos, tmp_path):
    table = tmp_path / "new.csv"
    shutil.copy(photos / "red" / "00.png", tmp_path)
    table.write_text("image\n00.png\n")
    with pytest.raises(SettingsError) as told:
        study_of(photos, tmp_path, "ovr", f"data.predict={table}")
    assert str(told.value) == (
        "--predict: would be done by every model, and each knows one class alone; leave it out, "
        f"and let fieldmark predict STUDY {table} do it"
    )
    assert not (tmp_path / "ovr").exists()


@pytest.mark.slow
def test_the_figures_are_of_every_image_once_a_class(finished):
    results = json.loads(finished.results.read_text())
    assert set(results["classes"]) == {"blue", "green", "red"}
    for row in results["classes"].values():
        assert (row["images"], row["whole"]["n"], row["published"]["n"]) == (16, 48, 32)
        assert row["always_no"] == {"published": 0.5, "whole": pytest.approx(2 / 3)}
    assert results["all"]["n"] == results["softmax"]["n"] == 48
    assert set(results["seconds"]) == {"one-vs-rest", "softmax"}
    low, high = (results["differences"]["accuracy"][end] for end in ("low", "high"))
    assert low <= results["all"]["accuracy"] - results["softmax"]["accuracy"] <= high


@pytest.mark.slow
def test_margins_are_those_of_the_model_that_was_trained_without_the_image(finished):
    answers = read_answers(finished)
    place = answers.names.index("red")
    _, run = answers.runs["red"][1]
    own = Predictions.read(run.predictions).of_split("test")
    logits = own.logits / run.read_temperature()
    first = own.classes.index("red")
    rows = answers.fold == 1
    assert answers.samples.frame["path"].filter(rows).to_list() == own.frame["path"].to_list()
    margins = answers.margins[rows, place]
    assert np.allclose(margins, logits[:, first] - logits[:, 1 - first], atol=1e-5)


@pytest.mark.slow
def test_the_folder_predicts_one_class_by_all_models(finished, photos):
    images = sorted(photos.glob("*/*0.png"))
    answers, results = read_answers(finished), json.loads(finished.results.read_text())
    together = fieldmark.load(finished.path).predict(images)
    logits = np.zeros((len(images), 3))
    for place, name in enumerate(answers.names):
        for out, (_, run) in enumerate(answers.runs[name]):
            for row, each in enumerate(fieldmark.load(run.path).predict(images)):
                odds = np.log(each.scores[name]) - np.log(each.scores["rest"])
                logits[row, place] += (odds + answers.shifts[place, out]) / 2
    logits = np.exp(logits / results["temperature"])
    scores = logits / logits.sum(axis=1, keepdims=True)
    found = np.array([[each.scores[name] for name in answers.names] for each in together])
    assert np.allclose(found, scores, atol=1e-5)


@pytest.mark.slow
def test_the_page_ranks_the_classes_and_says_whether_it_is_worth_its_price(finished):
    page = finished.report.read_text()
    results = json.loads(finished.results.read_text())
    ranked = sorted(
        results["classes"],
        key=lambda name: -results["classes"][name]["whole"]["per_class"][name]["average_precision"],
    )
    rows = page[page.index("Figures of each class against the rest") :]
    assert sorted(ranked, key=lambda name: rows.index(f"<bdi>{name}</bdi>")) == ranked
    assert "the softmax models" in page
    assert page.count('aria-label="Loss in validation') == 3  # a small multiple a class
    assert "always no 66.7" in page


def test_a_study_without_a_whole_class_says_so(photos, tmp_path):
    study = study_of(photos, tmp_path)
    for each in study.plans():
        study.note_end(each.name, "failed", "no")
    with pytest.raises(WorkError) as told:
        ovr.tell(study, QUIET)
    assert str(told.value) == (
        f"{study.path}: no class has all of its models; the notes above say why"
    )


@pytest.mark.slow
def test_a_class_whose_run_failed_is_left_out_and_nothing_is_joined(finished, tmp_path):
    shutil.copytree(finished.path, tmp_path / "failed")
    study = StudyDir(tmp_path / "failed")
    (study.path / "ensemble.json").unlink()
    first = study.plans()[0]
    shutil.rmtree(study.run(first.name).path)
    study.note_end(first.name, "failed", "no")
    assert ovr.tell(study, QUIET) == 1
    results = json.loads(study.results.read_text())
    assert set(results["classes"]) == {"green", "red"}
    assert "all" not in results
    assert not (study.path / "ensemble.json").exists()
    assert "1 of 8 runs failed" in study.report.read_text()
