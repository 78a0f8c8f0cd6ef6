"""How an augmentation changes images: a row of pictures an image, the first as it is evaluated."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import torch

from fieldmark import streams
from fieldmark.data.augment import AUGMENTS, Augment, is_pipeline_file, read_pipeline
from fieldmark.data.augment_albumentations import normalised_by
from fieldmark.data.images import centre_crop
from fieldmark.data.listing import Listing
from fieldmark.data.seen_part import squeezed
from fieldmark.data.sources import place_name, read_pixels
from fieldmark.errors import Mistake, SettingsError, refuse
from fieldmark.insight.album import encoded
from fieldmark.records import InputSpec
from fieldmark.report.inspect_page import Sheet
from fieldmark.report.thumbs import Shot
from fieldmark.streams import Stream

IMAGES, DRAWS = 6, 5
SMALL, SIDE = 64, 112  # px: images of up to SMALL are shown whole, of larger ones SIDE


def augmented_sheets(listing: Listing, facts: pl.DataFrame, name: str) -> tuple[Sheet, ...]:
    """A sheet an image, of `IMAGES` that stand apart in the list. Raises SettingsError.

    name: of an augmentation with its defaults, or a file that Albumentations saved.
    """
    good = facts.with_row_index("at").filter(pl.col("problem").is_null())
    sizes = good.select("width", "height").to_numpy()
    try:
        seen = squeezed(sizes, _seen(int(sizes.max()), name))
        change = _change(name, seen, mirrored=listing.mirrored)
    except SettingsError as error:
        raise SettingsError([Mistake("--augment", error.mistakes[0].what)]) from error
    places = listing.samples.places()
    rows: list[int] = good["at"].gather_every(max(1, good.height // IMAGES)).to_list()[:IMAGES]
    sheets = []
    for row in rows:
        pixels = read_pixels(listing.samples.root, *places[row], seen.form)
        shots = tuple(_shots(pixels, row, change, seen))
        sheets.append(Sheet(place_name(*places[row]), len(shots), shots))
    return tuple(sheets)


def _seen(largest: int, name: str) -> InputSpec:
    """What a network would see of images of which the longest side is `largest` pixels."""
    size = min(largest, SIDE)
    around = InputSpec("original", size).around
    seen = InputSpec(f"square:{size}" if largest <= SMALL else f"shorter:{around}", size)
    known = normalised_by(read_pipeline(Path(name))) if is_pipeline_file(name) else None
    return replace(seen, mean=known[0], std=known[1]) if known else seen


def _change(name: str, seen: InputSpec, *, mirrored: bool) -> Augment:
    """mirrored: whether images of this source may be."""
    options: dict[str, object] = {}
    if is_pipeline_file(name):
        name, options = "albumentations", {"pipeline": read_pipeline(Path(name))}
    _, mistakes = AUGMENTS.read(name, options)
    refuse(mistakes)
    if not mirrored and "flip" in AUGMENTS[name].options():
        options["flip"] = False
    change: Augment = AUGMENTS.build(name, options, seen)
    return change


def _shots(pixels: np.ndarray, row: int, change: Augment, seen: InputSpec) -> Iterator[Shot]:
    yield *encoded(centre_crop(pixels, seen.size)), "as evaluated"
    image = torch.from_numpy(pixels.copy()).permute(2, 0, 1)
    for draw in range(DRAWS):
        changed = change(image, streams.draw(Stream.SHOWN, 0, row, draw))
        whole = changed.float().round().clamp(0, 255).to(torch.uint8)  # noise may go beyond
        yield *encoded(whole.permute(1, 2, 0).contiguous().numpy()), f"draw {draw + 1}"
