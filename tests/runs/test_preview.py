"""Looks before training leave the process as they found it."""

import torch
from smallruns import QUIET, SMALL, draw_photos

from fieldmark.runs.concrete import gather
from fieldmark.runs.preview import find_rates, show


def test_a_look_before_training_leaves_the_threads_as_they_were(tmp_path):
    photos = draw_photos(tmp_path / "photos")
    given = {"out": str(tmp_path), "name": "run"}
    words, before = [*SMALL, "run.threads=1"], torch.get_num_threads()
    torch.set_num_threads(before + 1)  # two busy threads on few cores would cost much more
    try:
        find_rates(gather(str(photos), words, given), QUIET)
        show(gather(str(photos), words, {}), QUIET)
        assert torch.get_num_threads() == before + 1
    finally:
        torch.set_num_threads(before)
