"""Every image is answered once, by a model that saw neither it nor what belongs to it."""

import json

import numpy as np
import polars as pl
import pytest
from PIL import Image
from sklearn.metrics import accuracy_score, f1_score
from smallruns import QUIET, draw_photos, pages

import fieldmark
from fieldmark.data.intake import Dataset
from fieldmark.errors import DataError, WorkError
from fieldmark.judge.figures import figures
from fieldmark.records import Predictions
from fieldmark.rundir import RunDir
from fieldmark.runs import run as run_module
from fieldmark.study.cross_validate import tell
from fieldmark.study.folds_page import notes
from fieldmark.study.together import own_thresholds
from fieldmark.study.work import work
from fieldmark.task import SEVERAL_LABELS, softmax


@pytest.fixture(scope="module")
def finished(photos, tmp_path_factory):
    from smallruns import SMALL

    from fieldmark.runs.concrete import gather
    from fieldmark.study import cross_validate as cv

    out = tmp_path_factory.mktemp("out")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_module, "report", lambda run: None)  # pages of runs are not looked at
        patch.setattr(cv, "run_all", lambda study, console, **_: work(study, console, alone=True))
        given = {"out": str(out), "name": "cv", "epochs": "3"}
        resolved = gather(str(photos), SMALL, given, new=False)
        with pages(False):
            study = cv.cross_validate(resolved, QUIET, "a test", k=3)
    assert tell(study, QUIET) == 0
    return study


def sides(study):
    """The rows of each run: {fold: {side: set of paths}}"""
    found = {}
    for each in study.plans():
        frame = study.read_data(each.data).samples.frame
        parts = frame.partition_by("split", as_dict=True)
        found[each.about["fold"]] = {key[0]: set(part["path"]) for key, part in parts.items()}
    return found


def test_each_image_is_tested_in_one_fold_and_trained_on_in_others(
    photos, tmp_path, study_of, planned_only
):
    found = sides(study_of(photos, tmp_path, k=4))
    tested = [path for each in found.values() for path in each["test"]]
    assert len(tested) == len(set(tested)) == 48
    for each in found.values():
        assert each["train"] | each["val"] | each["test"] == set(tested)
        assert len(each["val"]) > 0


def test_copies_and_groups_are_in_one_fold(tmp_path, study_of, planned_only):
    photos = draw_photos(tmp_path / "photos", each=12)
    copy = Image.open(photos / "red" / "00.png")
    copy.save(photos / "red" / "copy.png")
    rows = sorted(photos.glob("*/*.png"))
    names = [str(path.relative_to(photos)) for path in rows]
    animals = [f"{name.partition('/')[0]}{place % 4}" for place, name in enumerate(names)]
    labels = [name.partition("/")[0] for name in names]
    table = photos / "labels.csv"
    pl.DataFrame({"image": names, "label": labels, "animal": animals}).write_csv(table)
    study = study_of(table, tmp_path, "data.group_column=animal", k=3)
    fold_of = {path: fold for fold, each in sides(study).items() for path in each["test"]}
    assert fold_of["red/00.png"] == fold_of["red/copy.png"]
    of_animal = {}
    for name, animal in zip(names, animals, strict=True):
        of_animal.setdefault(animal, set()).add(fold_of[name])
    # a copy in another group ties the two groups together
    assert all(len(found) == 1 for found in of_animal.values())


def test_a_given_test_is_in_no_fold(tmp_path, study_of, planned_only):
    for side, each in (("train", 8), ("val", 2), ("test", 3)):
        draw_photos(tmp_path / "photos" / side, each=each, seed=each)
    study = study_of(tmp_path / "photos", tmp_path, k=3)
    paths = {path for each in sides(study).values() for side in each.values() for path in side}
    assert len(paths) == 30
    assert not any(path.startswith("test") for path in paths)
    assert study.read_data(study.plans()[0].data).notes == (
        "9 images of the given test are left out of all folds",
        "6 images that the source has for validation are in the folds with those for training",
    )


def test_repeats_have_other_folds_and_seeds(photos, tmp_path, study_of, planned_only):
    study = study_of(photos, tmp_path, k=3, repeats=2)
    plans = study.plans()
    assert [each.about for each in plans[::3]] == [{"fold": 1, "repeat": r} for r in (1, 2)]
    assert [each.resolved.settings.run.seed for each in plans] == [0, 0, 0, 1, 1, 1]
    one, other = (study.read_data(each.data).samples for each in (plans[0], plans[3]))
    assert one.frame["split"].to_list() != other.frame["split"].to_list()


def test_too_many_folds_are_refused_before_anything_is_trained(photos, tmp_path, study_of):
    with pytest.raises(DataError) as told:
        study_of(photos, tmp_path, k=60)
    assert str(told.value).endswith(
        "60 folds are too many for 48 different images; ask for at most 48 folds"
    )


