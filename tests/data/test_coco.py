"""COCO's JSON, and what camera traps add to it: labels, groups, what is left out or refused."""

import json
from pathlib import Path

import pytest
from tablerows import labels_of, refusal, rows_of

from fieldmark.data.columns import Columns
from fieldmark.data.left_out import left_out_findings
from fieldmark.data.sources import Reading, read_listing
from fieldmark.data.tables import named_images

NAMES = [{"id": 0, "name": "empty"}, {"id": 3, "name": "deer"}, {"id": 4, "name": "fox"}]


def image(number, **more):
    return {"id": f"i{number}", "file_name": f"{number}.jpg", **more}


def note(number, category, **more):
    return {"id": number, "image_id": f"i{number}", "category_id": category, **more}


@pytest.fixture
def coco(table):
    """Writes a COCO file beside 1.jpg to 4.jpg."""

    def write(images, annotations, categories=NAMES, name="cct.json", **more):
        value = {"images": images, "annotations": annotations, "categories": categories, **more}
        return table(json.dumps(value), name)

    return write


def test_an_images_label_is_the_category_of_its_annotation(coco):
    images = [image(k) for k in (1, 2, 3, 4)]
    source = coco(images, [note(1, 3), note(2, 4), note(3, 0), note(4, 3, bbox=[1, 1, 2, 2])])
    listing = read_listing(source)
    assert rows_of(listing) == [
        ("1.jpg", ["deer"], None),
        ("2.jpg", ["fox"], None),
        ("3.jpg", ["empty"], None),
        ("4.jpg", ["deer"], None),
    ]
    assert listing.samples.task.name == "single-label"
    assert listing.notes == (
        f"{source}: COCO's JSON; the labels are the categories of each image's annotations",
        f"{source}: 'empty' is a class as the others are (1 image)",
    )


def test_the_keys_and_not_the_name_say_what_a_file_is(coco):
    source = coco([image(1)], [note(1, 3)], name="labels.JSON")
    assert labels_of(read_listing(source)) == [["deer"]]


def test_the_location_is_the_group_and_the_sequence_where_there_are_too_few(coco):
    places = [image(k, location=k % 3, seq_id=f"s{k}") for k in (1, 2, 3, 4)]
    source = coco(places, [note(k, 3) for k in (1, 2, 3, 4)])
    listing = read_listing(source)
    assert listing.samples.frame["group"].to_list() == ["1", "2", "0", "1"]
    assert listing.samples.frame["location"].to_list() == ["1", "2", "0", "1"]
    assert listing.samples.frame["seq_id"].to_list() == ["s1", "s2", "s3", "s4"]
    assert listing.notes[-1] == (
        "COCO Camera Traps: images of one 'location' stay on one side of the split (3 groups); "
        "data.group_column=NAME or none says otherwise"
    )
    one_place = coco(
        [image(k, location="a", seq_id=f"s{k}") for k in (1, 2, 3, 4)],
        [note(k, 3) for k in (1, 2, 3, 4)],
    )
    groups = read_listing(one_place).samples.frame["group"].to_list()
    assert groups == ["s1", "s2", "s3", "s4"]


def test_the_settings_choose_another_group_or_none(coco):
    images = [image(k, location=k, seq_id=f"s{k % 2}") for k in (1, 2, 3, 4)]
    source = coco(images, [note(k, 3) for k in (1, 2, 3, 4)])
    other = read_listing(source, Reading(columns=Columns(group="seq_id")))
    assert other.samples.frame["group"].to_list() == ["s1", "s0", "s1", "s0"]
    none = read_listing(source, Reading(columns=Columns(group="none")))
    assert none.samples.frame["group"].null_count() == 4


def test_too_few_places_and_sequences_for_a_group_are_told(coco):
    source = coco([image(1, location="a"), image(2, location="b")], [note(1, 3), note(2, 4)])
    listing = read_listing(source)
    assert listing.samples.frame["group"].null_count() == 2
    assert listing.notes[-1] == (
        "COCO Camera Traps: 'location' has fewer than 3 values, so images are parted one by one "
        "and the figures may flatter; gather more"
    )


def test_corrupt_images_are_left_out_and_whole_sequences_told(coco):
    images = [image(1), image(2, corrupt=True), image(3)]
    told = {"sequence_level_annotation": True}
    source = coco(images, [note(1, 3, **told), note(2, 4), note(3, 4)])
    listing = read_listing(source)
    assert listing.left_out == {
        f"{source}, image i2": f"{source}, image i2: the file says that it is corrupt"
    }
    assert listing.notes[1] == (
        f"{source}: labels of a whole sequence in 1 annotation of 3, so that some images may not "
        "show what they are labelled"
    )


def test_an_id_is_the_same_as_a_number_and_as_a_text(coco):
    source = coco([image(1)], [{"image_id": "i1", "category_id": "3"}])
    assert labels_of(read_listing(source)) == [["deer"]]


