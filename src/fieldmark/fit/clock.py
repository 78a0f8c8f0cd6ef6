"""Where the time goes: seconds added up by name. What it finds decides nothing.

The names: preparing (all that comes before training); decoding (photos into the cache), embedding
and heads (training on features); waiting (for the loader), forward, backward (with the optimiser's
step), validation, writing, trackers; predicting, explaining and figures, after training; and whole,
all seconds of the run. Beside these, from the loader: reading and augmenting, a part of waiting
where the training's own process loads, else workers_reading and workers_augmenting, a sum over
workers that load beside training.

On a processor everything is done when a call returns. On a CUDA GPU calls only queue work, so
steps are marked by events in the GPU's own queue, which cost no waiting and are read when they
have passed, and before anything else is timed: forward and backward are what the GPU took
between two marks, and waiting is only the time in which it had nothing left to do. On any other
accelerator nothing tells forward from backward: both count as "steps", by the processor's time.
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
EVENT = partial(torch.cuda.Event, enable_timing=True)

T = TypeVar("T")


class Clock:
    """Seconds by name, of this process and of those that the run went through before."""

    def __init__(
        self,
        device: str = "cpu",
        now: Callable[[], float] = time.perf_counter,
        event: Callable[[], Any] = EVENT,
    ):
        """device: the type of the one that computes. event: makes one for a GPU's queue."""
        self._device, self._now, self._event = device, now, event
        self._seconds = dict[str, float]()
        self._marks: deque[tuple[str | None, Any]] = deque()
        self._begun = self._last = now()

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
        if self._device == "cuda":
            event = self._event()
            event.record()
            self._marks.append((name, event))
            if len(self._marks) > 2 * LATEST:
                self.read(LATEST)
            return
        before, self._last = self._last, self._now()
        if self._device != "cpu" and name != "waiting":
            name = STEPS
        if name is not None:
            self.add({name: self._last - before})

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

    def read(self, left: int = 0) -> None:
        """Count the time between the GPU's marks but the last `left`, when they have passed.

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
                self.add({name: before.elapsed_time(event) / 1000})

    def times(self) -> dict[str, float]:
        """Seconds by name; "whole" is all that has gone by, whatever was counted of it."""
        self.read()
        return {**self._seconds, WHOLE: self.whole()}

    def whole(self) -> float:
        """All seconds that have gone by; no GPU is waited for."""
        return self._seconds.get(WHOLE, 0.0) + self._now() - self._begun
