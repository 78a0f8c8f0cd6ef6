"""Two classes that a mirror exchanges, as arrows to the left and to the right.

A network that is trained on mirrored images cannot tell such classes apart. They are found without
one, from the small pictures of the scan: what these show in small patches says the class of an
image (a ridge regression, which answers images that it was fitted without), and is asked the same
of their mirror images. Of most classes the answers are the same. Of two that are exchanged, an
image is taken for its own class and its mirror image for the other, in both classes.

Patches, whitened and held against means of some of them, after Coates, Ng and Lee, "An analysis
of single-layer networks in unsupervised feature learning", 2011. Measured on drawn images, 60
a class: arrows, cars, b and d, p and q, a ball at the left or right edge of photos have a share of
0.92 and more, a likeness of 0.83 and more; slanted lines on photos 0.72 and 0.97. Classes of photos
(monkeys, Imagenette) have a share of 0.35 and less; other letters and digits now and then 0.9, but
then a likeness of 0.17 and less, unless they are near it: L and J, S and Z. What is small before a
photo's background is not seen.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import sqrt

import numpy as np
import polars as pl

from fieldmark import streams
from fieldmark.cache import Cache, address
from fieldmark.data.finding import Finding
from fieldmark.data.images import THUMB
from fieldmark.streams import Stream

VERSION = 1  # of `mirror_pairs`: another number makes void what is remembered
KIND = "mirror"
LEAST_SHARE = 0.7  # of the four; with n images of the smaller class 0.5 + SURE / sqrt(n)
SURE = 1.5
LEAST_LIKE = 0.5  # of mirror images, that are nearly as like the other class as its own images are
USUAL, BACK = 0.25, 0.25  # of its own the quantile that says so, and how far from it to strangers
LEAST, EACH, ALL = 10, 60, 900  # images of a class: fewer are too few, more not needed; of all
CLASSES = 30  # classes that are looked at: those whose names speak of sides, then the largest
PATCH, MEANS, PATCHES, TURNS, FOLDS = 5, 64, 10_000, 5, 5
RIDGE = 1e-3  # of the penalty, a feature and image
SIDES = re.compile(r"left|right|links|rechts|gauche|droite?|izquierda|derecha", re.IGNORECASE)


@dataclass(frozen=True)
class MirrorPair:
    """Two classes and, of the smaller one's n images, the least of the shares that tell."""

    one: str
    other: str
    share: float
    n: int


def mirror_pairs(facts: pl.DataFrame, labels: pl.Series, cache: Cache) -> tuple[MirrorPair, ...]:
    """The classes that a mirror exchanges. facts: of `scan`; labels: a list of texts each.

    Of images with one label alone. A pair counts where each of four shares is LEAST_SHARE or more,
    and, of few images, more than chance gives.
    """
    rows, names = _chosen(facts, labels)
    classes = np.unique(names)
    if len(classes) < 2:
        return ()

    def find() -> np.ndarray:
        whole = np.frombuffer(b"".join(facts["thumb"].gather(rows).to_list()), np.uint8)
        thumbs = whole.reshape(-1, THUMB, THUMB, 3).astype(np.float32)
        return exchanged(thumbs, np.searchsorted(classes, names))

    key = address(VERSION, facts["hash"].gather(rows).to_list(), names.tolist())
    shares = cache.array(KIND, key, find)
    found = []
    for a, b in combinations(range(len(classes)), 2):
        n = int(min((names == classes[a]).sum(), (names == classes[b]).sum()))
        if shares[a, b] >= max(LEAST_SHARE, 0.5 + SURE / sqrt(n)):
            found.append(MirrorPair(str(classes[a]), str(classes[b]), float(shares[a, b]), n))
    return tuple(sorted(found, key=lambda pair: -pair.share))


