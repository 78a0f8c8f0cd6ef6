from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldmark.data.splits import copies_of_test, merge_val_into_train, split
from fieldmark.errors import DataError
from fieldmark.records import SPLITS, Samples

FEW = settings(max_examples=60, deadline=None)
shares = st.sampled_from([0.0, 0.1, 0.15, 0.3, 0.45])
seeds = st.integers(0, 2**32)


def table(labels, hashes=None, splits=None, groups=None):
    """An image for each label; without hashes each has content of its own."""
    rows = len(labels)
    return Samples.from_columns(
        {
            "path": [f"{row}.png" for row in range(rows)],
            "labels": [[label] for label in labels],
            "hash": [str(row) for row in range(rows)] if hashes is None else hashes,
            "split": [None] * rows if splits is None else splits,
            "group": [None] * rows if groups is None else groups,
        }
    )


def sides_of(samples, val=0.15, test=0.15, seed=0, copies=None):
    samples = samples if copies is None else samples.with_copies(np.array(copies))
    done = split(samples, val=val, test=test, seed=seed)
    return done.frame["split"].to_list()


def refusal(samples, val=0.15, test=0.15, copies=None):
    with pytest.raises(DataError) as caught:
        sides_of(samples, val, test, copies=copies)
    return str(caught.value)


@st.composite
def copied(draw, splits=(None,)):
    """Labels with contents that may stand twice, also under another label, and given splits.

    Forty images of their own are added, so that no side stays empty.
    """
    row = st.tuples(st.sampled_from("abcd"), st.integers(0, 12), st.sampled_from(splits))
    rows = draw(st.lists(row, max_size=40))
    rows += [("ab"[k % 2], 100 + k, None) for k in range(40)]
    labels, contents, given_splits = zip(*rows, strict=True)
    return table(labels, [str(content) for content in contents], given_splits)


@FEW
@given(copied(), shares, shares, seeds)
def test_every_row_has_a_split_and_copies_never_straddle(samples, val, test, seed):
    sides = sides_of(samples, val, test, seed)
    assert set(sides) <= set(SPLITS)
    where = {}
    for content, side in zip(samples.frame["hash"], sides, strict=True):
        assert where.setdefault(content, side) == side


@FEW
@given(copied(), shares, shares, seeds)
def test_every_class_has_an_image_for_training(samples, val, test, seed):
    counts = split(samples, val=val, test=test, seed=seed).counts()
    assert all(by_side["train"] for by_side in counts.values())


@FEW
@given(copied(), shares, shares, seeds)
def test_an_image_under_several_labels_is_for_training(samples, val, test, seed):
    sides = sides_of(samples, val, test, seed)
    labels = [label[0] for label in samples.frame["labels"]]
    pairs = set(zip(samples.frame["hash"], labels, strict=True))
    several = Counter(content for content, _ in pairs)
    for content, side in zip(samples.frame["hash"], sides, strict=True):
        assert several[content] == 1 or side == "train"


@FEW
@given(copied(), shares, shares, seeds)
def test_the_same_seed_gives_the_same_split(samples, val, test, seed):
    assert sides_of(samples, val, test, seed) == sides_of(samples, val, test, seed)


@FEW
@given(st.lists(st.integers(1, 60), min_size=2, max_size=5), shares, shares, seeds)
def test_each_class_is_within_one_image_of_its_share(sizes, val, test, seed):
    labels = [f"class {k}" for k, size in enumerate([*sizes, 20]) for _ in range(size)]
    counts = split(table(labels), val=val, test=test, seed=seed).counts()
    for by_side in counts.values():
        size = sum(by_side.values())
        assert abs(by_side["val"] - val * size) <= 1
        assert abs(by_side["test"] - test * size) <= 1


@FEW
@given(copied(splits=(None, "train", "val", "test")), shares, shares, seeds)
def test_images_with_a_given_side_never_leave_it(samples, val, test, seed):
    given_sides = samples.frame["split"].to_list()
    for before, after in zip(given_sides, sides_of(samples, val, test, seed), strict=True):
        assert before in (None, "train") or after == before
        for side in ("val", "test"):
            assert after != side or before == side or side not in given_sides


