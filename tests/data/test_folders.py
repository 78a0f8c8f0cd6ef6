"""Folders of pictures: which layout is understood, what is passed over, and what is said."""

import os
from collections import Counter
from pathlib import Path

import pytest
from tablerows import refusal

from fieldmark.data import images
from fieldmark.data.sources import read_listing

SHARED = Path(__file__).parents[2].parent / "shared" / "data"
SUFFIXES = ", ".join(images.SUFFIXES)
HEADS = {
    "png": b"\x89PNG\r\n\x1a\n",
    "jpeg": b"\xff\xd8\xff\xe0",
    "gif": b"GIF89a",
    "webp": b"RIFF\x10\0\0\0WEBPVP8 ",
    "tiff": b"II*\0",
    "tiff of big end": b"MM\0*",
    "bmp": b"BM\x36\x03\0\0\0\0\0\0\x36\0\0\0\x28\0",
}


def put(root, *places):
    """Files that look like pictures by their names; a listing opens none."""
    for place in places:
        path = root / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def rows_of(listing):
    frame = listing.samples.frame
    labels = [(list(each) or [None])[0] for each in frame["labels"]]
    return list(zip(frame["path"], labels, frame["split"], strict=True))


def test_a_listing_opens_nothing(tmp_path):
    put(tmp_path, "cat/1.png", "dog/2.jpg")
    frame = read_listing(str(tmp_path)).samples.frame
    for column in ("hash", "width", "height", "row", "group", "caption"):
        assert frame[column].null_count() == 2


@pytest.mark.parametrize("wrapper", ["", "photos/", "photos/data/"])
def test_train_val_and_test_are_the_splits_below_any_wrapper(tmp_path, wrapper):
    sides = ("train", "val", "test")
    put(tmp_path, *(f"{wrapper}{side}/{label}/a.jpg" for side in sides for label in "xy"))
    listing = read_listing(str(tmp_path))
    assert sorted(rows_of(listing)) == sorted(
        (f"{wrapper}{side}/{label}/a.jpg", label, side) for side in sides for label in "xy"
    )
    where = f"'{wrapper}test', '{wrapper}train' and '{wrapper}val'"
    assert listing.notes == ((f"class folders are those in {where}",) if wrapper else ())


def test_class_folders_below_wrappers_are_found_and_that_is_said(tmp_path):
    put(tmp_path, "photos/data/cat/deep/1.jpg", "photos/data/dog/2.jpg", "photos/read.me")
    listing = read_listing(str(tmp_path))
    assert rows_of(listing) == [
        ("photos/data/cat/deep/1.jpg", "cat", None),
        ("photos/data/dog/2.jpg", "dog", None),
    ]
    assert listing.notes == (
        "class folders are those in 'photos/data'",
        "1 file is passed over: no pictures (.me)",
    )


def test_a_chain_that_ends_in_one_folder_of_pictures_is_one_class(tmp_path):
    put(tmp_path, "cat/spring/1.jpg")
    assert rows_of(read_listing(str(tmp_path))) == [("cat/spring/1.jpg", "cat", None)]


def test_a_folder_with_pictures_of_its_own_is_no_wrapper(tmp_path):
    put(tmp_path, "cat/0.jpg", "cat/spring/1.jpg", "cat/summer/2.jpg")
    assert {label for _, label, _ in rows_of(read_listing(str(tmp_path)))} == {"cat"}


def test_splits_that_are_wrapped_twice_are_looked_into(tmp_path):
    put(tmp_path, "training/training/n0/1.jpg", "training/training/n1/1.jpg")
    put(tmp_path, "validation/validation/n0/1.jpg", "validation/validation/n1/1.jpg")
    listing = read_listing(str(tmp_path), test="none")
    assert {(label, split) for _, label, split in rows_of(listing)} == {
        (label, split) for label in ("n0", "n1") for split in ("train", "val")
    }
    assert listing.notes == (
        "the folder 'validation' is the validation set (data.test=none)",
        "class folders are those in 'training/training' and 'validation/validation'",
    )


