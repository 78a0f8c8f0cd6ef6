"""Who is a copy of whom: by a hash of the content, or as it seems, by what is seen.

Two images look alike where their perceptual hashes differ in at most MOST_BITS of 64, their small
colour pictures correlate by at least LEAST_CORRELATION, and no tile of these differs by more than
MOST_DIFFERENCE (MOST_OF_SPREAD) after the one was made as bright and rich in contrast as the
other. So a photo is found after it was saved again, resized, made gray or a little brighter; not
after it was mirrored or cropped by more than a per cent, nor another one of a fixed camera.

What looks alike need not be one photo: parts on a line differ in a scratch, frames of a burst in
where the animal is, forms in what was written. So alike images are taken for one photo saved again
only where nothing speaks against it (`find_copies`), and a closer look at both finds the same
detail in the same places (`saved_again`).
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import polars as pl

from fieldmark.cache import Cache, address, open_cache
from fieldmark.data import saved_again
from fieldmark.data.images import THUMB
from fieldmark.records import Samples

VERSION = 2  # of `alike_pairs`: another number makes void what is remembered
KIND = "alike"
MOST_BITS = 4
LEAST_CORRELATION = 0.95
MOST_DIFFERENCE = 16.0  # levels of a tile, which is a pixel of the small picture
MOST_OF_SPREAD = 1.5  # and the same in faint pictures, out of their standard deviation
LEAST_SIDE = 64  # pixels of the shorter side: in smaller images, hashes of strangers agree
LEAST_SPREAD = 2.0  # levels (standard deviation): flatter pictures agree by chance
LEAST_COLOUR = 3.0  # levels between the channels, on average; below it a picture is gray
CROWD = 16  # images that look like one: with more, all are of one fixed scene
CLASS_SHARE = 4  # and so they are where more than one in four of a class look like one of it
BANDS = [(0, 11), (11, 11), (22, 11), (33, 11), (44, 10), (54, 10)]  # of a hash: first bit, bits
WINDOW = 256  # images with two bands in common that are compared with one
AT_ONCE = 4096  # pairs that are compared in one step: 75 MB


@dataclass(frozen=True)
class Copies:
    """Numbers of images (N,): the same number is the same image; the position of its first.

    equal: the same content, byte for byte. near: that, or surely one photo saved again.
    alike: (n, 2) positions of all that look alike but differ in content, each pair once.
    """

    equal: np.ndarray
    near: np.ndarray
    alike: np.ndarray


def copies_among(samples: Samples, facts: pl.DataFrame) -> Copies:
    """The copies among images that lie where `samples` says, with its labels."""
    labels, several = samples.frame["labels"], samples.task.several
    return find_copies(facts, labels, open_cache(), root=samples.root, several=several)


def find_copies(
    facts: pl.DataFrame,
    labels: pl.Series,
    cache: Cache,
    *,
    root: str | None,
    several: bool = False,
) -> Copies:
    """The copies among images. facts: of `scan`, a row an image; labels: a list of texts each.

    root: the folder that the images lie in; None where nobody can look closer.

    Images that look alike are one photo saved again, unless one of them also looks like an image
    with another label, or like more than CROWD others, or like more than one in CLASS_SHARE of
    its class, the rarest of its labels: then their look does not tell them from others. Each of a
    photo's copies looks like each: where A looks like B and B like C, A and C are not one for that.

    several: labels an image. Then other labels say nothing: two people who look at one photo name
    other sets, and what these have in common would be known by heart. Under another single label
    a copy in training gives away nothing.
    """
    equal = exact_groups(facts)
    alike = alike_pairs(facts, cache)
    first = np.arange(facts.height)
    sure = alike[_is_sure(alike, labels, several=several)]
    if root is not None:
        sure = sure[_looked_closer(sure, facts, root, cache)]
    for members in _cliques(sure.tolist()):
        first[members] = members[0]
    return Copies(equal, first[equal], alike)


def exact_groups(facts: pl.DataFrame) -> np.ndarray:
    """A number an image, the same where the content is the same, byte for byte. -> (N,) int64

    It is the position of the first of them; a file that cannot be read has its own.
    """
    rows = facts.select("hash", "problem").with_row_index("place")
    place = pl.col("place").cast(pl.Int64)
    alone = pl.col("hash").is_null() | pl.col("problem").is_not_null()
    first = pl.when(alone).then(place).otherwise(place.min().over("hash"))
    numbers: np.ndarray = rows.select(first.alias("first"))["first"].to_numpy()
    return numbers


def alike_pairs(facts: pl.DataFrame, cache: Cache) -> np.ndarray:
    """Positions of images that look alike and differ in content, in order. -> (n, 2) int64

    Of a content that stands several times, its first. An image that looks like more than CROWD
    others is in some of its pairs only, and so may be one of more than WINDOW whose hashes have
    many bits in common: then its pairs are those nearest by their hash.
    """
    key = address(VERSION, facts.select("hash", "phash").hash_rows().to_numpy().tobytes())
    return cache.array(KIND, key, lambda: _search(facts)).reshape(-1, 2)


def _looked_closer(pairs: np.ndarray, facts: pl.DataFrame, root: str, cache: Cache) -> np.ndarray:
    """Which of the pairs (n, 2) a closer look takes for one photo saved again. -> (n,) bool"""
    if not len(pairs):
        return np.zeros(0, bool)
    hashes = facts["hash"].gather(pairs.ravel()).to_list()
    key = address("closer", saved_again.VERSION, hashes)
    return cache.array(KIND, key, lambda: saved_again.saved_again(pairs, facts, root))


def perceptual_hash(thumb: np.ndarray) -> int:
    """64 bits that stay nearly the same while the picture looks the same. (32, 32) gray -> int

    The signs of the 8 x 8 lowest frequencies, without the lowest, of the discrete cosine
    transform, against their median: Zauner, "Implementation and benchmarking of perceptual image
    hash functions", 2010, section 3.2.1.
    """
    spectrum = COSINES @ thumb.astype(np.float64) @ COSINES.T
    low = spectrum[1:9, 1:9]
    return int.from_bytes(np.packbits(low > np.median(low)).tobytes(), "big")


# the discrete cosine transform (II, not scaled) as a matrix, (32, 32)
COSINES = np.cos(np.pi * np.arange(32)[:, None] * (2 * np.arange(32) + 1) / 64)


def _is_sure(alike: np.ndarray, labels: pl.Series, *, several: bool) -> np.ndarray:
    """Which pairs are one photo saved again. -> (n,) bool"""
    partners = np.bincount(alike.ravel(), minlength=len(labels))
    fit = partners <= np.clip(_class_sizes(labels) // CLASS_SHARE, 1, CROWD)
    if not several:
        fit[alike[_differ(alike, labels)]] = False
    return fit[alike].all(axis=1)  # type: ignore[no-any-return]


def _differ(alike: np.ndarray, labels: pl.Series) -> np.ndarray:
    """Which pairs have other labels, both having any. -> (n,) bool"""
    names = pl.Series(["\0".join(sorted(each or ())) for each in labels.to_list()], dtype=pl.String)
    codes = names.rank("dense").to_numpy().astype(np.int64) * (names != "").to_numpy()
    one, other = codes[alike].T
    return (one != other) & (one > 0) & (other > 0)  # type: ignore[no-any-return]


def _class_sizes(labels: pl.Series) -> np.ndarray:
    """Of each image how many have its rarest label; of one without any, how many have none."""
    each = labels.to_list()
    counts = Counter(name for its in each for name in its or [None])
    return np.array([min(counts[name] for name in its or [None]) for its in each], np.int64)


def _cliques(pairs: list[list[int]]) -> list[list[int]]:
    """Groups in which each is paired with each: an image joins the first group that it may."""
    partners: dict[int, set[int]] = defaultdict(set)
    for one, other in pairs:
        partners[one].add(other)
        partners[other].add(one)
    group: dict[int, list[int]] = {}
    for image in sorted(partners):
        for other in sorted(place for place in partners[image] if place < image):
            if partners[image].issuperset(group[other]):
                group[other].append(image)
                group[image] = group[other]
                break
        else:
            group[image] = [image]
    return [members for image, members in group.items() if members[0] == image]


def _search(facts: pl.DataFrame) -> np.ndarray:
    """As `alike_pairs`, which remembers it."""
    first = exact_groups(facts) == np.arange(facts.height)
    rows = np.flatnonzero(first & facts["phash"].is_not_null().to_numpy())
    thumbs = facts["thumb"]
    partners = np.zeros(len(rows), np.int64)
    found = [np.empty((0, 2), np.int64)]
    for pairs in _close(facts["phash"].gather(rows).to_numpy(), partners):
        for start in range(0, len(pairs), AT_ONCE):
            part = pairs[start : start + AT_ONCE]
            one, other = (_pixels(thumbs.gather(rows[places])) for places in part.T)
            sure = part[_look_alike(one, other)]
            np.add.at(partners, sure.ravel(), 1)
            found.append(rows[sure])
    every = np.sort(np.concatenate(found), axis=1)
    return every[np.lexsort((every[:, 1], every[:, 0]))]


def _close(hashes: np.ndarray, partners: np.ndarray) -> Iterator[np.ndarray]:
    """Positions of hashes (N,) uint64 that differ in at most MOST_BITS bits, each pair once.

    Of six bands two at least are equal then, so only hashes with two equal bands are compared:
    sorted by these, each with the next, the next but one, and so on (after Norouzi, Punjani and
    Fleet, "Fast exact search in Hamming space with multi-index hashing", 2014). partners (N,):
    how many were found for each so far, which the caller counts; two crowds need no comparing.
    """
    if len(hashes) == 0:
        return
    for bands in combinations(BANDS, 2):
        key = np.zeros_like(hashes)
        for start, count in bands:
            key = (key << np.uint64(count)) | _band(hashes, start, count)
        order = np.argsort((key << np.uint64(42)) | (hashes & np.uint64(2**42 - 1)), kind="stable")
        key, sorted_hashes = key[order], hashes[order]
        left = np.arange(len(order))
        for step in range(1, WINDOW + 1):
            left = left[: np.searchsorted(left, len(order) - step)]
            left = left[key[left] == key[left + step]]
            if not len(left):
                break
            differ = sorted_hashes[left] ^ sorted_hashes[left + step]
            is_close = (np.bitwise_count(differ) <= MOST_BITS) & _is_first(differ, bands)
            pairs = np.stack([order[left], order[left + step]], axis=1)[is_close]
            yield pairs[(partners[pairs] <= CROWD).any(axis=1)]


def _is_first(differ: np.ndarray, bands: tuple[tuple[int, int], ...]) -> np.ndarray:
    """Whether no band before the second of the two, but the first, is equal: each pair once."""
    before = BANDS[: BANDS.index(bands[1])]
    unequal = [_band(differ, *band) != 0 for band in before if band != bands[0]]
    return np.logical_and.reduce(unequal) if unequal else np.ones(len(differ), bool)


def _band(hashes: np.ndarray, start: int, count: int) -> np.ndarray:
    return (hashes >> np.uint64(start)) & np.uint64(2**count - 1)


def _pixels(column: pl.Series) -> np.ndarray:
    """The small pictures. -> (n, THUMB * THUMB, 3) float32"""
    whole = np.frombuffer(b"".join(column.to_list()), np.uint8)
    return whole.reshape(-1, THUMB * THUMB, 3).astype(np.float32)


def _look_alike(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Whether pictures look alike, pair by pair, both (n, p, 3). -> (n,) bool

    Where one of two is gray, both are compared in gray.
    """
    gray = [_colour(each) < LEAST_COLOUR for each in (one, other)]
    mixed = gray[0] != gray[1]
    for each in (one, other):
        each[mixed] = (each[mixed] @ saved_again.SHADES)[..., None]
    centred = [each - each.mean(axis=1, keepdims=True) for each in (one, other)]
    spreads = [each.std(axis=(1, 2)) for each in centred]
    likeness = (centred[0] * centred[1]).mean(axis=(1, 2)) / np.maximum(spreads[0] * spreads[1], 1)
    flat = np.minimum(*spreads) < LEAST_SPREAD
    swapped = (spreads[0] > spreads[1])[:, None, None]
    low, high = np.where(swapped, other, one), np.where(swapped, one, other)
    most = np.minimum(MOST_DIFFERENCE, MOST_OF_SPREAD * np.maximum(*spreads))
    alike: np.ndarray = ~flat & (likeness >= LEAST_CORRELATION) & (_differences(low, high) <= most)
    return alike


