"""Runs side by side: who is paired with whom, what is said, what is refused."""

import json
import math
from dataclasses import replace

import polars as pl
import pytest
from comparedruns import CLASSES, NEITHER, compared, table_of, write_evaluation, write_run

from fieldmark.errors import RunError, SettingsError
from fieldmark.judge.evidence import Evidence
from fieldmark.judge.figures import SEED, figures
from fieldmark.judge.paired import differences, paired_metrics
from fieldmark.records import Predictions
from fieldmark.reviews.compare import as_json, as_lines, compare
from fieldmark.reviews.compared import read_runs


def test_a_better_run_is_said_to_be_better(pair_of):
    found = compared(*pair_of(table_of(200, right=0.6), table_of(200, seed=1, right=0.95)))
    (sentence,) = found.sentences()
    difference = found.pairings[0].differences["accuracy"]
    points, low, high = (
        f"{value * 100:.1f}" for value in (difference.value, difference.low, difference.high)
    )
    assert sentence == f"b is better than a: {points} points of accuracy more ({low} to {high})"


def test_runs_too_close_to_tell_are_said_to_be_with_what_would_tell(pair_of):
    found = compared(*pair_of(table_of(200), table_of(200, seed=3)))
    (sentence,) = found.sentences()
    assert sentence.startswith("b and a are too close to tell with 200 images: ")
    assert "; to see a difference of " in sentence
    assert "you would need about " in sentence


def test_figures_are_of_the_predictions_at_the_runs_temperature(pair_of):
    runs = pair_of(table_of(60), table_of(60, seed=1), temperature=3.0)
    found = compared(*runs, metric="log_loss").runs[1].figures["log_loss"]
    plain, warm = (figures(Predictions(table_of(60, seed=1)), temperature=t) for t in (1.0, 3.0))
    assert found == pytest.approx(warm["log_loss"])
    assert abs(found - plain["log_loss"]) > 0.1


@pytest.mark.parametrize("temperature", [0, -1.0, "warm", None, True])
def test_a_temperature_that_is_no_number_above_0_is_refused(pair_of, temperature):
    runs = pair_of(table_of(20), table_of(20, seed=1), temperature=temperature)
    with pytest.raises(RunError, match=r"model.json: the temperature is .*not a number above 0; "):
        compared(*runs)


def test_each_run_has_its_own_temperature(tmp_path):
    table = table_of(80)
    runs = [write_run(tmp_path / f"{t}", table, temperature=t) for t in (1.0, 4.0)]
    found = compared(*runs, metric="log_loss")
    wanted = figures(Predictions(table), temperature=4.0)["log_loss"]
    assert found.runs[1].figures["log_loss"] == pytest.approx(wanted)
    difference = found.pairings[0].differences["log_loss"]
    assert difference.second == pytest.approx(wanted)
    assert difference.value > 0
    assert found.pairings[0].differences["accuracy"].value == 0
    assert "4.0 is worse than 1.0: log loss" in found.sentences()[0]
    assert "higher" in found.sentences()[0]


def test_images_and_classes_in_another_order_are_aligned(pair_of):
    second = table_of(120, seed=1)
    logits = [f"logit:{name}" for name in reversed(CLASSES)]
    others = [name for name in second.columns if not name.startswith("logit:")]
    turned = second.select(*others, *logits)[::-1]
    straight, crossed = (
        Evidence.of(p.logits, p.targets) for p in (Predictions(table_of(120)), Predictions(second))
    )
    wanted = differences(straight, crossed)
    found = compared(*pair_of(table_of(120), turned)).pairings[0]
    assert found.images == 120
    assert str(found.differences) == str(wanted)


def test_copies_of_one_image_are_told_apart_by_their_number(pair_of):
    def doubled(table):
        return pl.concat([table, table.with_columns(path=pl.lit("copy"))])

    found = compared(*pair_of(doubled(table_of(30)), doubled(table_of(30, seed=1))[::-1]))
    assert found.pairings[0].images == 60


def test_groups_are_drawn_where_there_are_groups(pair_of):
    found = compared(*pair_of(table_of(120, groups=12), table_of(120, seed=1, groups=12)))
    assert found.pairings[0].groups == 12
    assert found.pairings[0].differences["accuracy"].units == 12
    assert not found.pairings[0].differences["accuracy"].is_clear
    assert "with 120 images in 12 groups" in found.sentences()[0]
    assert not [note for note in found.notes() if "groups" in note]


def test_groups_of_either_count_whichever_is_named_first(pair_of):
    runs = pair_of(table_of(120), table_of(120, seed=1, groups=12))
    for pair in (runs, runs[::-1]):
        found = compared(*pair)
        assert found.pairings[0].groups == 12
        names = [each.name for each in found.runs]
        assert found.notes()[0] == (
            f"{names[1]} and {names[0]}: only b has groups; these count as one each for both"
        )


