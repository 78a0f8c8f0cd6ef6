"""Where the time goes: seconds added up by name. What it finds decides nothing.

The names: decoding (photos into the cache), embedding and heads (training on features); waiting
(for the loader), forward, backward (with the optimiser's step), validation, writing, trackers
(their start, and what they are told of each epoch); predicting and figures, after training; and
whole, all seconds of the run. Beside these, from the loader: reading and augmenting, where the
training's own process loads, which is a part of waiting; and workers_reading and
workers_augmenting, a sum over workers that load beside training.

On a processor everything is done when a call returns, and a look at the time before and after is
all. On a CUDA GPU it is not: calls only queue work. There steps are marked by events in the GPU's
own queue, which cost no waiting: forward and backward are what the GPU took between two marks,
the gaps that the processor left in them too, and waiting is only the time in which the GPU had
nothing left to do. The events are read when they have passed, and before anything else is timed.
On any other accelerator (mps) nothing tells forward from backward: both count as "steps", by the
time of the processor, and waiting may lie beside work that is still queued.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

import torch

from fieldmark.metrics_json import WHOLE

STEPS = "steps"
LATEST = 256  # events that may still lie before the GPU; older ones are read

T = TypeVar("T")


class Clock:
    """Seconds by name, of this process and of those that the run went through before."""

    def __init__(self, device: str = "cpu", now: Callable[[], float] = time.perf_counter):
        """device: the type of the one that computes."""
        self._now, self._seconds = now, dict[str, float]()
        self._begun = self._last = now()
        event = partial(torch.cuda.Event, enable_timing=True)
        self._queue = Queue(self.add, event) if device == "cuda" else None
        self._in_steps = device not in ("cpu", "cuda")

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Count what is done inside. One inside another counts twice: put none there."""
        self.read()
        begun = self._now()
        try:
            yield
        finally:
            self._last = self._now()
            self.add({name: self._last - begun})

    def mark(self, name: str | None) -> None:
        """What was done since the last mark counts under `name`, or not at all."""
        if self._queue is not None:
            self._queue.mark(name)
            return
        now = self._now()
        if self._in_steps and name != "waiting":
            name = STEPS
        if name is not None:
            self._seconds[name] = self._seconds.get(name, 0.0) + now - self._last
        self._last = now

    def waiting(self, batches: Iterable[T]) -> Iterator[T]:
        """The batches; the time until each is there counts as waiting."""
        self._last = self._now()
        source = iter(batches)
        while True:
            self.mark(None)
            batch = next(source, None)
            self.mark("waiting")
            if batch is None:
                return
            yield batch

    def add(self, seconds: Mapping[str, float]) -> None:
        """Seconds that others counted."""
        for name, value in seconds.items():
            self._seconds[name] = self._seconds.get(name, 0.0) + value

    def read(self) -> None:
        """Wait until the GPU has passed every mark, and count what lies between them."""
        if self._queue is not None:
            self._queue.read(0)

    def times(self) -> dict[str, float]:
        """Seconds by name; "whole" is all that has gone by, whatever was counted of it."""
        self.read()
        whole = self._seconds.get(WHOLE, 0.0) + self._now() - self._begun
        return {**self._seconds, WHOLE: whole}


class Queue:
    """Marks in a GPU's queue: an event each, and what the time since the one before counts as."""

    def __init__(self, add: Callable[[Mapping[str, float]], None], event: Callable[[], Any]):
        """add: is given the seconds. event: makes one that can be asked for the time."""
        self._add, self._event = add, event
        self._marks: deque[tuple[str | None, Any]] = deque()

    def mark(self, name: str | None) -> None:
        """Put a mark behind what is queued now."""
        event = self._event()
        event.record()
        self._marks.append((name, event))
        if len(self._marks) > 2 * LATEST:
            self.read(LATEST)

    def read(self, left: int) -> None:
        """Count the time between all marks but the last `left`; waits until they have passed.

        The last of those read stays, for what follows begins there.
        """
        count = len(self._marks) - left
        if count < 2:
            return
        self._marks[count - 1][1].synchronize()
        for _ in range(count - 1):
            _, before = self._marks.popleft()
            name, event = self._marks[0]
            if name is not None:
                self._add({name: before.elapsed_time(event) / 1000})