@pytest.mark.parametrize("more", ["0.jpg", "cat/0.jpg", "dog/0.jpg"])
def test_splits_that_hold_more_than_one_folder_are_not_looked_into(tmp_path, more):
    put(tmp_path, "train/cat/a/1.jpg", "train/cat/b/1.jpg", "test/cat/a/1.jpg", f"train/{more}")
    classes = ("cat", "dog") if "dog" in more else ("cat",)
    assert read_listing(str(tmp_path)).samples.classes == classes


def test_splits_of_one_class_with_a_folder_in_it_are_not_looked_into(tmp_path):
    put(tmp_path, "train/cat/deep/1.jpg", "test/cat/deep/1.jpg")
    assert read_listing(str(tmp_path)).samples.classes == ("cat",)


@pytest.mark.parametrize(
    ("other", "more"), [("test", ""), ("valid", " (data.test=none: it is for validation)")]
)
def test_beside_train_the_one_other_folder_is_the_test_set(tmp_path, other, more):
    put(tmp_path, "train/x/1.jpg", "train/y/1.jpg", f"{other}/x/1.jpg", f"{other}/y/1.jpg")
    listing = read_listing(str(tmp_path))
    assert Counter(split for _, _, split in rows_of(listing)) == {"train": 2, "test": 2}
    assert listing.notes == (
        f"the folder '{other}' is the test set; validation images are taken out of train{more}",
    )


def test_without_a_test_set_val_is_for_validation_and_test_is_not_used(tmp_path):
    put(tmp_path, *(f"{side}/{label}/1.jpg" for side in ("train", "val", "test") for label in "xy"))
    listing = read_listing(str(tmp_path), test="none")
    assert Counter(split for _, _, split in rows_of(listing)) == {"train": 2, "val": 2}
    assert listing.notes == (
        "the folder 'test' is not used (data.test=none)",
        "the folder 'val' is the validation set (data.test=none)",
    )


def test_what_is_hidden_or_no_picture_is_passed_over_and_counted(tmp_path):
    put(tmp_path, "cat/1.jpg", "dog/1.jpg", "cat/.DS_Store", ".git/x.jpg", "dog/._1.jpg")
    put(tmp_path, "__MACOSX/cat/1.jpg", "cat/@eaDir/1.jpg", "cat/a.txt", "dog/b.txt", "dog/c.xml")
    listing = read_listing(str(tmp_path))
    assert [path for path, _, _ in rows_of(listing)] == ["cat/1.jpg", "dog/1.jpg"]
    assert listing.left_out == {}
    assert listing.notes == (
        "5 hidden files and folders are passed over: '.DS_Store', '._1.jpg', '.git' and 2 more",
        "3 files are passed over: no pictures (.txt, .xml)",
    )


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
def test_a_file_without_a_suffix_is_a_picture_by_what_it_begins_with(tmp_path, head):
    put(tmp_path, "cat/1.jpg", "dog/1.jpg")
    for name in ("n9151jpg", "photo.jpg_large"):
        (tmp_path / "cat" / name).write_bytes(head.ljust(16, b"\0"))
    listing = read_listing(str(tmp_path))
    assert [path for path, _, _ in rows_of(listing)] == [
        "cat/1.jpg",
        "cat/n9151jpg",
        "cat/photo.jpg_large",
        "dog/1.jpg",
    ]
    assert listing.notes == ()


@pytest.mark.parametrize("head", [b"", b"BM", b"BMW is a car of", b"RIFF\x10\0\0\0WAVEfmt "])
def test_other_files_without_a_suffix_are_no_pictures(tmp_path, head):
    put(tmp_path, "cat/1.jpg", "dog/1.jpg")
    (tmp_path / "cat" / "README").write_bytes(head)
    listing = read_listing(str(tmp_path))
    assert len(listing.samples) == 2
    assert listing.notes == ("1 file is passed over: no pictures (no suffix)",)


