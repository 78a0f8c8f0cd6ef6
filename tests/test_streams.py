"""Every stream of random numbers has draws of its own, whatever the seed."""

import re
from itertools import product
from pathlib import Path

import numpy as np
import pytest

import fieldmark
from fieldmark import streams
from fieldmark.streams import Stream

SEEDS = [0, 1, 5, 2**32 - 1, 2**32, 2**32 + 5, 5 * 2**32, 2**63 - 1, 2**64 - 1]
PLACES = [(), (0,), (1,), (5,), (0, 0), (0, 1), (1, 0), (0, 0, 1), (0, 1, 0), (2**32 - 1, 0, 0)]


def addresses():
    for stream, seed, place in product(Stream, SEEDS, PLACES):
        if stream is not Stream.SPLIT or len(place) == 1:
            yield stream, seed, place


def same_place(place):
    """A place that is told in full."""
    return (*place, 0, 0, 0)[:3]


def test_no_two_streams_seeds_or_places_share_draws():
    found, numbers = {}, {}
    for stream, seed, place in addresses():
        address = stream, seed, same_place(place)
        words = tuple(streams.key(stream, seed, *place).entropy.tolist())
        assert found.setdefault(words, address) == address
        drawn = streams.draw(stream, seed, *place).integers(2**63)
        assert numbers.setdefault(drawn, address) == address
    assert len(numbers) == len({(s, seed, same_place(p)) for s, seed, p in addresses()})


def test_keys_of_a_stream_have_one_width():
    widths = {
        (stream is Stream.SPLIT, len(streams.key(stream, seed, *place).entropy))
        for stream, seed, place in addresses()
    }
    assert widths == {(True, 4), (False, 6)}  # numpy fills up to four words, and no further


@pytest.mark.parametrize(("seed", "label"), [(0, 0), (0, 1), (5, 3), (2**32 - 1, 9)])
def test_a_split_is_drawn_as_before_there_were_streams(seed, label):
    before = np.random.default_rng([seed, label]).permutation(20)
    assert streams.draw(Stream.SPLIT, seed, label).permutation(20).tolist() == before.tolist()


def test_torch_is_seeded_with_the_first_word():
    assert streams.word(Stream.HEAD, 3) == streams.key(Stream.HEAD, 3).generate_state(2)[0]


@pytest.mark.parametrize("place", [(0, 0, 0, 0), (2**32,), (-1,)])
def test_a_place_that_a_key_cannot_hold_is_refused(place):
    with pytest.raises((ValueError, OverflowError)):
        streams.key(Stream.AUGMENT, 0, *place)


def test_nothing_else_in_the_package_makes_a_generator():
    package = Path(fieldmark.__file__).parent
    made = re.compile(r"SeedSequence\(|default_rng\(|manual_seed\((?!streams\.word|word\)|int\(w)")
    found = [
        f"{path.relative_to(package)}: {line.strip()}"
        for path in package.rglob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if made.search(line) and path.name != "streams.py"
    ]
    assert sorted(found) == [
        "data/changes.py: torch.manual_seed(seed)",  # drawn at the image's own address
        "fit/stacked.py: torch.cuda.manual_seed(generator.initial_seed())",  # the same address
    ]
