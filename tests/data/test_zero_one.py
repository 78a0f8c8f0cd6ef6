"""Columns of 0 and 1, a label each."""

import polars as pl
import pytest
from tablerows import labels_of, refusal, rows_of

from fieldmark.data.columns import Columns
from fieldmark.data.sources import Reading, read_listing
from fieldmark.task import ONE_LABEL, SEVERAL_LABELS


@pytest.mark.parametrize(
    ("yes", "no"), [("1", "0"), ("1.0", "0.0"), ("True", "False"), ("true", "0")]
)
def test_a_column_of_0_and_1_a_label(table, yes, no):
    source = table(
        f"image,cat,age,Big Dog,site\n1.jpg,{yes},3,{yes},A\n2.jpg,{no},4,{yes},B\n"
        f"3.jpg,{no},1,{no},A\n4.jpg,{yes},0,,A\n"
    )
    listing = read_listing(source)
    assert rows_of(listing) == [
        ("1.jpg", ["cat", "Big Dog"], None),
        ("2.jpg", ["Big Dog"], None),
        ("3.jpg", [], None),
        ("4.jpg", ["cat"], None),
    ]
    assert listing.samples.task is SEVERAL_LABELS
    assert listing.notes == (
        f"{source}: each of 2 columns of 0 and 1 is a label ('cat' and 'Big Dog')",
        f"{source}: in the columns of 0 and 1, 1 empty cell is 0",
    )
    assert listing.samples.frame["age"].to_list() == ["3", "4", "1", "0"]
    assert "cat" not in listing.samples.frame.columns


def test_columns_of_0_and_1_of_parquet_and_one_that_is_never_1(tmp_path, table):
    path = tmp_path / "t.parquet"
    columns = {"cat": [1, 0], "dog": [True, False], "elk": [0.0, 0.0], "split": ["train", "test"]}
    pl.DataFrame({"image": ["1.jpg", "2.jpg"], **columns}).write_parquet(path)
    table("")
    listing = read_listing(str(path))
    assert labels_of(listing) == [["cat", "dog"], []]
    assert listing.notes[-2:] == (
        f"{path}: each of 3 columns of 0 and 1 is a label ('cat', 'dog' and 'elk')",
        f"{path}: no row has 'elk', so there is no such class",
    )


def test_beside_a_column_of_labels_0_and_1_are_the_users_own(table):
    listing = read_listing(table("image,label,day,wet\n1.jpg,a,1,0\n2.jpg,b,0,1\n"))
    assert labels_of(listing) == [["a"], ["b"]]
    assert listing.samples.frame["wet"].to_list() == ["0", "1"]


def test_one_column_of_0_and_1_alone_is_no_label(table):
    source = table("image,cat\n1.jpg,1\n2.jpg,0\n")
    assert refusal(source).startswith(f"{source}: no column is of labels by its name")


def test_the_columns_that_are_named_are_the_labels_and_no_others(table):
    source = table("image,cat,flipped,dog,label\n1.jpg,1,1,0,x\n2.jpg,0,0,1,y\n3.jpg,1,0,1,x\n")
    listing = read_listing(source, Reading(columns=Columns(label="cat, Dog")))
    assert labels_of(listing) == [["cat"], ["dog"], ["cat", "dog"]]
    assert listing.samples.frame["flipped"].to_list() == ["1", "0", "0"]
    assert listing.samples.frame["label"].to_list() == ["x", "y", "x"]
    assert listing.notes == (
        f"{source}: each of 2 columns of 0 and 1 is a label ('cat' and 'dog')",
    )


def test_one_column_whose_name_has_a_comma_is_one(table):
    source = table('image,"cat,dog"\n1.jpg,a\n2.jpg,b\n')
    assert labels_of(read_listing(source, Reading(columns=Columns(label="cat,dog")))) == [
        ["a"],
        ["b"],
    ]


def test_a_named_column_that_is_not_there_or_holds_more_than_0_and_1_is_refused(table):
    source = table("image,cat,age\n1.jpg,1,3\n2.jpg,0,4\n")
    assert refusal(source, columns=Columns(label="cat,dgo")) == (
        f"{source}: there is no column 'dgo' (data.label_column); there are 'image', 'cat' and "
        "'age'"
    )
    assert refusal(source, columns=Columns(label="cat,age")) == (
        f"{source}: the column 'age' (data.label_column) holds more than 0 and 1, which each of "
        "several columns of labels must; name such columns, or one of labels"
    )


def test_of_labels_that_are_known_one_column_alone_is_one_and_another_column_is_the_users(table):
    known = Reading(known=("cat", "dog"), task="multi-label")
    source = table("image,cat\n1.jpg,1\n2.jpg,0\n")
    listing = read_listing(source, known)
    assert labels_of(listing) == [["cat"], []]
    assert listing.notes == (f"{source}: the column 'cat' of 0 and 1 is a label",)
    assert listing.unsaid == ("dog",)
    source = table("image,dog,flipped,cat\n1.jpg,1,1,0\n2.jpg,0,1,0\n")
    listing = read_listing(source, known)
    assert labels_of(listing) == [["dog"], []]
    assert listing.notes[0] == (
        f"{source}: 'flipped' of 0 and 1 is no label that is known; kept as yours"
    )
    assert listing.samples.frame["flipped"].to_list() == ["1", "1"]


def test_the_test_table_has_the_labels_of_the_others(table, tmp_path):
    source = table("image,cat,dog\n1.jpg,1,0\n2.jpg,1,1\n")
    (tmp_path / "test.csv").write_text("image,dog,cat\n3.jpg,1,0\n4.jpg,0,0\n")
    listing = read_listing(source, test=str(tmp_path / "test.csv"))
    assert labels_of(listing) == [["cat"], ["cat", "dog"], ["dog"], []]
    (tmp_path / "test.csv").write_text("image,dog\n3.jpg,1\n4.jpg,0\n")
    assert refusal(source, test=str(tmp_path / "test.csv")) == (
        "data.test: has no column for 'cat', so that nobody knows which of its images have it; "
        "add it, with 0 where an image has not, or name the labels to train on: "
        "data.label_column=A,B"
    )


def test_one_1_a_row_may_be_one_label_an_image(table):
    source = table("image,cat,dog\n1.jpg,1,0\n2.jpg,0,1\n3.jpg,0,0\n")
    listing = read_listing(source, Reading(task="single-label"))
    assert labels_of(listing) == [["cat"], ["dog"]]
    assert listing.samples.task is ONE_LABEL
    assert list(listing.left_out) == [f"{source}, line 4"]
