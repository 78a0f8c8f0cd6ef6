"""The page of a comparison, from plain values."""

import math
import re

import pytest

from fieldmark.report.compare_charts import Dot, dots_chart, learning_chart
from fieldmark.report.compare_page import Against, ComparePage, Side, headline, render

METRICS = ("accuracy", "roc_auc", "log_loss")


def side_of(name="a", **changed):
    facts = {
        "name": name,
        "model": "small_cnn",
        "split": "test",
        "images": 200,
        "figures": {"accuracy": 0.9, "roc_auc": None, "log_loss": 0.3},
        "intervals": {"accuracy": [0.85, 0.94], "roc_auc": [None, None], "log_loss": [0.2, 0.4]},
        "history": [
            {"epoch": e, "val_loss": 1 / e, "val_macro_f1": 1 - 0.5 / e} for e in (1.0, 2.0, 3.0)
        ],
        "best_epoch": 3,
        "command": f"fieldmark train photos --name {name}",
    }
    return Side(**(facts | changed))


def pair_of(name="b", state="better", **changed):
    nan = math.nan
    facts = {
        "name": name,
        "state": state,
        "sentence": f"{name} is {state} than a: 2.5 points of accuracy more (0.6 to 4.4)",
        "amount": "2.5 points of accuracy more (0.6 to 4.4)",
        "differences": {"accuracy": (0.025, 0.006, 0.044), "roc_auc": (nan, nan, nan)},
    }
    return Against(**(facts | changed))


def page_of(**changed):
    facts = {
        "title": "2 runs compared",
        "metrics": METRICS,
        "sides": (side_of(), side_of("b")),
        "pairs": (pair_of(),),
        "notes": ("of runs that are equal some look different",),
        "monitor": "macro_f1",
        "settings": {"optimizer.lr": ["0.001", "0.1"]},
        "command": "fieldmark compare runs/a runs/b",
        "about": {"fieldmark": "0.1.0"},
    }
    return ComparePage(**(facts | changed))


def test_the_page_says_verdict_figures_settings_and_commands():
    text = render(page_of())
    assert "<h1" in text
    for words in (
        "b is better than a",
        "2.5 points of accuracy more (0.6 to 4.4)",
        "85.0 to 94.0",
        "optimizer.lr",
        "fieldmark compare runs/a runs/b",
        "fieldmark train photos --name b",
        "Of runs that are equal some look different.",
    ):
        assert words in text, words


def test_the_page_needs_no_network_and_is_the_same_each_time():
    text = render(page_of())
    assert "http:" not in text
    assert "https:" not in text
    assert text == render(page_of())
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize(
    ("states", "words"),
    [
        (("better",), "b is better than a"),
        (("worse",), "b is worse than a"),
        (("close",), "b and a are too close to tell"),
        (("unpaired",), "b and a cannot be paired"),
        (("close", "close"), "None of 2 runs can be told from a"),
        (("better", "worse", "close"), "Of 3 runs, 1 better and 1 worse than a"),
        (("close", "unpaired"), "b and a are too close to tell"),
        (("worse", "unpaired"), "b is worse than a"),
        (("unpaired", "unpaired"), "None of 2 runs can be paired with a"),
    ],
)
def test_the_headline_counts_what_is_clear(states, words):
    names = "bcd"
    pairs = tuple(pair_of(name, state) for name, state in zip(names, states, strict=False))
    assert headline(page_of(pairs=pairs))[0] == words


def test_unpaired_runs_have_no_chart_of_differences():
    unpaired = pair_of(state="unpaired", differences={}, amount="not paired")
    assert 'id="differences"' in render(page_of())
    assert 'id="differences"' not in render(page_of(pairs=(unpaired,)))


def test_names_are_text_not_markup():
    text = render(page_of(sides=(side_of("<b>$x$"), side_of("b"))))
    assert "<b>$x$" not in text
    assert "&lt;b&gt;$x$" in text


def test_runs_without_history_and_unlike_settings_leave_those_out():
    sides = (side_of(history=()), side_of("b", history=()))
    text = render(page_of(sides=sides, settings={}))
    assert 'id="learning"' not in text
    assert "The runs have the same settings, seed and versions." in text


def test_validation_images_are_named_in_the_table():
    sides = (side_of(split="val"), side_of("b", split="val"))
    text = render(page_of(sides=sides))
    assert "each on 200 validation images." in text
    mixed = render(page_of(sides=(side_of(), side_of("b", split="val"))))
    assert "2 runs, not all on the same images." in mixed
    assert '<span class="range">validation</span>' in text


def test_a_chart_of_what_is_not_defined_is_left_out():
    nan = math.nan
    assert dots_chart([Dot("a", 0, nan, nan, nan)], "roc_auc", "own") is None
    assert learning_chart([("a", 0, [{"epoch": 1.0, "val_loss": nan}])], "loss") is None


def test_charts_tell_their_values_in_words_and_colour_runs_by_variables():
    dots = [Dot("a", 0, 0.9, 0.85, 0.94), Dot("b", 12, 0.8, 0.7, 0.9)]
    chart = dots_chart(dots, "accuracy", "own")
    assert chart.words == "Accuracy: a 90.0 %; b 80.0 %"
    assert "var(--run0)" in chart.svg
    assert "var(--run8)" in chart.svg  # grey, from the ninth run on
    assert "#0201" not in chart.svg
    apart = dots_chart([Dot("b", 1, -0.02, -0.03, 0.01)], "accuracy", "apart", against="a")
    assert apart.words == "Accuracy against a: b -2.0 points (-3.0 to +1.0)"


def test_learning_curves_lie_over_another():
    history = [{"epoch": float(e), "val_macro_f1": 0.1 * e} for e in range(1, 5)]
    chart = learning_chart([("a", 0, history), ("b", 1, history[:2])], "macro_f1")
    assert chart.words == (
        "Macro F1 in validation by epoch: a from 10.0 % to 40.0 %; b from 10.0 % to 20.0 %"
    )
    assert "epoch 2: a 20.0 %, b 20.0 %" in chart.svg
    assert "epoch 4: a 40.0 %<" in chart.svg
