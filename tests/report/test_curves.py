import math
import re

import numpy as np
import pytest
from PIL import Image

from fieldmark.errors import DiskError
from fieldmark.report.curves import (
    INK,
    TRAIN,
    VAL,
    curves,
    drawing,
    empty_axes,
    monitored,
    rates_in_words,
    themed_svg,
    write_rates,
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


def test_the_line_goes_on_over_epochs_without_validation(history):
    rows = history(5)
    for row in rows[::2]:
        row |= {name: math.nan for name in row if name.startswith("val_")}
    found = by_title(rows)["Loss"].svg
    told = re.findall(r"<title>epoch (\d): (.*?)</title>", found)
    assert [epoch for epoch, words in told if "validation" in words] == ["2", "4"]


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


RATES = np.geomspace(1e-6, 1, 40)
SMOOTHED = 2 + (np.log10(RATES) + 3) ** 2 / 9
ROWS = [
    {"step": n, "lr": rate, "loss": loss + 0.1 * (-1) ** n, "smoothed": loss}
    for n, (rate, loss) in enumerate(zip(RATES, SMOOTHED, strict=True))
]


def tried(tmp_path, rows, suggestion):
    """The text of the chart of rates as SVG."""
    write_rates(tmp_path / "chart.svg", rows, suggestion)
    return (tmp_path / "chart.svg").read_text()


def test_the_chart_of_rates_names_its_axis_and_the_suggestion(tmp_path):
    svg = tried(tmp_path, ROWS, 3.2e-4)
    assert ">learning rate</text>" in svg
    assert ">suggested 0.00032</text>" in svg


def test_without_a_suggested_rate_nothing_is_marked(tmp_path):
    assert "suggested" not in tried(tmp_path, ROWS, None)
    assert rates_in_words(ROWS, None).endswith("; no rate stands out")


def test_the_words_of_rates_tell_the_loss_at_both_ends_and_at_its_least():
    assert rates_in_words(ROWS, 3.2e-4) == (
        "Loss by learning rate: from 3.000 at 1e-06 to 2.001 at 0.00084, and 3.000 at 1; "
        "suggested is 0.00032"
    )


def test_one_rate_or_a_flat_loss_is_drawn_too(tmp_path):
    assert tried(tmp_path, ROWS[:1], None)
    assert tried(tmp_path, [row | {"smoothed": 2.0} for row in ROWS], 1e-3)


def test_a_png_of_rates_can_be_read_and_is_not_empty(tmp_path):
    path = tmp_path / "rates.png"
    write_rates(path, ROWS, 3.2e-4)
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB")).astype(int)
    assert min(pixels.shape[:2]) > 300
    assert (pixels.std(axis=(0, 1)) > 10).all()
    assert (np.abs(pixels - (0x12, 0x70, 0x6C)).sum(axis=2) < 12).sum() > 500  # the line


def test_an_svg_of_rates_stands_alone_and_is_the_same_each_time(tmp_path):
    paths = [tmp_path / name for name in ("rates.svg", "again.SVG")]
    for path in paths:
        write_rates(path, ROWS, 3.2e-4)
    text, again = (path.read_text() for path in paths)
    assert text == again
    assert "var(" not in text
    assert ">suggested 0.00032</text>" in text


def test_a_place_for_rates_that_cannot_be_written_is_told(tmp_path):
    with pytest.raises(DiskError, match=r"rates\.png: cannot be written"):
        write_rates(tmp_path / "missing" / "rates.png", ROWS, None)


def test_validation_on_other_images_is_not_joined_to_what_follows(history):
    rows = [{**row, "stage": 1 if row["epoch"] < 3 else 2} for row in history(5)]
    joined, apart = (curves(rows, "macro_f1", None, apart=apart)[0].svg for apart in (False, True))
    drawn = re.compile(r'<path d="[^"]*"[^>]*stroke: var\(--val\); stroke-width: 2.2')
    assert [len(drawn.findall(svg)) for svg in (joined, apart)] == [1, 2]
