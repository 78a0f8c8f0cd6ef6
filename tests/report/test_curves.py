import math
import re

import pytest

from fieldmark.report.curves import (
    INK,
    TRAIN,
    VAL,
    curves,
    drawing,
    empty_axes,
    monitored,
    themed_svg,
)


def by_title(history, monitor="macro_f1", best=None):
    return {curve.title: curve for curve in curves(history, monitor, best)}


def test_loss_and_metric_hold_both_series_and_the_rate_stands_alone(history):
    charts = by_title(history(5))
    assert list(charts) == ["Loss", "Macro F1", "Learning rate"]
    for title in ("Loss", "Macro F1"):
        assert "stroke: var(--train)" in charts[title].svg
        assert "stroke: var(--val)" in charts[title].svg
    assert "var(--val)" not in charts["Learning rate"].svg


def test_without_validation_only_the_training_series_is_drawn(history):
    rows = [{k: v for k, v in row.items() if not k.startswith("val_")} for row in history(5)]
    charts = by_title(rows)
    assert "var(--train)" in charts["Loss"].svg
    assert "var(--val)" not in charts["Loss"].svg


def test_the_best_epoch_is_marked(history):
    assert ">best</text>" in by_title(history(5), best=4)["Macro F1"].svg
    assert "best" not in by_title(history(5))["Macro F1"].svg


def test_colours_follow_the_theme_and_text_stays_text(history):
    svg = by_title(history(5), best=4)["Loss"].svg
    assert not any(sentinel in svg for sentinel in (INK, TRAIN, VAL))
    assert "currentColor" in svg
    assert ">epoch</text>" in svg


def test_a_metric_with_nan_keeps_its_other_epochs(history):
    words = by_title(history(5))["Macro F1"].words
    assert (
        words
        == "Macro F1 by epoch: training from 20.0 % to 84.0 %; validation from 10.0 % to 82.0 %"
    )


@pytest.mark.parametrize("missing", [math.nan, math.inf, None])
def test_a_column_without_a_number_is_no_series(history, missing):
    rows = [row | {"val_loss": missing} for row in history(3)]
    assert "validation" not in by_title(rows)["Loss"].words


def test_a_single_epoch_is_drawn_as_a_mark(history):
    svg = by_title(history(1))["Loss"].svg
    assert "<use " in svg
    assert "fill: var(--val)" in svg


def test_where_loss_is_monitored_accuracy_is_drawn(history):
    rows = [row | {"train_accuracy": 0.5, "val_accuracy": 0.6} for row in history(3)]
    assert monitored(rows, "loss") == "accuracy"
    assert monitored(rows, "val_macro_f1") == "macro_f1"
    assert monitored(history(3), "loss") is None


def test_no_history_gives_no_charts():
    assert curves([], "accuracy", None) == []


def test_the_users_own_style_changes_nothing_and_is_left_as_it_was(history):
    import matplotlib as mpl

    plain = curves(history(3), "macro_f1", 2)
    with mpl.rc_context({"lines.linewidth": 9, "axes.grid": True, "font.size": 30}):
        assert curves(history(3), "macro_f1", 2) == plain
        assert mpl.rcParams["font.size"] == 30


def test_each_epoch_has_a_column_that_tells_its_values(history):
    found = re.findall(r"<title>(.*?)</title>", by_title(history(3))["Macro F1"].svg)
    assert found == [
        "epoch 1: training 20.0 %, validation 10.0 %",
        "epoch 2: training 60.0 %, validation \N{EN DASH}",
        "epoch 3: training 73.3 %, validation 70.0 %",
    ]
    assert "<title>epoch 1: 0.00075</title>" in by_title(history(3))["Learning rate"].svg


def test_a_column_lies_where_its_data_lies_and_is_cut_off_at_the_axes():
    with drawing():
        found, axes = empty_axes(height=200)
        axes.set_xlim(0, 10)
        svg = themed_svg(found, "c", hover=[(-5, 5, "a < b"), (5, 10, "right half")])
    left, right = [
        tuple(map(float, pair))
        for pair in re.findall(r'"hover" x="([\d.]+)" y="[\d.]+" width="([\d.]+)"', svg)
    ]
    assert left[1] == pytest.approx(right[1], abs=0.11)
    assert left[0] + left[1] == pytest.approx(right[0], abs=0.11)
    assert "<title>a &lt; b</title>" in svg