def _colour(pixels: np.ndarray) -> np.ndarray:
    """How far the channels lie apart on average, (n, p, 3) -> (n,) levels."""
    red, green, blue = np.moveaxis(pixels, 2, 0)
    highest, lowest = np.maximum(red, green), np.minimum(red, green)
    return (np.maximum(highest, blue) - np.minimum(lowest, blue)).mean(axis=1)  # type: ignore[no-any-return]


def _differences(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """The largest difference of a tile, `low` given the brightness and contrast of `high` first.

    One line for all channels, by least squares on what is neither black nor white in either, for
    there a picture that was made brighter is cut off. (n, p, 3) -> (n,) levels
    """
    inside = (np.minimum(low, high) > 10) & (np.maximum(low, high) < 245)
    inside |= (inside.mean(axis=(1, 2)) < 0.25)[:, None, None]
    count = inside.sum(axis=(1, 2), keepdims=True)
    means = [(each * inside).sum(axis=(1, 2), keepdims=True) / count for each in (low, high)]
    shifted = (low - means[0]) * inside
    slope = (shifted * (high - means[1])).sum(axis=(1, 2), keepdims=True)
    slope /= np.maximum((shifted**2).sum(axis=(1, 2), keepdims=True), 1e-6)
    made = np.clip(means[1] + slope * (low - means[0]), 0, 255)
    return np.abs(high - made).max(axis=(1, 2))  # type: ignore[no-any-return]
