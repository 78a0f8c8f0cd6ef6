"""Every image read and decoded once, in threads, and remembered.

What is remembered lies in the cache, one table a data root. An image whose file has the size and
the time of change of before is not read again; one that was moved or touched is read but, its
content being known, not decoded.
"""

import hashlib
import os
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import polars as pl
from PIL import Image

from fieldmark.cache import Cache, address
from fieldmark.data.copies import LEAST_SIDE, perceptual_hash
from fieldmark.data.images import Picture, examine, thumb_of
from fieldmark.data.inside import size_and_time
from fieldmark.data.kinds import HEIF_SUFFIXES
from fieldmark.data.opening import PictureError, refuse_unread
from fieldmark.data.sources import content_of, place_name, raw_pixels
from fieldmark.errors import DataError
from fieldmark.records import Samples

VERSION = 4  # of what is measured and how: another number makes void what is remembered
SCHEMA: dict[str, Any] = {
    "path": pl.String,
    "row": pl.Int64,
    "bytes": pl.Int64,  # of the file; for a row, of the file that holds it
    "modified": pl.Int64,  # when that file was changed, nanoseconds
    "hash": pl.String,  # of the image's content
    "width": pl.Int64,  # upright
    "height": pl.Int64,
    "format": pl.String,  # by content; null for pixels that were never a file
    "problem": pl.String,  # unreadable, truncated, zero-byte, bomb, missing; null where it is good
    "reason": pl.String,  # the sentence that says so
    "misnamed": pl.Boolean,  # the suffix says another format than the content
    "frames": pl.Int64,
    "mended": pl.Boolean,  # something beside the pixels was damaged, and passed over
    "profile": pl.String,  # by which colours were converted to sRGB; null where they are in it
    "phash": pl.UInt64,  # null where the shorter side is below LEAST_SIDE
    "thumb": pl.Binary,  # THUMB x THUMB x 3: red, green, blue
    "mean": pl.Float64,  # of gray, 0 to 255
    "contrast": pl.Float64,  # standard deviation of gray
    "sharpness": pl.Float64,  # of gray, the shorter side at most 256; see `sharpness`
}
TILE = 32
MEASURED = ["width", "height", "format", "frames", "phash", "thumb", "mean", "contrast"]
MEASURED += ["sharpness", "mended", "profile"]
FORMAT_OF = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".webp": "WEBP", ".bmp": "BMP"}
FORMAT_OF |= {".tif": "TIFF", ".tiff": "TIFF", ".gif": "GIF", ".avif": "AVIF"}
FORMAT_OF |= dict.fromkeys(HEIF_SUFFIXES, "HEIF")
Facts: TypeAlias = dict[str, Any]


def facts_of(root: str, place: Facts, known: Callable[[str], Facts | None]) -> Facts:
    """Read one image, and decode it unless its content is known. Never raises of the file.

    place: path, row, and bytes and modified, which are passed on.
    known: from a content's hash to what is measured of it, MEASURED, or None.
    """
    facts: Facts = dict.fromkeys(SCHEMA) | {"misnamed": False} | place
    name = place_name(str(Path(root, place["path"])), place["row"])
    try:
        where = place["path"], place["row"]
        pixels = raw_pixels(*where)
        content = content_of(root, *where) if pixels is None else pixels.tobytes()
        if pixels is None:  # of content that is known, too: another name may say what it is
            refuse_unread(content, name)
        facts["hash"] = hashlib.blake2b(content, digest_size=16).hexdigest()
        seen = known(facts["hash"])
        if seen is None:
            picture = examine(content, name) if pixels is None else _picture(pixels)
            seen = measured(picture)
    except PictureError as error:
        return facts | {"problem": error.problem, "reason": str(error)}
    except DataError as error:
        return facts | {"problem": "unreadable", "reason": str(error)}
    suffix = FORMAT_OF.get(Path(place["path"]).suffix.lower(), seen["format"])
    return facts | seen | {"misnamed": suffix != seen["format"]}


def measured(picture: Picture) -> Facts:
    """Size, format and how it looks: MEASURED."""
    small = Image.fromarray(picture.gray).resize((32, 32), Image.Resampling.BILINEAR)
    is_large = min(picture.width, picture.height) >= LEAST_SIDE
    return {
        "width": picture.width,
        "height": picture.height,
        "format": picture.format,
        "frames": picture.frames,
        "mended": picture.mended,
        "profile": picture.profile,
        "phash": perceptual_hash(np.asarray(small)) if is_large else None,
        "thumb": picture.thumb.tobytes(),
        "mean": float(picture.gray.mean()),
        "contrast": float(picture.gray.std()),
        "sharpness": sharpness(picture.gray),
    }


