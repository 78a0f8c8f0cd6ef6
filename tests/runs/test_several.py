"""Several labels an image: whole runs, from a table to predictions."""

import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from PIL import Image
from sklearn.metrics import f1_score
from smallruns import (
    QUIET,
    exact,
    exact_and_die,
    history,
    in_process,
    points,
    resume,
    same_results,
    train,
)

from fieldmark.data.intake import take_in
from fieldmark.errors import SettingsError
from fieldmark.judge.figures import measure
from fieldmark.judge.thresholds import in_order
from fieldmark.models.bundle import load
from fieldmark.models.bundle_info import BundleInfo
from fieldmark.records import InputSpec, Predictions, Samples
from fieldmark.reviews.compare import compare
from fieldmark.reviews.evaluate import evaluate_new, unknown_sentence
from fieldmark.reviews.evaluated import Asked, Unknown
from fieldmark.rundir import RunDir
from fieldmark.settings.data import DataSettings
from fieldmark.settings.texts import read_yaml
from fieldmark.use.abstention import abstention
from fieldmark.use.predictor import Predictor

FROZEN = ("model.freeze=true", "model.width=4", "run.workers=0")


def draw(root, count=60, seed=0):
    """Pictures with a bright band for each colour that they have, and a table of their labels."""
    random = np.random.default_rng(seed)
    root.mkdir(parents=True)
    rows = []
    for number in range(count):
        pixels = random.integers(0, 100, size=(16, 16, 3))
        has = random.random(3) < (0.5, 0.35, 0.2)
        for channel in np.flatnonzero(has):
            top = random.integers(0, 10)
            pixels[top : top + 6, :, channel] += 120
        Image.fromarray(pixels.astype(np.uint8)).save(root / f"{number:02}.png")
        labels = " ".join(str(channel + 1) for channel in np.flatnonzero(has))
        rows.append({"ImageID": f"{number:02}.png", "Labels": labels})
    pl.DataFrame(rows).write_csv(root / "table.csv")
    return root / "table.csv"


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return draw(tmp_path_factory.mktemp("several") / "images")


@pytest.fixture(scope="module")
def frozen(table, weights, tmp_path_factory):
    return exact(table, tmp_path_factory.mktemp("runs"), "frozen", weights, *FROZEN, page=True)


@pytest.fixture(scope="module")
def scratch(table, tmp_path_factory):
    options = {"epochs": "25"}
    return train(table, tmp_path_factory.mktemp("scratch"), "run", "data.val=hold", **options)


def test_the_task_stands_in_settings_tables_and_the_bundle(frozen):
    settings = read_yaml(frozen.settings.read_text(encoding="utf-8"), "settings.yaml")
    assert settings["data"]["task"] == "multi-label"
    assert settings["loss"]["name"] == "bce"
    assert settings["train"]["monitor"] == "mean_average_precision"
    assert settings["features"]["solver"] == "exact"
    assert Samples.read(frozen.samples).task.several
    assert Predictions.read(frozen.predictions).task.several
    info = json.loads((frozen.path / "model.json").read_text())
    assert info["task"] == "multi-label"
    assert set(info["thresholds"]) == {"1", "2", "3"}
    assert info["answers"] == []


def test_a_row_without_labels_is_all_zeros_and_kept(table, frozen):
    empty = (pl.read_csv(table)["Labels"].fill_null("") == "").sum()
    samples = Samples.read(frozen.samples)
    assert empty > 3
    assert len(samples) == 60
    assert (samples.targets(samples.classes).sum(axis=1) == 0).sum() == empty


def test_it_learns_and_its_figures_are_those_of_its_tables(scratch):
    found = scratch.read_metrics()
    assert found.task == "multi-label"
    assert found.sides["test"]["mean_average_precision"] > 0.85
    assert found.sides["test"]["micro_f1"] > 0.75
    anew = measure(scratch)
    assert anew.sides["test"] == found.sides["test"]
    assert found.sides["test"].at_half.values["micro_f1"] is not None
    rows = history(scratch)
    assert {"val_micro_f1", "train_hamming_loss", "val_loss"} <= set(rows.columns)


