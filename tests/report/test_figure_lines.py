"""Figures as lines of text: short, and none that there is not."""

import math
from dataclasses import replace

import pytest

from fieldmark.judge.by import NONE
from fieldmark.judge.paired import Difference
from fieldmark.metrics_json import Calibration, Change, ClassFigures, Figures
from fieldmark.report.figure_lines import about, by_lines, by_warnings, figure_lines, sentence
from fieldmark.report.words import metric_words

NAMES = ("accuracy", "balanced_accuracy", "macro_f1", "roc_auc", "log_loss", "ece")
ROW = ClassFigures(1, {})


def found(**changed) -> Figures:
    values = {"top5_accuracy": 0.99, **dict.fromkeys(NAMES, 0.9)}
    rows = dict.fromkeys("abcdefghij", ROW)
    bounds = dict.fromkeys(NAMES, (0.8, 0.95))
    return replace(Figures(269, values, per_class=rows, intervals=bounds), **changed)


CALIBRATION = Calibration(
    1.314,
    sides={"test": Change({"ece": 0.04, "log_loss": 0.2}, {"ece": 0.01, "log_loss": 0.1})},
)


def test_a_test_has_a_line_a_figure_with_its_interval():
    assert figure_lines("test", found()) == [
        "test, 269 images              95 % interval",
        "  accuracy           0.9000   0.8000 to 0.9500",
        "  balanced accuracy  0.9000   0.8000 to 0.9500",
        "  macro F1           0.9000   0.8000 to 0.9500",
        "  ROC-AUC            0.9000   0.8000 to 0.9500",
        "  log loss           0.9000   0.8000 to 0.9500",
        "  calibration error  0.9000   0.8000 to 0.9500",
    ]


def test_without_intervals_there_is_no_word_of_them():
    assert figure_lines("val", found(intervals={}))[:2] == [
        "val, 269 images",
        "  accuracy           0.9000",
    ]


def test_the_first_five_have_a_line_only_where_they_can_be_missed():
    lines = figure_lines("test", found(per_class=dict.fromkeys("abcdefghijk", ROW)))
    assert lines[3] == "  top-5 accuracy     0.9900"
    assert not [line for line in figure_lines("test", found()) if "top-5" in line]


def test_a_figure_that_does_not_exist_is_none():
    lines = figure_lines(
        "test", found(values={"roc_auc": None}, intervals={"roc_auc": (None, None)})
    )
    assert "  ROC-AUC            none" in lines


def test_what_a_temperature_brought_is_a_line():
    assert figure_lines("test", found(), CALIBRATION)[-1] == (
        "  temperature        1.31     without it too sure: error 0.0400"
    )
    unsure = figure_lines("test", found(), replace(CALIBRATION, temperature=0.7))[-1]
    assert unsure == "  temperature        0.70     without it not sure enough: error 0.0400"
    worse = {"test": Change({"ece": 0.0161, "log_loss": 0.2}, {"ece": 0.0168, "log_loss": 0.2})}
    assert figure_lines("test", found(), replace(CALIBRATION, sides=worse))[-1] == (
        "  temperature        1.31     found where scores were too sure; without it error 0.0161"
    )
    assert figure_lines("val", found(), CALIBRATION)[-1].startswith("  calibration error")


def test_groups_and_absent_classes_are_told():
    lines = figure_lines("test", found(groups=12, absent=("emu", "gnu")), name="zoo")
    assert lines[0].startswith("zoo, 269 images")
    assert lines[-2:] == [
        "  the intervals go by 12 groups",
        "  not in zoo: emu, gnu; the figures leave them out",
    ]


def test_of_one_or_two_groups_it_is_told_that_they_tell_little():
    few = "; so few tell nearly nothing"
    assert figure_lines("test", found(groups=1))[-1] == f"  the intervals go by 1 group{few}"
    assert figure_lines("test", found(groups=2))[-1] == f"  the intervals go by 2 groups{few}"
    assert figure_lines("test", found(groups=3))[-1] == "  the intervals go by 3 groups"


def test_images_without_a_guess_and_without_a_known_class_are_told():
    assert figure_lines("test", found(no_guess=2, unknown=1))[-2:] == [
        "  2 images got no guess, since the scores are not finite, and count as wrong",
        "  1 image without a known class left out",
    ]
    one = figure_lines("test", found(no_guess=1, unknown=0))[-1]
    assert one == "  1 image got no guess, since the scores are not finite, and counts as wrong"
    assert figure_lines("test", found(no_guess=0, unknown=0)) == figure_lines("test", found())


def of(accuracy: float, low: float, high: float, n: int = 54) -> Figures:
    values = {"accuracy": accuracy, "balanced_accuracy": None, "macro_f1": accuracy}
    return Figures(n, values, intervals={"accuracy": (low, high)})


def test_a_value_that_lies_wholly_below_all_images_is_a_warning():
    by_value = {"A": of(0.9, 0.8, 0.95), "B": of(0.61, 0.48, 0.73), "C": of(0.7, 0.5, 0.85)}
    assert by_warnings({"site": by_value}, of(0.85, 0.8, 0.9)) == [
        "site B: 61 % (48 to 73 %) of 54 images, below the 85 % overall"
    ]
    assert by_warnings({"site": by_value}, None) == []


