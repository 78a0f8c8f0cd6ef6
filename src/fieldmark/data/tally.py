"""Seconds that loading images takes, counted in the processes that load."""

import torch
from torch.utils.data import get_worker_info


class Tally:
    """Seconds of reading and augmenting, in memory that workers share: a row each, so no lock."""

    def __init__(self, workers: int):
        """workers: how many; none, and the process that makes this counts for itself."""
        self.workers = workers
        # a tensor, for an array would not stay shared on the way to a worker that is spawned
        self._seconds = torch.zeros(workers or 1, 2, dtype=torch.float64)
        if workers:
            self._seconds.share_memory_()  # type: ignore[no-untyped-call]
        self._told: list[float] = [0.0, 0.0]

    def add(self, reading: float, augmenting: float) -> None:
        """Seconds that one batch took the process that calls."""
        worker = get_worker_info()
        row = self._seconds.numpy()[worker.id if worker else 0]
        row[0] += reading
        row[1] += augmenting

    def spent(self) -> dict[str, float]:
        """Seconds of all processes since this was last asked: reading and augmenting.

        Where workers load, the names have "workers_" before them. Batches that they have ready
        in advance count too.
        """
        before, self._told = self._told, self._seconds.sum(0).tolist()
        place = "workers_" if self.workers else ""
        names = f"{place}reading", f"{place}augmenting"
        return {name: self._told[at] - before[at] for at, name in enumerate(names)}