@FEW
@given(copied(), seeds)
def test_rows_of_one_hash_are_copies_where_no_copies_are_named(samples, seed):
    _, copies = np.unique(samples.frame["hash"].to_numpy(), return_inverse=True)
    assert sides_of(samples, seed=seed, copies=copies) == sides_of(samples, seed=seed)


@FEW
@given(copied(), seeds)
def test_groups_of_one_image_change_nothing(samples, seed):
    labels = [label[0] for label in samples.frame["labels"]]
    contents = samples.frame["hash"].to_list()
    grouped = table(labels, contents, groups=[f"image {content}" for content in contents])
    assert sides_of(grouped, seed=seed) == sides_of(samples, seed=seed)


def test_named_copies_take_the_place_of_hashes():
    samples = table(["a", "b"] * 20, hashes=["same"] * 40)
    sides = sides_of(samples, copies=np.arange(40))
    assert Counter(sides) == {"train": 28, "val": 6, "test": 6}


def test_another_seed_gives_another_split():
    samples = table(["a", "b"] * 20)
    assert len({tuple(sides_of(samples, seed=seed)) for seed in range(5)}) == 5


def test_each_class_is_dealt_by_itself():
    sides = np.array(sides_of(table(["a"] * 30 + ["b"] * 30)))
    assert (sides[:30] != sides[30:]).any()


@pytest.mark.parametrize(
    ("size", "counts"),
    [
        (1, {"train": 1, "val": 0, "test": 0}),
        (2, {"train": 1, "val": 0, "test": 1}),
        (3, {"train": 1, "val": 1, "test": 1}),
        (4, {"train": 2, "val": 1, "test": 1}),
        (20, {"train": 14, "val": 3, "test": 3}),
    ],
)
def test_a_class_of_few_images_trains_first_then_is_tested_then_validated(size, counts):
    samples = table(["small"] * size + ["large"] * 20)
    assert split(samples, val=0.15, test=0.15, seed=3).counts()["small"] == counts


def test_copies_count_as_one_image():
    samples = table(["a"] * 12 + ["b"] * 10, ["same"] * 12 + [str(k) for k in range(10)])
    assert split(samples, val=0.1, test=0.1, seed=0).counts()["a"] == {
        "train": 12,
        "val": 0,
        "test": 0,
    }


def test_images_whose_content_is_not_known_are_copies_of_none():
    samples = table(["a", "b"] * 20, [None] * 40)
    assert Counter(sides_of(samples)) == Counter(sides_of(table(["a", "b"] * 20)))


@pytest.mark.parametrize(("val", "test"), [(0, 0.2), (0.2, 0), (0, 0)])
def test_a_share_of_nothing_is_nothing(val, test):
    found = Counter(sides_of(table(["a", "b"] * 20), val, test))
    assert (found["val"], found["test"]) == (round(val * 40), round(test * 40))


def test_with_a_given_test_only_validation_is_taken_out_of_train():
    samples = table(["a", "b"] * 20, splits=["train", "train", "test", "test"] * 10)
    sides = sides_of(samples, 0.3, 0.3)
    assert Counter(sides) == {"train": 14, "val": 6, "test": 20}
    assert [s for s, k in zip(sides, range(40), strict=True) if k % 4 > 1] == ["test"] * 20


def test_with_all_given_nothing_moves():
    given_sides = ["train", "train", "val", "val", "test", "test"]
    assert sides_of(table(["a", "b"] * 3, splits=given_sides), 0.3, 0.3) == given_sides


def test_a_copy_in_a_given_test_does_not_pull_it_into_train():
    samples = table(
        ["a", "b"] * 10,
        ["same", "x", "same", *(str(k) for k in range(17))],
        ["test", "train", "train", *["train"] * 17],
    )
    assert sides_of(samples)[0] == "test"
    assert sides_of(samples).count("test") == 1


