"""Data in memory becomes one file, which is a source as any other."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from fieldmark.data.given import images_of, is_given, keep
from fieldmark.data.images import decode
from fieldmark.data.sources import Reading, content_of, read_listing
from fieldmark.errors import DataError

PIXELS = np.arange(4 * 5 * 6 * 3, dtype=np.uint8).reshape(4, 5, 6, 3)


def listed(kept):
    return read_listing(kept.source, Reading(images=kept.images))


def pixels_of(listing):
    samples = listing.samples
    places = samples.places()
    return [decode(content_of(samples.root, *place), "one") for place in places]


def labels_of(listing):
    return [each[0] for each in listing.samples.frame["labels"]]


def drawn(folder, names=("cat/1.png", "cat/2.png", "dog/1.png")):
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(PIXELS[number]).save(folder / name)
    return [str(folder / name) for name in names]


class Pandas:
    """What pandas' data frames look like from outside."""

    def __init__(self, columns, index=None):
        self.index = type("Index", (), {"names": [index]})()
        self._columns, self.columns = columns, list(columns)
        self.iloc = self

    def __getitem__(self, place):
        return Column(self._columns[self.columns[place[1]]])

    def reset_index(self):
        return Pandas({self.index.names[0]: [10, 11, 12], **self._columns})


class Column:
    def __init__(self, cells):
        self._cells = cells

    def tolist(self):
        return self._cells

    def isna(self):
        return Column([cell is None or cell != cell for cell in self._cells])


def test_arrays_with_labels_lose_no_bit_and_are_found_again(tmp_path):
    kept = keep(PIXELS, np.array([3, 3, 7, 7]), tmp_path)
    assert kept.images is None
    assert Path(kept.source).parent == tmp_path / "given"
    listing = listed(kept)
    assert labels_of(listing) == ["3", "3", "7", "7"]
    assert listing.notes == ()
    np.testing.assert_array_equal(np.stack(pixels_of(listing)), PIXELS)
    stamp = Path(kept.source).stat().st_mtime_ns
    assert keep(PIXELS.copy(), [3, 3, 7, 7], tmp_path) == kept
    assert keep(PIXELS, np.array([[3], [3], [7], [7]]), tmp_path) == kept
    assert Path(kept.source).stat().st_mtime_ns == stamp  # not written again
    assert keep(PIXELS, [3, 3, 7, 8], tmp_path).source != kept.source
    assert keep(PIXELS + 1, [3, 3, 7, 7], tmp_path).source != kept.source


def test_every_form_of_the_same_images_is_the_same_pixels(tmp_path):
    files = [Path(path).read_bytes() for path in drawn(tmp_path)]
    some = PIXELS[:3]
    for images in (
        some,
        list(some),
        [Image.fromarray(each) for each in some],
        files,
        [some[0], Image.fromarray(some[1]), files[2]],
    ):
        pairs = zip(images, "aab", strict=True)
        for given in (keep(images, "aab", tmp_path), keep(pairs, None, tmp_path)):
            listing = listed(given)
            assert labels_of(listing) == ["a", "a", "b"]
            np.testing.assert_array_equal(np.stack(pixels_of(listing)), some)


def test_gray_images_are_gray_with_or_without_a_channel(tmp_path):
    gray = PIXELS[..., 0]
    for images in (gray, gray[..., None]):
        found = pixels_of(listed(keep(images, "aabb", tmp_path)))
        np.testing.assert_array_equal(np.stack(found), np.repeat(gray[..., None], 3, axis=3))


def test_several_labels_an_image_are_lists(tmp_path):
    kept = keep(PIXELS, [["a", "b"], ("a",), {"b"}, []], tmp_path)
    listing = listed(kept)
    assert listing.samples.task.several
    assert [list(each) for each in listing.samples.frame["labels"]] == [
        ["a", "b"],
        ["a"],
        ["b"],
        [],
    ]


def test_a_list_of_paths_and_labels_is_a_table_below_their_own_folder(tmp_path, monkeypatch):
    paths = drawn(tmp_path / "photos")
    kept = keep([(path, Path(path).parent.name) for path in paths], None, tmp_path)
    assert kept.images == str(tmp_path / "photos")
    assert pl.read_parquet(kept.source).to_dict(as_series=False) == {
        "image": ["cat/1.png", "cat/2.png", "dog/1.png"],
        "label": ["cat", "cat", "dog"],
    }
    assert labels_of(listed(kept)) == ["cat", "cat", "dog"]
    (tmp_path / "photos" / "cat" / "3.png").touch()  # whoever chose rows knows of others
    assert listed(kept).spare == {}
    monkeypatch.chdir(tmp_path)
    relative = [(Path(path).relative_to(tmp_path), Path(path).parent.name) for path in paths]
    assert keep(relative, None, tmp_path) == kept
    assert keep(paths, ["cat", "cat", "dog"], tmp_path) == kept


def test_a_data_frame_is_a_table_with_all_its_columns(tmp_path):
    paths = drawn(tmp_path / "photos")
    frame = {
        "file": paths,
        "label": ["cat", "cat", "dog"],
        "site": ["a", None, "b"],
        "split": ["train", "train", "test"],
    }
    for given in (pl.DataFrame(frame), pl.LazyFrame(frame), Pandas(frame)):
        kept = keep(given, None, tmp_path)
        table = pl.read_parquet(kept.source)
        assert table["file"].to_list() == ["cat/1.png", "cat/2.png", "dog/1.png"]
        assert table["site"].to_list() == ["a", None, "b"]
    kept = keep(Pandas(frame, index="number"), None, tmp_path)
    assert pl.read_parquet(kept.source).columns == ["number", *frame]


