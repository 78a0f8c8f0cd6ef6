"""Lists of paths."""

import io

import pytest
from tablerows import refusal, rows_of

from fieldmark.data.images import SUFFIXES
from fieldmark.data.sources import read_listing
from fieldmark.errors import DataError
from fieldmark.use.inputs import find_images


@pytest.fixture
def photos(tmp_path):
    for path in ("cat/1.jpg", "dog/2 b.jpg"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(b"x")
    return tmp_path


def test_the_label_stands_behind_the_path(photos):
    path = photos / "l.txt"
    path.write_text("# remark\ncat/1.jpg 3\n\ndog/2 b.jpg\tred fox\n")
    listing = read_listing(str(path))
    assert rows_of(listing) == [("cat/1.jpg", ["3"], None), ("dog/2 b.jpg", ["red fox"], None)]
    assert listing.notes == (
        f"{path}: a list of 2 paths",
        f"{path}: the labels are what stands behind each path",
    )


def test_without_labels_they_are_the_folders_wherever_the_images_lie(photos, tmp_path):
    lists = tmp_path / "lists"
    lists.mkdir()
    path = lists / "l.txt"
    path.write_text(f"{photos}/cat/1.jpg\n..\\dog\\2 b.jpg\n")
    listing = read_listing(str(path))
    assert rows_of(listing) == [("cat/1.jpg", ["cat"], None), ("dog/2 b.jpg", ["dog"], None)]
    assert listing.samples.root == str(photos)


def test_a_list_that_names_no_image_is_refused(photos):
    path = photos / "l.txt"
    path.write_text("\n# nothing\n")
    assert refusal(path) == f"{path}: is empty; it should name an image a line"
    path.write_text("the readme\nof a folder\n")
    assert refusal(path) == (
        f"{path}: no line ends as a picture does ({', '.join(SUFFIXES)}); it should name an image "
        "a line"
    )


def test_predict_takes_a_list_that_comes_in_and_training_refuses_it(photos, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{photos}/cat/1.jpg\nnowhere.jpg\n"))
    found = find_images(["-"]).images
    assert [each.name for each in found] == [f"{photos}/cat/1.jpg", "nowhere.jpg"]
    assert refusal("-") == (
        "-: a list that comes in is for predict; write it into a .txt file, a path a line, and "
        "name that"
    )
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    with pytest.raises(DataError, match="standard input: is empty"):
        find_images(["-"])