def test_of_many_such_values_the_worst_are_named_and_the_others_counted():
    by_value = {f"s{k}": of(k / 100, 0, 0.5) for k in range(8)}
    said = by_warnings({"site": by_value}, of(0.8, 0.7, 0.9))
    assert [each.split(":")[0] for each in said[:5]] == [f"site s{k}" for k in range(5)]
    assert said[5:] == ["site: 3 values more, below the 80 % overall"]


def test_the_table_of_a_terminal():
    by_value = {"north": of(0.9, 0.8, 0.95, 1234), NONE: of(0.5, 0.25, 0.75, 8)}
    assert by_lines("site", "test", by_value) == [
        "test by site   images  accuracy  95 % interval     balanced accuracy  macro F1",
        "  north         1,234  0.9000    0.8000 to 0.9500  none               0.9000",
        "  (none)            8  0.5000    0.2500 to 0.7500  none               0.5000",
    ]


RUNS = ("A", "B")


def told(metric, value, low, high, *, spread=0.3, units=200, **options):
    chance = 0.5 if low <= 0 <= high else 0.01
    first = 0.5 if not math.isnan(value) else math.nan
    found = Difference(metric, first, 0.5 + value, units, low, high, chance, spread)
    return sentence(found, RUNS, images=200, **options)


@pytest.mark.parametrize(
    ("metric", "numbers", "words"),
    [
        (
            "accuracy",
            (0.025, 0.006, 0.044),
            "B is better than A: 2.5 points of accuracy more (0.6 to 4.4)",
        ),
        (
            "macro_f1",
            (-0.025, -0.044, -0.006),
            "B is worse than A: 2.5 points of macro F1 less (0.6 to 4.4)",
        ),
        (
            "roc_auc",
            (0.012, 0.003, 0.021),
            "B is better than A: ROC-AUC 0.012 higher (0.003 to 0.021)",
        ),
        (
            "log_loss",
            (-0.05, -0.09, -0.01),
            "B is better than A: log loss 0.050 lower (0.010 to 0.090)",
        ),
        (
            "log_loss",
            (0.05, 0.01, 0.09),
            "B is worse than A: log loss 0.050 higher (0.010 to 0.090)",
        ),
        (
            "accuracy",
            (0.0011, 0.0003, 0.0019),
            "B is better than A: 0.11 points of accuracy more (0.03 to 0.19)",
        ),
    ],
)
def test_a_clear_difference_says_who_is_better_by_how_much(metric, numbers, words):
    assert told(metric, *numbers) == words


def test_a_difference_too_small_to_tell_says_how_many_images_would_tell():
    assert told("accuracy", 0.005, -0.012, 0.022, spread=0.2) == (
        "B and A are too close to tell with 200 images: 0.5 points of accuracy more "
        "(1.2 less to 2.2 more); to see a difference of 1 point you would need about 3,000 images"
    )


def test_a_larger_difference_asks_for_as_many_images_as_it_takes_itself():
    assert told("accuracy", -0.034, -0.07, 0.002, spread=0.3).endswith(
        "3.4 points of accuracy less (7.0 less to 0.2 more); to see a difference of 3.4 points "
        "you would need about 600 images"
    )


def test_a_difference_that_would_have_shown_is_said_to():
    words = told("log_loss", 0.0, -0.008, 0.008, spread=0.05)
    assert words.endswith("; a difference of 0.01 would most likely have shown")


def test_an_interval_that_ends_at_zero_is_too_close_to_tell():
    words = told("accuracy", 0.025, 0.0, 0.05, spread=0.2)
    assert "too close to tell with 200 images: 2.5 points of accuracy more (0.0 to 5.0)" in words


def test_groups_are_counted_as_images_again():
    words = told("log_loss", 0.004, -0.01, 0.02, spread=0.05, units=20, groups=20)
    assert "with 200 images in 20 groups: log loss 0.004 higher (0.010 lower to 0.020" in words
    assert words.endswith("to see a difference of 0.01 you would need about 2,000 images")


def test_without_a_spread_a_share_still_says_what_is_needed():
    words = told("accuracy", 0.0, -0.02, 0.02, spread=0.0)
    assert words.endswith("; to see a difference of 1 point you would need about 800 images")
    assert told("log_loss", 0.0, -0.02, 0.02, spread=0.0).endswith("(0.020 lower to 0.020 higher)")


def test_a_missing_figure_is_said_to_be_missing():
    nan = math.nan
    assert told("roc_auc", nan, nan, nan, spread=nan) == (
        "B and A: no ROC-AUC to compare, each has none; choose another --metric"
    )


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (3140, "3,000"),
        (1234, "1,200"),
        (47.2, "50"),
        (999, "1,000"),
        (19.6, "20"),
        (96_000, "100,000"),
    ],
)
def test_numbers_are_rounded_as_a_person_says_them(number, words):
    assert about(number) == words


def test_metrics_are_called_as_everywhere():
    assert [metric_words(name) for name in ("macro_f1", "roc_auc", "weighted_recall")] == [
        "macro F1",
        "ROC-AUC",
        "weighted recall",
    ]
