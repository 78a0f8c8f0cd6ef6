"""Figures as lines of text: short, and none that there is not."""

from fieldmark.report.figure_words import figure_lines


def found(**changed) -> dict:
    names = ("accuracy", "balanced_accuracy", "macro_f1", "roc_auc", "log_loss", "ece")
    return {
        "n": 269,
        "absent": [],
        "top5_accuracy": 0.99,
        "per_class": dict.fromkeys("abcdefghij"),
        **dict.fromkeys(names, 0.9),
        "intervals": {name: [0.8, 0.95] for name in names},
        **changed,
    }


CALIBRATION = {
    "temperature": 1.314,
    "test": {"before": {"ece": 0.04, "log_loss": 0.2}, "after": {"ece": 0.01, "log_loss": 0.1}},
}


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
    plain = found()
    del plain["intervals"]
    assert figure_lines("val", plain)[:2] == ["val, 269 images", "  accuracy           0.9000"]


def test_the_first_five_have_a_line_only_where_they_can_be_missed():
    lines = figure_lines("test", found(per_class=dict.fromkeys("abcdefghijk")))
    assert lines[2] == "  top-5 accuracy     0.9900"
    assert not [line for line in figure_lines("test", found()) if "top-5" in line]


def test_a_figure_that_does_not_exist_is_none():
    lines = figure_lines("test", found(roc_auc=None, intervals={"roc_auc": [None, None]}))
    assert "  ROC-AUC            none" in lines


def test_what_a_temperature_brought_is_a_line():
    assert figure_lines("test", found(), CALIBRATION)[-1] == (
        "  temperature        1.31     without it too sure: error 0.0400"
    )
    unsure = figure_lines("test", found(), {**CALIBRATION, "temperature": 0.7})[-1]
    assert unsure == "  temperature        0.70     without it not sure enough: error 0.0400"
    assert figure_lines("val", found(), CALIBRATION)[-1].startswith("  calibration error")


def test_groups_and_absent_classes_are_told():
    lines = figure_lines("test", found(groups=12, absent=["emu", "gnu"]), name="zoo")
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