def sharpness(gray: np.ndarray) -> float | None:
    """The highest variance of the Laplacian among tiles of TILE pixels a side, (H, W) -> number.

    None below 3 x 3 pixels. The variance over a whole picture (Pech-Pacheco and others, "Diatom
    autofocusing in brightfield microscopy", 2000) calls a sharp bird in a clear sky blurred; a
    picture is blurred where no part of it is sharp.
    """
    if min(gray.shape) < 3:
        return None
    wide = gray.astype(np.float32)
    beside = wide[1:-1, :-2] + wide[1:-1, 2:] + wide[:-2, 1:-1] + wide[2:, 1:-1]
    laplacian = beside - 4 * wide[1:-1, 1:-1]
    side = min(TILE, *laplacian.shape)
    high, broad = (length // side for length in laplacian.shape)
    tiles = laplacian[: high * side, : broad * side].reshape(high, side, broad, side)
    return float(tiles.var(axis=(1, 3)).max())


def _picture(pixels: np.ndarray) -> Picture:
    """Pixels (H, W, 3) uint8 that were never a file."""
    image = Image.fromarray(pixels)
    gray = np.asarray(image.convert("L"))
    return Picture(None, 1, image.width, image.height, gray, thumb_of(image))


KIND = "scans"
PLACE = ["path", "row"]
FILE = ["bytes", "modified"]
YOUNG = 2_000_000_000  # nanoseconds: so soon a file may change again and bear the same time
WORKERS = min(16, 2 * (os.cpu_count() or 1))  # a decoded picture each: what bounds the memory


def scan(
    samples: Samples, cache: Cache, advance: Callable[[int, int], None] | None = None
) -> pl.DataFrame:
    """Facts about every image: SCHEMA, one row a sample, in its order. A bad file raises nothing.

    `advance(done, total)` is called as images are read; those that are known count at once. A
    scan that is stopped goes on, the next time, where it was.
    """
    begun = time.time_ns()
    now = _files(samples)
    remembered = _remembered(cache, samples.root)
    known = now.drop_nulls("modified").join(remembered, on=PLACE + FILE, nulls_equal=True)
    unknown = now.join(known, on=PLACE, how="anti", nulls_equal=True)
    fresh: list[Facts] = []
    if advance:
        advance(known.height, now.height)
    try:
        with closing(_read(samples.root, unknown, remembered)) as reading:
            for facts in reading:
                fresh.append(facts)
                if advance:
                    advance(known.height + len(fresh), now.height)
    finally:
        found = pl.concat([known.select(*SCHEMA), pl.DataFrame(fresh, SCHEMA)])
        if fresh:
            kept = _to_keep(samples.root, found, remembered, begun)
            cache.put(KIND, _key(samples.root), kept.write_parquet)
    places = samples.frame.select(PLACE)
    return places.join(found, on=PLACE, how="left", nulls_equal=True, maintain_order="left")


def with_facts(samples: Samples, facts: pl.DataFrame) -> tuple[Samples, dict[str, str]]:
    """The samples that can be read, with hash and size; of the others, {name: reason}.

    Raises DataError where none can be read.
    """
    good = facts["problem"].is_null()
    bad = facts.filter(~good).select("path", "row", "reason").iter_rows()
    left_out = {place_name(path, row): reason for path, row, reason in bad}
    if left_out and not good.any():
        reason = next(iter(left_out.values()))
        raise DataError(f"{samples.root}: none of its {len(left_out)} images can be read; {reason}")
    filled = samples.frame.with_columns(facts.select("hash", "width", "height"))
    return replace(samples, frame=filled.filter(good)), left_out


def problems_of(samples: Samples, facts: pl.DataFrame) -> dict[str, str]:
    """Of the images that cannot be read, which problem each has, by name."""
    each = zip(samples.places(), facts["problem"], strict=True)
    return {place_name(*place): problem for place, problem in each if problem is not None}


def _files(samples: Samples) -> pl.DataFrame:
    """The images, each once, with size and time of their files; null where there is no file."""
    places = samples.frame.select(PLACE).unique(maintain_order=True)
    paths = places["path"].unique().to_list()
    found = [(path, size_and_time(os.path.join(samples.root, path))) for path in paths]  # noqa: PTH118
    about = [(path, *(its or (None, None))) for path, its in found]
    kinds = {name: SCHEMA[name] for name in ("path", *FILE)}
    return places.join(pl.DataFrame(about, kinds, orient="row"), on="path", maintain_order="left")


def _read(
    root: str, unknown: pl.DataFrame, remembered: pl.DataFrame
) -> Generator[Facts, None, None]:
    """The facts about images, in their order, read by threads."""
    good = remembered.filter(pl.col("problem").is_null())
    kept = dict(zip(good["hash"], range(good.height), strict=True))
    measured = good.select(MEASURED)

    def known(content: str) -> Facts | None:
        return measured.row(kept[content], named=True) if content in kept else None

    with ThreadPoolExecutor(WORKERS) as threads:
        try:
            places = unknown.iter_rows(named=True)
            yield from threads.map(lambda place: facts_of(root, place, known), places)
        finally:  # one who stops does not wait for the rest
            threads.shutdown(wait=False, cancel_futures=True)


def _key(root: str) -> str:
    return address("scan", VERSION, str(Path(root).resolve()))


def _remembered(cache: Cache, root: str) -> pl.DataFrame:
    """What the last scans of this root found: SCHEMA, each place once; none where there is none."""
    path = cache.get(KIND, _key(root))
    try:
        frame = pl.DataFrame(schema=SCHEMA) if path is None else pl.read_parquet(path)
        return frame.select(*SCHEMA)
    except (OSError, pl.exceptions.PolarsError):  # deleted this moment, or damaged
        return pl.DataFrame(schema=SCHEMA)


def _to_keep(root: str, found: pl.DataFrame, remembered: pl.DataFrame, begun: int) -> pl.DataFrame:
    """What was found, and what is known of other images as long as their files are there.

    Not kept: what could not be read at all, and bombs, which may only have met too little memory.
    The time of a file that was changed just before is not kept, so that it is read once more.
    """
    others = remembered.join(found, on=PLACE, how="anti", nulls_equal=True)
    there = _files(Samples(others, root)).drop_nulls("modified")
    all_known = pl.concat([found, others.join(there, on=PLACE, how="semi", nulls_equal=True)])
    lasting = pl.col("hash").is_not_null() & pl.col("problem").ne_missing("bomb")
    sure = pl.when(pl.col("modified") < begun - YOUNG).then("modified").alias("modified")
    return all_known.filter(lasting).with_columns(sure)