def test_pictures_of_formats_that_are_not_read_are_left_out_by_name(tmp_path):
    put(tmp_path, "cat/1.jpg", "dog/1.jpg", "cat/2.JXL")
    (tmp_path / "cat" / "3.nef").write_bytes(b"II*\0".ljust(16, b"\0"))  # begins like a TIFF
    (tmp_path / "cat" / "4.jxl").write_bytes(HEADS["jpeg"].ljust(16, b"\0"))  # is a JPEG
    listing = read_listing(str(tmp_path))
    assert [path for path, _, _ in rows_of(listing)] == ["cat/1.jpg", "cat/4.jxl", "dog/1.jpg"]
    assert listing.left_out == {
        "cat/2.JXL": f"{tmp_path}/cat/2.JXL: is JPEG XL: it is not read; save it as JPEG or PNG",
        "cat/3.nef": f"{tmp_path}/cat/3.nef: is a camera's RAW file: it is not read; "
        "develop it, and save it as JPEG or PNG",
    }


def test_links_in_circles_end_and_are_said(tmp_path):
    put(tmp_path / "pets", "cat/1.jpg", "dog/1.jpg")
    root = tmp_path / "pets"
    (root / "up").symlink_to(tmp_path)
    (root / "cat" / "loop").symlink_to(root)
    (root / "dog" / "self").symlink_to(root / "dog" / "self")
    (root / "emu").symlink_to(root / "cat")
    listing = read_listing(str(root))
    assert [path for path, _, _ in rows_of(listing)] == ["cat/1.jpg", "dog/1.jpg"]
    assert listing.notes == (
        "links to folders that are read already, or that lead back up, are not followed: "
        "'cat/loop', 'dog/self', 'emu' and 'up'",
    )


def test_a_linked_class_folder_is_read_and_a_link_in_it_leads_nowhere_twice(tmp_path):
    put(tmp_path, "pets/cat/1.jpg", "store/dogs/1.jpg", "store/dogs/old/2.jpg", "store/secret.jpg")
    (tmp_path / "pets" / "dog").symlink_to(tmp_path / "store" / "dogs")
    (tmp_path / "store" / "dogs" / "old" / "again").symlink_to(tmp_path / "store")
    (tmp_path / "store" / "dogs" / "cats").symlink_to(tmp_path / "pets" / "cat")
    listing = read_listing(str(tmp_path / "pets"))
    assert rows_of(listing) == [
        ("cat/1.jpg", "cat", None),
        ("dog/1.jpg", "dog", None),
        ("dog/old/2.jpg", "dog", None),
    ]
    assert "'dog/cats' and 'dog/old/again'" in listing.notes[-1]


def test_a_link_from_elsewhere_to_above_the_root_is_not_followed(tmp_path):
    root = tmp_path / "a" / "pets"
    put(root, "cat/1.jpg")
    put(tmp_path, "store/1.jpg", "a/secret.jpg")
    (root / "dog").symlink_to(tmp_path / "store")
    (tmp_path / "store" / "above").symlink_to(tmp_path / "a")
    listing = read_listing(str(root))
    assert [path for path, _, _ in rows_of(listing)] == ["cat/1.jpg", "dog/1.jpg"]
    assert listing.notes[-1].endswith("are not followed: 'dog/above'")


def test_a_folder_that_two_links_lead_to_from_different_heights_is_read_once(tmp_path):
    put(tmp_path, "pets/cat/1.jpg", "store/dogs/1.jpg", "store/2.jpg")
    (tmp_path / "pets" / "ant").symlink_to(tmp_path / "store" / "dogs")
    (tmp_path / "pets" / "bee").symlink_to(tmp_path / "store")
    listing = read_listing(str(tmp_path / "pets"))
    assert [path for path, _, _ in rows_of(listing)] == ["ant/1.jpg", "bee/2.jpg", "cat/1.jpg"]


