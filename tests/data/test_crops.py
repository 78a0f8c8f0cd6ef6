"""Boxes in place of pictures: geometry, MegaDetector's two files, groups, what is left out."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from pictures import encoded
from PIL import Image

from fieldmark.cache import Cache
from fieldmark.console import Console
from fieldmark.data.asked_images import listed_of
from fieldmark.data.boxes import Box, cut, parted
from fieldmark.data.crops import finder_of
from fieldmark.data.images import PictureError, decode
from fieldmark.data.intake import take_in
from fieldmark.data.left_out import left_out_findings
from fieldmark.data.scan import scan
from fieldmark.data.sources import read_listing, read_pixels
from fieldmark.errors import DataError
from fieldmark.rundir import RunDir
from fieldmark.runs.unlabelled import check_predict
from fieldmark.settings.data import DataSettings
from fieldmark.settings.layers import read
from fieldmark.settings.texts import read_given, to_yaml
from fieldmark.use.asked import crops_note
from fieldmark.use.inputs import find_images


def png(pixels):
    return encoded(Image.fromarray(pixels))


def ramp(height=60, width=100):
    """A picture whose red is the column and green the row."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([columns, rows, np.zeros_like(rows)], axis=2).astype(np.uint8)


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        (Box(0.2, 0.5, 0.1, 0.1), (20, 28, 10)),  # 10 x 6 at (20, 30): a square of 10 around it
        (Box(20, 30, 10, 6, pixels=True), (20, 28, 10)),
        (Box(0.0, 0.0, 0.1, 0.1), (0, 0, 10)),  # moved into the picture
        (Box(0.95, 0.9, 0.05, 0.1), (94, 54, 6)),
        (Box(0.5, 0.5, 0.0, 0.0), (50, 30, 1)),  # a point is a pixel
    ],
)
def test_a_box_is_the_square_around_it_within_the_picture(box, expected):
    left, top, side = expected
    pixels = decode(cut(png(ramp()), "a.png", box), "a.png")
    assert np.array_equal(pixels, ramp()[top : top + side, left : left + side])


def test_a_box_longer_than_the_picture_takes_its_whole_side():
    pixels = decode(cut(png(ramp()), "a.png", Box(0.1, 0.2, 0.8, 0.5)), "a.png")
    assert pixels.shape == (60, 80, 3)


def test_a_box_is_of_the_upright_picture():
    image, stream = Image.fromarray(ramp()), io.BytesIO()
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(stream, "PNG", exif=exif)
    upright = decode(stream.getvalue(), "a.png")
    assert upright.shape == (100, 60, 3)
    pixels = decode(cut(stream.getvalue(), "a.png", Box(0.5, 0.5, 0.1, 0.06)), "a.png")
    assert np.array_equal(pixels, upright[50:56, 30:36])


def test_a_box_outside_of_the_picture_is_refused():
    with pytest.raises(PictureError) as caught:
        cut(png(ramp()), "a.png#x", Box(200, 10, 20, 20, pixels=True))
    assert str(caught.value) == (
        "a.png#x: the box lies outside of the picture of 100 x 60 pixels; correct it"
    )


def test_the_end_of_a_path_says_the_box():
    box = Box(0.25, 0.5, 0.125, 0.1)
    assert box.fragment() == "#xywh=percent:25,50,12.5,10"
    assert Box(1234567.25, -3, 1e99, 0.5, pixels=True).fragment() == (
        "#xywh=1234567.25,0,200000000,0.5"
    )
    assert Box(-0.1, 1.2, 1 / 3, 0.5).fragment() == "#xywh=percent:0,100,33.3333,50"
    assert parted(f"a b/1.jpg{box.fragment()}") == ("a b/1.jpg", box)
    assert parted("1.jpg#xywh=1,2,3,4") == ("1.jpg", Box(1, 2, 3, 4, pixels=True))
    assert parted("odd#xywh=name.jpg") == ("odd#xywh=name.jpg", None)


@pytest.fixture
def photos(tmp_path):
    """Six pictures in two classes, no two alike."""
    random = np.random.default_rng(0)
    for number in range(6):
        path = tmp_path / "photos" / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(random.integers(0, 255, (40, 40, 3), dtype=np.uint8)))
    return tmp_path / "photos"


def results(photos, detections, **more):
    """A MegaDetector file: {path: boxes} as [category, conf, bbox]."""
    images = [
        {
            "file": path,
            "detections": boxes
            and [{"category": c, "conf": conf, "bbox": bbox} for c, conf, bbox in boxes],
        }
        for path, boxes in detections.items()
    ]
    value = {
        "info": {"format_version": "1.6"},
        "detection_categories": {"1": "animal", "2": "person", "3": "vehicle"},
        "images": images,
        **more,
    }
    path = photos.parent / "md.json"
    path.write_text(json.dumps(value))
    return path


LEFT, RIGHT = [0.0, 0.0, 0.5, 0.5], [0.5, 0.5, 0.5, 0.5]
TWO = [["1", 0.5, RIGHT], ["1", 0.9, LEFT], ["2", 0.9, LEFT], ["1", 0.1, LEFT]]


