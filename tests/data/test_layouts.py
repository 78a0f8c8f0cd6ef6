"""What levels of folders mean: splits by other names, classes, sites, folds; or it is asked."""

from collections import Counter
from itertools import product

import pytest
from tablerows import refusal as told

from fieldmark.data.sources import Reading, read_listing
from fieldmark.data.splits import folds
from fieldmark.errors import DataError
from fieldmark.settings.data import DataSettings


def refusal(root, **settings):
    return told(root, **settings).replace(f"{root}", "DATA")


def put(root, *levels, number=2):
    """Files below every way through the levels; each is a list of names."""
    for way in product(*levels, [f"{k}.jpg" for k in range(number)]):
        path = root.joinpath(*way)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def counts(listing):
    frame = listing.samples.frame
    labels = [each[0] for each in frame["labels"].to_list()]
    return Counter(zip(labels, frame["split"].to_list(), frame["group"].to_list(), strict=True))


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("training_set", "test_set"),
        ("seg_train", "seg_test"),
        ("seg_train/seg_train", "seg_test/seg_test"),
        ("Train_Images", "Test_Images"),
        ("mydata-train", "mydata-test"),
        ("trainset", "testset"),
        ("tr", "te"),
        ("images/train", "images/test"),
    ],
)
def test_folders_of_splits_are_known_by_other_names(tmp_path, train, test):
    put(tmp_path, [train, test], ["cat", "dog"])
    found = counts(read_listing(str(tmp_path)))
    assert found == Counter({(c, s, None): 2 for c in ("cat", "dog") for s in ("train", "test")})


def test_each_class_may_hold_its_own_split(tmp_path):
    put(tmp_path, ["cat", "dog"], ["train", "val", "test"])
    listing = read_listing(str(tmp_path))
    assert counts(listing) == Counter(
        {(c, s, None): 2 for c in ("cat", "dog") for s in ("train", "val", "test")}
    )
    assert listing.notes == (
        "each class has a split of its own, in folders 'test', 'train' and 'val'; "
        "data.levels=class passes over it",
    )
    assert {
        split for _, split, _ in counts(read_listing(str(tmp_path), Reading(levels="class")))
    } == {None}


def test_a_class_without_the_split_that_the_others_hold_is_refused(tmp_path):
    put(tmp_path, ["cat", "dog"], ["train", "test"])
    put(tmp_path, ["emu"])
    assert refusal(tmp_path) == (
        "DATA: 'cat' and 'dog' have folders 'test' and 'train' for the split, and 'emu' has "
        "pictures beside them; move them, or pass over the split: data.levels=class"
    )


def test_classes_below_splits_below_two_folders_are_refused(tmp_path):
    put(tmp_path, ["images", "masks"], ["train", "val"], ["cat", "dog"])
    assert refusal(tmp_path) == (
        "DATA: 'images' and 'masks' each hold 'train' and 'val', with folders of classes in them; "
        "name the one that is meant, such as DATA/images"
    )


@pytest.mark.parametrize("sites", [["site1", "site 2", "Site_3"], ["2019", "2020-06", "2021"]])
def test_numbered_sites_and_dates_above_the_classes_are_no_classes(tmp_path, sites):
    put(tmp_path, sites, ["deer", "fox"])
    listing = read_listing(str(tmp_path))
    assert listing.samples.classes == ("deer", "fox")
    assert "so the classes are the folders below them ('deer' and 'fox')" in listing.notes[0]
    assert "data.levels=group/class keeps each whole" in listing.notes[0]
    grouped = read_listing(str(tmp_path), Reading(levels="group/class"))
    assert set(grouped.samples.frame["group"]) == set(sites)


def test_sites_below_the_classes_are_offered_as_groups(tmp_path):
    put(tmp_path, ["deer", "fox"], ["A01", "B07"])
    listing = read_listing(str(tmp_path))
    assert listing.samples.classes == ("deer", "fox")
    assert listing.notes == (
        "the classes hold the same folders, 'A01' and 'B07'; data.levels=class/group keeps the "
        "pictures of each on one side",
    )
    found = counts(read_listing(str(tmp_path), Reading(levels="class/group")))
    assert found == Counter({(c, None, g): 2 for c in ("deer", "fox") for g in ("A01", "B07")})


def test_classes_may_lie_below_two_levels_of_places(tmp_path):
    put(tmp_path, ["site1", "site2"], ["cam1", "cam2"], ["deer", "fox"])
    listing = read_listing(str(tmp_path))
    assert listing.samples.classes == ("deer", "fox")
    assert "data.levels=group/-/class" in listing.notes[0]