def test_what_is_predicted_is_what_was_measured(scratch):
    model, _ = load(scratch.path)
    test = Predictions.read(scratch.predictions).of_split("test")
    samples = Samples.read(scratch.samples)
    paths = [f"{samples.root}/{path}" for path in test.frame["path"]]
    predictor = Predictor(scratch.path, device="cpu")
    answers = predictor.predict(paths)
    info = predictor.info
    least = in_order(info.thresholds, info.classes)
    scores = test.scores(info.temperature)
    found = np.array([[each.scores[name] for name in info.classes] for each in answers])
    np.testing.assert_allclose(found, scores, atol=0.02)
    sure = np.abs(scores - least).min(axis=1) > 0.03
    for each, row in zip(np.array(answers, object)[sure], scores[sure], strict=True):
        assert set(each.labels) == {info.classes[k] for k in np.flatnonzero(row >= least)}
    assert not model.training


def with_moved_test(data):
    """The same images; each test image has the labels after its own."""
    after = dict(zip(data.classes, [*data.classes[1:], data.classes[0]], strict=True))
    frame, moved = data.samples.frame, []
    for labels, side in frame.select("labels", "split").iter_rows():
        moved.append([after[each] for each in labels] if side == "test" else labels)
    frame = frame.with_columns(pl.Series("labels", moved, pl.List(pl.String)))
    folds = data.in_folds and with_moved_test(data.in_folds)
    return replace(data, samples=replace(data.samples, frame=frame), in_folds=folds)


def test_the_labels_of_the_test_choose_nothing(table, weights, tmp_path):
    data = take_in(DataSettings(source=str(table)), QUIET)
    given = {"one": data, "other": with_moved_test(data)}
    runs = [
        exact(table, tmp_path, name, weights, *FROZEN, data=each) for name, each in given.items()
    ]
    infos = [json.loads((run.path / "model.json").read_text()) for run in runs]
    assert infos[0] | {"samples_hash": None} == infos[1] | {"samples_hash": None}
    weights_of = [(run.path / "model.safetensors").read_bytes() for run in runs]
    assert weights_of[0] == weights_of[1]
    one, other = (run.read_metrics().sides["test"]["micro_f1"] for run in runs)
    assert one > other


@pytest.mark.parametrize(
    "point",
    points("fieldmark.runs.calibrate:bundle.save", "fieldmark.runs.calibrate:bias_of"),
)
def test_a_killed_run_goes_on_to_the_same_bits(table, weights, frozen, tmp_path, point):
    assert in_process(exact_and_die, point, 1, table, tmp_path, "killed", weights, FROZEN) == -9
    assert same_results(resume(RunDir(tmp_path / "killed")), frozen)


def test_one_label_given_as_several_is_decided_alike(photos, weights, tmp_path):
    """Of images that have one label each, the likeliest of several is the one-label guess."""
    runs = [
        exact(photos, tmp_path, task, weights, *FROZEN, f"data.task={task}", "head.pool=mean")
        for task in ("single-label", "multi-label")
    ]
    one, several = (Predictions.read(run.predictions).of_split("test") for run in runs)
    assert one.frame["path"].to_list() == several.frame["path"].to_list()
    assert (one.logits.argmax(1) == several.logits.argmax(1)).mean() > 0.9
    found = [run.read_metrics().sides["test"] for run in runs]
    assert found[0]["accuracy"] == found[0]["micro_f1"]
    assert found[1]["micro_f1"] > 0.8
    support = [{k: v.support for k, v in side.per_class.items()} for side in found]
    assert support[0] == support[1]


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        (
            "loss.name=focal",
            "loss.name: 'focal' is not for several labels an image; take 'bce', 'binary_focal' "
            "and 'asymmetric'",
        ),
        (
            "train.monitor=accuracy",
            "train.monitor: accuracy does not exist for several labels an image; take "
            "mean_average_precision",
        ),
        (
            "train.sampling=balanced",
            "train.sampling: balanced is not for several labels an image; take "
            "loss.pos_weight=balanced",
        ),
    ],
)
def test_what_is_of_one_label_is_refused(table, tmp_path, word, sentence):
    with pytest.raises(SettingsError) as told:
        train(table, tmp_path, "run", word)
    assert str(told.value) == sentence


def test_what_is_of_several_labels_is_refused_for_one(photos, tmp_path):
    with pytest.raises(SettingsError) as told:
        train(photos, tmp_path, "run", "loss.name=bce")
    assert str(told.value) == (
        "loss.name: 'bce' is not for one label an image; take 'cross_entropy' and 'focal'"
    )


