"""Every stream of random numbers. No two streams, and no two seeds, share draws.

What is drawn is a function of its address: stream, seed, and a place of up to three numbers.
numpy fills short keys with zeros, so that [seed, 1] would be [seed, 1, 0] too: so a key has
one width whatever is in it.
"""

from enum import IntEnum

import numpy as np

WORD = 2**32
PLACES = 3


class Stream(IntEnum):
    """What numbers are drawn for, and what their place is. A tag is never given again."""

    SPLIT = 0  # data.splits: a class's number, or 0 where units are dealt in place of classes
    ORDER = 1  # data.loader: epoch
    AUGMENT = 2  # data.loader: epoch, row, draw
    STEP = 3  # fit.loop, dropout: epoch, step, rank
    HEAD = 4  # models.heads
    SAMPLING = 5  # data.loader: epoch
    MIX = 6  # fit.mixing: epoch, step
    BATCH = 7  # data.batch_augment: epoch
    FIXED = 8  # data.batch_augment
    RESIZER = 9  # models.resizer
    WEIGHTS = 10  # runs.network: a network's random weights
    FOLDS = 11  # data.folds
    SHOWN = 12  # reviews.augmented: row, draw
    PROBE = 13  # pictures that something is tried on
    GAPS = 14  # judge.intervals: calibration by chance
    PAIRED = 15  # judge.paired: images drawn anew, guesses exchanged
    SWEEP = 16  # study.propose: trial, attempt, 0 (drawn) or 1 (proposed); mattered: draw, 0, 2
    TAKEN = 17  # study.against_rest: class
    HEAT = 18  # attribution.randomised: stage, 0, 1
    MAP = 21  # insight.nearness: a map of the pictures
    MASK = 22  # attribution.trust: two words of the image's hash, mask
    MIRROR = 23  # data.mirror_pairs: 0 (patches), 1 (folds)


def key(stream: Stream, seed: int, *place: int) -> np.random.SeedSequence:
    """The key of an address. seed: 0 to 2**64 - 1. Raises ValueError for a longer place.

    SPLIT has four words, all others six: so splits are those from before there were streams.
    """
    high, low = divmod(seed, WORD)
    if stream is Stream.SPLIT:
        (number,) = place
        words = [low, number, 0, high]
    else:
        words = [stream, low, high, *place, *[0] * (PLACES - len(place))]
        if len(place) > PLACES:
            raise ValueError(f"a place has {PLACES} numbers at most, not {len(place)}")
    return np.random.SeedSequence(np.array(words, np.uint32))


def draw(stream: Stream, seed: int, *place: int) -> np.random.Generator:
    """The generator at an address."""
    return np.random.default_rng(key(stream, seed, *place))


def word(stream: Stream, seed: int, *place: int) -> int:
    """A seed for torch's generator at an address, 32 bits."""
    return int(key(stream, seed, *place).generate_state(1)[0])
