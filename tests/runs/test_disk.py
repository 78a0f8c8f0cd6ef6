"""A disk that is full: refused before work begins, or told with the last good state kept."""

import contextlib
import os
import subprocess

import pytest
from smallruns import QUIET, SMALL, resume, same_results, train

from fieldmark.errors import DiskError
from fieldmark.fit.keeper import Keeper
from fieldmark.rundir import RunDir
from fieldmark.runs.concrete import gather
from fieldmark.runs.run import train_run


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 4 MB."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("only root may mount a small disk")
    path = tmp_path / "disk"
    path.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(path)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip(f"no small disk may be mounted here: {mounted.stderr.decode().strip()}")
    yield path
    subprocess.run(["umount", str(path)], check=True)


def test_a_disk_that_is_too_small_is_refused_before_anything_is_written(photos, small_disk):
    words = [word for word in SMALL if "width" not in word]
    options = {"out": str(small_disk / "runs"), "name": "run", "epochs": "1"}
    with pytest.raises(DiskError) as caught:
        train_run(gather(str(photos), words, options), QUIET, "a test")
    assert str(caught.value) == (
        f"--out {small_disk}: 4 MB are free and the run needs about 12 MB; "
        "free some space or choose another place"
    )
    assert list(small_disk.iterdir()) == []


def test_a_disk_that_fills_up_leaves_a_run_that_can_go_on(
    photos, small_disk, tmp_path, monkeypatch
):
    whole = train(photos, tmp_path, "whole")
    real, saves = Keeper.save, 0

    def save(self, state, best=None):
        nonlocal saves
        saves += 1
        if saves == 2:
            _fill(small_disk / "filler")
        real(self, state, best)

    monkeypatch.setattr(Keeper, "save", save)
    with pytest.raises(DiskError, match=r"is full; .*: fieldmark train --resume .*/run"):
        train(photos, small_disk, "run")
    (small_disk / "filler").unlink()
    monkeypatch.undo()
    run = resume(RunDir(small_disk / "run"))
    assert same_results(run, whole)


def _fill(path):
    with path.open("wb", buffering=0) as stream, contextlib.suppress(OSError):
        while True:
            stream.write(bytes(4096))
