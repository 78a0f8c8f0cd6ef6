"""Answers that go up in a taxonomy, and one answer for the images of an event."""

import numpy as np
import pytest

from fieldmark.data.taxonomy import Rank
from fieldmark.judge.roll_up import Bar, choose_bars, roll_up, taxon_scores
from fieldmark.judge.smoothing import Gain, by_event, gain_of, mean_of_logs

LABEL = Rank("label", ("wolf", "fox", "lynx"), (0, 1, 2))
FAMILY = Rank("family", ("Canidae", "Felidae"), (0, 0, 1))
RANKS = (LABEL, FAMILY)


def drawn(number, seed=0):
    """Scores that tell families apart and dogs badly, and the truth."""
    draw = np.random.default_rng(seed)
    truth = draw.integers(0, 3, number)
    logits = draw.normal(0, 1, (number, 3))
    logits[np.arange(number), truth] += 0.8
    logits[:, 2] += np.where(truth == 2, 3.0, -3.0)
    scores = np.exp(logits)
    return scores / scores.sum(axis=1, keepdims=True), truth


def test_an_event_is_answered_by_the_mean_of_its_logits():
    logits = np.random.default_rng(0).normal(size=(5, 4))
    scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    mean = np.exp(logits.mean(axis=0))
    np.testing.assert_allclose(mean_of_logs(scores), mean / mean.sum(), rtol=1e-12)


def test_a_taxons_score_is_the_sum_of_its_classes():
    scores = np.array([[0.5, 0.3, 0.2]])
    assert taxon_scores(scores, FAMILY) == pytest.approx(np.array([[0.8, 0.2]]))


def test_an_answer_goes_up_only_as_far_as_it_must():
    bars = (Bar(LABEL, 0.9), Bar(FAMILY, 0.7))
    assert roll_up(np.array([0.95, 0.03, 0.02]), bars) == (LABEL, "wolf", 0.95)
    rank, taxon, score = roll_up(np.array([0.5, 0.3, 0.2]), bars)
    assert (rank, taxon) == (FAMILY, "Canidae")
    assert score == pytest.approx(0.8)
    assert roll_up(np.array([0.34, 0.3, 0.36]), bars) is None
    assert roll_up(np.array([0.95, 0.03, 0.02]), (Bar(LABEL, None), Bar(FAMILY, 0.99))) is None


@pytest.mark.parametrize("accuracy", [0.85, 0.9, 0.95])
def test_each_rank_answers_as_rightly_as_was_asked_and_more_is_answered_than_by_classes(accuracy):
    scores, truth = drawn(600)
    bars = choose_bars(scores, truth, RANKS, accuracy)
    found = [roll_up(row, bars) for row in scores]
    for bar in bars:
        its = [
            taxon == bar.rank.taxa[bar.rank.of[true]]
            for (rank, taxon, _), true in (
                (each, true) for each, true in zip(found, truth, strict=True) if each
            )
            if rank == bar.rank
        ]
        assert (len(its), sum(its)) == (bar.answered, bar.right)
        assert not its or np.mean(its) >= accuracy
    assert sum(bar.answered for bar in bars) > bars[0].answered
    others, truths = drawn(4000, seed=1)
    new = [roll_up(row, bars) for row in others]
    right = [
        taxon == rank.taxa[rank.of[true]]
        for (rank, taxon, _), true in (
            (each, true) for each, true in zip(new, truths, strict=True) if each
        )
    ]
    assert np.mean(right) >= accuracy - 0.03  # images that chose nothing


def test_where_no_bar_is_high_enough_a_rank_never_answers():
    scores, truth = np.full((20, 3), 1 / 3), np.arange(20) % 3
    assert choose_bars(scores, truth, RANKS, 0.9) == (Bar(LABEL, None), Bar(FAMILY, None))
    assert choose_bars(np.zeros((0, 3)), np.zeros(0, int), RANKS, 0.9)[0].score is None


def test_images_of_unknown_truth_choose_nothing():
    scores, truth = drawn(100)
    more = np.vstack([scores, np.full((5, 3), np.nan), scores[:5]])
    known = np.concatenate([truth, truth[:5], np.full(5, -1)])
    assert choose_bars(more, known, RANKS, 0.8) == choose_bars(scores, truth, RANKS, 0.8)


def test_an_event_has_the_mean_of_its_log_scores():
    scores = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8]])
    odds = np.exp((np.log(9) + np.log(4 / 6)) / 2)
    assert mean_of_logs(scores[:2]) == pytest.approx([odds / (1 + odds), 1 / (1 + odds)])
    found = by_event(scores, ["a", "a", None])
    assert found[0] == pytest.approx(found[1])
    assert found[2].tolist() == [0.2, 0.8]
    assert mean_of_logs(np.array([[1.0, 0.0], [0.0, 1.0]])) == pytest.approx([0.5, 0.5])


def test_the_gain_counts_the_images_of_events_of_two_or_more():
    scores = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [np.nan, np.nan]])
    truth = np.array([0, 0, 1, 0])
    assert gain_of(scores, truth, ["a", "a", "b", "a"]) == Gain(2, 1, 1, 2)
    assert gain_of(scores, truth, ["a", "b", "c", "a"]) is None
    assert gain_of(scores, truth, [None] * 4) is None
