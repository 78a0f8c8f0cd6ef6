"""Tables of paths and labels: which column is what, which file is meant, which row is refused."""

import os
import unicodedata
from collections import Counter
from pathlib import Path

import polars as pl
import pytest
from tablerows import labels_of, refusal, rows_of

from fieldmark.data.columns import Columns
from fieldmark.data.sources import Reading, read_listing, read_pixels
from fieldmark.data.tables import Named, named_images, read_rows
from fieldmark.errors import DataError

CAPTIONS = Path(__file__).parents[2].parent / "shared" / "data" / "captions18"
needs_captions = pytest.mark.skipif(
    not CAPTIONS.is_dir(), reason="the captions do not lie beside the checkout"
)


@pytest.mark.parametrize(
    "header", ["image,label", "Path,Class", "FileName,Category", "ImageID,CLASS", "file,label"]
)
def test_columns_are_found_by_their_usual_names(table, header):
    listing = read_listing(table(f"{header}\n1.jpg,cat\n2.jpg,dog\n"))
    assert rows_of(listing) == [("1.jpg", ["cat"], None), ("2.jpg", ["dog"], None)]
    assert (listing.notes, listing.left_out) == ((), {})


def test_columns_are_found_by_the_names_that_are_given(table):
    source = table("id,breed,label,where,fold\n1.jpg,husky,x,A,train\n2.jpg,boxer,x,B,test\n")
    columns = Columns(image="id", label="Breed", group="where", split="fold")
    listing = read_listing(source, Reading(columns=columns))
    assert rows_of(listing) == [("1.jpg", ["husky"], "train"), ("2.jpg", ["boxer"], "test")]
    assert listing.samples.frame["group"].to_list() == ["A", "B"]
    assert listing.samples.frame["label"].to_list() == ["x", "x"]


def test_a_column_that_is_not_there_is_told_with_the_nearest(table):
    source = table("image,label\n1.jpg,cat\n")
    assert refusal(source, columns=Columns(label="lable")) == (
        f"{source}: there is no column 'lable' (data.label_column); did you mean 'label'?"
    )
    assert refusal(source, columns=Columns(group="site")) == (
        f"{source}: there is no column 'site' (data.group_column); there are 'image' and 'label'"
    )


def test_a_table_without_a_usual_column_is_told_what_there_is(table):
    source = table("image,lable,site\n1.jpg,cat,A\n")
    assert refusal(source) == (
        f"{source}: no column is of labels by its name (label, labels, class, classes, class_name, "
        "...) among 'image', 'lable' and 'site'; say which it is: data.label_column=lable"
    )
    source = table("x,label\nno file,cat\n")
    assert refusal(source) == (
        f"{source}: no column is of images by its name (image, path, filename, file, image_path, "
        "...) among 'x' and 'label'; say which it is: data.image_column=x"
    )


def test_of_two_usual_columns_the_choice_is_said(table):
    source = table("filename,path,label,category\na,1.jpg,cat,pet\nb,2.jpg,dog,pet\n")
    listing = read_listing(source)
    assert rows_of(listing) == [("1.jpg", ["cat"], None), ("2.jpg", ["dog"], None)]
    assert listing.notes == (
        f"{source}: the images are read from 'path', not from 'filename'; "
        "data.image_column=NAME says otherwise",
        f"{source}: the labels are read from 'label', not from 'category'; "
        "data.label_column=NAME says otherwise",
    )


def test_other_columns_are_kept_and_those_of_our_names_renamed(table):
    source = table("image,label,site,width,caption\n1.jpg,cat,A,640,a cat\n2.jpg,dog,,320,\n")
    listing = read_listing(source)
    frame = listing.samples.frame
    assert frame["site"].to_list() == ["A", None]
    assert frame["own_width"].to_list() == ["640", "320"]
    assert frame["width"].null_count() == 2
    assert frame["caption"].to_list() == ["a cat", None]
    assert frame["group"].null_count() == 2  # only what is named is a group
    assert listing.notes == (f"{source}: the column 'width' is kept as 'own_width'",)


