"""Which files a prediction looks at, and what is said of the others."""

import numpy as np
import pytest
from PIL import Image

from fieldmark.data.images import SUFFIXES
from fieldmark.errors import DataError
from fieldmark.use.inputs import find_images


def touch(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_pictures_are_found_at_any_depth_and_what_is_passed_over_is_told(tmp_path):
    touch(tmp_path, "b/2.jpg", "b/c/3.PNG", "a.png", "b/.hidden.png", "b/notes.txt")
    touch(tmp_path, "1.jxl", "b/2.JXL")
    found = find_images([tmp_path])
    names = [path.relative_to(tmp_path).as_posix() for path in found.images]
    assert names == ["a.png", "b/2.jpg", "b/c/3.PNG"]
    assert found.notes == (
        f"{tmp_path}: 2 files passed over: '1.jxl' is JPEG XL: it is not read; "
        "save it as JPEG or PNG",
        f"{tmp_path}: 1 hidden file or folder is passed over: '.hidden.png'",
        f"{tmp_path}: 1 file is passed over: no pictures (.txt)",
    )


def test_a_picture_without_a_suffix_is_found_as_in_training(tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "scan", "PNG")
    assert find_images([tmp_path]).images == (tmp_path / "scan",)


def test_a_file_that_is_named_is_looked_at_whatever_its_name(tmp_path):
    touch(tmp_path, "b.dat", "a.png")
    found = find_images([tmp_path / "b.dat", str(tmp_path / "a.png")])
    assert found.images == (tmp_path / "b.dat", tmp_path / "a.png")
    assert found.notes == ()


def test_a_pattern_that_the_shell_left_is_told(tmp_path):
    with pytest.raises(DataError) as caught:
        find_images([str(tmp_path / "*.jpg")])
    assert (
        str(caught.value) == f"{tmp_path}/*.jpg: matches no file; check the folder and the ending"
    )


def test_what_does_not_exist_is_refused(tmp_path):
    with pytest.raises(DataError) as caught:
        find_images([tmp_path, tmp_path / "nowhere"])
    assert (
        str(caught.value)
        == f"{tmp_path / 'nowhere'}: there is no such file or folder; check the path"
    )


def test_a_folder_without_pictures_is_told_and_alone_refused(tmp_path):
    touch(tmp_path, "full/a.png", "empty/b.jxl")
    full, empty = tmp_path / "full", tmp_path / "empty"
    found = find_images([full, empty])
    assert found.images == (full / "a.png",)
    jxl = "1 file passed over: 'b.jxl' is JPEG XL: it is not read; save it as JPEG or PNG"
    kinds = ", ".join(SUFFIXES)
    assert found.notes == (f"{empty}: {jxl}", f"{empty}: holds no pictures ({kinds})")
    with pytest.raises(DataError) as caught:
        find_images([empty])
    assert str(caught.value) == (
        f"'{empty}': {jxl}; holds no pictures ({kinds}); name pictures, or their folder"
    )


def test_where_nothing_is_named_that_is_said():
    with pytest.raises(DataError) as caught:
        find_images([])
    assert str(caught.value) == "there is nothing to look at; name pictures, or their folder"


def test_what_is_no_path_is_taken_as_it_is_between_files(tmp_path):
    touch(tmp_path, "a.png")
    grey = np.zeros((4, 4), np.uint8)
    found = find_images([b"content", str(tmp_path / "a.png"), grey])
    assert found.images == (b"content", tmp_path / "a.png", grey)
