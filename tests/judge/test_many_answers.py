"""Figures of images that several models answered: an image counts once."""

import numpy as np
import polars as pl
import pytest

from fieldmark.judge.figures import figures
from fieldmark.judge.many_answers import figures_by_image
from fieldmark.metrics_json import Metrics, flat, read
from fieldmark.records import Predictions
from fieldmark.report.figure_lines import figure_lines
from fieldmark.task import SEVERAL_LABELS

GUESSES = {"w": "ab", "x": "aa", "y": "bb", "z": "bb"}  # of each image, in two repeats


def table(*, groups=None, times=2):
    rows = [(path, repeat) for repeat in range(times) for path in GUESSES]
    guesses = [GUESSES[path][repeat] for path, repeat in rows]
    truth = {"w": "a", "x": "a", "y": "b", "z": "a"}
    columns = {
        "path": [path for path, _ in rows],
        "row": pl.Series([None] * len(rows), dtype=pl.Int64),
        "truth": [[truth[path]] for path, _ in rows],
        "split": ["test"] * len(rows),
        "fold": [2 * repeat + (path in "yz") for path, repeat in rows],
        "group": pl.Series([groups and groups[path] for path, _ in rows], dtype=pl.String),
        "logit:a": [2.0 * (guess == "a") for guess in guesses],
        "logit:b": [2.0 * (guess == "b") for guess in guesses],
    }
    return Predictions(pl.DataFrame(columns))


def test_an_image_counts_once_however_often_it_is_answered():
    found = figures_by_image(table(), None)
    assert (found.n, found.total_answers, found.folds, found.groups) == (4, 8, 4, None)
    assert found["accuracy"] == 5 / 8  # w once of two, x and y twice, z never
    assert {name: each.support for name, each in found.per_class.items()} == {"a": 3, "b": 1}
    assert found.confusion == [[3, 3], [0, 2]]
    by_group = figures(table(groups=dict(zip(GUESSES, "wxyz", strict=True))), with_intervals=True)
    assert found.intervals == by_group.intervals
    assert figure_lines("test", found, name="all folds")[0] == (
        "all folds out of fold, 4 images in 8 answers 95 % interval"
    )


def test_groups_of_the_images_own_stay_groups():
    found = figures_by_image(table(groups=dict(zip(GUESSES, "ppqq", strict=True))), None)
    assert (found.n, found.total_answers, found.groups) == (4, 8, 2)


def test_one_answer_an_image_is_what_it_was():
    once = table(times=1)
    assert figures_by_image(once, None) == figures(once, with_intervals=True)
    assert "total_answers" not in flat(figures_by_image(once, None))


def test_pairs_of_labels_count_images(tmp_path):
    frame = table().frame.with_columns(
        truth=pl.when(pl.col("path") == "w").then(pl.lit(["a", "b"])).otherwise("truth")
    )
    found = figures_by_image(Predictions(frame, SEVERAL_LABELS), np.full((8, 2), 0.6))
    assert found.cooccurrence == [[3, 1], [1, 2]]
    assert {name: each.support for name, each in found.per_class.items()} == {"a": 3, "b": 2}
    Metrics(SEVERAL_LABELS.name, ("a", "b"), {"test": found}).write(tmp_path / "m.json")
    assert read(tmp_path / "m.json").sides["test"].total_answers == 8
    assert found["micro_f1"] == pytest.approx(2 * 6 / (8 + 10))
