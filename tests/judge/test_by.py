"""Figures by a column: each value's are those of its images alone, and nothing is passed over."""

import re
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from fieldmark.errors import DataError
from fieldmark.judge.by import NONE, figures_by, values_by_column
from fieldmark.judge.figures import figures
from fieldmark.metrics_json import Figures
from fieldmark.records import Predictions, Samples
from fieldmark.report.figure_lines import by_lines, by_warnings

CLASSES = ("cat", "dog")


def a_table(n: int = 60, **columns: object) -> tuple[Samples, Predictions]:
    """Images of two classes and random guesses; `columns` are the user's own."""
    draw = np.random.default_rng(0)
    truth = [[CLASSES[k % 2]] for k in range(n)]
    frame = {"path": [f"{k}.jpg" for k in range(n)], "labels": truth, "split": ["test"] * n}
    own = {name: values for name, values in columns.items() if name != "group"}
    if "group" in columns:
        frame["group"] = columns["group"]
    samples = Samples.from_columns(frame)
    samples = Samples(samples.frame.hstack(pl.DataFrame(own)) if own else samples.frame)
    logits = draw.normal(size=(n, 2)).astype(np.float32)
    return samples, Predictions.of(samples, np.arange(n), logits, classes=CLASSES)


def by(samples: Samples, predictions: Predictions, *columns: str, **options: str):
    values = values_by_column(samples, columns, **options)
    return figures_by(predictions, samples, values, temperature=1.0)


def test_a_values_figures_are_those_of_its_images_alone():
    samples, predictions = a_table(site=["A", "B", "A"] * 20)
    found = by(samples, predictions, "site")["site"]
    assert list(found) == ["A", "B"]
    rows = pl.Series(["A", "B", "A"] * 20) == "B"
    alone = figures(Predictions(predictions.frame.filter(rows)), with_intervals=True)
    assert found["B"] == replace(alone, confusion=None, reliability=None, answers=None)
    assert found["B"].n == 20


def test_images_are_matched_by_place_and_not_by_order():
    samples, predictions = a_table(site=["A", "B", "A"] * 20)
    turned = Samples(samples.frame.reverse())
    assert by(turned, predictions, "site") == by(samples, predictions, "site")


def test_rows_of_one_file_are_images_of_their_own():
    frame = {"path": ["digits"] * 4, "row": [0, 1, 2, 3], "labels": [["cat"], ["dog"]] * 2}
    samples = Samples.from_columns({**frame, "split": ["test"] * 4})
    samples = Samples(samples.frame.hstack(pl.DataFrame({"half": ["a", "a", "a", "b"]})))
    logits = np.eye(2, dtype=np.float32)[[0, 1, 0, 0]]
    predictions = Predictions.of(samples, np.arange(4), logits, classes=CLASSES)
    found = by(samples, predictions, "half")["half"]
    assert {name: (its.n, its["accuracy"]) for name, its in found.items()} == {
        "a": (3, 1.0),
        "b": (1, 0.0),
    }


def test_an_image_that_stands_in_the_table_twice_has_the_value_of_each_row():
    samples, predictions = a_table(site=["north", "north", "south", "south"] * 15)
    twice = [f"{k // 4}.jpg" for k in range(60)]  # both once north and once south
    samples, predictions = (
        replace(each, frame=each.frame.with_columns(pl.Series("path", twice)))
        for each in (samples, predictions)
    )
    found = by(samples, predictions, "site")["site"]
    assert {name: its.n for name, its in found.items()} == {"north": 30, "south": 30}
    north = np.flatnonzero(np.arange(60) % 4 < 2)
    alone = figures(replace(predictions, frame=predictions.frame[north]))
    assert found["north"]["accuracy"] == alone["accuracy"]


def test_empty_cells_are_a_value_that_comes_last():
    samples, predictions = a_table(site=["b", None, "", "  ", "a", "zz"] * 10)
    found = by(samples, predictions, "site")["site"]
    assert list(found) == ["a", "b", "zz", NONE]
    assert found[NONE].n == 30


def test_several_columns_have_a_table_each():
    samples, predictions = a_table(site=["A", "B"] * 30, day=[True, False, False] * 20)
    found = by(samples, predictions, "site", "day", "site")
    assert list(found) == ["site", "day"]
    assert list(found["day"]) == ["false", "true"]


def test_few_numbers_are_values_in_their_order():
    samples, predictions = a_table(year=["10", "9", "11"] * 20)
    assert list(by(samples, predictions, "year")["year"]) == ["9", "10", "11"]


