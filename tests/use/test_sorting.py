"""Pictures copied or moved into folders by their label."""

import os
import shutil
import zipfile
from pathlib import Path

import pytest

from fieldmark.data.inside import changed_at
from fieldmark.errors import DataError, DiskError
from fieldmark.use.predictor import UNSURE, Failure, Prediction
from fieldmark.use.sorting import NO_ANSWER, NO_LABEL, sorter


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def answer(image, *labels, reason=""):
    return Prediction(image, labels[0] if labels else None, 0.5, {}, labels, reason)


def files(folder):
    return {str(path.relative_to(folder)): path.read_text() for path in below(folder)}


def below(folder):
    return sorted(path for path in Path(folder).rglob("*") if path.is_file())


def picture(path, text="x"):
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, ns=(10**18, 10**18 + 123456789))
    return path


def put(answers, *, move=False, classes=("cat", "dog"), **before):
    its = sorter(Path("out"), classes, move=move)
    list(its.watch(answers, [Path(each.image) for each in answers], **before))
    return its


def test_each_picture_is_copied_with_its_time_into_the_folder_of_its_label():
    for name in ("a.jpg", "b.jpg", "c.jpg", "d.jpg"):
        picture(name, name)
    its = put(
        [
            answer("a.jpg", "cat"),
            answer("b.jpg", reason=UNSURE),
            answer("c.jpg"),
            Failure("d.jpg", "is broken"),
        ]
    )
    assert files("out") == {
        "cat/a.jpg": "a.jpg",
        f"{NO_ANSWER}/d.jpg": "d.jpg",
        f"{NO_LABEL}/c.jpg": "c.jpg",
        "unsure/b.jpg": "b.jpg",
    }
    assert Path("out/cat/a.jpg").stat().st_mtime_ns == 10**18 + 123456789
    assert Path("a.jpg").exists()
    assert list(its.words()) == [
        "out: 4 pictures copied, 1 to 'cat', 1 to 'unsure', 1 to 'no label', 1 to 'no answer'"
    ]


def test_what_is_there_stays_and_another_content_has_a_number_behind():
    for folder in "123":
        picture(f"{folder}/a.jpg", folder)
    three = [answer(f"{folder}/a.jpg", "cat") for folder in "123"]
    put(three)
    wanted = {"cat/a.jpg": "1", "cat/a-2.jpg": "2", "cat/a-3.jpg": "3"}
    assert files("out") == wanted
    assert list(put(three).words()) == ["out: 0 pictures copied; 3 were there already"]
    assert files("out") == wanted


def test_a_moved_picture_is_gone_from_its_place_and_never_lost():
    for folder in "12":
        picture(f"{folder}/a.jpg", folder)
    picture("out/cat/a.jpg", "1")  # as a command of before left it
    put([answer(f"{folder}/a.jpg", "cat") for folder in "12"], move=True)
    assert files(".") == {"out/cat/a.jpg": "1", "out/cat/a-2.jpg": "2"}
    put([answer("out/cat/a.jpg", "cat")], move=True)  # where it lies already
    assert files(".") == {"out/cat/a.jpg": "1", "out/cat/a-2.jpg": "2"}


def test_a_picture_is_moved_to_another_disk_by_a_copy(monkeypatch):
    def other_disk(old, new):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr("fieldmark.use.sorting.renamed", other_disk)
    picture("a.jpg")
    put([answer("a.jpg", "cat")], move=True)
    assert files(".") == {"out/cat/a.jpg": "x"}
    assert Path("out/cat/a.jpg").stat().st_mtime_ns == 10**18 + 123456789


def test_a_link_is_moved_as_what_it_points_to():
    picture("real/a.jpg")
    Path("a.jpg").symlink_to("real/a.jpg")
    put([answer("a.jpg", "cat")], move=True)
    assert files(".") == {"out/cat/a.jpg": "x", "real/a.jpg": "x"}
    assert not Path("out/cat/a.jpg").is_symlink()


def test_several_labels_and_several_boxes_put_the_whole_picture_into_each_folder_once():
    picture("a.jpg")
    boxes = [answer(f"a.jpg#xywh=percent:{x},0,10,10", "cat") for x in (1, 2)]
    its = put([*boxes, answer("a.jpg", "dog", "cat")])
    assert files("out") == {"cat/a.jpg": "x", "dog/a.jpg": "x"}
    assert its.placed == {"cat": 1, "dog": 1}
    assert its.there == 0


