import math

import pytest

from fieldmark.metrics_json import Figures
from fieldmark.report.words import (
    MISSING,
    breaks,
    capital,
    decimal,
    doing,
    epoch_words,
    figure,
    head_alone,
    headline,
    images,
    interval,
    metric_name,
    moment,
    percent,
    size,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.985, "98.5 %"),
        (1, "100 %"),
        (1 - 1e-12, "100 %"),
        (0.9999, "99.99 %"),
        (0.0, "0 %"),
        (0.0004, "0.04 %"),
        (None, MISSING),
        (math.nan, MISSING),
        (math.inf, MISSING),
    ],
)
def test_percentages_round_but_never_to_all_or_nothing(value, text):
    assert percent(value) == text


def test_metrics_are_percentages_or_plain_numbers():
    assert figure(0.5, "macro_f1") == "50.0 %"
    assert figure(0.5, "roc_auc") == "0.500"
    assert figure(0.5, "log_loss") == "0.500"
    assert figure(0.5, "mcc") == "0.500"
    assert figure(0.5, "ece") == "50.0 %"
    assert decimal(None) == MISSING


def test_an_interval_names_its_unit_once_and_an_undefined_one_is_nothing():
    assert interval([0.963, 0.994]) == "96.3 to 99.4 %"
    assert interval([0.1, 0.25], "log_loss") == "0.100 to 0.250"
    assert interval(None) == ""
    assert interval([0.5, math.nan]) == ""
    assert interval([None, None]) == ""


@pytest.mark.parametrize(
    ("metric", "name"),
    [
        ("macro_f1", "Macro F1"),
        ("roc_auc", "ROC-AUC"),
        ("accuracy", "Accuracy"),
        ("top5_accuracy", "Top-5 accuracy"),
        ("mcc", "Matthews correlation"),
        ("ece", "Calibration error"),
    ],
)
def test_metrics_have_readable_names(metric, name):
    assert metric_name(metric) == name


def test_times_are_in_words_and_other_text_is_kept():
    assert moment("2026-03-01T14:05:09+00:00") == "1 March 2026, 14:05 UTC"
    assert moment("yesterday") == "yesterday"


def test_numbers_of_parameters_are_in_words():
    assert [size(n) for n in (950, 38_282, 25_557_032)] == ["950", "38.3 thousand", "25.6 million"]


def test_one_image_is_singular():
    assert images(1, "test") == "1 test image"
    assert images(1200, "val") == "1,200 validation images"


def test_long_names_are_counted_not_told():
    assert doing(("x" * 40, "y" * 40)) == "tells 2 classes apart"
    assert doing(("only",)) == "knows one class"


def test_a_headline_without_interval_or_figure():
    assert headline("val", Figures(1, {"accuracy": 1.0})) == (
        "Right on 100 % of 1 validation image",
        "",
    )
    assert headline("test", Figures(0, {"accuracy": None}))[0].endswith("has not been measured")


def test_an_epoch_is_named_as_the_screen_counted_it():
    history = [{"epoch": place + 1, "stage": stage} for place, stage in enumerate([1, 1, 1, 2, 2])]
    assert [epoch_words(history, epoch) for epoch in (2, 4)] == [
        "stage 1, epoch 2",
        "stage 2, epoch 1",
    ]
    assert epoch_words(history[:3], 3) == "epoch 3"
    assert epoch_words([{"epoch": 1}], 1) == "epoch 1"


def test_a_sentence_that_begins_with_a_file_or_a_network_keeps_its_name():
    assert capital("three.csv: has no column") == "three.csv: has no column"
    assert capital("mobilenet_v2, linear is best") == "mobilenet_v2, linear is best"
    assert capital("of 3 folds. So it is") == "Of 3 folds. So it is"
    assert capital("") == ""


def test_a_name_breaks_where_its_reader_would_break_it_and_nothing_of_it_is_markup():
    assert breaks("a_b/<i> & c") == "a_<wbr>b/<wbr>&lt;i&gt; &amp; c"


def test_that_the_head_alone_is_kept_is_no_verdict_before_the_end():
    stages, history = [{"train": ["head"]}, {"train": ["all"]}], [{"stage": 1}, {"stage": 2}]
    assert head_alone(stages, history, 2, whole=True) == ""
    done, stopped = (head_alone(stages, history, 1, whole=whole) for whole in (True, False))
    assert done.startswith("the head alone was kept: ")
    assert stopped.startswith("so far the head alone is kept: ")
