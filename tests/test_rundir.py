import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from fieldmark.errors import DiskError, RunError
from fieldmark.rundir import RunDir, create, open_run, plain, remove

CREATE = """
import sys
from fieldmark.rundir import create
for _ in range(15):
    print(create(sys.argv[1], None, "data").name)
"""
HOLD = """
import os, sys, time
from pathlib import Path
from fieldmark.rundir import RunDir
with RunDir(Path(sys.argv[1])).locked():
    if os.fork() == 0:  # as a loader's worker, which may outlive its parent
        time.sleep(60)
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def run(tmp_path):
    return create(str(tmp_path), "a", "data")


@contextmanager
def held_by_another(run):
    """The run, locked by another process that has a child; ends both."""
    command = [sys.executable, "-c", HOLD, str(run.path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as other:
        assert other.stdout.readline() == b"held\n"
        try:
            yield other
        finally:
            os.killpg(other.pid, signal.SIGKILL)


def test_folders_are_numbered_and_a_number_in_use_is_passed_over(tmp_path):
    out = tmp_path / "deep" / "runs"
    assert create(str(out), None, "birds-cnn").name == "birds-cnn-1"
    (out / "birds-cnn-2").write_text("in use")
    assert create(str(out), None, "birds-cnn").path == out / "birds-cnn-3"
    assert create(str(out), None, "ants").name == "ants-1"


def test_the_first_of_a_name_may_go_without_a_number_but_for_one_whose_table_is_another_file(
    tmp_path,
):
    names = [create(str(tmp_path), None, "cnn_sgd_0.1", first_bare=True).name for _ in range(3)]
    assert names == ["cnn_sgd_0.1", "cnn_sgd_0.1-2", "cnn_sgd_0.1-3"]
    assert create(str(tmp_path), None, "history", first_bare=True).name == "history-1"


def test_threads_never_get_the_same_folder(tmp_path):
    with ThreadPoolExecutor(8) as threads:
        runs = list(threads.map(lambda _: create(str(tmp_path), None, "data"), range(60)))
    assert sorted(run.name for run in runs) == sorted(f"data-{n}" for n in range(1, 61))


def test_processes_never_get_the_same_folder(tmp_path):
    command = [sys.executable, "-c", CREATE, str(tmp_path)]
    others = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    names = [name for other in others for name in other.communicate()[0].split()]
    assert sorted(names) == sorted(f"data-{n}" for n in range(1, 46))


def test_a_name_in_use_is_refused_and_left_alone(run, tmp_path):
    run.log.write_text("old")
    with pytest.raises(RunError) as caught:
        create(str(tmp_path), "a", "data")
    assert str(caught.value) == (
        f"{run.path}: exists already; choose another --name, "
        f"or go on with it: fieldmark train --resume {run.path}"
    )
    assert run.log.read_text() == "old"


@pytest.mark.parametrize("name", ["", " ", ".", "..", "a/b", "a/", "/a", "../a", "a\0b", "a\nb"])
def test_a_name_that_is_no_plain_folder_is_refused(tmp_path, name):
    with pytest.raises(RunError) as caught:
        create(str(tmp_path / "out"), name, "data")
    assert str(caught.value) == (
        f"--name {name}: is not a plain folder name; put its folder into --out"
    )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["a b", "Été", "海-1", "v1.2", "-x"])
def test_an_unusual_name_is_a_name(tmp_path, name):
    assert create(str(tmp_path), name, "data").path == tmp_path / name


def test_a_file_in_the_place_of_out_is_refused(tmp_path):
    out = tmp_path / "file"
    out.write_text("x")
    with pytest.raises(RunError) as caught:
        create(str(out), None, "data")
    assert str(caught.value) == f"--out {out}: is a file; name a folder"
    with pytest.raises(DiskError, match=r"cannot be written \(Not a directory\)"):
        create(str(out / "deeper"), None, "data")


@pytest.mark.parametrize(
    ("text", "part"),
    [("a b/c:d", "a-b-c-d"), ("..hidden..", "hidden"), ("Été 海", "Été-海"), ("///", "data")],
)
def test_a_text_becomes_a_part_of_a_folders_name(text, part):
    assert plain(text) == part


def test_a_run_is_opened_by_its_settings(run, tmp_path):
    with pytest.raises(RunError) as caught:
        open_run(tmp_path / "b")
    assert str(caught.value) == (
        f"{tmp_path / 'b'}: there is no such run folder; `ls runs` shows those of this folder"
    )
    with pytest.raises(RunError) as caught:
        open_run(run.path)
    assert str(caught.value) == (
        f"{run.path}: is no run (it has no settings.yaml); name a run's folder"
    )
    run.settings.write_text("data: digits\n")
    assert open_run(str(run.path)) == run
    assert run.settings.read_text() == "data: digits\n"


def test_a_run_is_done_when_it_has_its_manifest(run):
    assert not run.is_done
    with pytest.raises(RunError, match=r"manifest\.json: cannot be read"):
        run.read_manifest()
    run.write_manifest({"epochs": 3})
    assert run.is_done
    assert run.read_manifest() == {"epochs": 3, "files": {}}


def test_the_manifest_lists_every_file_but_itself_and_the_lock(run):
    (run.path / "deep").mkdir()
    (run.path / "deep" / "é.txt").write_bytes(b"12345")
    run.log.write_bytes(b"123")
    with run.locked():
        run.write_manifest({})
        run.write_manifest({})
    assert run.read_manifest()["files"] == {"a.log": 3, "deep/é.txt": 5}


@pytest.mark.parametrize("text", [None, "", "{", "[1]", "3"])
def test_figures_that_are_not_there_or_are_no_table_are_told(run, text):
    if text is not None:
        run.metrics.write_text(text)
    with pytest.raises(RunError) as caught:
        run.read_metrics()
    assert str(caught.value) == (
        f"{run.metrics}: cannot be read; the run may have been stopped before it was written, "
        f"go on with: fieldmark train --resume {run.path}"
    )


def test_a_bundle_is_two_files(run):
    (run.path / "model.json").write_text("{}")
    assert not run.has_bundle
    (run.path / "model.safetensors").write_text("")
    assert run.has_bundle


def test_drafts_are_cleared_at_any_depth_and_nothing_else(run):
    run.checkpoint.mkdir()
    for path in (run.path / ".a.json.12.part", run.checkpoint / ".b.12.part"):
        path.write_text("half")
    kept = [run.log, run.path / "a.part", run.path / ".hidden"]
    for path in kept:
        path.write_text("whole")
    run.clear_drafts()
    assert sorted(path for path in run.path.rglob("*") if path.is_file()) == sorted(kept)


def test_a_run_is_removed_with_all_that_is_in_it(run):
    run.checkpoint.mkdir()
    remove(run)
    assert not run.path.exists()
    remove(run)


def test_another_process_may_not_train_a_run_that_is_held_and_may_when_that_was_killed(run):
    with held_by_another(run) as other:
        with pytest.raises(RunError) as caught, run.locked():
            pytest.fail("two processes hold the run")
        assert str(caught.value) == (
            f"{run.path}: another process is training this run; wait for it or stop it"
        )
        os.kill(other.pid, signal.SIGKILL)
        other.wait()
        with run.locked():  # though the killed one's child is still alive
            os.killpg(other.pid, 0)


def test_a_lock_is_free_again_after_its_work_even_where_that_failed(run):
    for _ in range(2):
        with pytest.raises(KeyError), run.locked():
            raise KeyError("a")
    check = f"from fieldmark.rundir import *\nwith RunDir(Path({str(run.path)!r})).locked(): pass"
    subprocess.run([sys.executable, "-c", check], check=True)


def test_a_run_whose_lock_cannot_be_made_is_told(tmp_path):
    gone = RunDir(Path(tmp_path, "gone"))
    with pytest.raises(DiskError, match=r"\.lock: cannot be written"), gone.locked():
        pytest.fail("there is nothing to hold")


def test_a_file_system_without_locks_holds_nothing_up(run, monkeypatch):
    def refuse(*_):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr("fcntl.lockf", refuse)
    with run.locked():
        run.log.write_text("worked")
    assert run.log.read_text() == "worked"


def test_the_temperature_is_the_models_then_the_evaluations_then_one(tmp_path):
    run = RunDir(tmp_path)
    assert run.read_temperature() == 1
    run.metrics.write_text('{"calibration": {"temperature": 2.5}}')
    assert run.read_temperature() == 2.5
    (tmp_path / "model.json").write_text('{"temperature": 1.5}')
    assert run.read_temperature() == 1.5
    (tmp_path / "model.json").write_text("{}")
    assert run.read_temperature() == 1


def test_thresholds_are_those_of_the_bundle_or_none(tmp_path):
    run = RunDir(tmp_path)
    assert run.read_thresholds() is None
    (tmp_path / "model.json").write_text('{"thresholds": null}')
    assert run.read_thresholds() is None
    (tmp_path / "model.json").write_text('{"thresholds": {"cat": 0.25, "dog": 1}}')
    assert run.read_thresholds() == {"cat": 0.25, "dog": 1.0}


def test_a_study_is_no_run_and_says_where_its_runs_are(tmp_path):
    (tmp_path / "study.json").write_text("{}")
    with pytest.raises(RunError) as told:
        open_run(tmp_path)
    runs = tmp_path / "runs"
    assert str(told.value) == f"{tmp_path}: is a study of many runs; name one of them, in {runs}"
