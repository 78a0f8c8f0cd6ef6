import errno
import json
import shutil
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import save_file

from fieldmark import files
from fieldmark.errors import DiskError, SettingsError
from fieldmark.files import (
    check_page,
    check_table,
    put_folder,
    write_json,
    write_text,
    write_whole,
)


@pytest.fixture
def small_disk(tmp_path):
    """A folder that has room for 64 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("a small disk cannot be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def names(folder):
    return [path.name for path in folder.iterdir()]


def fail(error):
    def write(draft):
        draft.write_text("half")
        raise error

    return write


def test_text_is_written_in_utf8(tmp_path):
    write_text(tmp_path / "a.txt", "Été, 海\n")
    assert (tmp_path / "a.txt").read_bytes() == "Été, 海\n".encode()
    assert names(tmp_path) == ["a.txt"]


def test_the_old_file_stands_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def write(draft):
        draft.write_text("new")
        assert path.read_text() == "old"
        assert draft.parent == path.parent
        assert draft.name.startswith(".")
        assert draft.name.endswith(".part")

    write_whole(path, write)
    assert path.read_text() == "new"


@pytest.mark.parametrize("error", [ValueError("odd"), KeyboardInterrupt(), OSError(5, "I/O")])
def test_a_writer_that_fails_leaves_the_old_file_and_no_draft(tmp_path, error):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(DiskError if isinstance(error, OSError) else type(error)):
        write_whole(path, fail(error))
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("I/O error: No space left on device (os error 28)", "the disk is full; free some space"),
        ("underlying IO error (os error 13)", r"cannot be written \(Permission denied\); choose"),
    ],
)
def test_an_error_of_the_system_that_a_library_wrapped_is_told_as_such(tmp_path, text, sentence):
    with pytest.raises(DiskError, match=f"a.txt: {sentence}"):
        write_whole(tmp_path / "a.txt", fail(RuntimeError(text)))


@pytest.mark.parametrize(
    ("at", "is_held"),
    [
        ("rename 1", {"folder": "old", "draft": "new"}),
        ("rename 2", {".folder.before": "old", "draft": "new"}),
        ("rmtree 2", {".folder.before": "old", "folder": "new"}),
    ],
)
def test_at_any_moment_a_folder_is_the_old_one_or_the_new_one_whole(
    tmp_path, monkeypatch, at, is_held
):
    def made(text):
        draft = tmp_path / "draft"
        draft.mkdir(exist_ok=True)
        (draft / "a.txt").write_text(text)
        return draft

    def killed(name, does, done):
        def do(*given, **how):
            done.append(name)
            if f"{name} {len(done)}" == at:
                raise KeyboardInterrupt
            return does(*given, **how)

        return do

    place = tmp_path / "folder"
    put_folder(made("old"), place)
    draft = made("new")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", killed("rename", Path.rename, []))
        patch.setattr("shutil.rmtree", killed("rmtree", shutil.rmtree, []))
        with pytest.raises(KeyboardInterrupt):
            put_folder(draft, place)
    assert {each.name: (each / "a.txt").read_text() for each in tmp_path.iterdir()} == is_held
    put_folder(made("next"), place)
    assert names(tmp_path) == ["folder"]
    assert (place / "a.txt").read_text() == "next"


def test_threads_that_write_one_file_do_not_share_a_draft(tmp_path):
    together = threading.Barrier(2)

    def write(letter):
        def slowly(draft):
            with draft.open("w") as stream:
                for _ in range(3):
                    together.wait(timeout=10)
                    stream.write(letter * 10_000)
                    stream.flush()

        write_whole(tmp_path / "a", slowly)

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(write, "ab"))
    assert set((tmp_path / "a").read_text()) in ({"a"}, {"b"})
    assert len((tmp_path / "a").read_text()) == 30_000
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_folder_that_does_not_exist_is_told(tmp_path):
    path = tmp_path / "nowhere" / "a.txt"
    with pytest.raises(DiskError) as caught:
        write_text(path, "x")
    reason = "cannot be written (No such file or directory); choose another place"
    assert str(caught.value) == f"{path}: {reason}"


def test_a_file_in_the_folders_place_is_told(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(DiskError, match=r"cannot be written \(Not a directory\)"):
        write_text(tmp_path / "file" / "a.txt", "x")


def write_parquet(path):
    pl.DataFrame({"a": np.random.default_rng(0).normal(size=30_000)}).write_parquet(path)


WRITERS = {
    "text": lambda draft: draft.write_text("y" * 200_000),
    "parquet": write_parquet,
    "safetensors": lambda draft: save_file({"a": np.zeros(50_000)}, draft),
}


@pytest.mark.parametrize("writer", WRITERS)
def test_a_full_disk_is_told_and_leaves_the_old_file(small_disk, writer):
    path = small_disk / "a"
    path.write_text("old")
    with pytest.raises(DiskError) as caught:
        write_whole(path, WRITERS[writer])
    assert str(caught.value) == f"{path}: the disk is full; free some space and try again"
    assert path.read_text() == "old"
    assert names(small_disk) == ["a"]


def test_a_disk_that_may_only_be_read_is_told(small_disk):
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(DiskError, match=r"cannot be written \(Read-only file system\)"):
        write_text(small_disk / "a", "x")


def test_json_is_indented_utf8_and_ends_its_line(tmp_path):
    write_json(tmp_path / "a.json", {"é": [1, None], "b": "海"})
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert json.loads(text) == {"é": [1, None], "b": "海"}
    assert '\n  "é": [' in text
    assert text.endswith("}\n")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [{"a": -float("inf")}]])
def test_json_without_a_number_is_refused_and_leaves_the_old_file(tmp_path, value):
    path = tmp_path / "a.json"
    write_json(path, 1)
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, {"a": value})
    assert path.read_text() == "1\n"


OURS = '<!doctype html><meta name="generator" content="Fieldmark">'


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("page.txt", "does not end in .html; name a file that does"),
        ("metrics.json", "does not end in .html; name a file that does"),
        ("folder.html", "is a folder; name a file that ends in .html"),
        ("other.html", "is no page of Fieldmark's, so it stays; choose another name"),
        ("gone.html", "is no page of Fieldmark's, so it stays; choose another name"),
        ("other.html/x.html", "'other.html' is no folder; choose another place"),
        ("n" * 300 + ".html", "cannot be used (File name too long); choose another place"),
    ],
)
def test_a_page_in_a_place_that_it_must_not_take_is_refused(tmp_path, monkeypatch, name, sentence):
    monkeypatch.chdir(tmp_path)
    Path("folder.html").mkdir()
    Path("other.html").write_text("<title>my own</title>")
    Path("metrics.json").write_text("{}")
    Path("gone.html").symlink_to("nowhere.html")
    with pytest.raises(SettingsError) as caught:
        check_page(Path(name))
    said = str(caught.value).replace(f"{tmp_path}/", "")
    assert said == f"--page {name}: {sentence}"


def test_a_page_may_be_new_or_take_the_place_of_one_of_ours(tmp_path):
    (tmp_path / "ours.HTML").write_text(OURS)
    check_page(tmp_path / "ours.HTML")
    check_page(tmp_path / "new" / "folder" / "page.html")
    assert names(tmp_path) == ["ours.HTML"]


def test_a_table_takes_the_place_of_a_file_only_when_asked_to(tmp_path):
    path, endings = tmp_path / "t.csv", (".csv", ".parquet")
    check_table(path, endings, overwrite=False)
    path.touch()
    check_table(path, endings, overwrite=True)
    (tmp_path / "f.csv").mkdir()
    for name, overwrite, what in [
        ("t.csv", False, "exists already; choose another name, or replace it with --overwrite"),
        ("t.txt", True, "must end in .csv or .parquet, which names its kind"),
        (
            "t.html",
            True,
            "must end in .csv or .parquet, which names its kind; a page is --page",
        ),
        ("f.csv", True, "is a folder; name a file in it"),
    ]:
        with pytest.raises(SettingsError) as caught:
            check_table(tmp_path / name, endings, overwrite=overwrite)
        assert str(caught.value) == f"--out {tmp_path / name}: {what}"


def test_a_long_list_of_numbers_has_no_blanks(tmp_path):
    write_json(tmp_path / "a.json", {"few": [0] * 99, "many": [0] * 100})
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert json.loads(text) == {"few": [0] * 99, "many": [0] * 100}
    assert f"[{', '.join('0' * 99)}]" in text
    assert f"[{','.join('0' * 100)}]" in text


def test_a_list_of_numbers_is_one_line_and_words_stay_as_they_are(tmp_path):
    value = {"table": [[1, 2.5], [3, None]], "none": [], "words": ["[\n 1\n]", "[ 1 ]"], "no": {}}
    write_json(tmp_path / "a.json", value)
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert json.loads(text) == value
    assert text.startswith('{\n  "table": [\n    [1, 2.5],\n    [3, null]\n  ],\n  "none": [],\n')


@pytest.mark.parametrize(
    ("error", "is_free"), [(None, True), (errno.EACCES, False), (errno.EINVAL, True)]
)
def test_windows_locks_the_first_byte_of_a_file(tmp_path, monkeypatch, error, is_free):
    locked = []

    def locking(number, mode, length):
        locked.append((mode, length))
        if error is not None:
            raise OSError(error, "refused")

    windows = SimpleNamespace(locking=locking, LK_NBLCK=2)
    monkeypatch.setattr(files, "msvcrt", windows, raising=False)
    with monkeypatch.context() as patch:
        patch.setattr("sys.platform", "win32")
        with files.held(tmp_path / "a.lock") as found:
            assert found is is_free
    assert locked == [(2, 1)]
