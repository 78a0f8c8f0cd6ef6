"""Parquet files with pictures in them: their labels, their splits, and their bytes by row."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from pictures import encoded
from PIL import Image
from scannedsource import read_source
from tablerows import refusal

from fieldmark.data import packs
from fieldmark.data.columns import Columns
from fieldmark.data.intake import changed_images
from fieldmark.data.sources import Reading, content_of, open_files, read_listing, read_pixels
from fieldmark.errors import DataError
from fieldmark.task import SEVERAL_LABELS

CIFAR = Path(__file__).parents[2].parent / "shared" / "data" / "cifar10"
NAMES = ["cat", "dog"]
FEATURES = {
    "image": {"_type": "Image"},
    "label": {"_type": "ClassLabel", "names": NAMES},
}


def png(seed, size=(5, 4)):
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return encoded(Image.fromarray(pixels))


def shard(path, labels, *, features=FEATURES, first=0, **columns):
    """A file in the layout of Hugging Face, a picture a label."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pictures = [{"bytes": png(first + k), "path": None} for k in range(len(labels))]
    about = {"huggingface": json.dumps({"info": {"features": features}})} if features else None
    frame = pl.DataFrame({"image": pictures, "label": labels, **columns})
    frame.write_parquet(path, metadata=about)
    return path