def test_a_picture_of_a_zip_is_copied_out_of_it():
    with zipfile.ZipFile("p.zip", "w") as packed:
        packed.writestr(zipfile.ZipInfo("x/a.jpg", (2020, 5, 17, 12, 30, 4)), "x")
    put([answer("p.zip/x/a.jpg", "cat")])
    assert files("out") == {"cat/a.jpg": "x"}
    assert Path("out/cat/a.jpg").stat().st_mtime_ns == changed_at(Path("p.zip/x/a.jpg"))


def test_labels_that_are_no_names_of_folders_are_told():
    picture("a.jpg")
    its = put([answer("a.jpg", "cat/tabby")], classes=("cat/tabby", ".."))
    assert files("out") == {"cat_tabby/a.jpg": "x"}
    assert list(its.words())[1:] == ["the folder of 'cat/tabby' is 'cat_tabby'"]


def test_a_picture_that_is_gone_after_its_answer_is_told_and_a_broken_one_not_twice():
    its = put([answer("a.jpg", "cat"), Failure("b.jpg", "b.jpg: is gone")])
    assert its.lost == ["a.jpg: cannot be read any more, and is in no folder; look for it"]
    assert not Path("out").exists()


def test_pictures_of_which_a_command_of_before_took_care_are_counted_and_not_read():
    picture("b.jpg")
    three = [answer("gone.jpg", "cat"), answer("b.jpg", "cat"), answer("b.jpg", "dog")]
    its = put(three, before=2)  # the second may not be in place yet
    assert files("out") == {"cat/b.jpg": "x", "dog/b.jpg": "x"}
    assert next(its.words()).endswith("; 1 was there already")


@pytest.mark.parametrize("held", [False, True])
def test_a_picture_that_was_moved_before_the_kill_is_not_missed(held):
    picture("c.jpg")
    three = [answer(name, "cat") for name in ("a.jpg", "b.jpg", "c.jpg")]
    its = put(three, move=True, before=2, held=held)
    assert its.lost == []
    assert list(its.words()) == ["out: 1 picture moved, 1 to 'cat'; 2 were there already"]


def test_a_copy_that_fails_leaves_nothing_half_there(monkeypatch):
    def full(source, out, size):
        out.write(b"ha")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfileobj", full)
    picture("a.jpg")
    with pytest.raises(DiskError, match=r"^out/cat/a.jpg: the disk is full; free some space"):
        put([answer("a.jpg", "cat")])
    assert below("out") == []


def test_a_broken_zip_is_the_error_of_its_picture():
    Path("p.zip").write_bytes(b"no zip")
    with pytest.raises(DataError, match=r"^p.zip: cannot be read as a zip"):
        sorter(Path("out"), ["cat"]).put(["cat"], Path("p.zip/a.jpg"))


def test_a_disk_at_two_places_loses_no_picture_that_lies_where_it_belongs(monkeypatch):
    picture("out/cat/a.jpg")
    Path("there").symlink_to("out")
    monkeypatch.setattr(Path, "resolve", lambda path: path)  # as of a disk that is mounted twice
    sorter(Path("out"), ["cat"], move=True).put(["cat"], Path("there/cat/a.jpg"))
    assert files("out") == {"cat/a.jpg": "x"}


def test_a_move_that_a_kill_left_at_both_places_is_ended():
    picture("a.jpg")
    Path("out/cat").mkdir(parents=True)
    Path("out/cat/a.jpg").hardlink_to("a.jpg")
    put([answer("a.jpg", "cat")], move=True)
    assert files(".") == {"out/cat/a.jpg": "x"}


def test_a_picture_that_cannot_be_taken_away_is_told_and_is_once_in_its_folder(monkeypatch):
    picture("a.jpg")
    unlink = Path.unlink

    def keeps(path, missing_ok=False):
        if path == Path("a.jpg"):
            raise PermissionError(13, "Permission denied")
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", keeps)
    told = r"^a.jpg: was copied and cannot be taken away \(Permission denied\); leave --move out$"
    with pytest.raises(DiskError, match=told):
        put([answer("a.jpg", "cat")], move=True)
    assert files(".") == {"a.jpg": "x", "out/cat/a.jpg": "x"}
