"""One-vs-rest's figures, of answers that are made by hand."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, balanced_accuracy_score

from fieldmark.judge.calibrate import SOLVED, fit_temperature
from fieldmark.metrics_json import About
from fieldmark.records import Samples
from fieldmark.study.against_rest import shifts, taken
from fieldmark.study.ovr_answers import Answers
from fieldmark.study.ovr_figures import found_of
from fieldmark.study.ovr_page import BLIND, lines, worth
from fieldmark.task import softmax

CLASSES = ("ape", "bat", "cow")
N = 120


@pytest.fixture
def answers():
    draw = np.random.default_rng(3)
    targets, fold = np.arange(N) % 3, np.arange(N) // 3 % 2
    columns = {
        "path": [f"{row}.png" for row in range(N)],
        "labels": [[CLASSES[each]] for each in targets],
    }
    samples = Samples.from_columns(columns)
    own = np.stack([targets == number for number in range(3)])
    took = np.stack([taken(samples, fold, number, 0.1, 0) for number in range(3)])
    return Answers(
        samples,
        fold,
        CLASSES,
        own,
        took,
        margins=draw.normal(size=(N, 3)) + 2 * own.T + 1,
        shifts=np.array([shifts(*pair, fold) for pair in zip(own, took, strict=True)]),
        softmax=draw.normal(size=(N, 3)) + 3 * own.T,
        seconds={"one-vs-rest": 60.0, "softmax": 20.0},
        about=About(),
    )


def test_the_published_figure_is_of_the_images_that_were_taken_and_the_other_of_all(answers):
    found = {each.name: each for each in found_of(answers).classes}
    for place, name in enumerate(CLASSES):
        own, said = answers.own[place], answers.margins[:, place] > 0
        part = own | answers.taken[place]
        row = found[name]
        assert row.published["accuracy"] == pytest.approx((said == own)[part].mean())
        assert row.whole["accuracy"] == pytest.approx((said == own).mean())
        assert row.never_published == pytest.approx(1 - own[part].mean())
        assert row.never == pytest.approx(2 / 3)
        precision = average_precision_score(own, answers.margins[:, place])
        assert row.precision == pytest.approx(precision)
        assert row.whole["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(own, said))


def test_the_classes_are_ranked_by_average_precision(answers):
    found = [each.precision for each in found_of(answers).classes]
    assert found == sorted(found, reverse=True)


def test_log_odds_are_corrected_by_each_runs_own_share(answers):
    for out in (0, 1):
        rows = answers.fold == out
        moved = answers.logits[rows] - answers.margins[rows]
        assert np.allclose(moved, answers.shifts[:, out])


def test_no_image_chooses_the_temperature_of_its_own_answer(answers):
    joined = found_of(answers).joined
    targets = np.arange(N) % 3
    for out in (0, 1):
        own = answers.fold == out
        temperature = fit_temperature(answers.logits[~own], targets[~own], prior=SOLVED)
        scores = softmax(answers.logits[own], temperature)
        assert np.allclose(joined.table.scores()[own], scores, atol=1e-6)
    whole = fit_temperature(answers.logits, targets, prior=SOLVED)
    assert joined.temperature == pytest.approx(whole)


def test_one_class_alone_is_nothing_joined(answers):
    one = replace(
        answers,
        names=CLASSES[1:2],
        own=answers.own[1:2],
        taken=answers.taken[1:2],
        margins=answers.margins[:, 1:2],
        shifts=answers.shifts[1:2],
    )
    found, whole = found_of(one), found_of(answers)
    assert found.joined is None
    assert found.classes == tuple(each for each in whole.classes if each.name == "bat")


def test_a_class_that_is_no_better_than_always_no_is_named(answers):
    margins = answers.margins + 4  # which says yes to nearly all
    told = lines(found_of(replace(answers, margins=margins)))
    names = [each.name for each in found_of(replace(answers, margins=margins)).classes]
    assert BLIND.format(", ".join(names)) in told


def test_the_price_is_told_beside_the_difference(answers):
    found = found_of(answers)
    told = worth(found.joined, found.seconds)
    assert told.startswith("One-vs-rest ")
    assert "It took 1 min and the softmax models 20 s, 3.0 times as long: " in told
    better = replace(answers, softmax=np.roll(answers.softmax, 1, axis=0))
    found = found_of(better)
    assert worth(found.joined, found.seconds).endswith(": that is its price.")
    worse = replace(answers, margins=np.roll(answers.margins, 1, axis=0))
    found = found_of(worse)
    assert worth(found.joined, found.seconds).endswith(": it is not worth its price here.")


def test_a_twin_is_held_against_the_models_image_by_image(answers):
    worse = replace(answers, margins=np.roll(answers.margins, 1, axis=0))
    found = found_of(answers, worse)
    assert found.twin.difference.metric == "accuracy"
    assert found.twin.difference.low > 0
    assert found.twin.precision == {each.name: each.precision for each in found_of(worse).classes}
    told = lines(found, "model.attention=none")[-1]
    assert told.startswith(
        "One-vs-rest is better than its twin with model.attention=none: "
        f"{100 * found.twin.difference.value:.1f} points of accuracy more"
    )
    assert told.endswith(". It took 1 min, the twin 1 min.")
    same = found_of(answers, answers).twin.difference
    assert (same.value, same.is_clear) == (0, False)
