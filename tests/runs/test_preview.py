"""Looks before training leave the process as they found it."""

import io
import random

import numpy as np
import pytest
import torch
from smallruns import QUIET, SMALL, draw_photos

from fieldmark.console import Console
from fieldmark.errors import SettingsError
from fieldmark.machine import generators_kept
from fieldmark.runs.concrete import gather
from fieldmark.runs.preview import find_rates, show


def generators():
    """Where every global generator stands."""
    numpys = np.random.get_state()  # noqa: NPY002
    return torch.get_rng_state().tolist(), random.getstate(), numpys[1].tolist(), numpys[2]


def test_a_look_before_training_leaves_threads_and_generators_as_they_were(tmp_path):
    photos = draw_photos(tmp_path / "photos")
    given = {"out": str(tmp_path), "name": "run"}
    words, before = [*SMALL, "run.threads=1"], torch.get_num_threads()
    torch.set_num_threads(before + 1)  # two busy threads on few cores would cost much more
    stood = generators()
    try:
        find_rates(gather(str(photos), words, given), QUIET)
        assert generators() == stood
        show(gather(str(photos), words, {}), QUIET)
        assert torch.get_num_threads() == before + 1
    finally:
        torch.set_num_threads(before)
    assert generators() == stood


def test_a_head_that_is_solved_exactly_has_no_rate_to_look_for(photos, weights):
    resolved = gather(str(photos), ["model.width=4", *weights[:2]], {"freeze": "true"})
    with pytest.raises(SettingsError) as told:
        find_rates(resolved, QUIET)
    what = "is for rates, and this head is solved exactly; add features.solver=epochs"
    assert str(told.value) == f"--find-lr: {what}"


def test_an_estimate_says_when_the_hours_of_the_budget_end_the_training(tmp_path):
    told = io.StringIO()
    photos = draw_photos(tmp_path / "photos")
    resolved = gather(str(photos), SMALL, {"max_hours": 0.25})
    show(resolved, Console(stream=told))
    _, time, *_ = told.getvalue().split("\n\n")
    ending = "  training ends after 15 min of the whole run, if not before (--max-hours)"
    assert time.splitlines()[2:] == [ending]


def test_a_run_on_the_processor_begins_nothing_on_an_accelerator(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_rng_state", None)  # it would start CUDA
    stood = generators()
    with generators_kept(torch.device("cpu")):
        torch.rand(1)
    assert generators() == stood