def test_no_column_is_lost_to_a_name_that_is_taken(table):
    listing = read_listing(table("image,label,width,own_width\n1.jpg,cat,1,2\n2.jpg,dog,3,4\n"))
    frame = listing.samples.frame
    assert frame["own_width"].to_list() == ["2", "4"]
    assert frame["own_own_width"].to_list() == ["1", "3"]


@pytest.mark.parametrize(
    "label", ["0012", "1.0", "true", "nan", "a, b", "two dogs", "Été 海", "1e3"]
)
def test_a_label_is_the_text_that_stands_there(table, label):
    assert labels_of(read_listing(table(f'image,label\n1.jpg,"{label}"\n2.jpg,x\n'))) == [
        [label],
        ["x"],
    ]


def test_a_column_of_labels_may_hold_several_in_a_cell(table):
    source = table("image,labels\n1.jpg,red fox; elk\n2.jpg,elk\n")
    listing = read_listing(source)
    assert labels_of(listing) == [["red fox", "elk"], ["elk"]]
    assert listing.notes == (
        f"{source}: the labels in a cell of 'labels' are divided by semicolons",
    )


def test_rows_that_cannot_be_used_are_left_out_each_by_its_line(table, tmp_path):
    source = table(
        "image,label\n1.jpg,cat\n7.jpg,cat\n2.JPG,dog\n../x.jpg,cat\n/etc/x.jpg,cat\n,cat\n"
        "2.jpg,\nhttp://a.b/1.jpg,cat\n./1.jpg,cat\n3.jpg,cat\n4.jpg,dog\nsub/../3.jpg,dog\n"
    )
    listing = read_listing(source)
    assert rows_of(listing) == [("1.jpg", ["cat"], None), ("4.jpg", ["dog"], None)]
    outside = f"lies outside of {tmp_path}; name the folder that holds all images: --images DIR"
    reasons = {
        3: f"there is no file '7.jpg' in {tmp_path}; add it, or take the row out",
        4: f"there is no file '2.JPG' in {tmp_path}; did you mean '2.jpg'?",
        5: f"'../x.jpg' {outside}",
        6: f"'/etc/x.jpg' {outside}",
        7: "names no image; name one, or take the row out",
        8: "'2.jpg' has no label; give it one, or take the row out",
        9: "'http://a.b/1.jpg' lies in the web; download it, and name the file",
        10: "'1.jpg' stands in line 2 already; take one of the two out",
        11: "'3.jpg' is 'cat' here and 'dog' in line 13; keep one of the two",
        13: "'3.jpg' is 'dog' here and 'cat' in line 11; keep one of the two",
    }
    assert listing.left_out == {
        f"{source}, line {line}": f"{source}, line {line}: {reason}"
        for line, reason in reasons.items()
    }


def test_the_images_lie_beside_the_table_or_in_images_or_where_it_is_said(table, tmp_path):
    for place in ("images/5.jpg", "images/b/6.jpg", "else/7.jpg"):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_bytes(b"x")
    source = table("image,label\n1.jpg,a\n5.jpg,a\nb\\6.jpg,b\nimages/5.jpg,a\n")
    listing = read_listing(source)
    assert [path for path, _, _ in rows_of(listing)] == ["1.jpg", "images/5.jpg", "images/b/6.jpg"]
    assert list(listing.left_out) == [f"{source}, line 5"]  # the same image once more
    listing = read_listing(table("image,label\n7.jpg,a\n"), Reading(images=str(tmp_path / "else")))
    assert listing.samples.root == str(tmp_path.resolve() / "else")
    assert [path for path, _, _ in rows_of(listing)] == ["7.jpg"]
    assert refusal(source, images=str(tmp_path / "gone")) == (
        f"--images {tmp_path}/gone: there is no such folder; name the one of the images"
    )


def test_a_full_path_is_taken_where_it_leads_into_the_folder(table, tmp_path):
    source = table(f"image,label\n{tmp_path}/1.jpg,a\n{tmp_path}/../x.jpg,b\n")
    listing = read_listing(source)
    assert [path for path, _, _ in rows_of(listing)] == ["1.jpg"]
    assert list(listing.left_out) == [f"{source}, line 3"]


