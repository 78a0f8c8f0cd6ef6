"""Who is a copy of whom: exactly, by a hash of the content, or nearly, by what is seen.

Two images are near copies where their perceptual hashes differ in at most MOST_BITS of 64 and
their small gray pictures correlate by at least LEAST_CORRELATION. So the same photo is found
after it was saved again, resized, made gray or a little brighter; not after it was mirrored, or
cropped by more than a few per cent. The hash is quick to compare, the correlation makes sure.
"""

import numpy as np
import polars as pl

THUMB = 32  # pixels a side of the small gray picture
MOST_BITS = 8
LEAST_CORRELATION = 0.95
LEAST_SIDE = 64  # pixels of the shorter side: in smaller images, hashes of strangers agree
AT_ONCE = 2048  # pictures that are compared in one step: 50 MB
LEAST_SPREAD = 2.0  # gray levels (standard deviation): flatter pictures agree by chance


def perceptual_hash(thumb: np.ndarray) -> int:
    """64 bits that stay nearly the same while the picture looks the same. (32, 32) gray -> int

    The signs of the 8 x 8 lowest frequencies, without the lowest, of the discrete cosine
    transform, against their median: Zauner, "Implementation and benchmarking of perceptual image
    hash functions", 2010, section 3.2.1.
    """
    spectrum = COSINES @ thumb.astype(np.float64) @ COSINES.T
    low = spectrum[1:9, 1:9]
    return int.from_bytes(np.packbits(low > np.median(low)).tobytes(), "big")


def _cosines(count: int) -> np.ndarray:
    """The discrete cosine transform (II, not scaled) as a matrix. -> (count, count)"""
    frequency, place = np.arange(count)[:, None], np.arange(count)[None, :]
    return np.cos(np.pi * frequency * (2 * place + 1) / (2 * count))


COSINES = _cosines(THUMB)


def copy_groups(facts: pl.DataFrame) -> np.ndarray:
    """A number an image, the same for all copies of it, exact or near. -> (N,) int64

    The number is the position of the first of them; an image without a copy has its own
    position, and so has a file that cannot be read. A near copy of a near copy is a copy.
    """
    near, _ = _near(facts)
    return np.take(near, exact_groups(facts))


def exact_groups(facts: pl.DataFrame) -> np.ndarray:
    """As `copy_groups`, for images whose content is the same, byte for byte. -> (N,) int64"""
    rows = facts.select("hash", "problem").with_row_index("place")
    place = pl.col("place").cast(pl.Int64)
    alone = pl.col("hash").is_null() | pl.col("problem").is_not_null()
    first = pl.when(alone).then(place).otherwise(place.min().over("hash"))
    numbers: np.ndarray = rows.select(first.alias("first"))["first"].to_numpy()
    return numbers


def near_pairs(facts: pl.DataFrame) -> list[tuple[int, int, float]]:
    """Positions and correlation of images that are near copies but differ in their bytes.

    As many pairs as it takes to join them all: of three near copies two pairs, and where one
    content stands several times, its first. (A burst of 1,000 photos has half a million pairs.)
    """
    return _near(facts)[1]


def _near(facts: pl.DataFrame) -> tuple[np.ndarray, list[tuple[int, int, float]]]:
    """-> (N,) the first near copy of each first of its content, and the pairs that join them."""
    first = exact_groups(facts) == np.arange(facts.height)
    rows = np.flatnonzero(first & facts["phash"].is_not_null().to_numpy())
    hashes = facts["phash"].gather(rows).to_numpy()
    thumbs = _thumbs(facts["thumb"].gather(rows))
    group, pairs = np.arange(len(rows)), []
    for one in range(len(rows)):
        later = one + 1 + _alike(hashes[one], hashes[one + 1 :])
        later = later[group[later] != group[one]]
        if not len(later):
            continue
        likeness = _correlations(thumbs[one], thumbs[later])
        sure = likeness >= LEAST_CORRELATION
        theirs, firsts = np.unique(group[later[sure]], return_index=True)
        for other, value in zip(later[sure][firsts], likeness[sure][firsts], strict=True):
            pairs.append((int(rows[one]), int(rows[other]), float(value)))
        together = [group[one], *theirs]
        group[np.isin(group, together)] = min(together)
    joined = np.arange(facts.height)
    joined[rows] = rows[group]
    return joined, pairs


def _alike(one: np.uint64, others: np.ndarray) -> np.ndarray:
    """Positions of the hashes (n,) uint64 that differ from `one` in at most MOST_BITS."""
    return np.flatnonzero(np.bitwise_count(others ^ one) <= MOST_BITS)


def _thumbs(column: pl.Series) -> np.ndarray:
    """The small gray pictures. -> (n, THUMB * THUMB) uint8"""
    return np.frombuffer(b"".join(column.to_list()), dtype=np.uint8).reshape(-1, THUMB * THUMB)


def _correlations(one: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Pearson's correlation of one picture with others, (p,) and (n, p) -> (n,); 0 where flat."""
    parts = [others[start : start + AT_ONCE] for start in range(0, len(others), AT_ONCE)]
    return np.concatenate([_correlations_of_part(one, part) for part in parts])


def _correlations_of_part(one: np.ndarray, others: np.ndarray) -> np.ndarray:
    mine, theirs = one - one.mean(), others - others.mean(axis=1, keepdims=True)
    spread, spreads = mine.std(), theirs.std(axis=1)
    flat = np.minimum(spread, spreads) < LEAST_SPREAD
    likeness = theirs @ mine / (len(one) * np.maximum(spread * spreads, 1e-6))
    return np.where(flat, 0.0, np.minimum(likeness, 1.0))
