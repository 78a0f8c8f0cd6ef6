import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldmark.data.splits import classes_in_few_folds, folds
from fieldmark.errors import DataError
from fieldmark.records import Samples


def table(labels, groups=None, splits=None):
    """An image for each label."""
    columns = {
        "path": [f"{row}.png" for row in range(len(labels))],
        "labels": [[label] for label in labels],
        "group": groups or [None] * len(labels),
        "split": splits or [None] * len(labels),
    }
    return Samples.from_columns(columns)


def refusal(samples, k):
    with pytest.raises(DataError) as caught:
        folds(samples, k=k, seed=0)
    return str(caught.value)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(1, 40), min_size=2, max_size=5), st.integers(2, 7), st.integers(0, 2**32)
)
def test_each_class_and_all_images_are_within_one_image_of_even(sizes, k, seed):
    target = np.repeat(np.arange(len(sizes) + 1), [*sizes, 7])
    fold = folds(table([f"class {number}" for number in target]), k=k, seed=seed)
    assert np.ptp(np.bincount(fold, minlength=k)) <= 1
    for number in range(len(sizes) + 1):
        assert np.ptp(np.bincount(fold[target == number], minlength=k)) <= 1


def test_given_test_images_are_in_no_fold_and_given_validation_images_are():
    samples = table(["a", "b"] * 6, splits=["train", "train", "val", "val", "test", None] * 2)
    fold = folds(samples, k=2, seed=0)
    assert fold.dtype == np.int64
    assert np.flatnonzero(fold < 0).tolist() == [4, 10]
    assert np.bincount(fold[fold >= 0]).tolist() == [5, 5]


def test_an_image_with_conflicting_labels_is_held_out_once_with_its_copies():
    fold = folds(table(["a", "b"] * 10).with_copies(np.arange(20) // 2), k=4, seed=0)
    assert (fold[::2] == fold[1::2]).all()
    assert set(fold) == {0, 1, 2, 3}


@pytest.mark.parametrize("labels", ["ab" * 19, "a" * 30 + "b" * 2 + "c" * 5 + "d"])
def test_as_many_folds_as_groups_hold_out_one_group_each(labels):
    groups = [str(k) for k in np.repeat(np.arange(4), [30, 2, 5, 1])]
    fold = folds(table(labels, groups), k=4, seed=0)
    assert sorted(np.bincount(fold).tolist()) == [1, 2, 5, 30]


def test_classes_of_few_images_are_named_with_the_folds_that_have_them():
    splits = ["train"] * 23 + ["test"]
    samples = table([*["a", "b"] * 10, "one", "two", "two", "tested"], splits=splits)
    fold = folds(samples, k=5, seed=0)
    assert classes_in_few_folds(samples, fold) == {"one": 1, "tested": 0, "two": 2}
    assert classes_in_few_folds(samples, np.arange(24) // 12) == {
        "one": 1,
        "tested": 1,
        "two": 1,
    }


@pytest.mark.parametrize("k", [1, 0, -3])
def test_fewer_than_two_folds_are_refused(k):
    assert refusal(table(["a", "b"] * 10), k) == (
        f".: cross-validation needs at least 2 folds, not {k}; "
        "with fewer there is nothing to train on"
    )


def test_more_folds_than_can_be_filled_are_refused():
    assert refusal(table(["a", "b"] * 2), 5) == (
        ".: 5 folds are too many for 4 different images; ask for at most 4 folds"
    )
    assert refusal(table(["a", "b"] * 2).with_copies(np.array([0, 0, 1, 1])), 3) == (
        ".: 3 folds are too many for 2 different images; ask for at most 2 folds"
    )
    assert refusal(table(["a", "b"] * 6, groups=["x", "y", "z"] * 4), 5) == (
        ".: 5 folds are too many for 3 groups that must stay whole; ask for at most 3 folds"
    )
    assert refusal(table(["a", "b"] * 6, groups=["x"] * 12), 2) == (
        ".: 2 folds are too many for 1 group that must stay whole; add images"
    )


def test_one_class_is_refused():
    assert refusal(table(["a"] * 20), 5) == (
        ".: there is only the class 'a'; a classifier needs at least two classes"
    )