@pytest.mark.parametrize(("there", "written"), [("NFD", "NFC"), ("NFC", "NFD")])
def test_accents_may_be_composed_on_the_disk_or_in_the_table_only(table, tmp_path, there, written):
    on_disk, in_table = (unicodedata.normalize(form, "été.jpg") for form in (there, written))
    (tmp_path / on_disk).write_bytes(b"x")
    listing = read_listing(table(f"image,label\n{in_table},a\n1.jpg,b\n"))
    assert listing.left_out == {}
    assert (tmp_path / listing.samples.frame["path"][0]).is_file()


def test_a_folder_a_pipe_and_a_circle_are_no_files(table, tmp_path):
    (tmp_path / "5.jpg").mkdir()
    os.mkfifo(tmp_path / "6.jpg")
    (tmp_path / "7.jpg").symlink_to(tmp_path / "7.jpg")
    source = table("image,label\n1.jpg,a\n5.jpg,a\n6.jpg,a\n7.jpg,b\n")
    listing = read_listing(source)
    assert [path for path, _, _ in rows_of(listing)] == ["1.jpg"]
    assert len(listing.left_out) == 3


def test_a_table_of_which_no_image_is_there_is_told_the_way_out(table, tmp_path):
    source = table("image,label\n7.jpg,a\n8.jpg,b\n")
    assert refusal(source) == (
        f"{source}: none of its 2 images is in {tmp_path}; name the folder that they lie in: "
        "--images DIR"
    )
    source = table("image,label\n1.jpg,\n8.jpg,b\n")
    assert refusal(source) == (
        f"{source}: none of its 2 rows can be used; {source}, line 2: '1.jpg' has no label; give "
        "it one, or take the row out"
    )


def test_a_table_of_a_header_only_is_told(table):
    source = table("image,label\n")
    assert refusal(source) == f"{source}: names columns and has no rows; add a row for each image"


def test_a_folder_that_may_not_be_read_is_named(table, tmp_path, monkeypatch):
    source = table("image,label\n1.jpg,a\n")

    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", refuse)
    assert refusal(source) == (
        f"{tmp_path}: cannot be read (Permission denied); allow it, or take the folder out"
    )


def test_labels_are_not_needed_where_that_is_said(table):
    listing = read_listing(table("image,site\n1.jpg,A\n2.jpg,B\n"), labelled=False)
    assert labels_of(listing) == [[], []]
    assert listing.samples.frame["site"].to_list() == ["A", "B"]


def test_parquet_tables_keep_their_types_and_number_their_rows(table, tmp_path):
    path = tmp_path / "t.parquet"
    frame = pl.DataFrame(
        {
            "image": ["1.jpg", "2.jpg", "9.jpg", "3.jpg"],
            "label": pl.Series([7, 8, 8, None], dtype=pl.Int8),
            "weight": [0.5, 1.5, 2.5, 3.5],
        }
    )
    frame.write_parquet(path)
    listing = read_listing(str(path))
    assert rows_of(listing) == [("1.jpg", ["7"], None), ("2.jpg", ["8"], None)]
    assert listing.samples.frame["weight"].to_list() == [0.5, 1.5]
    assert listing.left_out == {
        f"{path}, row 2": f"{path}, row 2: there is no file '9.jpg' in {tmp_path}; add it, or take "
        "the row out",
        f"{path}, row 3": f"{path}, row 3: '3.jpg' has no label; give it one, or take the row out",
    }


@pytest.mark.parametrize(
    ("labels", "texts"),
    [
        (pl.Series([["a", "b"], ["b"]]), [["a", "b"], ["b"]]),
        (pl.Series([[1, 2], [2]]), [["1", "2"], ["2"]]),
        (pl.Series([1.0, 2.0]), [["1"], ["2"]]),
        (pl.Series([0.5, 2.0]), [["0.5"], ["2.0"]]),
        (pl.Series([True, False]), [["true"], ["false"]]),
        (pl.Series(["a", "b"], dtype=pl.Categorical), [["a"], ["b"]]),
    ],
)
def test_labels_of_parquet_become_text(table, tmp_path, labels, texts):
    path = tmp_path / "t.parquet"
    pl.DataFrame({"path": ["1.jpg", "2.jpg"], "class": labels}).write_parquet(path)
    assert labels_of(read_listing(str(path))) == texts


