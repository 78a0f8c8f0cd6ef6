"""How an augmentation changes images: a row of pictures an image, the first as it is evaluated."""

import numpy as np
import polars as pl
import torch

from fieldmark.data.augment import AUGMENTS, centre_crop
from fieldmark.data.listing import Listing
from fieldmark.data.sources import place_name, read_pixels
from fieldmark.errors import Mistake, SettingsError
from fieldmark.report.findings import Shot
from fieldmark.report.inspect_page import Sheet
from fieldmark.runs.pictures import encoded

IMAGES, DRAWS = 6, 5


def augmented_sheets(listing: Listing, facts: pl.DataFrame, name: str) -> tuple[Sheet, ...]:
    """A sheet an image, of `IMAGES` that stand apart in the list. Raises SettingsError."""
    _, mistakes = AUGMENTS.read(name, {})
    if mistakes:
        raise SettingsError([Mistake("--augment", mistakes[0].what)])
    good = facts.with_row_index("at").filter(pl.col("problem").is_null())
    small = int(good.select("width", "height").max().to_numpy().max()) <= 64
    side = int(good["width"].max()) if small else 112  # type: ignore[arg-type]
    form = ("square", side) if small else ("shorter", round(side * 8 / 7))
    options = {} if listing.mirrored or name == "none" else {"flip": False}
    change = AUGMENTS.build(name, options, side)
    places = listing.samples.places()
    rows = good["at"].gather_every(max(1, good.height // IMAGES)).to_list()[:IMAGES]
    sheets = []
    for row in rows:
        pixels = read_pixels(listing.samples.root, places[row][0], places[row][1], form)
        image = torch.from_numpy(pixels.copy()).permute(2, 0, 1)
        shown = [("as evaluated", centre_crop(image, side))]
        for draw in range(DRAWS):
            generator = np.random.default_rng([0, row, draw])
            shown.append((f"draw {draw + 1}", change(image, generator)))
        shots = tuple(_shot(words, picture) for words, picture in shown)
        sheets.append(Sheet(place_name(*places[row]), len(shots), shots))
    return tuple(sheets)


def _shot(words: str, picture: torch.Tensor) -> Shot:
    pixels = picture.permute(1, 2, 0).contiguous().numpy()
    return *encoded(pixels), words
