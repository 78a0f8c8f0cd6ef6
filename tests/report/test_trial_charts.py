"""Charts of a sweep show every trial, and tell its settings where a pointer rests."""

import re

import pytest

from fieldmark.report.trial_charts import (
    Tried,
    axis_of,
    history_chart,
    parallel_chart,
    slice_chart,
)

TRIALS = [
    Tried("trial 1", "done", 0.5, {"lr": 0.001, "act": "<ReLU>"}, "trial 1: <0.5>"),
    Tried("trial 2", "pruned", 0.25, {"lr": 0.1, "act": "GELU"}, "trial 2"),
    Tried("trial 3", "failed", None, {"lr": 0.01, "act": "GELU"}, "trial 3"),
    Tried("trial 4", "done", 0.75, {"lr": 0.01, "act": "GELU"}, "trial 4"),
]


def titles(svg):
    return re.findall(r"<title>(.*?)</title>", svg)


def test_numbers_that_span_more_than_ten_lie_by_their_logarithm():
    assert axis_of("lr", [0.001, 0.1, 0.01]).places == pytest.approx([0, 1, 0.5])
    assert axis_of("size", [1, 3, 2]).places == [0, 1, 0.5]
    assert axis_of("size", [2, 2]).places == [0.5, 0.5]


def test_other_values_lie_side_by_side():
    axis = axis_of("act", ["a", "b", "a", "c"])
    assert axis.places == [0, 0.5, 0, 1]
    assert axis.ticks == [(0, "a"), (0.5, "b"), (1, "c")]


def test_every_trial_is_told_in_the_history():
    found = history_chart(TRIALS, [0.5, 0.5, 0.5, 0.75], "accuracy")
    assert titles(found.svg) == ["trial 1: &lt;0.5&gt;", "trial 2", "trial 3", "trial 4"]
    assert found.words == "The best accuracy by trial: from 50.0 % to 75.0 %"


def test_a_line_is_a_trial_with_a_score_the_best_stands_out():
    found = parallel_chart(TRIALS, ["lr", "act"], "accuracy")
    groups = re.findall(r'<g class="([^"]+)"><title>(.*?)</title>', found.svg)
    assert groups == [
        ("trial ended", "trial 2"),
        ("trial", "trial 1: &lt;0.5&gt;"),
        ("trial strong", "trial 4"),
    ]
    assert "&lt;ReLU&gt;" in found.svg
    assert "75.0 %" in found.svg
    loss = parallel_chart(TRIALS, ["lr"], "log_loss")
    assert re.findall(r'<g class="(trial strong[^"]*)"><title>(.*?)<', loss.svg) == [
        ("trial strong ended", "trial 2")
    ]


def test_a_slice_has_a_place_to_point_at_for_each_trial():
    found = slice_chart(TRIALS, "act", "accuracy")
    assert sorted(titles(found.svg)) == ["trial 1: &lt;0.5&gt;", "trial 2", "trial 4"]
    widths = [
        float(each) for each in re.findall(r'<rect class="hover".*? width="([\d.]+)"', found.svg)
    ]
    assert min(widths) > 3  # px


def test_without_a_score_there_is_nothing_to_draw():
    assert parallel_chart(TRIALS[2:3], ["lr"], "accuracy") is None
    assert slice_chart(TRIALS[2:3], "lr", "accuracy") is None