def test_two_links_to_one_folder_are_one_class(tmp_path):
    put(tmp_path, "pets/cat/1.jpg", "pets/fox/1.jpg", "store/1.jpg")
    for name in ("ant", "dog"):
        (tmp_path / "pets" / name).symlink_to(tmp_path / "store")
    assert read_listing(str(tmp_path / "pets")).samples.classes == ("ant", "cat", "fox")


def test_a_pipe_that_is_named_like_a_picture_is_not_opened(tmp_path):
    put(tmp_path, "cat/1.jpg", "dog/1.jpg")
    os.mkfifo(tmp_path / "cat" / "2.jpg")
    listing = read_listing(str(tmp_path))
    assert len(listing.samples) == 2
    assert listing.notes == ("1 file is passed over: no pictures (.jpg)",)


def test_a_folder_that_may_not_be_read_is_named(tmp_path, monkeypatch):
    put(tmp_path, "cat/1.jpg", "dog/deep/1.jpg")
    scandir = os.scandir

    def refuse(path):
        if Path(path).name == "deep":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert refusal(tmp_path) == (
        f"{tmp_path}/dog/deep: cannot be read (Permission denied); allow it, or take the folder out"
    )


def test_a_class_without_pictures_and_pictures_without_a_class_are_said(tmp_path):
    put(tmp_path, "data/cat/1.jpg", "data/dog/1.jpg", "loose.jpg", "data/other.jpg")
    put(tmp_path, "data/gnu/1.jxl")
    (tmp_path / "data" / "emu").mkdir()
    assert read_listing(str(tmp_path / "data")).notes == (
        f"no class is made of 'emu' and 'gnu': no pictures ({SUFFIXES}) there",
        "pictures outside of class folders are not used: 'other.jpg'",
    )


def test_a_folder_beside_the_splits_is_not_used(tmp_path):
    root = tmp_path / "one"
    put(root, "train/x/1.jpg", "train/y/1.jpg", "test/1.jpg", "test/2.jpg")
    note = f"beside the split folders, 'test' in {root} is not used"
    assert read_listing(str(root)).notes == (note,)
    other = tmp_path / "other"
    put(other, "train/x/1.jpg", "test/x/1.jpg", "extra/x/1.jpg")
    listing = read_listing(str(other))
    assert len(listing.samples) == 2
    assert listing.notes[1] == f"beside the split folders, 'extra' in {other} is not used"


def test_train_and_test_without_class_folders_are_no_classes(tmp_path):
    put(tmp_path, "train/1.jpg", "test/2.jpg")
    assert refusal(tmp_path) == (
        f"{tmp_path}: 'test' and 'train' hold pictures and no class folders; put the pictures of "
        "each class in a folder of its own"
    )
    put(tmp_path, "labels.csv")
    assert refusal(tmp_path).endswith(
        f"; or name the table that holds the labels: {tmp_path}/labels.csv"
    )


def test_an_empty_folder_is_told_how_it_should_look(tmp_path, monkeypatch):
    folder = tmp_path / "photos"
    folder.mkdir()
    like = "it should look like photos/cat/1.jpg, photos/dog/2.jpg"
    assert refusal(folder) == f"{folder}: holds no class folders with pictures; {like}"
    with monkeypatch.context() as there:
        there.chdir(folder)
        assert refusal(".") == f".: holds no class folders with pictures; {like}"
    put(folder, "cat/1.jxl")
    assert refusal(folder) == (
        f"{folder}: holds no class folders with pictures; {like} (.jxl files are not read)"
    )
    put(folder, "labels.csv", "1.jpg")
    assert refusal(folder) == (
        f"{folder}: holds no class folders with pictures; {like} (.jxl files are not read); or "
        f"name the table that holds the labels: {folder}/labels.csv"
    )


def test_one_folder_of_pictures_beside_a_table_is_no_class(tmp_path):
    put(tmp_path, "images/1.jpg", "a.csv", "b.tsv")
    assert refusal(tmp_path) == (
        f"{tmp_path}: holds one folder of pictures, 'images', beside 'a.csv' and 'b.tsv'; name the "
        f"table that holds the labels: {tmp_path}/a.csv"
    )


