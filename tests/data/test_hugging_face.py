"""Hugging Face's ImageFolder with metadata, JSON that is a table, and what save_to_disk wrote."""

import json

import polars as pl
import pytest
from pictures import encoded
from PIL import Image
from tablerows import labels_of, refusal, rows_of

from fieldmark.data.sources import Reading, read_listing, read_pixels


@pytest.fixture
def folder(tmp_path):
    def write(*paths):
        for path in paths:
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_bytes(b"x")
        return tmp_path

    return write


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_metadata_beside_the_images_of_each_split_say_labels_and_texts(folder, kind):
    root = folder("train/1.jpg", "train/2.jpg", "test/3.jpg")
    for side, names in (("train", "12"), ("test", "3")):
        rows = [{"file_name": f"{n}.jpg", "label": f"c{n}", "text": "a cat"} for n in names]
        path = root / side / f"metadata.{kind}"
        if kind == "jsonl":
            path.write_text("\n".join(map(json.dumps, rows)))
        else:
            frame = pl.DataFrame(rows)
            frame.write_csv(path) if kind == "csv" else frame.write_parquet(path)
    listing = read_listing(str(root))
    assert sorted(rows_of(listing)) == [
        ("test/3.jpg", ["c3"], "test"),
        ("train/1.jpg", ["c1"], "train"),
        ("train/2.jpg", ["c2"], "train"),
    ]
    assert listing.samples.frame["caption"].to_list() == ["a cat"] * 3
    assert f"{root}: Hugging Face's ImageFolder" in listing.notes


def test_without_a_column_of_labels_they_are_the_folders(folder):
    root = folder("train/cat/1.jpg", "train/dog/2.jpg", "val/cat/3.jpg")
    (root / "metadata.csv").write_text(
        "file_name,text\ntrain/cat/1.jpg,a\ntrain/dog/2.jpg,b\nval/cat/3.jpg,c\n"
    )
    listing = read_listing(str(root), test="none")
    assert rows_of(listing) == [
        ("train/cat/1.jpg", ["cat"], "train"),
        ("train/dog/2.jpg", ["dog"], "train"),
        ("val/cat/3.jpg", ["cat"], "val"),
    ]
    assert f"{root}: the labels are the names of the images' folders" in listing.notes


def test_a_table_of_that_name_without_file_names_is_not_hugging_faces(folder):
    root = folder("cat/1.jpg", "dog/2.jpg")
    (root / "metadata.csv").write_text("author,year\nme,2020\n")
    assert labels_of(read_listing(str(root))) == [["cat"], ["dog"]]


def test_metadata_of_few_pictures_do_not_take_the_place_of_class_folders(folder):
    root = folder(*(f"{name}/{k}.jpg" for name in ("cat", "dog") for k in range(3)))
    table = root / "metadata.csv"
    table.write_text("file_name,label\ncat/0.jpg,x\ndog/0.jpg,y\n")
    assert refusal(root) == (
        f"{table}: names 2 of the 6 pictures in {root}; name the table itself where these alone "
        "are meant, or write data.levels=class where the labels are the folders 'cat' and 'dog'"
    )
    assert labels_of(read_listing(str(table))) == [["x"], ["y"]]
    assert len(read_listing(str(root), Reading(levels="class")).samples) == 6


