import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scannedsource import read_source
from sklearn.datasets import load_digits

from fieldmark.data.images import SUFFIXES
from fieldmark.data.listing import with_known_labels
from fieldmark.data.sources import (
    Reading,
    content_of,
    place_name,
    raw_pixels,
    read_listing,
    read_pixels,
)
from fieldmark.errors import DataError
from fieldmark.records import Samples


def draw(path, seed=None, size=(6, 4)):
    """A picture at `path`; each has other pixels unless the seed is the same."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed if seed is not None else list(str(path).encode()))
    pixels = rng.integers(0, 256, size=(size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, "PNG")


@pytest.fixture
def root(tmp_path):
    for place in ("cat/1.png", "cat/2.png", "dog/deep/er/1.png"):
        draw(tmp_path / "pets" / place)
    return tmp_path / "pets"


def found_in(root):
    frame = read_source(str(root)).samples.frame
    return list(zip(frame["path"], [labels[0] for labels in frame["labels"]], strict=True))


def refusal(name):
    with pytest.raises(DataError) as caught:
        read_source(str(name))
    return str(caught.value)


def test_digits_are_those_of_scikit_learn():
    source, theirs = read_source("digits"), load_digits()
    samples = source.samples
    assert samples.classes == tuple("0123456789")
    assert samples.targets(samples.classes).tolist() == theirs.target.tolist()
    for row in (0, 1, 900, 1796):
        pixels = read_pixels(samples.root, "digits", row, None)
        assert pixels.shape == (8, 8, 3)
        assert (pixels == np.rint(theirs.images[row] * 255 / 16)[:, :, None]).all()
    assert pixels.dtype == np.uint8
    assert (source.mirrored, source.embedded, source.left_out, source.notes) == (
        False,
        True,
        {},
        (),
    )
    assert read_pixels(samples.root, "digits", 3, ("square", 32)).shape == (32, 32, 3)


def test_digits_have_a_hash_for_each_content():
    frame = read_source("digits").samples.frame
    assert frame["hash"].n_unique() == len(np.unique(load_digits().data, axis=0))
    assert frame["width"].to_list() == frame["height"].to_list() == [8] * 1797


def test_a_class_is_a_folder_with_pictures_at_any_depth(root):
    assert found_in(root) == [
        ("cat/1.png", "cat"),
        ("cat/2.png", "cat"),
        ("dog/deep/er/1.png", "dog"),
    ]
    source = read_source(str(root))
    assert source.samples.frame["split"].to_list() == [None] * 3
    assert (source.mirrored, source.embedded, source.left_out, source.notes) == (
        True,
        False,
        {},
        (),
    )
    assert Path(source.samples.root) == root.resolve()


def test_size_and_content_are_noted(root):
    draw(root / "cat" / "3.png", seed=1, size=(7, 5))
    draw(root / "dog" / "copy.png", seed=1, size=(7, 5))
    frame = read_source(str(root)).samples.frame
    row = frame["path"].to_list().index("cat/3.png")
    assert (frame["width"][row], frame["height"][row]) == (7, 5)
    assert frame["hash"].n_unique() == 4
    copies = frame.filter(frame["hash"] == frame["hash"][row])["path"].to_list()
    assert copies == ["cat/3.png", "dog/copy.png"]


def test_progress_is_told_to_the_end(root):
    told = []
    read_source(str(root), lambda done, total: told.append((done, total)))
    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]


def test_a_folder_of_a_built_in_name_is_the_folder(root, monkeypatch):
    root.rename(root.parent / "digits")
    monkeypatch.chdir(root.parent)
    assert read_source("digits").samples.classes == ("cat", "dog")


def test_train_alone_is_no_split(tmp_path):
    for label in ("cat", "dog"):
        draw(tmp_path / "train" / label / "1.png")
    source = read_source(str(tmp_path))
    assert source.samples.classes == ("cat", "dog")
    assert set(source.samples.frame["split"]) == {"train"}


def test_a_class_may_be_named_train(root):
    draw(root / "train" / "express.png")
    draw(root / "test" / "tube.png")
    assert read_source(str(root)).samples.classes == ("cat", "dog", "test", "train")


@pytest.mark.parametrize("suffix", [*SUFFIXES, ".PNG", ".JpEg"])
def test_every_suffix_of_a_picture_counts_in_any_case(root, suffix):
    draw(root / "cat" / f"x{suffix}")
    assert (f"cat/x{suffix}", "cat") in found_in(root)


def test_files_that_cannot_be_read_are_left_out_by_name_with_the_reason(root):
    (root / "cat" / "empty.jpg").write_bytes(b"")
    (root / "cat" / "page.png").write_bytes(b"<html>")
    (root / "dog" / "gone.png").symlink_to(root / "nowhere.png")
    whole = (root / "cat" / "1.png").read_bytes()
    (root / "dog" / "half.png").write_bytes(whole[: len(whole) // 2])
    source = read_source(str(root))
    assert len(source.samples) == 3
    assert list(source.left_out) == [
        "cat/empty.jpg",
        "cat/page.png",
        "dog/gone.png",
        "dog/half.png",
    ]
    assert source.left_out["cat/empty.jpg"] == (
        f"{root}/cat/empty.jpg: is empty (0 bytes); copy it anew or take it out"
    )
    assert "is a web page" in source.left_out["cat/page.png"]
    assert "No such file" in source.left_out["dog/gone.png"]
    assert "is damaged" in source.left_out["dog/half.png"]


def test_a_name_that_is_not_utf8_is_left_out_as_it_can_be_printed(root):
    draw(root / "x.png")
    (root / "x.png").rename(root / "cat" / os.fsdecode(b"caf\xe9.png"))
    source = read_source(str(root))
    assert len(source.samples) == 3
    assert source.left_out == {
        "cat/caf\\udce9.png": f"{root}/cat/caf\\udce9.png: has a name that is not UTF-8; rename it"
    }


def test_a_class_of_which_no_picture_can_be_read_is_no_class(root):
    (root / "emu").mkdir()
    (root / "emu" / "1.png").write_bytes(b"")
    source = read_source(str(root))
    assert source.samples.classes == ("cat", "dog")
    assert list(source.left_out) == ["emu/1.png"]


def test_a_folder_of_broken_pictures_alone_is_told_why(tmp_path):
    for name in ("1.png", "2.png"):
        path = tmp_path / "cat" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"")
    assert refusal(tmp_path) == (
        f"{tmp_path}: none of its 2 images can be read; "
        f"{tmp_path}/cat/1.png: is empty (0 bytes); copy it anew or take it out"
    )


def test_what_is_not_there_is_told_the_nearest_or_what_there_is(tmp_path):
    assert refusal("digit") == "digit: there is no such folder or table; did you mean 'digits'?"
    assert refusal(tmp_path / "no") == (
        f"{tmp_path}/no: there is no such folder or table; name one, or one of 'digits' and "
        "'cifar10'"
    )


def test_a_file_that_is_no_table_is_told_what_is(tmp_path):
    for name in ("photos.7z", "photos.tar.gz"):
        (tmp_path / name).write_bytes(b"x")
        assert refusal(tmp_path / name) == (
            f"{tmp_path}/{name}: is an archive; unpack it and name the folder"
        )
    (tmp_path / "labels.doc").write_bytes(b"x")
    assert refusal(tmp_path / "labels.doc") == (
        f"{tmp_path}/labels.doc: is no table (.csv, .tsv, .parquet, .xlsx, .json, .jsonl, .txt); "
        "name a folder of class folders, or a table of images and labels"
    )


def test_a_table_is_a_source_too(root):
    (root / "labels.csv").write_text(
        "path,label,site\ncat/1.png,big,A\ndog/deep/er/1.png,small,B\n"
    )
    frame = read_source(str(root / "labels.csv")).samples.frame
    assert frame["labels"].to_list() == [["big"], ["small"]]
    assert frame["site"].to_list() == ["A", "B"]
    assert frame["width"].to_list() == [6, 6]
    assert frame["hash"].null_count() == 0


def test_the_content_of_an_image_is_its_file_or_its_raw_pixels(root):
    assert content_of(str(root), "cat/1.png", None) == (root / "cat" / "1.png").read_bytes()
    assert raw_pixels("cat/1.png", None) is None
    pixels = raw_pixels("digits", 7)
    assert content_of(".", "digits", 7) == pixels.tobytes()
    assert (read_pixels(".", "digits", 7, None) == pixels).all()
    with pytest.raises(DataError) as caught:
        content_of(str(root), "gone.png", None)
    assert str(caught.value) == f"{root}/gone.png: cannot be read (No such file or directory)"


def test_an_image_is_named_by_its_path_and_row():
    assert place_name("cat/1.jpg", None) == "cat/1.jpg"
    assert place_name("a.parquet", 0) == "a.parquet, row 0"


def test_the_same_folder_gives_the_same_table(root):
    first, second = (read_source(str(root)).samples for _ in range(2))
    assert first.frame.equals(second.frame)
    assert first.hash() == second.hash()


def test_a_test_set_has_the_labels_of_the_training_under_one_text(tmp_path):
    for place in ("train/cafe\u0301/1.jpg", "train/True/1.jpg", "test/9.jpg", "test/8.jpg"):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_bytes(b"x")
    table = tmp_path / "test" / "t.csv"
    table.write_text("image,label\n9.jpg,caf\u00e9 \n8.jpg,true\n", encoding="utf-8")
    samples = read_listing(str(tmp_path / "train"), test=str(table)).samples
    assert samples.classes == ("True", "caf\u00e9")


def test_labels_are_known_to_a_model_under_another_coding():
    columns = {"path": ["1", "2", "3"], "labels": [["caf\u00e9"], ["1.0"], ["x"]]}
    samples = with_known_labels(Samples.from_columns(columns), ("cafe\u0301", "1"))
    assert samples.classes == ("1", "cafe\u0301", "x")


def test_levels_are_for_folders(tmp_path):
    (tmp_path / "t.csv").write_text("image,label\n1.jpg,a\n")
    with pytest.raises(DataError) as caught:
        read_listing(str(tmp_path / "t.csv"), Reading(levels="class"))
    assert str(caught.value) == (
        f"{tmp_path}/t.csv: data.levels is for folders of pictures; take it away, or name a folder"
    )
