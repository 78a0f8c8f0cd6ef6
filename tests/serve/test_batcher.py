"""Images that come one by one become batches, and wait only for what is on its way."""

import time
from threading import Event

import pytest
from servers import wait_until

from fieldmark.serve.batcher import Batcher


@pytest.mark.parametrize("wait", [0, 5.0])
def test_what_came_during_a_batch_is_the_next_one(wait):
    go, seen = Event(), []

    def compute(jobs):
        seen.append(list(jobs))
        go.wait(20)

    batcher = Batcher(compute, size=3, wait=wait, coming=lambda: 0)
    batcher.put(0)
    wait_until(lambda: seen)
    for job in range(1, 6):
        batcher.put(job)
    go.set()
    batcher.close()  # computes what was put
    assert seen == [[0], [1, 2, 3], [4, 5]]


def test_a_first_image_waits_for_those_that_are_on_their_way_and_not_longer():
    seen, coming = [], [1]
    batcher = Batcher(
        lambda jobs: seen.append(list(jobs)), size=8, wait=0.2, coming=lambda: coming[0]
    )
    begun = time.monotonic()
    batcher.put(0)
    time.sleep(0.02)
    batcher.put(1)
    wait_until(lambda: seen)
    assert seen == [[0, 1]]
    assert time.monotonic() - begun >= 0.2
    coming[0] = 0
    batcher.put(2)
    wait_until(lambda: len(seen) == 2)
    batcher.close()
    assert seen == [[0, 1], [2]]


def test_several_threads_share_the_jobs_and_all_are_computed_at_the_end():
    seen, go = [], Event()

    def compute(jobs):
        seen.append(list(jobs))
        go.wait(20)

    batcher = Batcher(compute, size=2, wait=0, coming=lambda: 0, threads=2)
    batcher.put(0)
    wait_until(lambda: len(seen) == 1)
    batcher.put(1)
    wait_until(lambda: len(seen) == 2)  # though the first is still computed
    for job in range(2, 7):
        batcher.put(job)
    go.set()
    batcher.close()
    assert sorted(job for each in seen for job in each) == list(range(7))
    assert max(map(len, seen)) <= 2
