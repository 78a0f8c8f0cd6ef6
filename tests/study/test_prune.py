"""A run ends early where others are far ahead of it at the same epoch, and only then."""

import math

import pytest

from fieldmark.errors import PrunedError
from fieldmark.files import write_json, write_text
from fieldmark.fit.keeper import as_csv
from fieldmark.study.folder import StudyDir
from fieldmark.study.planned import without_defaults
from fieldmark.study.prune import KEY, Rule, verdict, watching

MEDIAN = Rule("median", "accuracy", True)
OTHERS = [[0.2, 0.4], [0.3, 0.5], [0.4, 0.6], [0.5, 0.7], [0.6, 0.8]]


def test_a_run_behind_the_median_is_ended_and_says_why():
    assert verdict(MEDIAN, [0.39], OTHERS) == (
        "ended after 1 epoch: validation accuracy 39.0 %, where the median of the other runs had "
        "40.0 %"
    )
    assert verdict(MEDIAN, [0.4], OTHERS) == ""


def test_the_best_so_far_counts_against_the_median():
    assert verdict(MEDIAN, [0.65, 0.1], OTHERS) == ""
    assert verdict(MEDIAN, [0.55, 0.1], OTHERS) != ""


def test_of_one_other_there_is_no_median():
    assert verdict(MEDIAN, [0.0], OTHERS[:1]) == ""
    assert verdict(MEDIAN, [0.0, 0.0, 0.0], OTHERS) == ""  # none has come so far


def test_a_loss_is_the_other_way_round():
    rule = Rule("median", "loss", False)
    others = [[-value for value in each] for each in OTHERS]
    assert verdict(rule, [-0.3], others) == ""
    assert verdict(rule, [-0.5], others) == (
        "ended after 1 epoch: validation loss 0.500, where the median of the other runs had 0.400"
    )


def test_an_epoch_without_validation_ends_nothing():
    assert verdict(MEDIAN, [math.nan], OTHERS) == ""
    assert verdict(MEDIAN, [0.0], [[math.nan]] * 5) == ""


@pytest.mark.parametrize(
    ("given", "brackets"),
    [
        ({"min_iter": 3}, [3, 9, 27, 81]),
        ({"min_iter": 2, "eta": 2}, [2, 4, 8, 16]),
        ({"max_iter": 27, "s": 2}, [3, 9]),  # the example of Weights & Biases' own pages
        ({"max_iter": 4, "s": 9, "eta": 2}, [1, 2]),
    ],
)
def test_hyperbands_epochs_are_those_of_its_numbers(given, brackets):
    assert Rule("hyperband", "accuracy", True, **given).brackets[:4] == brackets


def test_hyperband_lets_the_best_go_on_at_its_epochs():
    rule = Rule("hyperband", "accuracy", True, min_iter=2)
    ended = [own for own in (0.3, 0.45, 0.65, 0.9) if verdict(rule, [0.0, own], OTHERS)]
    assert ended == [0.3, 0.45]  # of six the best two go on, and one more
    assert verdict(rule, [0.0], OTHERS) == ""  # 1 is none of its epochs
    assert verdict(rule, [0.0, 0.3], OTHERS) == (
        "ended after 2 epochs: validation accuracy 30.0 %, where the best 1/3 of the other runs "
        "had 60.0 %"
    )


def test_strict_hyperband_lets_fewer_go_on():
    rule = Rule("hyperband", "accuracy", True, min_iter=2, strict=True)
    ended = [own for own in (0.45, 0.65, 0.75, 0.9) if verdict(rule, [0.0, own], OTHERS)]
    assert ended == [0.45, 0.65]
    assert verdict(rule, [0.0, 0.3], []) == ""  # alone it is the best


@pytest.fixture
def study(tmp_path):
    """Six planned runs, five of which have a history of two epochs."""
    found = StudyDir(tmp_path)
    found.prepare()
    found.ask({"kind": "sweep", "options": {KEY: without_defaults(MEDIAN)}})
    for number in range(6):
        name = f"trial-{number}"
        plan = {"name": name, "about": {"trial": number}, "data": "images", "sides": ["val"]}
        settings = {"data": {"source": "digits"}}
        write_json(tmp_path / "plans" / f"{name}.json", {
            "number": number, **plan, "settings": settings, "origins": {}
        })  # fmt: skip
        run = found.run(name)
        run.path.mkdir()
        stages = "[{train: [head], epochs: 1}, {train: [all], epochs: null}]"
        write_text(run.settings, f"train: {{epochs: 2, stages: {stages}}}\n")
        if number < 5:
            rows = [{"epoch": k + 1, "val_accuracy": OTHERS[number][k]} for k in range(2)]
            write_text(run.history, as_csv(rows))
    return found


def test_what_watches_reads_the_others_histories(study):
    watch = watching(study, "trial-5")
    watch([{"epoch": 1, "val_accuracy": 0.41}])
    with pytest.raises(PrunedError, match="ended after 2 epochs"):
        watch([{"epoch": 1, "val_accuracy": 0.41}, {"epoch": 2, "val_accuracy": 0.45}])


def test_at_the_last_epoch_nothing_is_ended(study):
    rows = [{"epoch": k, "val_accuracy": 0.0} for k in (1, 2, 3)]
    assert watching(study, "trial-5")(rows) is None
    with pytest.raises(PrunedError):  # an epoch before the last it would have been
        watching(study, "trial-5")(rows[:2])


def test_where_nothing_is_pruned_nothing_watches(study):
    study.ask({"kind": "sweep", "options": {KEY: None}})
    assert watching(StudyDir(study.path), "trial-5") is None
    study.ask({"kind": "cross-validate", "options": {}})
    assert watching(StudyDir(study.path), "trial-5") is None