def exchanged(thumbs: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """How surely a mirror exchanges each two classes: the least of four shares. -> (C, C)

    thumbs: (n, s, s, 3) float32; targets: (n,) from 0. The shares: of images of either class that
    are taken for it rather than for the other, and of their mirror images that are not.
    """
    plain, mirrored = _features(thumbs)
    of_plain, of_mirrored = _answers(plain, mirrored, targets)
    count = int(targets.max()) + 1
    shares = np.zeros((count, count))
    usual = [_usual(of_plain[:, each], targets == each) for each in range(count)]
    for one in range(count):
        own = targets == one
        right = (of_plain[own, one, None] > of_plain[own]).mean(axis=0)
        turned = (of_mirrored[own, one, None] < of_mirrored[own]).mean(axis=0)
        like = (of_mirrored[own] >= usual).mean(axis=0)
        shares[one] = np.where(like >= LEAST_LIKE, np.minimum(right, turned), 0)
    least: np.ndarray = np.minimum(shares, shares.T)
    return least


def _usual(scores: np.ndarray, own: np.ndarray) -> float:
    """The score for a class from which an image is like it. scores, own: (n,), whether of it"""
    low = np.quantile(scores[own], USUAL)
    return float(low - BACK * (low - np.median(scores[~own])))


def mirror_findings(pairs: Sequence[MirrorPair]) -> list[Finding]:
    """One finding of all pairs; none where there is none."""
    if not pairs:
        return []
    words = " and ".join(f"'{pair.one}' and '{pair.other}'" for pair in pairs[:3])
    more = f" and {len(pairs) - 3} more pairs" if len(pairs) > 3 else ""
    return [
        Finding(
            "mirrored-classes",
            "warning",
            f"mirror images exchange {words}{more}: those of the one look like the other, so that "
            "training on mirrored images would teach that they are the same; images are mirrored "
            "in training only where you say augment.flip=true",
            tuple(dict.fromkeys(name for pair in pairs for name in (pair.one, pair.other))),
            tuple((pair.one, pair.other) for pair in pairs),
        )
    ]


def _chosen(facts: pl.DataFrame, labels: pl.Series) -> tuple[np.ndarray, np.ndarray]:
    """The rows of some images of each class that is looked at, and the class of each."""
    frame = pl.DataFrame({"label": labels.list.first(), "thumb": facts["thumb"].is_not_null()})
    frame = frame.with_row_index("row").filter(pl.col("thumb") & (labels.list.len() == 1))
    counts = frame.group_by("label").len().filter(pl.col("len") >= LEAST).sort("label")
    ranked = sorted(counts.rows(), key=lambda each: (not SIDES.search(each[0]), -each[1]))
    names = [name for name, _ in ranked[:CLASSES]]
    each = min(EACH, ALL // max(len(names), 1))
    place = pl.int_range(pl.len()).over("label") * each // pl.len().over("label")
    few = frame.filter(pl.col("label").is_in(names)).with_columns(place=place)
    few = few.filter(pl.struct("label", "place").is_first_distinct())
    return few["row"].to_numpy(), few["label"].to_numpy().astype(str)


def _features(thumbs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What images and their mirror images show, in gray and in colour. -> (n, d), (n, d)"""
    both = np.concatenate([thumbs, thumbs[:, :, ::-1]])
    both = both - both.mean(axis=(1, 2), keepdims=True)
    both /= both.std(axis=(1, 2, 3), keepdims=True) + 4
    kinds = (both.mean(axis=3, keepdims=True), both)
    found = np.concatenate([_pooled(_patches(each)) for each in kinds], axis=1)
    found = (found - found.mean(axis=0)) / (found.std(axis=0) + 1e-3)
    return found[: len(thumbs)], found[len(thumbs) :]


def _patches(images: np.ndarray) -> np.ndarray:
    """Every patch of each image, alike in brightness and contrast. -> (n, h, w, p) float32"""
    windows = np.lib.stride_tricks.sliding_window_view(images, (PATCH, PATCH), axis=(1, 2))
    patches = windows.reshape(*windows.shape[:3], -1).astype(np.float32)
    patches -= patches.mean(axis=-1, keepdims=True)
    patches /= patches.std(axis=-1, keepdims=True) + 0.1
    return patches


def _pooled(patches: np.ndarray) -> np.ndarray:
    """How much of each mean's like there is: on average, at most, and in each quarter."""
    middle, white, means = _means(patches.reshape(-1, patches.shape[-1]))
    like = np.maximum((patches - middle) @ (white @ means.T) - 1, 0)
    down, across = (side // 2 for side in like.shape[1:3])
    quarters = [
        like[:, rows, columns].mean(axis=(1, 2))
        for rows in (slice(down), slice(down, None))
        for columns in (slice(across), slice(across, None))
    ]
    return np.concatenate([like.mean(axis=(1, 2)), like.max(axis=(1, 2)), *quarters], axis=1)


def _means(patches: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The middle of patches (n, p), what whitens them (p, p), and means of directions (MEANS, p).

    Spherical k-means of some patches, drawn by a fixed seed.
    """
    draw = streams.draw(Stream.MIRROR, 0, 0)
    some = patches[draw.choice(len(patches), min(PATCHES, len(patches)), replace=False)]
    middle = some.mean(axis=0)
    spread = np.cov(some.T).astype(np.float64)
    spread += (0.1 * np.trace(spread) / len(spread) + 1e-6) * np.eye(len(spread))
    values, vectors = np.linalg.eigh(spread)
    white = ((vectors / np.sqrt(values)) @ vectors.T).astype(np.float32)
    clear = (some - middle) @ white
    means = _unit(clear[draw.choice(len(clear), MEANS)])
    for _ in range(TURNS):
        nearest = (clear @ means.T).argmax(axis=1)
        sums = np.eye(MEANS, dtype=np.float32)[nearest].T @ clear
        means = np.where(np.abs(sums).max(axis=1, keepdims=True) > 0, _unit(sums), means)
    return middle, white, means


def _unit(rows: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: np.ndarray = rows / np.maximum(lengths, 1e-6)
    return unit


def _answers(
    plain: np.ndarray, mirrored: np.ndarray, targets: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Scores of images and mirror images by a regression fitted to others. -> (n, C), (n, C)"""
    folds = streams.draw(Stream.MIRROR, 0, 1).permutation(len(targets)) % FOLDS
    wanted = 2.0 * np.eye(int(targets.max()) + 1)[targets] - 1
    of_plain, of_mirrored = np.zeros_like(wanted), np.zeros_like(wanted)
    for fold in range(FOLDS):
        others, own = folds != fold, folds == fold
        known, middle = plain[others].astype(np.float64), wanted[others].mean(axis=0)
        penalty = RIDGE * known.shape[0] * known.shape[1]
        inner = known @ known.T + penalty * np.eye(len(known))
        weights = known.T @ np.linalg.solve(inner, wanted[others] - middle)
        of_plain[own] = plain[own] @ weights + middle
        of_mirrored[own] = mirrored[own] @ weights + middle
    return of_plain, of_mirrored