def test_pictures_without_class_folders_are_listed_where_labels_are_not_needed(tmp_path):
    put(tmp_path, "1.jpg", "2.jpg", "3.ico")
    listing = read_listing(str(tmp_path), labelled=False)
    assert rows_of(listing) == [("1.jpg", None, None), ("2.jpg", None, None)]
    assert listing.samples.classes == ()
    assert listing.notes == ("there are no class folders: the pictures have no labels",)
    assert list(listing.left_out) == ["3.ico"]


def test_labels_and_names_are_of_any_letters(tmp_path):
    labels = ["a cat", "Été à la mer", "one, two", "it's", 'the "dog"', "海", "0012", "dog", "0"]
    put(tmp_path, *(f"{label}/a b, c.png" for label in labels))
    assert read_listing(str(tmp_path)).samples.classes == tuple(sorted(labels))


def test_what_is_for_tables_is_refused_for_a_folder(tmp_path):
    put(tmp_path, "cat/1.jpg", "dog/1.jpg")
    assert refusal(tmp_path, images="x") == (
        f"{tmp_path}: '--images' is for tables of paths and labels; take it away, or name a table"
    )


def test_a_test_set_of_its_own_is_joined_and_leaves_val_for_validation(tmp_path):
    put(tmp_path, *(f"a/{side}/{label}/1.jpg" for side in ("train", "val") for label in "xy"))
    put(tmp_path, "b/later/x/1.jpg", "b/later/y/2.jpg")
    listing = read_listing(str(tmp_path / "a"), test=str(tmp_path / "b" / "later"))
    assert listing.samples.root == str(tmp_path.resolve())
    assert rows_of(listing) == [
        ("a/train/x/1.jpg", "x", "train"),
        ("a/train/y/1.jpg", "y", "train"),
        ("a/val/x/1.jpg", "x", "val"),
        ("a/val/y/1.jpg", "y", "val"),
        ("b/later/x/1.jpg", "x", "test"),
        ("b/later/y/2.jpg", "y", "test"),
    ]
    assert listing.notes == (
        f"the folder 'val' is the validation set (the test set is {tmp_path}/b/later)",
    )
    assert refusal(tmp_path / "a", test="gone.csv") == (
        "data.test=gone.csv: there is no such file; name one, or auto or none"
    )


@pytest.mark.parametrize(
    ("name", "train", "test"), [("monkeys10", 600, 200), ("imagenette10", 1500, 500)]
)
def test_real_photos_in_train_and_val(name, train, test):
    if not (SHARED / name).is_dir():
        pytest.skip("the photos do not lie beside the checkout")
    listing = read_listing(str(SHARED / name))
    assert len(listing.samples.rows("train")) == train
    assert len(listing.samples.rows("test")) == test
    assert len(listing.samples.classes) == 10
    assert listing.left_out == {}
    assert listing.notes == (
        "the folder 'val' is the test set; validation images are taken out of train "
        "(data.test=none: it is for validation)",
    )
    assert len(read_listing(str(SHARED / name), test="none").samples.rows("val")) == test


def test_labels_that_begin_the_names_of_files_are_offered_as_a_pattern(tmp_path):
    names = [
        f"photos/{name}_{number:03}.jpg" for name in ("fox", "red_deer") for number in range(4)
    ]
    put(tmp_path, *names)
    assert refusal(str(tmp_path / "photos")) == (
        f"{tmp_path}/photos: holds no class folders with pictures; it should look like "
        "photos/cat/1.jpg, photos/dog/2.jpg; where names of files are labels ('fox' and "
        "'red_deer'), add data.pattern='{label}_{}.jpg'"
    )
    put(tmp_path, "photos/img.jpg")
    assert refusal(str(tmp_path / "photos")).endswith("photos/cat/1.jpg, photos/dog/2.jpg")