def test_what_is_one_group_in_either_is_one_where_groups_differ(pair_of):
    runs = pair_of(table_of(120, groups=12), table_of(120, seed=1, groups=8))
    for pair in (runs, runs[::-1]):
        found = compared(*pair)
        assert found.pairings[0].groups == 4  # rows that are alike by 4 are tied by 8 and by 12
        assert "their groups differ; what is one in either counts as one" in found.notes()[0]


def test_groups_by_other_names_are_the_same_groups(pair_of):
    other = table_of(120, seed=1, groups=12).with_columns(
        group=pl.col("group").replace({"g0": "z", "g3": "a"})
    )
    straight = compared(*pair_of(table_of(120, groups=12), other))
    assert straight.pairings[0].groups == 12
    assert not straight.pairings[0].grouping


def test_images_with_other_labels_are_not_paired(pair_of):
    other = table_of(50, seed=1)
    truth = other["truth"].to_list()
    truth[7] = [next(name for name in CLASSES if name != truth[7][0])]
    found = compared(*pair_of(table_of(50), other.with_columns(truth=pl.Series(truth))))
    assert found.sentences() == ["b and a: 1 of 50 test images have other labels there: not paired"]


def test_other_classes_are_not_paired(pair_of):
    second = table_of(50, classes=("cat", "dog", "owl", "yak"))
    found = compared(*pair_of(table_of(50), second))
    assert found.sentences() == [
        "b and a: only one of them knows 'yak': not paired; compare models of the same classes"
    ]


def test_images_of_no_known_class_are_left_out_of_the_differences(tmp_path):
    tables = [table_of(60, seed=seed, classes=("cat", "dog")) for seed in (1, 2)]
    found = compared(*(write_run(tmp_path / f"{k}", t) for k, t in enumerate(tables)))
    owls = sum(truth == ["owl"] for truth in tables[0]["truth"].to_list())
    assert owls > 0
    assert found.pairings[0].images == 60 - owls


def test_runs_without_test_images_are_compared_on_validation_and_that_is_said(pair_of):
    tables = [table_of(90, seed=seed, split="val") for seed in (0, 1)]
    found = compared(*pair_of(*tables))
    assert found.pairings[0].differences is not None
    assert found.notes()[0].startswith("no run has test images: shown are validation images")


def test_test_images_are_not_paired_with_the_same_as_validation(pair_of):
    found = compared(*pair_of(table_of(90), table_of(90, seed=1, split="val")))
    assert found.sentences() == [
        "b and a: a has test images and b only validation images, which chose its epoch: "
        f"not paired; {NEITHER}"
    ]
    assert found.notes()[0].startswith("b has no test images")


def test_several_without_test_images_have_none(tmp_path):
    splits = {"a": "test", "b": "val", "c": "val", "d": "val"}
    runs = [write_run(tmp_path / n, table_of(20, split=s)) for n, s in splits.items()]
    assert compared(*runs[:3]).notes()[0].startswith("b and c have no test images")
    assert compared(*runs).notes()[0].startswith("b, c and d have no test images")


@pytest.mark.parametrize("missing", ["manifest.json", "metrics.json"])
def test_an_evaluation_that_is_not_whole_is_refused(tmp_path, missing):
    run = write_run(tmp_path / "a", table_of(20))
    folders = [write_evaluation(run, f"new-{k}", table_of(20, seed=k)) for k in (1, 2)]
    (folders[1].path / missing).unlink()
    with pytest.raises(
        RunError, match=rf"new-2: is no whole evaluation \(its {missing} is missing\); wait .*DATA$"
    ):
        compared(*folders)


def test_an_evaluation_is_compared_like_a_run(tmp_path):
    runs = [write_run(tmp_path / name, table_of(40)) for name in ("a", "b")]
    folders = [
        write_evaluation(run, "new-1", table_of(70, seed=seed), temperature=2.0)
        for seed, run in enumerate(runs)
    ]
    found = compared(*folders)
    assert [each.name for each in found.runs] == ["a/new-1", "b/new-1"]
    assert found.runs[0].temperature == 2.0
    assert found.runs[0].settings.get("model.name") == "small_cnn"
    assert found.runs[0].history == []
    assert found.pairings[0].images == 70


def test_runs_of_one_name_are_called_by_their_folders_too(tmp_path):
    runs = [write_run(tmp_path / above / "x", table_of(40)) for above in ("one", "two")]
    other = write_run(tmp_path / "y", table_of(40, seed=1))
    names = [each.name for each in compared(*runs, other).runs]
    assert names == ["one/x", "two/x", "y"]


