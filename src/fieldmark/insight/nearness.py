"""Which pictures are near each other by their features: copies, strangers, and a map of them all.

Features are (N, D) float32 of a network's body. Near is the cosine: features are divided by their
length, and a distance is 1 less their product, 0 to 2.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from fieldmark import streams
from fieldmark.judge import unlike
from fieldmark.machine import is_installed
from fieldmark.streams import Stream

NEAREST = 10  # neighbours whose mean distance says how strange a picture is
AT_ONCE = 2**24  # distances, or numbers of features, that are in memory at once
ALIKE = 0.4  # of the median distance to the nearest picture, below which two are nearly the same
FAR = 3.0  # interquartile ranges above the third quartile (Tukey's "far out")
DIRECTIONS = 50  # principal directions that the neighbourhood map is made of
LEAST_MAPPED = 50  # pictures; of fewer there is no neighbourhood map
PERPLEXITY = 30


@dataclass(frozen=True)
class Neighbours:
    """The k nearest of each picture, the nearest first. rows: (N, k) int64. far: (N, k)."""

    rows: np.ndarray
    far: np.ndarray


@dataclass(frozen=True)
class Maps:
    """Places of N pictures on a plane, 0..1 each way. principal: (N, 2). near: the same by
    neighbourhoods (t-SNE), None where openTSNE is not installed or the pictures are few. share: of
    the variance that `principal` shows."""

    principal: np.ndarray
    share: float
    near: np.ndarray | None


def unit(features: np.ndarray) -> np.ndarray:
    """Features divided by their length; maps are averaged first. (N, ...) -> (N, D) float32"""
    if features.ndim > 2:
        features = features.reshape(*features.shape[:2], -1).mean(axis=2, dtype=np.float32)
    return unlike.unit(features)


def neighbours(units: np.ndarray, k: int = NEAREST) -> Neighbours:
    """The k nearest others of each picture, fewer where there are fewer.

    Each is compared with each, so the time grows with their square: 50,000 pictures of 1,280
    features took 81 s of one thread. The memory beside features and outcome does not grow.
    """
    count = min(k, len(units) - 1)
    if count < 1:
        return Neighbours(np.zeros((len(units), 0), np.int64), np.zeros((len(units), 0)))
    rows, far = [], []
    for start, block in blocks(units, len(units)):
        distances = 1 - block @ units.T
        own = np.arange(len(distances))
        distances[own, start + own] = np.inf
        nearest = np.argpartition(distances, count - 1, axis=1)[:, :count]
        its = np.take_along_axis(distances, nearest, axis=1)
        order = np.lexsort((nearest, its), axis=1)
        rows.append(np.take_along_axis(nearest, order, axis=1))
        far.append(np.maximum(np.take_along_axis(its, order, axis=1), 0))
    return Neighbours(np.concatenate(rows), np.concatenate(far))


def blocks(units: np.ndarray, width: int) -> Iterator[tuple[int, np.ndarray]]:
    """Rows of which `width` numbers each are in memory at once, with the number of the first."""
    rows = max(1, AT_ONCE // width)
    for start in range(0, len(units), rows):
        yield start, units[start : start + rows]


def look_alikes(near: Neighbours) -> np.ndarray:
    """Pairs that are nearly the same picture, the nearest first. -> (P, 2) int64, first < second

    Nearly the same: nearer than ALIKE of the median distance to a nearest picture.
    """
    if not near.far.size:
        return np.zeros((0, 2), np.int64)
    least = ALIKE * float(np.median(near.far[:, 0]))
    row, place = np.nonzero(near.far < least)
    pairs = np.sort(np.stack([row, near.rows[row, place]], axis=1), axis=1)
    _, first = np.unique(pairs, axis=0, return_index=True)
    far = near.far[row, place][first]
    return np.asarray(pairs[first][np.argsort(far, kind="stable")])


def strangeness(near: Neighbours) -> np.ndarray:
    """The mean distance of each picture to its nearest. -> (N,)"""
    if not near.far.size:
        return np.zeros(len(near.far))
    return np.asarray(near.far.mean(axis=1))


def strangers(strange: np.ndarray) -> np.ndarray:
    """The pictures that are far out of all others, the strangest first. -> (n,) int64

    Far out: more than three interquartile ranges above the third quartile (Tukey, 1977).
    """
    if len(strange) < NEAREST:
        return np.zeros(0, np.int64)
    low, high = np.quantile(strange, [0.25, 0.75])
    found = np.flatnonzero(strange > high + FAR * (high - low))
    return np.asarray(found[np.argsort(-strange[found], kind="stable")])


def maps(units: np.ndarray, seed: int = 0) -> Maps:
    """Two maps of the pictures; the same features and seed give the same ones."""
    directions, share = principal(units, DIRECTIONS)
    wanted = len(units) >= LEAST_MAPPED and is_installed("openTSNE")
    return Maps(
        _within(directions[:, :2]),
        float(share[:2].sum()),
        _within(by_neighbourhood(directions, seed)) if wanted else None,
    )


def principal(units: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Pictures on their first principal directions, and the share of the variance on each.

    The sign of a direction is that of its largest part. -> (N, count), (count,)
    """
    mean, width = units.mean(axis=0), units.shape[1]
    scatter = np.zeros((width, width))
    for _, block in blocks(units, width):
        centred = (block - mean).astype(np.float64)
        scatter += centred.T @ centred
    values, vectors = np.linalg.eigh(scatter)
    values, vectors = values[::-1][:count], vectors[:, ::-1][:, :count]
    largest = np.abs(vectors).argmax(axis=0)
    vectors = vectors * np.sign(vectors[largest, np.arange(vectors.shape[1])])
    found = np.concatenate([(block - mean) @ vectors for _, block in blocks(units, width)])
    total = max(float(np.trace(scatter)), 1e-12)
    lacking = max(0, 2 - found.shape[1])
    return np.pad(found, ((0, 0), (0, lacking))), np.maximum(values, 0) / total


def by_neighbourhood(directions: np.ndarray, seed: int) -> np.ndarray:
    """A map that keeps who is near whom (openTSNE; van der Maaten and Hinton, 2008). -> (N, 2)"""
    from openTSNE import TSNE

    perplexity = min(PERPLEXITY, (len(directions) - 1) / 3)
    drawn = streams.word(Stream.MAP, seed)
    made = TSNE(perplexity=perplexity, initialization="pca", random_state=drawn, n_jobs=1)
    return np.asarray(made.fit(directions))


def _within(places: np.ndarray) -> np.ndarray:
    """Moved and scaled so that both ways lie in 0..1, their proportion kept."""
    low, high = places.min(axis=0), places.max(axis=0)
    span = max(float((high - low).max()), 1e-12)
    return np.asarray(0.5 + (places - (low + high) / 2) / span)