def test_labels_that_are_no_texts_are_refused(table, tmp_path):
    path = tmp_path / "t.parquet"
    frame = pl.DataFrame({"path": ["1.jpg"], "class": [{"a": 1}]})
    frame.write_parquet(path)
    assert refusal(path) == (
        f"{path}: the column 'class' holds Struct({{'a': Int64}}); it should hold texts or numbers"
    )
    path.write_bytes(b"PAR1")
    assert refusal(path).startswith(f"{path}: cannot be read as Parquet (")
    assert refusal(path).endswith("); copy it anew or take it out")


@needs_captions
def test_all_rows_of_the_captions_come_out_whether_or_not_their_images_are_there():
    samples, table, *_ = read_rows(CAPTIONS / "train.csv", Reading())
    frame = samples.frame
    assert (len(frame), table.left_out) == (30_000, {})
    counts = Counter(frame["labels"].list.len().to_list())
    assert counts == {1: 19377, 2: 6651, 3: 2563, 4: 978, 5: 339, 6: 81, 7: 11}
    assert len(samples.classes) == 18
    assert frame["caption"].null_count() == 0
    assert frame["caption"][0] == "Woman in swim suit holding parasol on sunny day."


@needs_captions
def test_the_captions_that_have_their_images_are_listed_with_a_test_set():
    train, test = (str(CAPTIONS / f"subset_{side}.csv") for side in ("train", "test"))
    listing = read_listing(train, test=test)
    samples = listing.samples
    assert (len(samples.rows("train")), len(samples.rows("test"))) == (1200, 300)
    assert (listing.left_out, len(samples.classes)) == ({}, 18)
    assert samples.frame["labels"].list.len().max() > 1
    assert read_pixels(samples.root, *samples.places()[0], None).shape[2] == 3


def test_every_row_of_a_table_without_labels_has_its_image_or_the_reason_in_order(table, tmp_path):
    source = table(
        'ImageID,Description\n3.jpg,"three, or ""so"""\n9.jpg,none\n1,\n3.jpg,again\n,nothing\n'
    )
    found, notes, columns = named_images(Path(source))
    assert (notes, columns) == ((), Columns(image="ImageID", caption="Description"))
    assert found == [
        Named("3.jpg", tmp_path / "3.jpg", caption='three, or "so"'),
        Named(
            "9.jpg",
            None,
            f"{source}, line 3: there is no file '9.jpg' in {tmp_path}; add it, or take the row "
            "out",
            "none",
        ),
        Named("1", tmp_path / "1.jpg"),
        Named("3.jpg", tmp_path / "3.jpg", caption="again"),
        Named(
            "", None, f"{source}, line 6: names no image; name one, or take the row out", "nothing"
        ),
    ]
    assert named_images(Path(table("ImageID\n2.jpg\n")))[0] == [Named("2.jpg", tmp_path / "2.jpg")]


def test_a_table_to_predict_of_which_a_row_cannot_be_told_is_refused(table, tmp_path):
    source = table("ImageID,Caption\n1.jpg,a, b\n2.jpg,c\n")
    with pytest.raises(DataError) as caught:
        named_images(Path(source))
    assert str(caught.value) == (
        f"{source}, line 2: has 3 cells and the first line has 2; put texts that hold commas "
        "between quotation marks"
    )
    source = table("ImageID\n8.jpg\n9.jpg\n")
    with pytest.raises(DataError) as caught:
        named_images(Path(source))
    assert str(caught.value) == (
        f"{source}: none of its 2 images is in {tmp_path}; name the folder that they lie in: "
        "--images DIR"
    )
    with pytest.raises(DataError) as caught:
        named_images(Path(source), images=str(tmp_path / "gone"))
    assert str(caught.value) == (
        f"--images {tmp_path}/gone: there is no such folder; name the one of the images"
    )


@needs_captions
def test_the_test_photos_are_named_in_the_order_of_their_table():
    found, _, _ = named_images(CAPTIONS / "subset_test.csv")
    assert [each.name for each in found[:3]] == ["56.jpg", "72.jpg", "76.jpg"]
    assert all(each.path.is_file() for each in found)
    assert found[0].caption == "A white and red bus on side of street."
    assert len({each.name for each in found}) == 300