def test_sites_inside_of_a_split_are_no_classes_and_may_differ_by_side(tmp_path):
    put(tmp_path / "train", ["site1", "site2"], ["deer", "fox"])
    put(tmp_path / "test", ["site3", "site4"], ["deer", "fox"])
    listing = read_listing(str(tmp_path))
    assert listing.samples.classes == ("deer", "fox")
    assert "data.levels=split/group/class" in listing.notes[1]


@pytest.mark.parametrize(
    ("upper", "lower"),
    [
        (["north", "south", "west"], ["deer", "fox"]),
        (["color", "grayscale", "segmented"], ["rust", "scab"]),
        (["8863", "8864", "8865"], ["0", "1"]),
        (["person_1", "person_2", "person_3"], ["frontal", "profile"]),
    ],
)
def test_levels_that_may_be_either_are_refused_with_the_setting(tmp_path, upper, lower):
    put(tmp_path, upper, lower)
    first, second, third = upper
    assert refusal(tmp_path) == (
        f"DATA: '{first}', '{second}' and '{third}' hold the same folders ('{lower[0]}' and "
        f"'{lower[1]}'), and it is not clear which are the classes; write data.levels=group/class "
        f"where they are '{lower[0]}' and '{lower[1]}', or data.levels=class where they are "
        f"'{first}', '{second}' and 1 more"
    )
    assert read_listing(str(tmp_path), Reading(levels="-/class")).samples.classes == tuple(lower)
    assert read_listing(str(tmp_path), Reading(levels="class")).samples.classes == tuple(upper)
    with pytest.raises(DataError):  # inspect, too, asks
        read_listing(str(tmp_path), labelled=False)


def test_sites_whose_classes_do_not_repeat_are_refused_too(tmp_path):
    put(tmp_path / "site1", ["deer", "fox"])
    put(tmp_path / "site2", ["boar", "hare"])
    assert "'site1' and 'site2' are named like places, times or parts" in refusal(tmp_path)


@pytest.mark.parametrize("below", ["images", "JPEG"])
def test_one_folder_of_the_same_name_in_each_class_is_a_wrapper(tmp_path, below):
    put(tmp_path, ["cat", "dog", "emu"], [below])
    listing = read_listing(str(tmp_path))
    assert (listing.samples.classes, listing.notes) == (("cat", "dog", "emu"), ())


def test_a_side_that_holds_its_pictures_in_no_class_folders_makes_no_class(tmp_path):
    put(tmp_path / "train", ["n01", "n02"], ["images"])
    put(tmp_path, ["val", "test"], ["images"])
    listing = read_listing(str(tmp_path))
    assert listing.samples.classes == ("n01", "n02")
    assert "beside the split folders, 'test' and 'val' in" in listing.notes[0]


@pytest.mark.parametrize("below", [[], ["images"]])
def test_train_beside_folders_of_pictures_may_be_a_class(tmp_path, below):
    put(tmp_path / "train", below or ["diesel", "steam"])
    put(tmp_path, ["bus", "car"], *([below] if below else []))
    assert refusal(tmp_path) == (
        "DATA: 'bus' and 'car' hold pictures beside 'train', and it is not clear whether 'train' "
        "is a class or a split; write data.levels=class where it is a class, or "
        "data.levels=split/class where it is a split"
    )
    samples = read_listing(str(tmp_path), Reading(levels="class")).samples
    assert samples.classes == ("bus", "car", "train")


def test_train_beside_folders_that_hold_the_same_may_be_a_class(tmp_path):
    put(tmp_path, ["bus", "car", "train"], ["blue", "red"])
    assert refusal(tmp_path) == (
        "DATA: 'bus' and 'car' hold folders as 'train' does, and it is not clear whether 'train' "
        "is a class or a split; write data.levels=class where it is a class, or call the "
        "others val and test"
    )


@pytest.mark.parametrize(
    "names",
    [["trainA", "trainB", "testA", "testB"], ["cat_train", "cat_test", "dog_train", "dog_test"]],
)
def test_pictures_in_folders_named_like_sides_are_no_classes_unless_it_is_said(tmp_path, names):
    put(tmp_path, names)
    assert "are named like parts of a split and not like classes" in refusal(tmp_path)
    assert read_listing(str(tmp_path), Reading(levels="class")).samples.classes == tuple(
        sorted(names)
    )