def data(photos, **settings):
    return DataSettings(source=str(photos), **settings)


def test_each_sure_box_of_an_animal_is_an_image_and_its_picture_the_group(photos):
    files = {f"{'ab'[k % 2]}/{k}.png": TWO for k in range(4)} | {"a/4.png": None, "b/5.png": []}
    path = results(photos, files)
    listing = listed_of(data(photos, crops=str(path)))
    frame = listing.samples.frame
    assert frame["path"].to_list()[:2] == [
        "a/0.png#xywh=percent:0,0,50,50",
        "a/0.png#xywh=percent:50,50,50,50",
    ]
    assert frame["group"].to_list() == ["a/0.png"] * 2 + ["a/2.png"] * 2 + [
        "b/1.png",
        "b/1.png",
        "b/3.png",
        "b/3.png",
    ]
    assert listing.left_out == {
        "a/4.png": "a/4.png: could not be read by the detector",
        "b/5.png": "b/5.png: has no box with a confidence of 0.2 or more",
    }
    assert listing.notes == (
        f"{path}: boxes of 'animal' are cut out, and not those of person and vehicle",
        f"images are the 8 boxes of 4 pictures that {path} has with a confidence of 0.2 or more "
        "(data.crops_above); boxes of one picture stay on one side of the split",
    )


def test_pictures_without_a_box_are_a_warning_of_their_own(photos):
    files = {f"{'ab'[k % 2]}/{k}.png": TWO for k in range(4)} | {"a/4.png": None, "b/5.png": []}
    listing = listed_of(data(photos, crops=str(results(photos, files))))
    [found] = left_out_findings(listing)
    assert (found.kind, found.severity) == ("no-box", "warning")
    assert found.sentence == (
        "2 pictures have no box and are left out ('a/4.png' and 'b/5.png'); 'a/4.png' could not be "
        "read by the detector"
    )


def test_the_threshold_is_the_settings_the_files_or_usual(photos):
    files = {"a/0.png": TWO}
    assert len(listed_of(data(photos, crops=str(results(photos, files)))).samples) == 2
    own = {"info": {"detector_metadata": {"typical_detection_threshold": 0.7}}}
    path = str(results(photos, files, **own))
    assert len(listed_of(data(photos, crops=path)).samples) == 1
    assert len(listed_of(data(photos, crops=path, crops_above=0.05)).samples) == 3


def test_boxes_of_one_picture_never_straddle_the_split(photos):
    files = {f"{'ab'[k % 2]}/{k}.png": TWO for k in range(6)}
    taken = take_in(
        data(photos, crops=str(results(photos, files)), val_fraction=0.3, test_fraction=0.3),
        Console(quiet=True),
    )
    sides = taken.samples.frame.select("group", "split").unique()
    assert sides.height == sides["group"].n_unique() == 6
    assert set(taken.samples.frame["split"]) == {"train", "val", "test"}


def test_a_group_that_there_is_stays(photos):
    table = photos / "t.csv"
    table.write_text("image,label,site\na/0.png,x,n\na/2.png,y,n\nb/1.png,x,s\n")
    path = results(photos, {"a/0.png": TWO, "a/2.png": TWO, "b/1.png": TWO})
    listing = listed_of(DataSettings(source=str(table), crops=str(path), group_column="site"))
    assert listing.samples.frame["group"].to_list() == ["n"] * 4 + ["s"] * 2


def test_each_box_is_an_image_of_its_own_to_the_scan(photos):
    path = results(photos, {"a/0.png": TWO, "b/1.png": TWO})
    samples = listed_of(data(photos, crops=str(path))).samples
    facts = scan(samples, Cache(None))
    assert facts["problem"].null_count() == 4
    assert facts["hash"].n_unique() == 4
    assert facts["width"].to_list() == [20] * 4
    pixels = read_pixels(samples.root, samples.frame["path"][0], None, None)
    whole = read_pixels(samples.root, "a/0.png", None, None)
    assert np.array_equal(pixels, whole[:20, :20])


@pytest.mark.parametrize("prefix", ["photos/", "/other/machine/", ""])
def test_names_are_matched_by_their_common_end(photos, prefix):
    path = results(photos, {f"{prefix}a/0.png": TWO})
    assert len(listed_of(data(photos, crops=str(path))).samples) == 2


def test_a_file_of_the_same_name_in_another_folder_is_not_taken(photos):
    path = results(photos, {"c/0.png": TWO, "0.png.png": TWO})
    with pytest.raises(DataError) as caught:
        listed_of(data(photos, crops=str(path)))
    assert str(caught.value) == (
        f"--crops {path}: has boxes for none of the 6 pictures (a/0.png: is not in {path}; run the "
        "detector on it too); name the file of these pictures, or a lower data.crops_above"
    )


