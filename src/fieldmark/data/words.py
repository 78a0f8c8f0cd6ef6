"""Captions as numbers: how often each bucket of words stands in one. The one place for it."""

import hashlib
import re
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from fieldmark.errors import DataError
from fieldmark.errors import counted as counted_of

WORD = re.compile(r"[^\W\d_]+(?:['\N{RIGHT SINGLE QUOTATION MARK}][^\W\d_]+)?")


def counted(captions: Sequence[str | None], buckets: int) -> np.ndarray:
    """How many words of each caption fall into each bucket. -> (n, buckets) float32

    A word falls where a hash of its small letters says (Weinberger et al., "Feature Hashing for
    Large Scale Multitask Learning", 2009), the same in every process and on every machine. A
    caption that is missing, or has no word, is a row of zeros.
    """
    found = np.zeros((len(captions), buckets), np.float32)
    for row, caption in enumerate(captions):
        for word in WORD.findall((caption or "").lower()):
            found[row, bucket_of(word, buckets)] += 1
    return found


@lru_cache(maxsize=100_000)
def bucket_of(word: str, buckets: int) -> int:
    """Where a word falls."""
    digest = hashlib.blake2b(word.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") % buckets


def told_of_captions(captions: Sequence[str | None], where: str) -> list[str]:
    """What a model that reads captions has to say of these, one an image: how many have no word.

    Raises DataError where no image has a caption at all.
    """
    lacking = sum(not WORD.search(caption or "") for caption in captions)
    if lacking == len(captions):
        raise DataError(
            f"{where}: this model reads the caption of each image too, and none has one; name a "
            "table with a column 'Caption' beside that of the images"
        )
    if not lacking:
        return []
    has = "has" if lacking == 1 else "have"
    return [
        f"{lacking} of {counted_of(len(captions), 'image')} {has} no caption, so that the picture "
        "alone decides there"
    ]