@pytest.mark.parametrize("kind", [pl.Float64, pl.String])
def test_many_numbers_are_cut_into_quarters_named_by_their_range(kind):
    column = pl.Series([*range(56), None, None, None, None], dtype=pl.Int64).cast(kind)
    samples, predictions = a_table(height_m=column)
    found = by(samples, predictions, "height_m")["height_m"]
    wanted = ["0 to 13", "14 to 27", "28 to 41", "42 to 55", NONE]
    assert [(name, its.n) for name, its in found.items()] == [
        *((name, 14) for name in wanted[:4]),
        (NONE, 4),
    ]


def test_equal_numbers_are_never_parted():
    samples, predictions = a_table(depth=[0.5] * 40 + [float(k) for k in range(1, 21)])
    found = by(samples, predictions, "depth")["depth"]
    counts = {name: its.n for name, its in found.items()}
    assert counts == {"0.5": 40, "1 to 5": 5, "6 to 20": 15}


def test_codes_with_a_zero_in_front_are_no_numbers():
    samples, predictions = a_table(site=[f"{k % 20:03}" for k in range(60)])
    found = by(samples, predictions, "site")["site"]
    assert list(found)[:2] == ["000", "001"]
    assert len(found) == 20


def test_groups_are_never_cut_into_quarters():
    samples, predictions = a_table(group=[str(k % 20) for k in range(60)])
    assert len(by(samples, predictions, "group")["group"]) == 20


def test_the_column_that_became_the_group_goes_by_its_own_name():
    samples, predictions = a_table(group=["A", "B"] * 30)
    found = by(samples, predictions, "site", group_column="site")
    assert list(found["site"]) == ["A", "B"]


def test_of_a_column_that_is_the_group_a_values_intervals_go_by_its_images_and_it_is_said():
    samples, predictions = a_table(group=["A", "B", "C"] * 20)
    found = by(samples, predictions, "group")["group"]
    assert [its.groups for its in found.values()] == [None, None, None]
    low, high = found["A"].interval("accuracy")
    assert 0 < low < high < 1
    assert high - low < 0.5
    assert all(its.within_group for its in found.values())
    assert by_lines("group", "test", found)[-1] == (
        "  each value is one group: its interval is of other images of that group"
    )


def test_a_value_of_another_column_that_is_of_one_group_is_one_trial():
    samples, predictions = a_table(
        site=["A", "B", "C"] * 20, group=["A", "b", "c", *"AdeAfgAhi"] * 5
    )
    found = by(samples, predictions, "site")["site"]
    assert [its.groups for its in found.values()] == [1, 4, 4]
    low, high = found["A"].interval("accuracy")
    assert high - low > 0.7
    assert not any(its.within_group for its in found.values())
    assert by_lines("site", "test", found)[-1] == (
        "  of one or two groups, which tell nearly nothing: 'A'"
    )


def test_of_a_column_that_is_the_group_images_without_one_are_not_said_to_be_of_one():
    samples, predictions = a_table(group=["A", None] * 30)
    found = by(samples, predictions, "group")["group"]
    assert [found[name].within_group for name in ("A", NONE)] == [True, False]


def test_images_of_unknown_classes_are_counted_by_value():
    samples, predictions = a_table(site=["A", "B", "A"] * 20)
    truth = pl.Series([["emu"] if site == "B" else ["cat"] for site in ["A", "B", "A"] * 20])
    changed = Predictions(predictions.frame.with_columns(truth.alias("truth")))
    found = by(samples, changed, "site")["site"]
    assert (found["B"].n, found["B"].unknown, found["B"]["accuracy"]) == (0, 20, None)
    assert "none" in by_lines("site", "test", found)[2]
    whole = Figures(60, {"accuracy": 0.9})
    assert by_warnings({"site": found}, whole) == by_warnings({"site": {"A": found["A"]}}, whole)


@pytest.mark.parametrize(
    ("columns", "asked", "sentence"),
    [
        (
            {"site": ["A"] * 60, "camera": ["x"] * 60},
            "weather",
            "--by weather: the images have no such column; there are 'site' and 'camera'",
        ),
        (
            {"site": ["A"] * 60},
            "sites",
            "--by sites: the images have no such column; did you mean 'site'?",
        ),
        (
            {},
            "site",
            "--by site: the images have no columns of yours (there are none), as those of "
            "folders never have; give a table of images and labels with this column",
        ),
        (
            {"note": [f"image {k}" for k in range(101)]},
            "note",
            "--by note: it has 101 different texts, and a table takes at most 100; name a column "
            "that puts more images together",
        ),
    ],
)
def test_a_column_to_go_by_that_cannot_be_is_one_sentence(columns, asked, sentence):
    samples, _ = a_table(len(next(iter(columns.values()), [0] * 60)), **columns)
    with pytest.raises(DataError, match=f"^{re.escape(sentence)}$"):
        values_by_column(samples, [asked])


def test_a_hundred_texts_are_a_table():
    samples, _ = a_table(100, note=[f"image {k}" for k in range(100)])
    assert len(set(values_by_column(samples, ["note"])["note"].names)) == 100
