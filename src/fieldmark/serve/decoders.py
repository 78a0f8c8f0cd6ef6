"""Threads that decode pictures, where one that hangs does not stop the others."""

import math
import time
from collections.abc import Callable
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Generic, TypeVar

MOST_HUNG = 16  # threads that are given up, before there is no other in the place of one more
Job = TypeVar("Job")


class Decoders(Generic[Job]):
    """`decode` is called with each job that is put, by one of some threads; it raises nothing.

    A thread cannot be ended from outside. So one that has been at a picture for `patience` seconds
    is given up, and another takes its place; it ends when it comes back.
    """

    def __init__(self, decode: Callable[[Job], None], threads: int, patience: float):
        self._decode, self._patience = decode, patience
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._lock = Lock()
        self.unread = 0  # jobs that are not decoded yet, without those of threads that hang
        self.hung = 0  # threads that are given up
        self._workers = [self._started() for _ in range(threads)]

    def put(self, job: Job) -> None:
        """Have a picture decoded."""
        with self._lock:
            self.unread += 1
        self._jobs.put(job)
        self.replace_hung()

    def replace_hung(self) -> None:
        """Start a thread for each that hangs."""
        now = time.monotonic()
        with self._lock:
            for place, worker in enumerate(self._workers):
                if now - worker.since > self._patience and not self.is_stuck:
                    worker.is_given_up = True
                    self.hung, self.unread = self.hung + 1, self.unread - 1
                    self._workers[place] = self._started()

    @property
    def is_stuck(self) -> bool:
        """Whether so many threads hang that no more are started."""
        return self.hung >= MOST_HUNG

    def close(self) -> None:
        """Let the threads end when they have nothing left to do."""
        for _ in self._workers:
            self._jobs.put(None)

    def _started(self) -> "_Worker":
        worker = _Worker(self._work)
        worker.start()
        return worker

    def _work(self, worker: "_Worker") -> None:
        while not worker.is_given_up and (job := self._jobs.get()) is not None:
            worker.since = time.monotonic()
            try:
                self._decode(job)
            finally:
                with self._lock:
                    worker.since = math.inf
                    if worker.is_given_up:
                        self.hung -= 1
                    else:
                        self.unread -= 1
                del job  # its picture is large


class _Worker(Thread):
    """A thread, and since when it has been at a picture."""

    def __init__(self, work: Callable[["_Worker"], None]):
        super().__init__(name="decoder", daemon=True)
        self._do, self.since, self.is_given_up = work, math.inf, False

    def run(self) -> None:
        self._do(self)