def test_validation_images_may_be_trained_on():
    samples = table(["a", "b"] * 2, splits=["train", "val", "test", "val"])
    merged = merge_val_into_train(samples).frame["split"].to_list()
    assert merged == ["train", "train", "test", "train"]


def test_one_class_or_none_is_refused():
    assert refusal(table(["a"] * 20)) == (
        ".: there is only the class 'a'; a classifier needs at least two classes"
    )
    assert refusal(table([])) == (".: there is no class; a classifier needs at least two classes")


def test_too_few_images_for_a_side_that_is_wanted_are_refused():
    assert refusal(table(["a", "b"] * 2)) == (
        ".: 4 images in 2 classes are too few to have some for 'val'; "
        "add images, or set data.val=none"
    )
    assert refusal(table(["a", "b"])) == (
        ".: 2 images in 2 classes are too few to have some for 'val' and 'test'; "
        "add images, or set data.val=none and data.test_fraction=0"
    )
    assert refusal(table(["a", "b"], splits=["test", "val"])) == (
        ".: 2 images in 2 classes are too few to have some for 'train'; add images"
    )
    assert sides_of(table(["a", "b"]), 0, 0) == ["train", "train"]


def test_groups_that_leave_a_side_empty_are_refused():
    labels = ["a", "b"] * 20
    assert refusal(table(labels, groups=["all"] * 40)) == (
        ".: 40 images in 2 classes and 1 group that must stay whole are too few to have some for "
        "'val' and 'test'; add images or name smaller groups, or set data.val=none and "
        "data.test_fraction=0"
    )
    assert refusal(table(labels, groups=["a", "b"] * 20), val=0) == (
        ".: 40 images in 2 classes and 2 groups that must stay whole are too few to have some for "
        "'test'; add images or name smaller groups, or set data.test_fraction=0"
    )
    assert sides_of(table(labels, groups=["all"] * 40), 0, 0) == ["train"] * 40


def test_conflicting_labels_that_leave_a_side_empty_are_refused():
    copies = np.repeat(np.arange(4), 2)
    assert refusal(table(["a", "b"] * 4), test=0, copies=copies) == (
        ".: 8 images in 2 classes (8 of them only for training, because copies have conflicting "
        "labels) are too few to have some for 'val'; add images, or set data.val=none"
    )


def taken_out(splits, copies):
    """What each image that was taken out is a copy of, by their places."""
    samples = table(["a", "b"] * (len(splits) // 2), splits=splits)
    original = copies_of_test(samples.with_copies(np.array(copies))).tolist()
    return {row: at for row, at in enumerate(original) if at >= 0}


def test_copies_of_test_images_are_taken_out_of_training_and_validation():
    splits = ["train", "val", "test", "test", "train", "val"]
    assert taken_out(splits, [7, 7, 7, 7, 5, 6]) == {0: 2, 1: 2}


def test_copies_of_validation_images_are_taken_out_of_training():
    assert taken_out(["val", "train", None, "train"], [3, 3, 3, 4]) == {1: 0, 2: 0}


def test_copies_on_one_side_stay():
    splits = ["train", "train", "val", "val", "test", "test"]
    assert taken_out(splits, [1, 1, 2, 2, 3, 3]) == {}


@FEW
@given(st.lists(st.tuples(st.integers(0, 9), st.sampled_from((None, *SPLITS))), min_size=1))
def test_after_copies_are_taken_out_none_straddles_and_the_test_is_whole(rows):
    samples = table(["a"] * len(rows), splits=[side for _, side in rows])
    copies = np.array([number for number, _ in rows])
    stays = copies_of_test(samples.with_copies(copies)) < 0
    reduced = Samples(samples.frame.filter(stays))
    where = {}
    for number, side in zip(copies[stays].tolist(), reduced.frame["split"], strict=True):
        assert where.setdefault(number, side or "train") == (side or "train")
    assert set(where) == {number for number, _ in rows}
    assert len(reduced.rows("test")) == len(samples.rows("test"))