def test_an_image_with_something_in_it_is_not_empty(coco):
    source = coco([image(1), image(2)], [note(1, 0), {**note(1, 3), "id": 9}, note(2, 4)])
    assert labels_of(read_listing(source)) == [["deer"], ["fox"]]


def many(table, tmp_path, several):
    """A file of 40 images, the first `several` of which have two labels."""
    for k in range(40):
        (tmp_path / f"{k}.png").write_bytes(b"x")
    images = [{"id": k, "file_name": f"{k}.png"} for k in range(40)]
    notes = [{"image_id": k, "category_id": 3 + k % 2} for k in range(40)]
    notes += [{"image_id": k, "category_id": 4 - k % 2} for k in range(several)]
    value = {"images": images, "annotations": notes, "categories": NAMES}
    return table(json.dumps(value), "m.json")


def test_few_images_of_two_species_are_left_out_and_many_make_it_several_labels(table, tmp_path):
    source = many(table, tmp_path, 1)
    listing = read_listing(source, labelled=False)
    assert listing.samples.task.name == "single-label"
    assert listing.left_out[f"{source}, image 0"] == (
        f"{source}, image 0: has 2 labels, 'deer' and 'fox', and each image is asked for one; "
        "data.task=multi-label keeps it"
    )
    assert [each.kind for each in left_out_findings(listing)] == ["left-out"]
    kept = read_listing(source, Reading(task="multi-label"), labelled=False)
    assert kept.samples.task.name == "multi-label"
    assert f"{source}, image 0" not in kept.left_out
    assert read_listing(many(table, tmp_path, 2)).samples.task.name == "multi-label"


def test_boxes_of_a_detection_are_told_and_count_once(coco):
    boxes = [note(1, 3, bbox=[0, 0, 1, 1]), {**note(1, 3, bbox=[1, 1, 1, 1]), "id": 7}]
    source = coco([image(1)], boxes)
    listing = read_listing(source)
    assert labels_of(listing) == [["deer"]]
    assert listing.notes[1] == (
        f"{source}: 2 boxes in 1 image; boxes are not used, and each image has the categories of "
        "all its boxes, once each"
    )


def test_the_splits_of_an_export_with_a_file_in_each_are_kept(tmp_path):
    for side, number in (("train", 1), ("valid", 2), ("test", 3)):
        (tmp_path / side).mkdir()
        (tmp_path / side / f"{number}.jpg").write_bytes(b"x")
        value = {"images": [image(number)], "annotations": [note(number, 3)], "categories": NAMES}
        (tmp_path / side / "_annotations.coco.json").write_text(json.dumps(value))
    assert sorted(rows_of(read_listing(str(tmp_path)))) == [
        ("test/3.jpg", ["deer"], "test"),
        ("train/1.jpg", ["deer"], "train"),
        ("valid/2.jpg", ["deer"], "val"),
    ]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"images": [{"id": "i1"}]},
            "'images', number 0 from 0, has no 'file_name'; add it",
        ),
        (
            {"annotations": [{"image_id": "other", "category_id": 3}]},
            "an annotation is of image 'other', which 'images' does not have; is the file a part "
            "of another? Export it anew",
        ),
        (
            {"annotations": [note(1, 9)]},
            "an annotation is of category 9, which 'categories' does not have ('empty', 'deer' "
            "and 'fox'); add it",
        ),
        ({"images": [image(1), image(1)]}, "two images have the id 'i1'; give each its own"),
        (
            {"annotations": [{"image_id": ["i1"], "category_id": 3}]},
            "'annotations', number 0 from 0, has no 'image_id'; add it",
        ),
        ({"images": []}, "'images' is empty; export it anew"),
        (
            {"categories": {"3": "deer"}},
            "'categories' is no list of objects, as COCO has it; export it anew",
        ),
    ],
)
def test_what_is_not_as_coco_has_it_is_refused(table, change, sentence):
    value = {"images": [image(1)], "annotations": [note(1, 3)], "categories": NAMES, **change}
    source = table(json.dumps(value), "c.json")
    assert refusal(source) == f"{source}: {sentence}"


def test_a_file_without_annotations_names_images_for_prediction_alone(table):
    source = table(json.dumps({"images": [image(1), image(2)], "categories": NAMES}), "test.json")
    assert refusal(source) == (
        f"{source}: has no annotations, so its images have no labels; name the file that has them"
    )
    assert [row.name for row in named_images(Path(source)).rows] == ["1.jpg", "2.jpg"]


def test_json_that_is_cut_or_of_another_tool_is_refused(table):
    cut = table('{"images": [{"id": 1, "file_', "cut.json")
    assert refusal(cut).startswith(f"{cut}: cannot be read as JSON (")
    assert refusal(cut).endswith("); is it whole? Export or download it anew")
    other = table(json.dumps({"version": "5.0", "shapes": []}), "labelme.json")
    assert refusal(other) == (
        f"{other}: is JSON of no known form (its keys are 'version' and 'shapes'); known are "
        "COCO's, Camtrap DP's, MegaDetector's, or a list of objects with a file name and a label"
    )
