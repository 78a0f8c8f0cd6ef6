"""Seconds by name, under a clock that the test moves."""

import pytest
import torch

from fieldmark.fit.clock import LATEST, Clock
from fieldmark.fit.state import State


class Time:
    """A time that stands still until it is told to go on."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now

    def work(self, seconds):
        self.now += seconds


def made(device="cpu"):
    time = Time()
    return Clock(device, time), time


def an_epoch(clock, time, steps):
    """Steps of 2 s waiting, 3 s forward, 5 s backward and 1 s of other things."""

    def loading():
        for step in range(steps):
            time.work(2)
            yield step

    seen = []
    for step in clock.waiting(loading()):
        seen.append(step)
        time.work(3)
        clock.mark("forward")
        time.work(5)
        clock.mark("backward")
        time.work(1)
    return seen


def test_what_is_done_inside_counts_under_its_name_and_all_of_it_as_whole():
    clock, time = made()
    for seconds in (2, 3):
        with clock("writing"):
            time.work(seconds)
        time.work(10)
    assert clock.times() == {"writing": 5, "whole": 25}


def test_what_ends_in_an_error_counts_too():
    clock, time = made()

    def fail():
        with clock("writing"):
            time.work(2)
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        fail()
    assert clock.times() == {"writing": 2, "whole": 2}


def test_a_step_is_told_apart_and_what_is_between_steps_counts_as_nothing():
    clock, time = made()
    time.work(50)
    assert an_epoch(clock, time, 4) == [0, 1, 2, 3]
    assert clock.times() == {"waiting": 8, "forward": 12, "backward": 20, "whole": 50 + 4 * 11}


def test_what_is_written_inside_a_step_is_not_counted_twice():
    clock, time = made()
    clock.mark(None)
    with clock("writing"):
        time.work(7)
    time.work(1)
    clock.mark("forward")
    assert clock.times() == {"writing": 7, "forward": 1, "whole": 8}


def test_an_accelerator_without_events_is_not_told_apart():
    clock, time = made("mps")
    an_epoch(clock, time, 4)
    assert clock.times() == {"waiting": 8, "steps": 36, "whole": 44}


def test_the_seconds_of_a_run_are_kept_over_a_checkpoint():
    def state(clock):
        model = torch.nn.Linear(2, 2)
        return State(model, torch.optim.SGD(model.parameters(), lr=0.1), clock=clock)

    first, time = made()
    with first("decoding"):
        time.work(4)
    with first("forward"):
        time.work(2)
    tree = state(first).tree()
    second, time = made()
    with second("decoding"):
        time.work(1)
    state(second).restore(tree)
    time.work(3)
    assert second.times() == {"decoding": 5, "forward": 2, "whole": 10}


def test_a_checkpoint_that_knows_no_times_is_read_all_the_same():
    clock, time = made()
    model = torch.nn.Linear(2, 2)
    state = State(model, torch.optim.SGD(model.parameters(), lr=0.1), clock=clock)
    tree = state.tree()
    del tree["times"]
    state.restore(tree)
    time.work(1)
    assert clock.times() == {"whole": 1}


class Gpu:
    """A queue of work: an event has its time when the work before it is done."""

    def __init__(self):
        self.host, self.done, self.waits = 0.0, 0.0, 0

    def queue(self, seconds):
        self.done = max(self.done, self.host) + seconds

    def event(self):
        return Event(self)


class Event:
    def __init__(self, gpu):
        self.gpu = gpu

    def record(self):
        self.at = max(self.gpu.done, self.gpu.host)

    def synchronize(self):
        self.gpu.waits += 1

    def elapsed_time(self, other):
        return 1000 * (other.at - self.at)


def gpu_steps(gpu, clock, steps, load):
    """Steps of 3 s forward and 5 s backward on the GPU, for `load` s of loading each."""
    for _ in range(steps):
        clock.mark(None)
        gpu.host += load
        clock.mark("waiting")
        gpu.queue(3)
        clock.mark("forward")
        gpu.queue(5)
        clock.mark("backward")


@pytest.mark.parametrize(("load", "waiting"), [(2, 2), (10, 10 + 3 * 2)])
def test_a_gpu_waits_only_while_it_has_nothing_to_do(load, waiting):
    # 2 s of loading pass beside the 8 s of the step before; of 10 s, 2 s are left
    gpu = Gpu()
    clock = Clock("cuda", Time(), gpu.event)
    gpu_steps(gpu, clock, 4, load)
    assert gpu.waits == 0
    found = clock.times()
    assert found == {"waiting": waiting, "forward": 12, "backward": 20, "whole": 0}
    assert sum(found.values()) == gpu.done


def test_marks_are_read_as_they_pass_and_each_once():
    gpu = Gpu()
    clock = Clock("cuda", Time(), gpu.event)
    gpu_steps(gpu, clock, LATEST, 1)
    assert 0 < gpu.waits < 5
    for _ in range(2):
        found = clock.times()
        assert (found["forward"], found["backward"]) == (3 * LATEST, 5 * LATEST)
