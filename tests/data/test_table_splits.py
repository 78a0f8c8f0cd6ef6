"""Tables that say of their rows for what they are: a column of splits, a table for the test."""

import polars as pl
import pytest
from tablerows import refusal, rows_of

from fieldmark.data.columns import Columns
from fieldmark.data.sources import Reading, read_listing
from fieldmark.data.splits import folds


def test_a_split_column_gives_the_splits(table):
    source = table(
        "image,label,split\n1.jpg,a,Train\n2.jpg,b,train\n3.jpg,a,validation\n4.jpg,a,test\n"
    )
    listing = read_listing(source)
    assert [split for _, _, split in rows_of(listing)] == ["train", "train", "val", "test"]
    assert listing.notes == ()
    assert read_listing(source, test="none").notes[:2] == (
        "the split 'test' is not used (data.test=none)",
        "the split 'val' is the validation set (data.test=none)",
    )


def test_train_and_one_other_in_a_split_column_is_a_test_set(table):
    listing = read_listing(table("image,label,split\n1.jpg,a,train\n2.jpg,a,val\n3.jpg,a,train\n"))
    assert [split for _, _, split in rows_of(listing)] == ["train", "test", "train"]
    assert listing.notes == (
        "the split 'val' is the test set; validation images are taken out of train "
        "(data.test=none: it is for validation)",
    )


def test_splits_without_train_are_none(table):
    listing = read_listing(table("image,label,split\n1.jpg,a,test\n2.jpg,b,test\n"))
    assert [split for _, _, split in rows_of(listing)] == [None, None]
    assert listing.notes == ("the splits are not used: there is 'test' and no 'train'",)


def test_rows_without_a_split_beside_test_rows_are_not_decided_yet(table):
    listing = read_listing(table("image,label,split\n1.jpg,a,test\n2.jpg,a,\n3.jpg,a,\n"))
    assert [split for _, _, split in rows_of(listing)] == ["test", None, None]


def test_a_fold_that_is_a_number_is_no_split(table):
    listing = read_listing(table("image,label,fold\n1.jpg,a,0\n2.jpg,b,1\n"))
    assert listing.samples.frame["fold"].to_list() == ["0", "1"]
    assert listing.samples.frame["split"].null_count() == 2


@pytest.mark.parametrize(("name", "word"), [("split", "tets"), ("fold", "tset"), ("split", "3")])
def test_an_unknown_word_among_the_splits_is_refused_with_its_line(table, name, word):
    rows = [f"{k}.jpg,a,{'train' if k < 3 else 'test'}" for k in range(1, 5)]
    source = table("\n".join([f"image,label,{name}", *rows, f"5.jpg,b,{word}"]))
    assert refusal(source) == (
        f"{source}, line 6: '{word}' in '{name}' is no split; write train, val or test, or rename "
        "the column where it means another thing"
    )


def test_a_split_column_of_numbers_alone_is_refused_and_not_dropped(table):
    source = table("image,label,partition\n1.jpg,a,0\n2.jpg,b,2\n")
    assert "line 2: '0' in 'partition' is no split" in refusal(source)


@pytest.mark.parametrize(
    ("word", "split"),
    [("holdout", "test"), ("Hold-Out", "test"), ("eval", "val"), ("evaluation", "val")],
)
def test_other_words_for_validation_and_test_are_read(table, word, split):
    other = "val" if split == "test" else "test"
    source = table(f"image,label,split\n1.jpg,a,train\n2.jpg,b,{word}\n3.jpg,b,{other}\n")
    assert [side for _, _, side in rows_of(read_listing(source))] == ["train", split, other]


@pytest.mark.parametrize(
    ("name", "yes", "no"), [("is_valid", "True", "False"), ("is_test", "1", "0")]
)
def test_a_column_of_yes_and_no_gives_the_splits(table, tmp_path, name, yes, no):
    source = table(f"image,label,{name}\n1.jpg,a,{no}\n2.jpg,b,{yes}\n3.jpg,b,{no}\n")
    found = read_listing(source, test="none" if name == "is_valid" else "auto")
    side = "val" if name == "is_valid" else "test"
    assert [split for _, _, split in rows_of(found)] == ["train", side, "train"]
    typed = tmp_path / "typed.parquet"
    frame = pl.DataFrame({"image": ["1.jpg", "2.jpg"], "label": ["a", "b"], name: [False, True]})
    frame.write_parquet(typed)
    again = read_listing(str(typed), test="none" if name == "is_valid" else "auto")
    assert [split for _, _, split in rows_of(again)] == ["train", side]
    wrong = table(f"image,label,{name}\n1.jpg,a,{no}\n2.jpg,b,maybe\n")
    assert f"line 3: 'maybe' in '{name}' is no split; write true or false" in refusal(wrong)


