"""The page of a comparison: what it shows of runs that were written, not trained."""

import math
import re
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from barecharts import drawn_charts
from comparedruns import table_of, write_run
from PIL import Image

from fieldmark.judge.paired import Difference
from fieldmark.records import Samples
from fieldmark.report.compare_charts import Dot, dots_chart, learning_chart
from fieldmark.reviews.compare import Pairing, compare
from fieldmark.reviews.compare_page import PICTURES, differing, headline, render

COMMAND = "fieldmark compare runs/a runs/b"


def compared(folder, *names, split="test", **settings):
    """Runs of which the first is right least often. settings: of all but the first."""
    for place, name in enumerate(names):
        table = table_of(200, seed=place, right=0.4 + 0.5 * (place > 0), split=split)
        write_run(folder / name, table, **(settings if place else {}))
    return compare([str(folder / name) for name in names])


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    return compared(tmp_path_factory.mktemp("runs"), "a", "b", optimizer__lr=0.1)


def html_of():
    with tempfile.TemporaryDirectory() as folder:
        return render(compared(Path(folder), "a", "b", optimizer__lr=0.1), COMMAND)


def test_the_page_says_verdict_figures_settings_and_commands(two):
    text = render(two, COMMAND).replace("\N{NO-BREAK SPACE}", " ")
    assert "<h1" in text
    for words in (
        "b is better than a",
        two.sentences()[0],
        "points of accuracy more (",
        "optimizer.lr",
        COMMAND,
        "fieldmark train photos --name b",
        "The intervals in brackets",
    ):
        assert words in text, words
    assert "ROC-AUC" in text


@drawn_charts()
def test_the_page_needs_no_network_and_is_the_same_each_time(two):
    text = render(two, COMMAND)
    assert "http:" not in text
    assert "https:" not in text
    assert text == render(two, COMMAND)
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids))


ENDS = {"better": (0.02, 0.01, 0.04), "worse": (-0.02, -0.04, -0.01), "close": (0.0, -0.1, 0.1)}


def pairing_of(name, state):
    """One run against a in this state."""
    if state == "unpaired":
        return Pairing("a", name, 0, None, None, "not paired")
    value, low, high = ENDS[state]
    found = Difference("accuracy", 0.9, 0.9 + value, 200, low, high, 0.1, 0.3)
    return Pairing("a", name, 200, None, {"accuracy": found}, "")


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
def test_the_headline_counts_what_is_clear(two, states, words):
    pairings = tuple(pairing_of(name, state) for name, state in zip("bcd", states, strict=False))
    assert headline(replace(two, pairings=pairings))[0] == words


def test_unpaired_runs_have_no_chart_of_differences(two):
    assert 'id="differences"' in render(two, COMMAND)
    unpaired = replace(two, pairings=(pairing_of("b", "unpaired"),))
    assert 'id="differences"' not in render(unpaired, COMMAND)


@drawn_charts()
def test_names_are_text_not_markup(two):
    first, second = two.runs
    text = render(replace(two, runs=(replace(first, name="<b>$x$"), second)), COMMAND)
    assert "<b>$x$" not in text
    assert "&lt;b&gt;$x$" in text


def test_runs_without_history_and_unlike_settings_leave_those_out(tmp_path):
    found = compared(tmp_path, "a", "b")
    for run in found.runs:
        run.run.history.unlink()
    text = render(found, COMMAND)
    assert 'id="learning"' not in text
    assert "The runs have the same settings, seed and versions." in text


def test_validation_images_are_named_in_the_table(two, tmp_path):
    by_val = compared(tmp_path, "a", "b", split="val")
    assert "each on 200 validation images." in render(by_val, COMMAND)
    mixed = render(replace(two, runs=(two.runs[0], by_val.runs[1])), COMMAND)
    assert "2 runs, not all on the same images." in mixed
    assert '<span class="range">validation</span>' in mixed


def test_a_chart_of_what_is_not_defined_is_left_out():
    nan = math.nan
    assert dots_chart([Dot("a", 0, nan, nan, nan)], "roc_auc", "own") is None
    assert learning_chart([("a", 0, [{"epoch": 1.0, "val_loss": nan}])], "loss") is None


@drawn_charts()
def test_charts_tell_their_values_in_words_and_colour_runs_by_variables():
    dots = [Dot("a", 0, 0.9, 0.85, 0.94), Dot("b", 12, 0.8, 0.7, 0.9)]
    chart = dots_chart(dots, "accuracy", "own")
    assert chart.words == "Accuracy: a 90.0 %; b 80.0 %"
    assert "var(--run0)" in chart.svg
    assert "var(--run8)" in chart.svg  # grey, from the ninth run on
    assert "#0201" not in chart.svg
    apart = dots_chart([Dot("b", 1, -0.02, -0.03, 0.01)], "accuracy", "apart", against="a")
    assert apart.words == "Accuracy against a: b -2.0 points (-3.0 to +1.0)"


@drawn_charts()
def test_learning_curves_lie_over_another():
    history = [{"epoch": float(e), "val_macro_f1": 0.1 * e} for e in range(1, 5)]
    chart = learning_chart([("a", 0, history), ("b", 1, history[:2])], "macro_f1")
    assert chart.words == (
        "Macro F1 in validation by epoch: a from 10.0 % to 40.0 %; b from 10.0 % to 20.0 %"
    )
    assert "epoch 2: a 20.0 %, b 20.0 %" in chart.svg
    assert "epoch 4: a 40.0 %<" in chart.svg


def test_images_that_one_alone_recognises_are_shown_the_surest_mistakes_first(two, tmp_path):
    first, other = two.runs
    folder, names = tmp_path / "photos", first.shown.frame["path"].to_list()
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(folder / name, "PNG")
    about = {"path": names, "labels": first.shown.frame["truth"].to_list()}
    Samples.from_columns(about, str(folder)).write(first.folder.samples)
    won, lost = differing(first, other)
    right = [run.shown.logits.argmax(1) == run.shown.targets for run in (first, other)]
    assert (won.right, won.wrong) == ("b", "a")
    assert won.number == (right[1] & ~right[0]).sum() > PICTURES
    assert lost.number == (right[0] & ~right[1]).sum()
    place = {name: row for row, name in enumerate(names)}
    its = [place[each.path] for each in won.pictures]
    assert len(its) == PICTURES
    assert (right[1] & ~right[0])[its].all()
    scores = [each.score for each in won.pictures]
    assert scores == sorted(scores, reverse=True)
    text = render(two, COMMAND)
    assert "b is right, a is not" in text
    assert f"{won.number} images, of which the 12 that a was surest of are shown" in text
    first.folder.samples.unlink()
    assert 'id="won"' not in render(two, COMMAND)