def test_a_real_frame_of_pandas_is_read_without_being_needed(tmp_path):
    pandas = pytest.importorskip("pandas")
    paths = drawn(tmp_path / "photos")
    frame = pandas.DataFrame({"image": [Path(path) for path in paths], "label": [1, 1, 2]})
    frame["note"] = pandas.Series(["x", None, "y"], dtype="string")
    frame["kind"] = frame["note"].astype("category")
    listing = listed(keep(frame, None, tmp_path))
    assert labels_of(listing) == ["1", "1", "2"]
    assert listing.samples.frame["note"].to_list() == ["x", None, "y"]
    assert listing.samples.frame["kind"].to_list() == ["x", None, "y"]


def test_a_column_of_pictures_in_a_data_frame_is_read_with_its_splits(tmp_path):
    frame = pl.DataFrame(
        {
            "image": pl.Series([Image.fromarray(each) for each in PIXELS], dtype=pl.Object),
            "label": list("abab"),
            "split": ["train", "train", "test", "test"],
        }
    )
    listing = listed(keep(frame, None, tmp_path))
    np.testing.assert_array_equal(np.stack(pixels_of(listing)), PIXELS)
    assert listing.samples.frame["split"].to_list() == ["train", "train", "test", "test"]


def test_images_and_labels_are_one_pair_too(tmp_path):
    once = keep(PIXELS, list("aabb"), tmp_path)
    assert keep((PIXELS, list("aabb")), None, tmp_path).source == once.source
    two = keep(PIXELS[:2], list("ab"), tmp_path)
    assert keep((PIXELS[:2], np.array(list("ab"))), None, tmp_path).source == two.source


def test_one_list_among_labels_makes_all_of_them_lists(tmp_path):
    listing = listed(keep(PIXELS, ["a", ["a", "b"], "b", []], tmp_path))
    assert listing.samples.frame["labels"].to_list() == [["a"], ["a", "b"], ["b"], []]


@pytest.mark.parametrize(
    ("data", "labels", "sentence"),
    [
        (
            PIXELS.astype(np.float32),
            "aabb",
            "data: is an array of shape (4, 5, 6, 3) and float32; give (N, height, width) or "
            "(N, height, width, 3) of uint8; its numbers are from 0 to 255: images.astype('uint8')",
        ),
        (
            PIXELS.transpose(0, 3, 1, 2),
            "aabb",
            "data: is an array of shape (4, 3, 5, 6) and uint8; give (N, height, width) or "
            "(N, height, width, 3) of uint8: images.transpose(0, 2, 3, 1)",
        ),
        (
            PIXELS[0, 0],
            "a",
            "data: is an array of shape (6, 3) and uint8; give (N, height, width) or "
            "(N, height, width, 3) of uint8",
        ),
        (
            PIXELS,
            np.eye(4),
            "labels: is an array of shape (4, 4); give one label an image, as of 0 and 1 in "
            "columns labels.argmax(axis=1), or of several labels a list of them for each image",
        ),
        (PIXELS, "aab", "labels: are 3 for 4 images; give one for each"),
        (
            PIXELS,
            None,
            "data: item 0 is no pair (image, label); give pairs, or the labels beside the images: "
            "fieldmark.train(images, labels)",
        ),
        ([], None, "data: has no rows; give an image and a label in each"),
        (
            7,
            None,
            "data: is of type int; give a folder, a table, a data frame, an array of images with "
            "labels, or a list of (image, label)",
        ),
        (
            [("a.png", "x"), (PIXELS[0], "y")],
            None,
            "data: 'image' has a picture in one row and 'a.png' in row 0; give all images as "
            "paths, or all as pictures",
        ),
        (
            [(PIXELS[0] / 255, "y")],
            None,
            "data: 'image' in row 0 is an array of shape (5, 6, 3) and float64; give "
            "(height, width) or (height, width, 3) of uint8; its numbers are from 0 to 0.34902: "
            "(255 * image).round().astype('uint8')",
        ),
        (
            PIXELS.transpose(0, 3, 1, 2) / 255,
            "aabb",
            "data: is an array of shape (4, 3, 5, 6) and float64; give (N, height, width) or "
            "(N, height, width, 3) of uint8; its numbers are from 0 to 1: "
            "(255 * images).round().astype('uint8').transpose(0, 2, 3, 1)",
        ),
        (
            PIXELS / 127.5 - 1,
            "aabb",
            "data: is an array of shape (4, 5, 6, 3) and float64; give (N, height, width) or "
            "(N, height, width, 3) of uint8; its numbers are from -1 to 1: "
            "(127.5 * (images + 1)).round().astype('uint8')",
        ),
        (
            PIXELS * np.nan,
            "aabb",
            "data: is an array of shape (4, 5, 6, 3) and float64; give (N, height, width) or "
            "(N, height, width, 3) of uint8",
        ),
        (
            PIXELS,
            ["a", {"b": 1}, "a", "b"],
            "labels: that of image 1 is {'b': 1}, of type dict; give a text, a number or a list",
        ),
        (
            pl.DataFrame({"image": ["a.png"], "label": ["x"]}),
            ["x"],
            "labels: a data frame has a column for them; leave `labels` out",
        ),
    ],
)
def test_what_cannot_be_read_is_told_in_a_sentence(tmp_path, data, labels, sentence):
    with pytest.raises(DataError) as caught:
        keep(data, labels, tmp_path)
    assert str(caught.value) == sentence
    assert not list(tmp_path.iterdir())


def test_a_path_or_a_name_is_not_data():
    assert [is_given(each) for each in ("digits", Path("photos"), None, [], PIXELS)] == [
        *(False, False, False),
        *(True, True),
    ]
    assert images_of(np.array(["a.png", "b.png"])) == ["a.png", "b.png"]
