import numpy as np
import pytest

from fieldmark.insight.galleries import (
    Shown,
    confused_pairs,
    least_sure_hits,
    surest_mistakes,
)
from fieldmark.judge.figures import ConfusedPair
from fieldmark.records import Predictions, Samples

CLASSES = ("cat", "dog")


def predictions(rows: list[tuple[str, list[float]]]) -> Predictions:
    """Rows of (truth, logits), in files 0.png, 1.png, ..."""
    samples = Samples.from_columns(
        {"path": [f"{k}.png" for k in range(len(rows))], "labels": [[truth] for truth, _ in rows]}
    )
    logits = np.array([row for _, row in rows], dtype=np.float32)
    return Predictions.of(samples, np.arange(len(rows)), logits, classes=CLASSES)


def test_the_surest_mistake_comes_first_and_right_guesses_do_not_come():
    table = predictions([("cat", [0, 1]), ("cat", [5, 0]), ("dog", [3, 0]), ("cat", [0, 2])])
    shown = surest_mistakes(table)
    assert [item.path for item in shown] == ["2.png", "3.png", "0.png"]
    assert [(item.truth, item.guess) for item in shown] == [("dog", "cat"), *[("cat", "dog")] * 2]
    assert shown[0].score == pytest.approx(1 / (1 + np.exp(-3)))
    assert shown[0].truth_score == pytest.approx(1 / (1 + np.exp(3)))


def test_equally_sure_mistakes_keep_the_order_of_the_table():
    table = predictions([("cat", [0, 1])] * 30)
    assert [item.path for item in surest_mistakes(table, most=3)] == ["0.png", "1.png", "2.png"]


def test_unknown_truths_and_logits_that_are_not_finite_are_left_out():
    table = predictions(
        [("fox", [0, 9]), ("cat", [0, np.nan]), ("cat", [0, np.inf]), ("cat", [-np.inf, 0])]
    )
    assert surest_mistakes(table) == []


def test_a_temperature_changes_scores_but_neither_guess_nor_length():
    table = predictions([("cat", [0, 4]), ("dog", [1, 0])])
    cool, warm = surest_mistakes(table), surest_mistakes(table, temperature=2.0)
    assert [item.guess for item in warm] == [item.guess for item in cool]
    assert warm[0].score == pytest.approx(1 / (1 + np.exp(-2)))


def test_an_image_inside_a_file_keeps_its_row():
    samples = Samples.from_columns({"path": ["digits"], "row": [41], "labels": [["cat"]]})
    table = Predictions.of(samples, np.array([0]), np.array([[0.0, 1.0]]), classes=CLASSES)
    (found,) = surest_mistakes(table)
    assert isinstance(found, Shown)
    assert (found.path, found.row) == ("digits", 41)


def test_no_mistakes_give_an_empty_gallery():
    assert surest_mistakes(predictions([("cat", [1, 0])])) == []


def test_the_least_sure_hit_comes_first_and_mistakes_do_not_come():
    table = predictions([("cat", [5, 0]), ("dog", [0, 1]), ("dog", [2, 0]), ("cat", [1, 0])])
    shown = least_sure_hits(table, most=2)
    assert [item.path for item in shown] == ["1.png", "3.png"]  # equal scores: as in the table
    assert shown[0].score == shown[0].truth_score == pytest.approx(1 / (1 + np.exp(-1)))


def test_hits_without_a_known_truth_or_a_finite_logit_are_left_out():
    table = predictions([("fox", [9, 0]), ("cat", [np.inf, 0]), ("cat", [0, -np.inf])])
    assert least_sure_hits(table) == []


def test_confused_pairs_show_who_was_taken_and_what_is_typical_the_surest_first():
    table = predictions(
        [("cat", [0, 1]), ("cat", [0, 3]), ("dog", [0, 2]), ("dog", [0, 4]), ("cat", [1, 0])]
    )
    (found,) = confused_pairs(table)
    assert found.pair == ConfusedPair("cat", "dog", 2, 3)
    assert [item.path for item in found.taken] == ["1.png", "0.png"]
    assert [item.path for item in found.typical] == ["3.png", "2.png"]
    assert [item.path for item in confused_pairs(table, each=1)[0].typical] == ["3.png"]


def test_a_class_that_is_never_recognised_has_nothing_typical():
    (found,) = confused_pairs(predictions([("cat", [0, 1]), ("cat", [1, 0])]))
    assert found.pair == ConfusedPair("cat", "dog", 1, 2)
    assert found.typical == ()


def test_the_pair_that_is_confused_most_often_comes_first():
    table = predictions([("cat", [0, 1]), ("dog", [1, 0]), ("dog", [2, 0])])
    assert [found.pair.truth for found in confused_pairs(table)] == ["dog", "cat"]
    assert [found.pair.truth for found in confused_pairs(table, most=1)] == ["dog"]
    assert confused_pairs(predictions([("cat", [1, 0])])) == []
