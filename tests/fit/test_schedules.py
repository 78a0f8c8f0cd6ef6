"""Schedules against torch's own."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.optim import lr_scheduler

from fieldmark.fit.schedules import SCHEDULES, Progress

STEPS, EPOCHS = 7, 12


def factors(name, **options):
    schedule = SCHEDULES.build(name, options)
    return [schedule(Progress(step, STEPS, EPOCHS)) for step in range(STEPS * EPOCHS)]


def torch_factors(make):
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    scheduler = make(optimizer)
    found = []
    for _ in range(STEPS * EPOCHS):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


@pytest.mark.parametrize("pct_start", [0.1, 0.3, 0.5])
def test_one_cycle_is_that_of_torch(pct_start):
    wanted = torch_factors(
        lambda optimizer: lr_scheduler.OneCycleLR(
            optimizer,
            max_lr=1.0,
            total_steps=STEPS * EPOCHS,
            pct_start=pct_start,
            div_factor=50.0,
            final_div_factor=100.0,
            cycle_momentum=False,
        )
    )
    found = factors("one-cycle", pct_start=pct_start, div_factor=50.0, final_div_factor=100.0)
    assert found == pytest.approx(wanted, rel=1e-9)


def test_cosine_without_warm_up_is_that_of_torch():
    wanted = torch_factors(
        lambda optimizer: lr_scheduler.CosineAnnealingLR(
            optimizer, T_max=STEPS * EPOCHS, eta_min=0.1
        )
    )
    assert factors("cosine", warmup_epochs=0.0, floor=0.1) == pytest.approx(wanted, rel=1e-9)


def test_cosine_warms_up_in_a_line_to_the_whole_rate():
    found = factors("cosine", warmup_epochs=2.0)
    warm = 2 * STEPS
    assert found[:warm] == pytest.approx([(step + 1) / (warm + 1) for step in range(warm)])
    assert found[warm] == 1.0
    assert found[warm:] == sorted(found[warm:], reverse=True)


def test_step_is_that_of_torch():
    wanted = torch_factors(
        lambda optimizer: lr_scheduler.StepLR(optimizer, step_size=5 * STEPS, gamma=0.5)
    )
    assert factors("step", every=5, gamma=0.5) == pytest.approx(wanted, rel=1e-9)


def test_plateau_is_that_of_torch():
    monitored = [0.1, 0.2, 0.2, 0.19, 0.2, 0.3, 0.1, 0.2, 0.3, 0.3, 0.1, 0.1, 0.4]
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    scheduler = lr_scheduler.ReduceLROnPlateau(
        optimizer, mode="max", factor=0.5, patience=2, threshold=0.0, eps=0.0
    )
    schedule = SCHEDULES.build("plateau", {"wait": 2, "factor": 0.5})
    for count in range(len(monitored)):
        scheduler.step(monitored[count])
        found = schedule(Progress(0, 1, 20, tuple(monitored[: count + 1])))
        assert found == pytest.approx(optimizer.param_groups[0]["lr"])


@pytest.mark.parametrize("threshold", [0.0, 1e-4, 0.1])
def test_plateau_by_loss_is_that_of_torch_by_the_least_loss(threshold):
    losses = [0.9, 0.5, 0.49, 0.48, 0.49995, 0.47, 0.46, 0.45, 0.44999, 0.449985, 0.3, 0.2, 0.3]
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    scheduler = lr_scheduler.ReduceLROnPlateau(
        optimizer, factor=0.1, patience=2, threshold=threshold, eps=0.0
    )
    options = {"by": "loss", "wait": 2, "factor": 0.1, "threshold": threshold}
    schedule, rising, rates = SCHEDULES.build("plateau", options), tuple(range(13)), set()
    for count in range(len(losses)):
        scheduler.step(losses[count])
        found = schedule(Progress(0, 1, 20, rising[: count + 1], tuple(losses[: count + 1])))
        assert found == pytest.approx(optimizer.param_groups[0]["lr"])
        rates.add(round(found, 9))
    assert len(rates) == {0.0: 1, 1e-4: 1, 0.1: 3}[threshold]


def test_plateau_passes_over_epochs_without_validation():
    schedule = SCHEDULES.build("plateau", {"wait": 1, "factor": 0.5})
    found = [0.5, math.nan, 0.4, math.nan, math.nan, 0.5]
    assert [schedule(Progress(0, 1, 9, tuple(found[: n + 1]))) for n in range(6)] == [1] * 5 + [0.5]


@pytest.mark.parametrize("name", list(SCHEDULES))
@pytest.mark.parametrize("total", [1, 2, 3])
def test_a_run_of_a_step_or_two_has_a_rate(name, total):
    schedule = SCHEDULES.build(name, {})
    for step in range(total):
        assert 0 < schedule(Progress(step, 1, total)) <= 1


def test_without_a_schedule_the_rate_stays():
    assert set(factors("none")) == {1.0}


@pytest.mark.parametrize("peak", [0.01, 0.23, 0.9])
def test_triangle_is_two_lines_through_start_peak_and_end(peak):
    total = STEPS * EPOCHS
    corners = [0, int(peak * total), total], [0.2, 1.0, 0.07]
    found = factors("triangle", start=0.2, peak=peak, end=0.07)
    if corners[0][1] == 0:  # there is no way up
        corners = [0, total], [1.0, 0.07]
    assert found == pytest.approx(np.interp(range(total), *corners), rel=1e-12)


@given(
    total=st.integers(1, 500),
    start=st.floats(0, 1),
    peak=st.floats(0.001, 0.999),
    end=st.floats(0, 1),
)
def test_a_triangle_rises_once_to_the_whole_rate_and_falls_from_there(total, start, peak, end):
    schedule = SCHEDULES.build("triangle", {"start": start, "peak": peak, "end": end})
    found = [schedule(Progress(step, 1, total)) for step in range(total)]
    top = found.index(1.0)
    assert found[: top + 1] == sorted(found[: top + 1])
    assert found[top:] == sorted(found[top:], reverse=True)
    assert min(start, end) - 1e-9 <= min(found)
