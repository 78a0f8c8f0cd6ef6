"""Confident learning, held against loops over images and, where it is installed, cleanlab."""

import numpy as np
import pytest

from fieldmark.judge.suspects import (
    confident_class,
    suspects,
    suspects_of_several,
    thresholds,
)


def answers(n=60, classes=4, seed=0, wrong=6):
    """Scores of a fair model, and labels of which some are wrong. -> (n, C), (n,), places"""
    draw = np.random.default_rng(seed)
    truth = draw.integers(classes, size=n)
    logits = draw.normal(size=(n, classes)) + 3 * np.eye(classes)[truth]
    scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels, places = truth.copy(), draw.choice(n, wrong, replace=False)
    labels[places] = (truth[places] + 1 + draw.integers(classes - 1, size=wrong)) % classes
    return scores, labels, places


def test_a_threshold_is_the_mean_score_of_the_images_labelled_so():
    scores = np.array([[0.9, 0.1], [0.5, 0.5], [0.2, 0.8]])
    assert thresholds(scores, np.array([0, 0, 1])) == pytest.approx([0.7, 0.8])


def test_a_class_that_no_image_has_is_reached_by_none():
    scores = np.array([[0.1, 0.2, 0.7], [0.6, 0.3, 0.1]])
    least = thresholds(scores, np.array([0, 1]))
    assert np.isinf(least[2])
    assert confident_class(scores, least).tolist() == [0, 0]
    assert confident_class(scores - 0.5, least).tolist() == [-1, -1]


def test_the_likeliest_mistakes_come_first():
    scores, labels, wrong = answers()
    found = suspects(scores, labels)
    assert (np.diff(found.score) >= 0).all()
    assert found.score.tolist() == scores[found.places, labels[found.places]].tolist()
    assert np.isin(found.places[:6], wrong).sum() >= 5


def test_what_is_flagged_is_off_the_diagonal_of_a_joint_that_a_loop_counts():
    scores, labels, wrong = answers()
    least, off = thresholds(scores, labels), set()
    for place, (row, label) in enumerate(zip(scores, labels, strict=True)):
        reached = [k for k in range(4) if row[k] >= least[k]]
        if reached and max(reached, key=lambda k: row[k]) != label:
            off.add(place)
    found = suspects(scores, labels)
    assert set(found.places[found.flagged].tolist()) == off
    assert off
    assert off <= set(wrong)


def test_a_label_that_the_model_gives_is_never_flagged():
    scores = np.array([[0.9, 0.1], [0.9, 0.1], [0.55, 0.45], [0.7, 0.3], [0.41, 0.59]])
    found = suspects(scores, np.array([0, 0, 0, 1, 1]))
    assert thresholds(scores, np.array([0, 0, 0, 1, 1])) == pytest.approx([2.35 / 3, 0.445])
    assert not found.flagged.any()  # the third reaches the second threshold alone


def test_ties_stay_in_the_order_of_the_images():
    found = suspects(np.full((5, 2), 0.5), np.zeros(5, int))
    assert found.places.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("several", [False, True])
def test_labels_that_nothing_is_learned_from_change_no_other_answer(several):
    scores, labels, _ = answers()
    known = np.arange(60) < 40
    judge, others = suspects, (labels + 1) % 4
    if several:
        judge, labels = suspects_of_several, np.eye(4, dtype=int)[labels]
        others = 1 - labels
    changed = np.where(known[:, None] if several else known, labels, others)
    one = judge(scores, labels, learned_on=known)
    two = judge(scores, changed, learned_on=known)
    for found in (one, two):
        assert len(found) == labels.size
    same = [
        {
            (place, label): (score, flag)
            for place, label, score, flag in zip(
                found.places, found.label, found.score, found.flagged, strict=True
            )
            if known[place]
        }
        for found in (one, two)
    ]
    assert same[0] == same[1]


def test_of_several_labels_each_is_a_question_of_its_own():
    draw = np.random.default_rng(1)
    truth = (draw.random((200, 3)) < [0.5, 0.2, 0.05]).astype(int)
    scores = np.where(truth, 0.8, 0.1) + draw.uniform(-0.09, 0.09, size=truth.shape)
    given = truth.copy()
    scores[[3, 5], [0, 2]] = np.where(truth[[3, 5], [0, 2]], 0.95, 0.005)
    given[3, 0], given[5, 2] = 1 - given[3, 0], 1 - given[5, 2]
    found = suspects_of_several(scores, given)
    first = {(place, label) for place, label in zip(found.places[:2], found.label[:2], strict=True)}
    assert first == {(3, 0), (5, 2)}
    assert found.flagged[:2].all()
    assert [bool(each) for each in found.given[:2]] == [
        bool(given[place, label])
        for place, label in zip(found.places[:2], found.label[:2], strict=True)
    ]


def test_ranking_and_flags_are_those_of_cleanlab():
    filtering = pytest.importorskip("cleanlab.filter", reason="needs cleanlab")
    from cleanlab.rank import get_label_quality_scores

    scores, labels, _ = answers(300, 5, seed=2, wrong=20)
    theirs = get_label_quality_scores(labels, scores, method="self_confidence")
    own = suspects(scores, labels)
    assert own.places.tolist() == np.argsort(theirs, kind="stable").tolist()
    flags = filtering.find_label_issues(labels, scores, filter_by="confident_learning", n_jobs=1)
    assert set(own.places[own.flagged]) == set(np.flatnonzero(flags))