@pytest.mark.parametrize("name", ["valid", "val", "test", "holdout"])
def test_a_bare_name_that_claims_most_rows_is_no_split_until_it_is_named(table, name):
    source = table(f"image,label,{name}\n1.jpg,a,yes\n2.jpg,b,yes\n3.jpg,b,no\n")
    listing = read_listing(source)
    assert [split for _, _, split in rows_of(listing)] == [None] * 3
    assert listing.notes == (
        f"{source}: '{name}' of yes and no is not used as a split, because it has more yes than "
        f"no; data.split_column={name} says that it is one",
    )
    named = read_listing(source, Reading(columns=Columns(split=name)))
    assert rows_of(named)[2][2] == "train"


def test_columns_of_yes_and_no_give_the_splits_together_and_claim_no_row_twice(table):
    head = "image,label,is_valid,is_test\n1.jpg,a,0,1\n2.jpg,b,1,0\n3.jpg,b,0,0\n"
    listing = read_listing(table(head))
    assert [side for _, _, side in rows_of(listing)] == ["test", "val", "train"]
    source = table(f"{head}4.jpg,a,1,1\n")
    assert refusal(source) == (
        f"{source}, line 5: 'is_valid' and 'is_test' both claim the image; say yes in one of them"
    )


def test_a_split_column_that_is_named_must_hold_splits(table):
    source = table("image,label,part\n1.jpg,a,train\n2.jpg,b,reserve\n")
    assert refusal(source, columns=Columns(split="part")) == (
        f"{source}, line 3: 'reserve' in 'part' is no split; write train, val or test"
    )
    source = table("image,label,part\n1.jpg,a,\n2.jpg,b,\n")
    assert refusal(source, columns=Columns(split="part")) == (
        f"{source}: the column 'part' is empty; fill in train, val or test"
    )


def test_one_image_in_two_splits_stays_in_both(table):
    source = table("image,label,split\n1.jpg,a,train\n2.jpg,a,train\n1.jpg,a,test\n1.jpg,a,train\n")
    listing = read_listing(source)
    assert [(path, split) for path, _, split in rows_of(listing)] == [
        ("1.jpg", "train"),
        ("2.jpg", "train"),
        ("1.jpg", "test"),
    ]
    assert list(listing.left_out) == [f"{source}, line 5"]


def test_a_test_table_of_its_own_is_the_test_set(table, tmp_path):
    (tmp_path / "later").mkdir()
    (tmp_path / "later" / "9.jpg").write_bytes(b"x")
    first = table("image,label,split,site\n1.jpg,a,train,X\n2.jpg,b,val,Y\n3.jpg,b,test,Y\n")
    second = table("image,label,camera\n9.jpg,a,C\n", "later/test.csv")
    listing = read_listing(first, test=second)
    assert rows_of(listing) == [
        ("1.jpg", ["a"], "train"),
        ("2.jpg", ["b"], "val"),
        ("later/9.jpg", ["a"], "test"),
    ]
    assert listing.samples.frame["site"].to_list() == ["X", "Y", None]
    assert listing.samples.frame["camera"].to_list() == [None, None, "C"]
    assert listing.notes[:2] == (
        f"the split 'test' is not used (the test set is {second})",
        f"the split 'val' is the validation set (the test set is {second})",
    )


def test_rows_without_a_split_are_for_training_beside_a_test_table(table):
    listing = read_listing(
        table("image,label\n1.jpg,a\n"), test=table("image,label\n2.jpg,a\n", "u.csv")
    )
    assert [split for _, _, split in rows_of(listing)] == ["train", "test"]


def test_digits_and_a_test_table_do_not_join(table):
    assert refusal("digits", test=table("image,label\n1.jpg,a\n")) == (
        "data.test: a built-in data set and a test set of files do not join"
    )


# ------------------------------------------------------------------ other names and numbers