def test_a_name_that_fits_two_pictures_gives_neither_the_boxes(photos):
    (photos / "b/0.png").write_bytes((photos / "b/1.png").read_bytes())
    path = results(photos, {"0.png": TWO, "2.png": TWO})
    listing = listed_of(data(photos, crops=str(path)))
    assert set(listing.samples.frame["group"]) == {"a/2.png"}
    why = (
        f"is one of several pictures that '0.png' in {path} fits; run the detector on the folder "
        "that holds them all"
    )
    assert {listing.left_out[each] for each in ("a/0.png", "b/0.png")} == {
        f"a/0.png: {why}",
        f"b/0.png: {why}",
    }
    pictures = [photos / each for each in ("a/0.png", "b/0.png", "a/2.png")]
    found = find_images(pictures, crops=finder_of(str(path), None))
    assert {str(each).partition("#")[0] for each in found.images} == {str(photos / "a/2.png")}


def test_microsofts_form_is_told_apart(photos):
    path = photos.parent / "ms.json"
    box = {"category": "animal", "confidence": 0.8, "bbox": [10, 20, 30, 40]}
    path.write_text(json.dumps([{"file": "a/0.png", "detections": [box]}]))
    listing = listed_of(data(photos, crops=str(path)))
    assert listing.samples.frame["path"].to_list() == ["a/0.png#xywh=10,20,20,20"]
    assert listing.notes[0] == (
        f"{path}: Microsoft's form of MegaDetector's results: boxes in pixels"
    )


def test_results_alone_have_no_labels_and_say_what_they_are_for(photos):
    path = results(photos, {"photos/a/0.png": TWO, "photos/b/1.png": None})
    with pytest.raises(DataError) as caught:
        read_listing(str(path))
    assert str(caught.value) == (
        f"{path}: is MegaDetector's results, which say where animals are and not which; for "
        f"training name the labelled images as DATA, and this file as --crops {path}"
    )
    assert [each.name for each in find_images([path]).images] == [
        "photos/a/0.png",
        "photos/b/1.png",
    ]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "there is no such file; name MegaDetector's results"),
        (
            '{"images": []}',
            "is no file of MegaDetector's results (keys 'images' and 'detection_categories'); "
            "name one",
        ),
    ],
)
def test_what_is_no_file_of_boxes_is_refused(photos, text, sentence):
    path = photos.parent / "x.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(DataError) as caught:
        listed_of(data(photos, crops=str(path)))
    assert str(caught.value) == f"--crops {path}: {sentence}"


def test_a_file_of_boxes_with_a_part_that_is_none_is_refused(photos):
    path = results(photos, {"a/0.png": [["1", 0.9, [0.1, 0.2]]]})
    with pytest.raises(DataError) as caught:
        listed_of(data(photos, crops=str(path)))
    assert str(caught.value) == (
        f"{path}: begins as MegaDetector's results and has a part that is none (ValueError: not "
        "enough values to unpack (expected 4, got 2)); write it anew"
    )


def test_a_table_of_images_at_the_end_of_a_run_on_boxes_is_refused(photos):
    path = results(photos, {"a/0.png": TWO})
    raw = {"data": {"predict": str(path), "crops": str(path)}}
    assert list(map(str, check_predict(raw))) == [
        "data.predict: answers whole pictures, and --crops trains on boxes; leave one out, and use "
        "predict"
    ]


def test_prediction_answers_each_box_and_tells_of_pictures_without_one(photos):
    path = results(photos, {"a/0.png": TWO, "b/1.png": []})
    found = find_images([photos / "a/0.png", photos / "b/1.png"], crops=finder_of(str(path), 0.6))
    assert found.images == (Path(f"{photos}/a/0.png#xywh=percent:0,0,50,50"),)
    assert found.notes == (
        f"{path}: boxes of 'animal' are cut out, and not those of person and vehicle",
        f"no box, and so no answer, for 1 picture of 2 ('{photos}/b/1.png' has no box with a "
        "confidence of 0.6 or more)",
    )
    with pytest.raises(DataError) as caught:
        find_images([photos / "b/1.png"], crops=finder_of(str(path), None))
    assert str(caught.value) == (
        f"--crops {path}: has boxes for none of the 1 pictures ('{photos}/b/1.png' has no box with "
        "a confidence of 0.2 or more); name the file of these pictures, or a lower data.crops_above"
    )


@pytest.mark.parametrize(
    ("kept", "shown", "notes"),
    [
        ("md.json", "new.json", []),
        (None, None, []),
        (
            "md.json",
            None,
            [
                "{run}: was trained on boxes of pictures (data.crops=md.json), and these are "
                "whole; --crops FILE, MegaDetector's results of these, cuts their boxes out"
            ],
        ),
        (
            None,
            "new.json",
            ["{run}: was trained on whole pictures, and --crops shows it boxes of them"],
        ),
    ],
)
def test_a_run_on_boxes_that_is_shown_whole_pictures_is_told(tmp_path, kept, shown, notes):
    settings = read([read_given({"data.crops": kept} if kept else {}, {}, "digits")]).settings
    RunDir(tmp_path).settings.write_text(to_yaml(settings))
    assert crops_note(tmp_path, shown) == [each.format(run=tmp_path) for each in notes]