def test_several_runs_are_each_compared_with_the_first(tmp_path):
    runs = [write_run(tmp_path / f"r{k}", table_of(80, seed=k)) for k in range(4)]
    found = compared(*runs)
    assert [(p.first, p.second) for p in found.pairings] == [("r0", f"r{k}") for k in (1, 2, 3)]
    assert found.notes()[0] == (
        "3 comparisons, each with r0: of runs that are equal, each looks different in up to "
        "5 of 100 cases"
    )


def test_a_figure_that_a_run_lacks_is_said_to_be_missing(pair_of):
    broken = table_of(60, seed=1).with_columns(
        pl.when(pl.int_range(pl.len()) == 3)
        .then(math.nan)
        .otherwise(pl.col("logit:cat"))
        .cast(pl.Float32)
        .alias("logit:cat")
    )
    found = compared(*pair_of(table_of(60), broken), metric="roc_auc")
    assert found.sentences() == [
        "b and a: no ROC-AUC to compare, b has none; choose another --metric"
    ]
    assert "none" in as_lines(found)[2]
    json.dumps(as_json(found), allow_nan=False)


def test_a_metric_outside_the_headline_has_a_column_of_its_own(pair_of):
    found = compared(*pair_of(table_of(60), table_of(60, seed=1)), metric="weighted_f1")
    head = as_lines(found)[0]
    assert head.index("images") < head.index("weighted F1") < head.index("accuracy")


def test_json_holds_figures_differences_and_sentences(pair_of):
    found = as_json(compared(*pair_of(table_of(100), table_of(100, seed=1))))
    assert [each["run"] for each in found["runs"]] == ["a", "b"]
    (made,) = found["comparisons"]
    assert made["paired"]
    difference = made["differences"]["macro_f1"]
    wanted = found["runs"][1]["macro_f1"] - found["runs"][0]["macro_f1"]
    assert difference["difference"] == pytest.approx(wanted)
    assert difference["low"] <= wanted <= difference["high"]
    json.dumps(found, allow_nan=False)


def test_json_says_how_it_was_made(pair_of):
    runs = pair_of(table_of(30), table_of(30, seed=1))
    paths = [str(run.path) for run in runs]
    about = as_json(compare(paths), "fieldmark compare a b")["about"]
    assert about["seed"] == SEED
    assert about["command"] == "fieldmark compare a b"
    assert {"python", "fieldmark", "numpy", "polars"} <= set(about["versions"])
    assert {"system", "cores"} <= set(about["machine"])


def test_what_stands_in_brackets_is_said_to_be_a_95_percent_interval(pair_of):
    found = compared(*pair_of(table_of(60), table_of(60, seed=1)), metric="macro_f1")
    head = as_lines(found)[0]
    assert "macro F1 (95 % interval)" in head
    assert head.count("interval") == 1
    told = (
        "The intervals in brackets, 95 % each, tell what other images of the same kind would show "
        "of these models"
    )
    another = "; the same settings with another seed would make other models."
    assert found.notes()[-1] == told + another
    first, second = (each.run for each in found.runs)
    first.history.write_text("epoch,train_loss\n1,0.1\n")  # as of a head that was solved exactly
    assert compared(first, second).notes()[-1] == told + another
    second.history.write_text("epoch,train_loss\n1,0.2\n")
    assert compared(first, second).notes()[-1] == f"{told}."
    settings = second.settings.read_text()
    second.settings.write_text(settings.replace("name: linear", "name: boosted"))
    assert compared(first, second).notes()[-1] == told + another  # trees draw features


def test_one_run_alone_is_refused(tmp_path):
    run = write_run(tmp_path / "a", table_of(20))
    with pytest.raises(RunError, match=r"^compare needs two runs at the least; name another"):
        compared(run)


def test_the_same_run_twice_is_refused(tmp_path):
    run = write_run(tmp_path / "a", table_of(20))
    again = tmp_path / "a" / ".." / "a"
    with pytest.raises(RunError, match=r"a: is named twice; name each run once$"):
        compare([str(run.path), str(again)])


def test_a_run_that_is_not_done_is_refused(pair_of):
    with pytest.raises(RunError, match=r"b: is not done, .*; go on with it: fieldmark train --res"):
        compared(*pair_of(table_of(20), table_of(20), done=False))


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    run = write_run(tmp_path / "a", table_of(20))
    (tmp_path / "photos").mkdir()
    with pytest.raises(RunError, match=r"photos: is no run \(it has no settings.yaml\)"):
        compare([str(run.path), str(tmp_path / "photos")])
    with pytest.raises(RunError, match=r"none: there is no such run folder"):
        compare([str(run.path), str(tmp_path / "none")])


