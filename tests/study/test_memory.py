"""A process that does many runs gives back what each took."""

import ctypes
import os
import platform
from ctypes.util import find_library
from pathlib import Path

import pytest
from smallruns import QUIET, draw_photos

from fieldmark.runs.concrete import gather
from fieldmark.study import one_vs_rest as ovr
from fieldmark.study import work as module
from fieldmark.study.ovr_answers import Asked

SLACK = 40 * 2**20  # bytes; a network of these with its optimiser is 60 MB, its activations more
SIZED = ("model=attention_cnn", "model.widths=[64,128,256,512,256]", "input.size=64")


def resident() -> int:
    """Bytes of this process in memory, without those that are free for its next run.

    What glibc keeps of freed memory is 50 MB more after one run and less after the next.
    """
    ctypes.CDLL(find_library("c")).malloc_trim(0)
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.slow
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc gives memory back so")
def test_after_thirty_runs_a_process_has_the_memory_that_it_had_after_three(tmp_path, monkeypatch):
    photos, seen = draw_photos(tmp_path / "photos", side=64), []
    words = [*SIZED, "train.batch_size=16", "run.workers=0"]
    given = {"out": str(tmp_path), "name": "many", "epochs": "1"}
    do = module.do

    def watched(*args, **more):
        found = do(*args, **more)
        seen.append(resident())
        return found

    monkeypatch.setattr(module, "do", watched)
    work = lambda study, console, **_: module.work(study, console, alone=True)  # noqa: E731
    monkeypatch.setattr(ovr, "run_all", work)
    resolved = gather(str(photos), words, given, new=False)
    ovr.one_vs_rest(resolved, QUIET, "a test", Asked(10, 0.5, softmax=False))
    assert len(seen) == 30
    assert seen[29] - seen[2] < SLACK
