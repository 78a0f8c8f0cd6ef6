"""What is said of a difference, whatever it is."""

import math

import pytest

from fieldmark.judge.paired import Difference
from fieldmark.report.verdicts import about, sentence
from fieldmark.report.words import metric_words

NAMES = ("A", "B")


def told(metric, value, low, high, *, spread=0.3, units=200, **options):
    chance = 0.5 if low <= 0 <= high else 0.01
    first = 0.5 if not math.isnan(value) else math.nan
    found = Difference(metric, first, 0.5 + value, units, low, high, chance, spread)
    return sentence(found, NAMES, images=200, **options)


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
        "(1.2 less to 2.2 more); to see a difference of 1 point you would need about 3,000"
    )


def test_a_larger_difference_asks_for_as_many_images_as_it_takes_itself():
    assert told("accuracy", -0.034, -0.07, 0.002, spread=0.3).endswith(
        "3.4 points of accuracy less (7.0 less to 0.2 more); to see a difference of 3.4 points "
        "you would need about 600"
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
    assert words.endswith("to see a difference of 0.01 you would need about 2,000")


def test_without_a_spread_a_share_still_says_what_is_needed():
    words = told("accuracy", 0.0, -0.02, 0.02, spread=0.0)
    assert words.endswith("; to see a difference of 1 point you would need about 800")
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