def test_figures_of_all_folds_are_those_of_the_joined_table(finished):
    results = json.loads(finished.results.read_text())
    table = Predictions.read(finished.predictions)
    assert len(table) == results["all"]["n"] == 48
    guesses = table.logits.argmax(axis=1)
    assert results["all"]["accuracy"] == accuracy_score(table.targets, guesses)
    macro = f1_score(table.targets, guesses, average="macro")
    assert results["all"]["macro_f1"] == pytest.approx(macro)
    low, high = results["all"]["intervals"]["accuracy"]
    assert low <= results["all"]["accuracy"] <= high
    by_run = [run.read_metrics().sides["test"]["accuracy"] for _, run in finished.runs()]
    assert results["folds"]["accuracy"]["mean"] == pytest.approx(np.mean(by_run))
    assert results["folds"]["accuracy"]["deviation"] == pytest.approx(np.std(by_run, ddof=1))


def test_the_runs_of_a_study_are_one_group_for_trackers(finished):
    settings = [run.read_settings()["track"]["group"] for _, run in finished.runs()]
    assert settings == ["cv"] * 3


def test_logits_are_at_each_models_own_temperature(finished):
    table = Predictions.read(finished.predictions)
    planned, run = finished.runs()[1]
    own = Predictions.read(run.predictions).of_split("test")
    rows = table.frame.filter(pl.col("model") == planned.label)
    mine = Predictions(rows).logits
    assert np.allclose(softmax(mine), softmax(own.logits, run.read_temperature()), atol=1e-6)


def test_the_folder_predicts_the_mean_of_its_models(finished, photos):
    images = sorted(photos.glob("*/*0.png"))
    together = fieldmark.load(finished.path).predict(images)
    alone = [fieldmark.load(run.path).predict(images) for _, run in finished.runs()]
    for place, answer in enumerate(together):
        for name, score in answer.scores.items():
            mean = np.mean([each[place].scores[name] for each in alone])
            assert score == pytest.approx(mean, abs=1e-6)


def test_the_page_tells_every_fold_and_that_folds_are_not_independent(finished):
    page = finished.report.read_text()
    for planned, _ in finished.runs():
        assert f'href="runs/{planned.name}/report.html"' in page
    assert "they are not independent" in page


def begun(study):
    """The planned runs, each with its images in its folder."""
    done = [(planned, study.run(planned.name)) for planned in study.plans()]
    for planned, run in done:
        run.path.mkdir(parents=True)
        study.read_data(planned.data).write(run.samples)
    return done


def test_what_one_folds_sides_lack_is_not_said_of_the_study(tmp_path, study_of, planned_only):
    photos = draw_photos(tmp_path / "photos", each=2)
    (photos / "red" / "broken.png").write_bytes(b"no picture")
    done = begun(study_of(photos, tmp_path, k=3))
    lacking = [note for _, run in done for note in Dataset.read(run.samples).notes]
    assert any("no image in" in note for note in lacking)
    left_out, few = notes(done)
    assert left_out.startswith("1 image left out ('red/broken.png')")
    assert few.startswith("each class has 2 images, of which little can be learned")


def test_a_class_that_is_in_one_fold_alone_is_told(tmp_path, study_of, planned_only):
    photos = draw_photos(tmp_path / "photos", each=12)
    names = [str(path.relative_to(photos)) for path in sorted(photos.glob("*/*.png"))]
    labels = [name.partition("/")[0] for name in names]
    animals = ["one" if label == "red" else name for name, label in zip(names, labels, strict=True)]
    table = photos / "labels.csv"
    pl.DataFrame({"image": names, "label": labels, "animal": animals}).write_csv(table)
    done = begun(study_of(table, tmp_path, "data.group_column=animal", k=3))
    assert notes(done) == ["'red' is tested by a model that had no image of it to learn from"]


def test_notes_that_hold_for_all_folds_are_on_screen_and_page_once(finished, times_told):
    assert times_told(finished, tell) == (1, 1, 0)


def test_a_study_whose_runs_all_failed_says_so(photos, tmp_path, study_of, planned_only):
    study = study_of(photos, tmp_path)
    for each in study.plans():
        study.note_end(each.name, "failed", "no")
    with pytest.raises(WorkError) as told:
        tell(study, QUIET)
    assert str(told.value) == (f"{study.path}: no run came to its end; the notes above say why")


def test_each_image_is_decided_by_the_thresholds_of_the_model_that_answered_it(tmp_path):
    least = [{"a": 0.2, "b": 0.9}, {"a": 0.7, "b": 0.4}]
    done = []
    for number, its in enumerate(least):
        run = RunDir(tmp_path / str(number))
        run.path.mkdir()
        (run.path / "model.json").write_text(json.dumps({"thresholds": its}))
        done.append((None, run))
    logits = {"logit:a": [0.0] * 4, "logit:b": [0.0] * 4}
    columns = {"path": list("wxyz"), "split": ["test"] * 4, "fold": [0, 1, 0, 1]}
    truth = [["a"], ["b"], ["a"], []]
    frame = pl.DataFrame({**columns, "truth": truth, **logits})
    table = Predictions(frame, SEVERAL_LABELS)
    own = own_thresholds(done, table)
    assert own.tolist() == [[0.2, 0.9], [0.7, 0.4], [0.2, 0.9], [0.7, 0.4]]
    found = figures(table, thresholds=own, with_intervals=True)
    assert found["subset_accuracy"] == 0.75  # all scores are 0.5: a, b, a and b are said
    assert found.per_class["a"].threshold is None
