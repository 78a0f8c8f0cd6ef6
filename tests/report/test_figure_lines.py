"""Figures as lines of text: short, and none that there is not."""

from dataclasses import replace

from fieldmark.judge.by import NONE
from fieldmark.metrics_json import Calibration, Change, ClassFigures, Figures
from fieldmark.report.figure_lines import by_lines, by_warnings, figure_lines

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
    assert by_warnings({"site": by_value}, 0.85) == [
        "site B: 61 % (48 to 73 %) of 54 images, below the 85 % overall"
    ]
    assert by_warnings({"site": by_value}, None) == []


def test_of_many_such_values_the_worst_are_named_and_the_others_counted():
    by_value = {f"s{k}": of(k / 100, 0, 0.5) for k in range(8)}
    said = by_warnings({"site": by_value}, 0.8)
    assert [each.split(":")[0] for each in said[:5]] == [f"site s{k}" for k in range(5)]
    assert said[5:] == ["site: 3 values more, below the 80 % overall"]


def test_the_table_of_a_terminal():
    by_value = {"north": of(0.9, 0.8, 0.95, 1234), NONE: of(0.5, 0.25, 0.75, 8)}
    assert by_lines("site", "test", by_value) == [
        "test by site   images  accuracy  95 % interval     balanced accuracy  macro F1",
        "  north         1,234  0.9000    0.8000 to 0.9500  none               0.9000",
        "  (none)            8  0.5000    0.2500 to 0.7500  none               0.5000",
    ]