def test_a_run_that_kept_no_images_is_refused(pair_of):
    with pytest.raises(RunError, match=r"b: kept no images for validation or test, .* evaluate it"):
        compared(*pair_of(table_of(20), table_of(20)[:0]))


def test_a_metric_that_is_not_known_is_refused(pair_of):
    runs = pair_of(table_of(20), table_of(20, seed=1))
    with pytest.raises(SettingsError, match=r"^--metric acuracy: is not known; did you mean 'acc"):
        compared(*runs, metric="acuracy")
    with pytest.raises(
        SettingsError,
        match=r"^--metric ece: has no paired interval, since chance alone .*; there are 'accuracy'",
    ):
        compared(*runs, metric="ece")


@pytest.mark.parametrize(
    ("metric", "words"),
    [
        ("acc", "did you mean 'accuracy'?"),
        ("Log", "did you mean 'log_loss'?"),
        ("auc", "did you mean 'roc_auc'?"),
        ("macro", "there are 'macro_precision', 'macro_recall' and 'macro_f1'"),
        ("f1", "there are 'macro_f1', 'micro_f1' and 'weighted_f1'"),
    ],
)
def test_a_part_of_a_metrics_name_is_answered_by_the_names_that_have_it(pair_of, metric, words):
    runs = pair_of(table_of(20), table_of(20, seed=1))
    with pytest.raises(SettingsError) as caught:
        compared(*runs, metric=metric)
    assert str(caught.value) == f"--metric {metric}: is not known; {words}"


def test_a_metric_like_no_other_is_answered_by_all_names(pair_of):
    runs = pair_of(table_of(20), table_of(20, seed=1))
    with pytest.raises(SettingsError) as caught:
        compared(*runs, metric="xyz")
    assert all(f"'{name}'" in str(caught.value) for name in paired_metrics())


def test_average_precision_is_compared_image_by_image(pair_of):
    runs = pair_of(table_of(200, right=0.5), table_of(200, seed=1, right=0.95))
    (sentence,) = compared(*runs, metric="mean_average_precision").sentences()
    assert sentence.startswith("b is better than a: ")


def test_the_rows_of_the_table_are_aligned(pair_of):
    lines = as_lines(compared(*pair_of(table_of(200), table_of(200, seed=1))))[:3]
    places = [
        line.index(word) for line, word in zip(lines, ("model", "small", "small"), strict=True)
    ]
    assert len(set(places)) == 1
    for column in ("accuracy (95", "balanced accuracy", "macro F1", "ROC-AUC", "log loss"):
        start = lines[0].index(column)
        assert all(line[start - 2 : start] == "  " and line[start] != " " for line in lines), column


def test_two_runs_with_the_same_weights_are_one_model(pair_of):
    one, other = pair_of(table_of(60), table_of(60, seed=1))
    for run in (one, other):
        (run.path / "model.safetensors").write_bytes(b"the same weights")
    found = compared(one, other)
    assert found.sentences() == [
        f"{other.name} and {one.name} are one model: their weights are the same"
    ]
    assert found.pairings[0].state("accuracy") == "same"
    assert not [note for note in found.notes() if "interval" in note]
    (other.path / "model.safetensors").write_bytes(b"the sane weights")
    assert "one model" not in compared(one, other).sentences()[0]


def test_that_the_head_alone_was_kept_is_said(tmp_path):
    stages = [{"train": ["head"], "epochs": 1}, {"train": ["all"]}]
    runs = [
        write_run(tmp_path / name, table_of(60, seed=seed), train__stages=stages)
        for seed, name in enumerate("ab")
    ]
    kept = runs[1].read_metrics()
    replace(kept, about=replace(kept.about, best_epoch=1)).write(runs[1].metrics)
    notes = compared(*runs).notes()
    assert [note for note in notes if "head alone" in note] == [
        "b: the head alone was kept: the weights of stage 1, on a body as it was; training more of "
        "the network did no better on validation"
    ]


def test_a_study_stands_for_its_finished_runs(tmp_path):
    study = tmp_path / "study"
    for name, done in (("b", True), ("a", True), ("c", False)):
        write_run(study / "runs" / name, table_of(20), done=done)
    other = write_run(tmp_path / "x", table_of(20))
    (study / "study.json").write_text("{}")
    assert [run.name for run in read_runs([str(other.path), str(study)])] == ["x", "a", "b"]


def test_a_study_without_a_finished_run_is_told(tmp_path):
    write_run(tmp_path / "study" / "runs" / "c", table_of(20), done=False)
    (tmp_path / "study" / "study.json").write_text("{}")
    with pytest.raises(RunError) as told:
        read_runs([str(tmp_path / "study")])
    assert str(told.value) == (
        f"{tmp_path / 'study'}: is a study without a finished run; go on with it first"
    )
