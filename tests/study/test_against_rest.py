"""Which images stand against a class, and what that does to its odds."""

import numpy as np
import pytest

from fieldmark.errors import DataError
from fieldmark.records import Samples
from fieldmark.study.against_rest import (
    LEAST,
    against,
    refuse_what_cannot,
    rest_name,
    shifts,
    taken,
)
from fieldmark.task import SEVERAL_LABELS

LABELS = [["a"], ["b"], ["c"], ["d"]] * 30
FOLD = np.arange(120) // 4 % 3


def samples_of(labels=LABELS, **more):
    columns = {"path": [f"{row}.png" for row in range(len(labels))], "labels": labels, **more}
    return Samples.from_columns(columns)


def test_a_share_of_the_others_is_taken_in_every_fold_and_none_of_the_class():
    found = taken(samples_of(), FOLD, 1, 0.2, seed=0)
    own = samples_of().targets(("a", "b", "c", "d")) == 1
    assert not (found & own).any()
    assert [int((found & (out == FOLD)).sum()) for out in range(3)] == [6, 6, 6]


def test_every_fold_has_some_of_the_others_however_small_the_share():
    found = taken(samples_of(), FOLD, 0, 0.001, seed=0)
    assert [int((found & (out == FOLD)).sum()) for out in range(3)] == [LEAST] * 3


def test_what_is_taken_goes_by_seed_and_class_alone():
    one = taken(samples_of(), FOLD, 2, 0.3, seed=4)
    assert np.array_equal(one, taken(samples_of(), FOLD, 2, 0.3, seed=4))
    assert not np.array_equal(one, taken(samples_of(), FOLD, 2, 0.3, seed=5))
    more = taken(samples_of(), FOLD, 2, 0.5, seed=4)
    assert (one <= more).all()  # a larger share has the same images and others


def test_the_odds_have_too_much_by_the_share_of_the_others_outside_of_the_fold():
    own = np.array([1, 1, 0, 0, 0, 0, 0, 0], bool)
    fold = np.array([0, 1, 0, 0, 0, 1, 1, 1])
    took = np.array([0, 0, 1, 0, 0, 1, 1, 0], bool)
    # without fold 0: two of three others; without fold 1: one of three
    assert np.allclose(shifts(own, took, fold), np.log([2 / 3, 1 / 3]))


def test_the_others_have_a_name_that_no_class_has():
    assert rest_name(("cat", "dog")) == "rest"
    assert rest_name(("cat", "rest")) not in ("cat", "rest")
    assert against(samples_of(), "b", "rest").frame["labels"].to_list()[:3] == [
        ["rest"],
        ["b"],
        ["rest"],
    ]


def test_several_labels_and_a_class_in_one_fold_are_refused():
    with pytest.raises(DataError) as told:
        refuse_what_cannot(Samples(samples_of().frame, ".", SEVERAL_LABELS), FOLD)
    assert str(told.value) == (
        ".: images have several labels, each of which is against the rest already; take "
        "`fieldmark cross-validate`"
    )
    with pytest.raises(DataError) as told:
        refuse_what_cannot(samples_of([["a"], ["b"], ["b"], ["a"]]), np.array([0, 0, 1, 0]))
    assert str(told.value) == (
        ".: all images of 'a' are in one fold, so that no model could be trained without them; "
        "add images of other groups, or take the class out"
    )
