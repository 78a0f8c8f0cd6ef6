"""The threads that compute, and how images that come one by one become their batches."""

import time
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Generic, TypeVar

Job = TypeVar("Job")


class Batcher(Generic[Job]):
    """`compute` is called with batches of the jobs that are put, in order, by some threads; it
    raises nothing.

    A batch is of at most `size`. Its first job waits at most `wait` seconds for others, and only
    while `coming` says that some are on their way; what came during a batch is the next one.
    """

    def __init__(
        self,
        compute: Callable[[Sequence[Job]], None],
        *,
        size: int,
        wait: float,
        coming: Callable[[], int],
        threads: int = 1,
    ):
        self._compute, self._size, self._wait, self._coming = compute, size, wait, coming
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._threads = [
            Thread(target=self._run, name="batcher", daemon=True) for _ in range(threads)
        ]
        for each in self._threads:
            each.start()

    def put(self, job: Job) -> None:
        """Have it computed."""
        self._jobs.put(job)

    def close(self) -> None:
        """Compute what was put, and end."""
        for _ in self._threads:
            self._jobs.put(None)
        for each in self._threads:
            each.join()

    def _run(self) -> None:
        while (first := self._jobs.get()) is not None:
            batch, goes_on = self._with_others(first)
            self._compute(batch)
            if not goes_on:
                return
            del batch, first

    def _with_others(self, first: Job) -> tuple[list[Job], bool]:
        """A batch, and whether there will be more of them."""
        batch, until = [first], time.monotonic() + self._wait
        while len(batch) < self._size:
            left = until - time.monotonic() if self._coming() else 0.0
            try:
                job = self._jobs.get(timeout=left) if left > 0 else self._jobs.get_nowait()
            except Empty:
                if left > 0 and self._coming():
                    continue
                break
            if job is None:
                return batch, False
            batch.append(job)
        return batch, True