def test_abstention_is_for_one_label():
    info = BundleInfo("m", ("a",), InputSpec("square:8", 8), task="multi-label")
    with pytest.raises(SettingsError) as told:
        abstention(info, 0.9, "run")
    assert str(told.value) == (
        "--abstain: is for one label an image; of several each has a threshold of its own; leave "
        "it out, or take --unlike, which leaves out images unlike the training ones"
    )


@pytest.fixture(scope="module")
def others(table):
    rows = pl.read_csv(table).head(20).with_columns(pl.col("Labels").fill_null(""))
    return rows, table.parent


def test_a_label_that_the_model_does_not_know_leaves_the_others(frozen, others, capsys):
    rows, folder = others
    extra = [f"{labels} 9".strip() for labels in rows["Labels"][:2]] + rows["Labels"][2:].to_list()
    rows.with_columns(Labels=pl.Series(extra)).write_csv(folder / "more.csv")
    found = evaluate_new(
        str(frozen.path), DataSettings(source=str(folder / "more.csv")), Asked(), QUIET
    )
    assert found.sides["test"].n == 20
    assert found.unknown_classes == {"9": 2}
    said = unknown_sentence((Unknown("9", 2, ()),), Samples.read(frozen.samples), ["1", "2"])
    assert said == [
        "'9': label that the model does not know, so the figures are of the others alone"
    ]


def looked_at(run, table):
    """What `evaluate` finds, and the labels that it read in the table."""
    found = evaluate_new(str(run.path), DataSettings(source=str(table)), Asked(), QUIET)
    newest = max(run.evaluations.iterdir(), key=lambda path: path.stat().st_mtime_ns)
    return found, Samples.read(newest / "samples.parquet").frame["labels"].to_list()


def test_labels_are_divided_as_those_of_the_run_were(frozen, others):
    rows, folder = others
    assert read_yaml(frozen.settings.read_text(), "")["data"]["label_separator"] == "space"
    odd = pl.Series(["1 2 foo", *rows["Labels"][1:]])  # by itself that would be one label
    rows.with_columns(Labels=odd).write_csv(folder / "odd.csv")
    found, labels = looked_at(frozen, folder / "odd.csv")
    assert labels[0] == ["1", "2", "foo"]
    assert found.unknown_classes == {"foo": 1}


def test_a_table_of_one_column_of_0_and_1_is_evaluated_and_a_foreign_one_is_no_label(
    frozen, others
):
    rows, folder = others
    has = rows["Labels"].str.split(" ").list.contains("2").cast(pl.Int64)
    table = pl.DataFrame({"ImageID": rows["ImageID"], "2": has})
    table.write_csv(folder / "one.csv")
    found, labels = looked_at(frozen, folder / "one.csv")
    assert labels == [["2"] if each else [] for each in has]
    assert found.sides["test"].n == 20
    assert found.classes == ("2",)  # of the two others nobody knows who has them
    newest = max(frozen.evaluations.iterdir(), key=lambda path: path.stat().st_mtime_ns)
    scores = Predictions.read(newest / "predictions.parquet").scores(frozen.read_temperature())
    said = scores[:, 0] >= frozen.read_thresholds()["2"]
    assert found.sides["test"]["micro_f1"] == pytest.approx(f1_score(has, said))
    assert "nobody knows which images have them" in (newest / "report.html").read_text()
    table.with_columns(flipped=1 - has).write_csv(folder / "two.csv")
    found, labels = looked_at(frozen, folder / "two.csv")
    assert labels == [["2"] if each else [] for each in has]
    assert found.unknown_classes == {}


def test_images_without_any_label_have_figures(frozen, others):
    rows, folder = others
    rows.with_columns(Labels=pl.lit("")).write_csv(folder / "none.csv")
    found = evaluate_new(
        str(frozen.path), DataSettings(source=str(folder / "none.csv")), Asked(), QUIET
    )
    assert found.sides["test"].n == 20
    assert found.sides["test"]["hamming_loss"] is not None
    assert found.sides["test"]["mean_average_precision"] is None


def test_a_metric_of_the_other_task_is_told_as_such(frozen, scratch):
    with pytest.raises(SettingsError) as told:
        compare([str(frozen.path), str(scratch.path)], metric="accuracy")
    assert str(told.value).startswith(
        "--metric accuracy: is of one label an image, and these runs are of several labels an "
        "image; there are "
    )