@pytest.fixture
def fresh(monkeypatch, tmp_path):
    """No file is open, and the cache is empty."""
    monkeypatch.setattr(packs, "_open", {})
    monkeypatch.setenv("FIELDMARK_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def rows_of(listing):
    frame = listing.samples.frame
    columns = (frame[name].to_list() for name in ("path", "row", "labels", "split"))
    return list(zip(*columns, strict=True))


def test_a_file_of_pictures_is_listed_by_row_without_touching_them(tmp_path, fresh):
    path = shard(tmp_path / "train.parquet", [0, 1, 0], site=["A", "B", None])
    listing = read_listing(str(path))
    assert rows_of(listing) == [
        ("train.parquet", 0, ["cat"], None),
        ("train.parquet", 1, ["dog"], None),
        ("train.parquet", 2, ["cat"], None),
    ]
    assert listing.samples.frame["site"].to_list() == ["A", "B", None]
    assert listing.samples.root == str(tmp_path.resolve())
    assert (listing.notes, listing.left_out) == ((), {})
    assert not fresh.exists()
    assert packs._open == {}


@pytest.mark.parametrize("folder", ["", "data/"])
def test_a_folder_of_shards_is_split_by_their_names(tmp_path, folder):
    for number in range(2):
        shard(tmp_path / f"{folder}train-{number:05}-of-00002.parquet", [0, 1])
    shard(tmp_path / f"{folder}validation-00000-of-00001.parquet", [1, 0])
    shard(tmp_path / f"{folder}test-00000-of-00001.parquet", [1, 0])
    listing = read_listing(str(tmp_path))
    named = [
        (path.removeprefix(folder)[:5], row, split) for path, row, _, split in rows_of(listing)
    ]
    assert named == [
        *[("test-", row, "test") for row in range(2)],
        *[("train", row, "train") for row in (0, 1, 0, 1)],
        *[("valid", row, "val") for row in range(2)],
    ]
    assert listing.notes == ()


def test_folders_may_name_the_splits(tmp_path):
    shard(tmp_path / "default" / "train" / "0000.parquet", [0, 1])
    shard(tmp_path / "default" / "validation" / "0000.parquet", [0, 1])
    listing = read_listing(str(tmp_path))
    assert {(path, split) for path, _, _, split in rows_of(listing)} == {
        ("default/train/0000.parquet", "train"),
        ("default/validation/0000.parquet", "test"),
    }
    assert listing.notes == (
        "the split 'validation' is the test set; validation images are taken out of train "
        "(data.test=none: it is for validation)",
    )


def test_a_shard_that_is_missing_and_one_of_no_split_are_said(tmp_path):
    shard(tmp_path / "train-00000-of-00003.parquet", [0, 1])
    shard(tmp_path / "test-00000-of-00001.parquet", [0, 1])
    shard(tmp_path / "unsupervised-00000-of-00001.parquet", [0, 1])
    listing = read_listing(str(tmp_path))
    assert listing.notes[1:] == (
        "only 1 of the 3 files of 'train' are there",
        "files of no split are not used: 'unsupervised-00000-of-00001.parquet'",
    )
    assert len(listing.samples) == 4


@pytest.mark.parametrize(
    "names", [NAMES, {"cat": 0, "dog": 1}, {"1": "dog", "0": "cat"}, {"0": "cat", "1": "dog"}]
)
def test_labels_json_names_the_classes_where_the_schema_does_not(tmp_path, names):
    shard(tmp_path / "a.parquet", [0, 1], features=None)
    (tmp_path / "labels.json").write_text(json.dumps(names))
    listing = read_listing(str(tmp_path))
    assert [labels for _, _, labels, _ in rows_of(listing)] == [["cat"], ["dog"]]
    assert listing.notes == ()


def test_a_labels_json_of_something_else_is_refused(tmp_path):
    shard(tmp_path / "a.parquet", [0, 1], features=None)
    for content in ("{", "3", '{"a": "b"}'):
        (tmp_path / "labels.json").write_text(content)
        assert refusal(tmp_path) == (
            f'{tmp_path}/labels.json: should hold the names of the classes in order: ["cat", "dog"]'
        )


def test_without_names_the_numbers_are_the_classes_and_that_is_said(tmp_path):
    shard(tmp_path / "a.parquet", [3, 12], features=None)
    listing = read_listing(str(tmp_path))
    assert listing.samples.classes == ("12", "3")
    assert listing.notes == (f"{tmp_path}: the classes are numbers, for no labels.json names them",)


def test_labels_that_are_texts_are_the_classes(tmp_path):
    shard(tmp_path / "a.parquet", ["0012", "dog"], features=None)
    assert read_listing(str(tmp_path)).samples.classes == ("0012", "dog")


def test_several_labels_are_named_too(tmp_path):
    features = {"label": {"_type": "Sequence", "feature": {"_type": "ClassLabel", "names": NAMES}}}
    shard(tmp_path / "a.parquet", [[0, 1], [1]], features=features)
    listing = read_listing(str(tmp_path))
    assert [labels for _, _, labels, _ in rows_of(listing)] == [["cat", "dog"], ["dog"]]


def test_of_several_labels_a_row_without_one_stays(tmp_path):
    shard(tmp_path / "a.parquet", pl.Series([[0, 1], [], [1]], dtype=pl.List(pl.Int64)))
    samples = read_listing(str(tmp_path)).samples
    assert samples.task is SEVERAL_LABELS
    assert samples.frame["labels"].list.len().to_list() == [2, 0, 1]


def test_the_one_class_label_is_the_label_whatever_its_name(tmp_path):
    features = {"fine": {"_type": "ClassLabel", "names": NAMES}}
    shard(tmp_path / "a.parquet", [9, 9], features=features, fine=[1, 0])
    listing = read_listing(str(tmp_path))
    assert [labels for _, _, labels, _ in rows_of(listing)] == [["dog"], ["cat"]]
    given = read_listing(str(tmp_path), Reading(columns=Columns(label="label")))
    assert given.samples.classes == ("9",)


def test_a_row_without_a_label_is_left_out_by_name(tmp_path):
    path = shard(tmp_path / "a.parquet", [0, -1, None, 7])
    listing = read_listing(str(path))
    assert [row for _, row, _, _ in rows_of(listing)] == [0]
    assert listing.left_out == {
        f"a.parquet, row {row}": f"{tmp_path}/a.parquet, row {row}: has no label, or one that no "
        "class has; correct it"
        for row in (1, 2, 3)
    }
    unlabelled = shard(tmp_path / "b.parquet", [-1, -1])
    assert refusal(unlabelled) == (
        f"{tmp_path}: none of its 2 pictures has a label; name the column that holds them: "
        "data.label_column=NAME"
    )
    assert len(read_listing(str(unlabelled), labelled=False).samples) == 2


def test_bytes_without_a_struct_are_pictures_too(tmp_path):
    pl.DataFrame({"jpg": [png(1), png(2)], "class": ["a", "b"]}).write_parquet(
        tmp_path / "a.parquet"
    )
    samples = read_listing(str(tmp_path / "a.parquet")).samples
    assert content_of(samples.root, "a.parquet", 1) == png(2)
    assert samples.classes == ("a", "b")


def test_of_several_columns_of_pictures_the_one_called_image_is_read(tmp_path):
    mask = [{"bytes": png(9), "path": None}] * 2
    path = shard(tmp_path / "a.parquet", [0, 1], mask=mask)
    assert content_of(str(tmp_path), "a.parquet", 0) == png(0)
    assert refusal(path, columns=Columns(image="mask")) == (
        f"{path}: the pictures are read from 'image'; take data.image_column away, or rename the "
        "columns so that 'mask' is 'image'"
    )
    pl.read_parquet(path).rename({"image": "left", "mask": "right"}).write_parquet(path)
    assert refusal(path) == (
        f"{path}: several columns hold pictures, 'left' and 'right'; name the one that is meant "
        "'image'"
    )


def test_what_is_for_tables_of_paths_is_refused(tmp_path):
    path = shard(tmp_path / "a.parquet", [0, 1])
    assert refusal(path, images="x") == (
        f"{path}: '--images' is for tables of paths and labels; take it away, or name a table"
    )


@pytest.mark.parametrize("cache", ["on", "off"])
def test_the_bytes_and_pixels_of_each_row(tmp_path, fresh, monkeypatch, cache):
    if cache == "off":
        monkeypatch.setenv("FIELDMARK_CACHE", "off")
    shard(tmp_path / "a.parquet", [0, 1, 0])
    root = str(tmp_path)
    for row in (2, 0, 1):
        assert content_of(root, "a.parquet", row) == png(row)
        expected = np.asarray(Image.open(io.BytesIO(png(row))))
        assert (read_pixels(root, "a.parquet", row, None) == expected).all()
    assert read_pixels(root, "a.parquet", 0, ("square", 8)).shape == (8, 8, 3)
    assert len([path for path in fresh.rglob("*") if path.is_file()]) == (cache == "on")


def test_a_second_process_reads_from_the_cache_and_a_damaged_cache_is_made_anew(
    tmp_path, fresh, monkeypatch
):
    shard(tmp_path / "a.parquet", [0, 1])
    content_of(str(tmp_path), "a.parquet", 0)
    (kept,) = [path for path in fresh.rglob("*") if path.is_file()]

    def refuse(path):
        raise AssertionError("the Parquet file is read again")

    with monkeypatch.context() as patch:
        patch.setattr(packs, "_open", {})
        patch.setattr(packs, "_pictures", refuse)
        assert content_of(str(tmp_path), "a.parquet", 1) == png(1)
    whole = kept.read_bytes()
    for damage in (b"", whole[:-30], whole[1:]):
        kept.write_bytes(damage)
        monkeypatch.setattr(packs, "_open", {})
        assert content_of(str(tmp_path), "a.parquet", 1) == png(1)


def test_a_large_file_is_copied_in_parts(tmp_path, fresh, monkeypatch):
    path = shard(tmp_path / "a.parquet", [0, 1] * 5)
    monkeypatch.setattr(packs, "AT_ONCE", path.stat().st_size // 4)
    assert [content_of(str(tmp_path), "a.parquet", row) for row in range(10)] == list(
        map(png, range(10))
    )


def test_a_file_that_changed_is_read_anew_and_its_hashes_differ(tmp_path, fresh):
    path = shard(tmp_path / "a.parquet", [0, 1])
    samples = read_source(str(path)).samples
    assert changed_images(samples) == []
    shard(path, [0, 1], first=1)
    os.utime(path, ns=(1, 1))
    assert changed_images(samples) == ["a.parquet", "a.parquet"]
    path.unlink()
    assert changed_images(samples) == ["a.parquet", "a.parquet"]


def test_what_cannot_be_read_is_told_with_its_row(tmp_path, fresh):
    pictures = [{"bytes": b"<html>", "path": None}, {"bytes": None, "path": "x.png"}]
    path = tmp_path / "a.parquet"
    pl.DataFrame({"image": [*pictures, {"bytes": png(1), "path": None}], "label": list("aba")}).write_parquet(path)  # noqa: E501  # fmt: skip
    source = read_source(str(path))
    assert len(source.samples) == 1
    assert source.left_out["a.parquet, row 0"].startswith(f"{path}, row 0: is a web page")
    assert source.left_out["a.parquet, row 1"].startswith(f"{path}, row 1: is empty (0 bytes)")
    with pytest.raises(DataError) as caught:
        content_of(str(tmp_path), "a.parquet", 3)
    assert str(caught.value) == f"{path}: has no row 3, only 3 rows; list the images anew"
    path.unlink()
    with pytest.raises(DataError) as caught:
        content_of(str(tmp_path), "a.parquet", 0)
    assert str(caught.value) == f"{path}: cannot be read (No such file or directory)"


def test_a_damaged_file_is_refused_in_one_sentence(tmp_path, fresh):
    path = shard(tmp_path / "a.parquet", [0, 1] * 20)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for kind in range(60):
        content = bytearray(whole)
        if kind % 2:
            content = content[: rng.integers(1, len(whole))]
        else:
            for place in rng.integers(0, len(whole), 8):
                content[place] ^= int(rng.integers(1, 256))
        path.write_bytes(bytes(content))
        os.utime(path, ns=(kind, kind))
        sentence = complaint(path)
        assert sentence is None or sentence.startswith(f"{path}: "), sentence
        assert sentence is None or "\n" not in sentence


def complaint(path):
    """What is said of a file when all of it is read; None where it is whole."""
    try:
        for place in read_listing(str(path)).samples.places():
            content_of(str(path.parent), *place)
    except DataError as error:
        return str(error)
    return None


FORKING = """
import os, sys
from fieldmark.data.sources import content_of, open_files, read_listing
from fieldmark.errors import DataError
folder, opened = sys.argv[1:]
samples = read_listing(folder).samples
if opened == "opened":
    open_files(samples)
child = os.fork()
if not child:
    try:
        print(len(content_of(samples.root, *samples.places()[-1])), flush=True)
    except DataError as error:
        print(error, flush=True)
    os._exit(0)
os.waitpid(child, 0)
"""


@pytest.mark.parametrize("opened", ["opened", "not opened"])
def test_a_forked_process_has_the_pictures_or_says_why_not(tmp_path, opened):
    path = shard(tmp_path / "a.parquet", [0, 1])
    command = [sys.executable, "-W", "ignore", "-c", FORKING, str(path), opened]
    environment = {**os.environ, "FIELDMARK_CACHE": "off"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == {
        "opened": str(len(png(1))),
        "not opened": f"{path}: changed, or was not opened before the loading processes began; "
        "start again, or set run.workers=0",
    }[opened]  # fmt: skip


def test_opening_all_files_beforehand(tmp_path, fresh):
    shard(tmp_path / "train-0.parquet", [0, 1])
    shard(tmp_path / "test-0.parquet", [0, 1])
    open_files(read_listing(str(tmp_path)).samples)
    assert sorted(map(os.path.basename, packs._open)) == ["test-0.parquet", "train-0.parquet"]


@pytest.mark.skipif(not CIFAR.is_dir(), reason="the pictures do not lie beside the checkout")
def test_the_real_cifar10_shards():
    listing = read_listing(str(CIFAR))
    samples = listing.samples
    names = json.loads((CIFAR / "labels.json").read_text())
    assert (len(samples.rows("train")), len(samples.rows("test"))) == (2600, 800)
    assert samples.classes == tuple(names)
    assert all(by_side["train"] == 260 for by_side in samples.counts().values())
    assert (listing.left_out, len(listing.notes)) == ({}, 1)
    assert {read_pixels(samples.root, *place, None).shape for place in samples.places()[::200]} == {
        (32, 32, 3)
    }
    assert read_listing("cifar10", Reading(data_dir=str(CIFAR))).samples.hash() == samples.hash()