def test_several_labels_may_be_a_list(folder):
    root = folder("1.jpg", "2.jpg")
    rows = [{"file_name": "1.jpg", "labels": ["a", "b"]}, {"file_name": "2.jpg", "labels": ["a"]}]
    (root / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    listing = read_listing(str(root))
    assert labels_of(listing) == [["a", "b"], ["a"]]
    assert listing.samples.task.name == "multi-label"


def test_json_that_is_a_list_of_objects_is_a_table(folder):
    root = folder("1.jpg", "2.jpg")
    rows = [{"image": "1.jpg", "label": 1, "about": {"a": 1}}, {"image": "2.jpg", "label": 2}]
    (root / "t.json").write_text(json.dumps(rows))
    listing = read_listing(str(root / "t.json"))
    assert rows_of(listing) == [("1.jpg", ["1"], None), ("2.jpg", ["2"], None)]
    assert listing.notes == (f"{root}/t.json: 'about' holds objects, and is not used",)


def test_a_line_that_is_no_json_is_refused_by_its_number(folder):
    path = folder("1.jpg") / "metadata.jsonl"
    path.write_text('{"file_name": "1.jpg", "label": "a"}\n{"file_name": \n')
    assert refusal(path).startswith(f"{path}, line 2: is no JSON (")
    path.write_text('{"file_name": "1.jpg"}\n[1]\n')
    assert refusal(path) == f"{path}, line 2: is no object with keys; correct it"
    path.write_text("\n")
    assert refusal(path) == f"{path}: is empty; it should have an object a line"


def saved(root, side, rows, first=0):
    """A data set as `save_to_disk` lays it out."""
    folder = root / side
    folder.mkdir(parents=True, exist_ok=True)
    pictures = [{"bytes": png(first + row), "path": None} for row in range(rows)]
    frame = pl.DataFrame({"image": pictures, "label": [row % 2 for row in range(rows)]})
    frame.write_ipc_stream(folder / "data-00000-of-00001.arrow")
    (folder / "cache-1.arrow").write_bytes(b"left over")
    files = [{"filename": "data-00000-of-00001.arrow"}]
    (folder / "state.json").write_text(json.dumps({"_data_files": files, "_split": side or None}))
    label = {"names": ["cat", "dog"], "_type": "ClassLabel"}
    info = {"features": {"image": {"_type": "Image"}, "label": label}}
    (folder / "dataset_info.json").write_text(json.dumps(info))


def png(shade):
    return encoded(Image.new("RGB", (4, 4), (shade, 0, 0)))


def test_what_save_to_disk_wrote_is_read_with_its_splits_and_names(tmp_path):
    saved(tmp_path, "train", 3)
    saved(tmp_path, "test", 1, first=10)
    (tmp_path / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    samples = read_listing(str(tmp_path)).samples
    frame = samples.frame.select("path", "row", "labels", "split")
    assert frame.rows() == [
        ("train/data-00000-of-00001.arrow", 0, ["cat"], "train"),
        ("train/data-00000-of-00001.arrow", 1, ["dog"], "train"),
        ("train/data-00000-of-00001.arrow", 2, ["cat"], "train"),
        ("test/data-00000-of-00001.arrow", 0, ["cat"], "test"),
    ]
    assert read_pixels(samples.root, *samples.places()[2], None)[0, 0, 0] == 2
    assert read_pixels(samples.root, *samples.places()[3], None)[0, 0, 0] == 10


def test_a_saved_data_set_without_splits_is_one(tmp_path):
    saved(tmp_path, "", 2)
    frame = read_listing(str(tmp_path)).samples.frame
    assert frame["labels"].to_list() == [["cat"], ["dog"]]
    assert frame["split"].null_count() == 2


def test_a_saved_data_set_that_is_damaged_or_chosen_from_is_refused(tmp_path):
    saved(tmp_path, "", 2)
    shard = tmp_path / "data-00000-of-00001.arrow"
    shard.write_bytes(shard.read_bytes()[:100])
    assert refusal(tmp_path).startswith(f"{shard}: cannot be read as Arrow (")
    state = tmp_path / "state.json"
    state.write_text('{"_data_files": [], "_split": null}')
    assert refusal(tmp_path) == (
        f"{state}: has no list '_data_files', as a saved data set has; copy it anew"
    )
    state.write_text('{"_data_files": [], "_indices_files": [{"filename": "i.arrow"}]}')
    assert refusal(tmp_path) == (
        f"{state}: the data set is a choice of rows, kept apart from them; save it anew, in "
        "Python: dataset.flatten_indices().save_to_disk(FOLDER)"
    )


@pytest.mark.parametrize("name", ["../outside.arrow", "/etc/a.arrow", "C:/a.arrow", 5, None])
def test_a_saved_data_set_that_leads_out_of_its_folder_is_refused(tmp_path, name):
    saved(tmp_path, "", 2)
    end = f"names {name!r}, which is no file or folder beside it; copy the data set anew"
    (tmp_path / "state.json").write_text(json.dumps({"_data_files": [{"filename": name}]}))
    assert refusal(tmp_path) == f"{tmp_path}/state.json: {end}"
    (tmp_path / "state.json").write_text(json.dumps({"_data_files": [name]}))
    assert refusal(tmp_path).startswith(f"{tmp_path}/state.json: names None, which")
    (tmp_path / "dataset_dict.json").write_text(json.dumps({"splits": [name]}))
    assert refusal(tmp_path) == f"{tmp_path}/dataset_dict.json: {end}"
