import numpy as np
import pytest
from scannedsource import read_source

from fieldmark.data.augment import AUGMENTS
from fieldmark.data.loader import Augmenting, Batches, Images
from fieldmark.data.tally import Tally
from fieldmark.records import InputSpec


def test_what_was_told_is_not_told_again():
    tally = Tally(0)
    tally.add(1.0, 2.0)
    tally.add(0.5, 0.25)
    assert tally.spent() == {"reading": 1.5, "augmenting": 2.25}
    tally.add(0.0, 4.0)
    assert tally.spent() == {"reading": 0.0, "augmenting": 4.0}


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_the_seconds_of_loading_are_those_of_the_processes_that_load(workers, monkeypatch):
    ticks = iter(range(10_000))  # every look at the time takes a second
    monkeypatch.setattr("fieldmark.data.loader.time.perf_counter", lambda: float(next(ticks)))
    samples = read_source("digits").samples
    spec = InputSpec("square:8", 8)
    augmenting = Augmenting(AUGMENTS.build("none", {}, spec), 0)
    images = Images(samples, samples.classes, spec, augmenting)
    found = Batches(images, np.arange(12), batch_size=4, seed=0, workers=workers)
    for epoch in (0, 1):
        assert len(list(found.epoch(epoch))) == 3
        place = "workers_" if workers else ""
        # of a batch of 4: one second of reading an image, and all that lies between
        assert found.spent() == {f"{place}reading": 12.0, f"{place}augmenting": 15.0}