def test_folds_are_no_classes_and_as_groups_are_the_folds_of_a_cross_validation(tmp_path):
    names = [f"fold{k}" for k in range(5)]
    put(tmp_path, names, ["cat", "dog", "emu"], number=3)
    listing = read_listing(str(tmp_path))
    assert listing.samples.classes == ("cat", "dog", "emu")
    assert listing.notes[0].endswith(
        "data.levels=group/class keeps each whole on one side of the split, and `fieldmark "
        "cross-validate --folds 5` with it goes by them"
    )
    samples = read_listing(str(tmp_path), Reading(levels="group/class")).samples
    dealt = folds(samples, k=5, seed=0)
    assert len(set(zip(samples.frame["group"], dealt.tolist(), strict=True))) == 5
    put(tmp_path / "flat", names)
    assert "'fold0', 'fold1', 'fold2', 'fold3' and 'fold4' are named like" in refusal(
        tmp_path / "flat"
    )


def test_folders_that_differ_by_blanks_or_coding_are_one_class_and_that_is_said(tmp_path):
    put(tmp_path / "train", ["cafe\u0301", "tea"])
    put(tmp_path / "test", ["café", "tea "])
    listing = read_listing(str(tmp_path))
    assert listing.samples.classes == ("café", "tea")
    assert set(listing.notes[1:]) == {
        "the folders 'cafe\\u0301' and 'café' are one class, 'café'",
        "the folders 'tea' and 'tea ' are one class, 'tea'",
    }


def test_folders_of_truth_and_numbers_have_the_texts_that_tables_have(tmp_path):
    put(tmp_path / "a", ["True", "False"])
    put(tmp_path / "b", ["1.0", "2.0"])
    assert read_listing(str(tmp_path / "a")).samples.classes == ("false", "true")
    listing = read_listing(str(tmp_path / "b"))
    assert listing.samples.classes == ("1", "2")
    assert listing.notes == (
        "2 classes of numbers or of true and false called as in tables: the folder '1.0' is '1'",
    )


@pytest.mark.parametrize("levels", ["", "site/class", "class/class", "split", "group/-"])
def test_levels_that_mean_nothing_are_refused(levels):
    with pytest.raises(ValueError, match="must have 'class' once"):
        DataSettings(source="x", levels=levels)


def test_levels_that_do_not_fit_are_refused(tmp_path):
    put(tmp_path, ["a", "b"], ["cat", "dog"])
    assert refusal(tmp_path, levels="split/class") == (
        "DATA: data.levels has a split at level 1, and there 'a' and 'b' name no split; call them "
        "train, val and test, or write '-' there"
    )
    assert refusal(tmp_path, levels="-/-/class") == (
        "DATA: no pictures lie so deep as data.levels=-/-/class says; count the levels from the "
        "folder that is named"
    )


def test_the_table_of_training_is_named_before_others(tmp_path):
    put(tmp_path, ["images"])
    for name in ("sample_submission.csv", "test.csv", "train.csv", "a.csv"):
        (tmp_path / name).write_text("x")
    assert refusal(tmp_path) == (
        "DATA: holds one folder of pictures, 'images', beside 'train.csv', 'a.csv', 'test.csv' and "
        "'sample_submission.csv'; name the table that holds the labels: DATA/train.csv"
    )


def test_levels_and_a_pattern_are_not_both_said(tmp_path):
    told = refusal(tmp_path, levels="class", pattern="{label}/{}")
    assert told == "DATA: data.levels and data.pattern both say what folders are; keep one"


def test_levels_read_folders_as_such_beside_a_table_of_another_tool(tmp_path):
    put(tmp_path, ("cat", "dog"), number=1)
    (tmp_path / "metadata.csv").write_text("file_name,label\ncat/0.jpg,lynx\ndog/0.jpg,fox\n")
    assert read_listing(str(tmp_path)).samples.classes == ("fox", "lynx")
    assert read_listing(str(tmp_path), Reading(levels="class")).samples.classes == ("cat", "dog")


@pytest.mark.parametrize("word", ["farm", "plate", "survey", "hospital"])
def test_folders_are_numbered_groups_by_every_word_that_columns_are(tmp_path, word):
    put(tmp_path, [f"{word} {k}" for k in range(3)], ["cow", "pig"])
    assert read_listing(str(tmp_path)).samples.classes == ("cow", "pig")


def test_words_of_several_are_no_numbered_groups(tmp_path):
    put(tmp_path, ["cards", "lines", "machines"], ["new", "old"])
    assert "and it is not clear which are the classes" in refusal(tmp_path)