@pytest.mark.parametrize("name", ["usage", "phase", "data_split", "what for"])
def test_a_column_whose_words_are_splits_is_one_whatever_its_name(table, name):
    source = table(f"image,label,{name}\n1.jpg,a,Training\n2.jpg,b,PublicTest\n3.jpg,b,Training\n")
    listing = read_listing(source)
    assert [side for _, _, side in rows_of(listing)] == ["train", "test", "train"]
    assert listing.notes[1] == (
        f"{source}: the split is read from '{name}', whose words are splits; rename them where "
        "they mean another thing"
    )


def test_a_slip_in_a_column_of_splits_of_another_name_is_refused_with_its_line(table):
    source = table("image,label,usage\n1.jpg,a,train\n2.jpg,b,test\n3.jpg,b,tset\n")
    assert refusal(source) == (
        f"{source}, line 4: 'tset' in 'usage' is no split; write train, val or test, or rename "
        "the column where it means another thing"
    )


@pytest.mark.parametrize(
    ("name", "yes", "no"), [("valid", "val", "train"), ("is_train", "train", "test")]
)
def test_other_columns_of_yes_and_no_are_splits_beside_labels(table, name, yes, no):
    source = table(f"image,label,{name}\n1.jpg,a,0\n2.jpg,b,1\n3.jpg,b,0\n")
    sides = [side for _, _, side in rows_of(read_listing(source, test="none"))]
    expected = [no, yes, no]
    assert sides == ([yes] if no == "test" else expected)  # data.test=none leaves the test out


def test_a_column_of_0_and_1_a_side_gives_the_split(table):
    source = table(
        "image,label,train,val,test\n1.jpg,a,1,0,0\n2.jpg,b,0,1,0\n3.jpg,b,0,0,1\n4.jpg,a,1,0,0\n"
    )
    listing = read_listing(source)
    assert [side for _, _, side in rows_of(listing)] == ["train", "val", "test", "train"]
    assert f"{source}: the split is read from 'train', 'val' and 'test', of yes and no" in (
        listing.notes
    )


def test_a_class_that_is_called_train_is_a_label_among_columns_of_0_and_1(table):
    listing = read_listing(table("image,train,bus\n1.jpg,1,0\n2.jpg,0,1\n3.jpg,1,1\n"))
    assert listing.samples.classes == ("bus", "train")
    assert listing.samples.frame["split"].null_count() == 3


@pytest.mark.parametrize("other", ["set", "split_2", "is_test"])
def test_two_columns_of_splits_must_agree_and_the_refusal_names_the_line(table, other):
    cells = ["0", "1", "1"] if other == "is_test" else ["train", "test", "test"]
    rows = zip("123", ["train", "test", "train"], cells, strict=True)
    lines = [f"{k}.jpg,a,{one},{two}" for k, one, two in rows]
    source = table("\n".join([f"image,label,split,{other}", *lines]))
    assert refusal(source) == (
        f"{source}: 'split' and '{other}' both give splits, and differ in {source}, line 4 "
        "('train' and 'test' for one); say which is meant: data.split_column=split"
    )
    named = read_listing(source, Reading(columns=Columns(split="split")))
    assert [side for _, _, side in rows_of(named)] == ["train", "test", "train"]
    agreed = table("\n".join([f"image,label,split,{other}", *lines[:2]]))
    assert [side for _, _, side in rows_of(read_listing(agreed))] == ["train", "test"]


@pytest.mark.parametrize("name", ["fold", "kfold", "cv_fold"])
@pytest.mark.parametrize("cell", ["{}", "fold{}"])
def test_numbers_of_folds_are_told_and_are_the_folds_as_groups(table, name, cell):
    rows = [f"{k}.jpg,{'ab'[k % 2]},{cell.format(k % 2)}" for k in range(1, 5)]
    source = table("\n".join([f"image,label,{name}", *rows]))
    told = (
        f"{source}: '{name}' numbers 2 folds and is no split; data.group_column={name} keeps each "
        "on one side, and `fieldmark cross-validate --folds 2` with it goes by them"
    )
    assert read_listing(source).notes == (told,)
    assert refusal(source, columns=Columns(split=name)) == told
    samples = read_listing(source, Reading(columns=Columns(group=name))).samples
    dealt = folds(samples, k=2, seed=0).tolist()
    assert len(set(zip(samples.frame["group"], dealt, strict=True))) == 2
