"""Fifty odd, broken and hostile files that lie beside the checkout, where they do."""

import csv
import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fieldmark.data.images import decode, read_bytes
from fieldmark.errors import DataError

FOLDER = Path(__file__).parents[2].parent / "shared" / "data" / "odd_files"
MANIFEST = FOLDER / "MANIFEST.csv"
pytestmark = pytest.mark.skipif(
    not MANIFEST.is_file(), reason="the odd files do not lie beside the checkout"
)


def rows(expected):
    if not MANIFEST.is_file():
        return [pytest.param(None, id="absent")]
    with MANIFEST.open(encoding="utf-8", newline="") as stream:
        found = [row for row in csv.DictReader(stream) if row["expected"] == expected]
    return [pytest.param(row, id=row["file"]) for row in found]


@pytest.mark.parametrize("row", rows("ok"))
def test_what_can_be_read_has_the_size_and_the_mean_of_the_manifest(row):
    number = r"([\d.]+)"
    found = re.match(
        rf"size=(\d+)x(\d+); mean={number} {number} {number}; tol={number}", row["note"]
    )
    width, height, *mean, tolerance = map(float, found.groups())
    content = (FOLDER / row["file"]).read_bytes()
    with Image.open(io.BytesIO(content)) as image:  # the manifest's means are without profiles
        profile = image.info.get("icc_profile") or b""
    if profile:
        content = content.replace(profile, bytes(len(profile)))
    pixels = decode(content, row["file"])
    assert pixels.dtype == np.uint8
    assert pixels.shape == (height, width, 3)
    assert pixels.mean(axis=(0, 1)) == pytest.approx(mean, abs=tolerance + 0.005)


@pytest.mark.parametrize("row", rows("refuse"))
def test_what_cannot_be_read_is_refused_by_name_in_one_line(row):
    path = FOLDER / row["file"]
    with pytest.raises(DataError) as caught:
        decode(read_bytes(path), str(path))
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("turn", range(1, 9))
def test_every_landscape_has_its_bright_quarters_up(turn):
    name = f"landscape_{turn}.jpg"
    gray = decode((FOLDER / name).read_bytes(), name).mean(axis=2)
    upper_left, upper_right = gray[:225, :300].mean(), gray[:225, 300:].mean()
    lower_left, lower_right = gray[225:, :300].mean(), gray[225:, 300:].mean()
    assert upper_right > upper_left > lower_left > lower_right
