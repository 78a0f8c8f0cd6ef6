"""Stored images: the same pixels as decoding gives, from memory, from the cache, or made anew."""

import subprocess
import sys
import warnings
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image

from fieldmark.cache import Cache
from fieldmark.data.sources import read_pixels, read_source
from fieldmark.data.stored import Stored, estimated_bytes, store
from fieldmark.errors import DataError

FORMS = [("shorter", 16), ("square", 12)]


@pytest.fixture
def photos(tmp_path):
    draw = np.random.default_rng(0)
    for number in range(14):
        side = draw.integers(20, 60, size=2)
        path = tmp_path / "photos" / ("cat", "dog")[number % 2] / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = draw.integers(0, 255, size=(*side, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
    return tmp_path / "photos"


def nothing(_):
    pass


def decoded(samples, form):
    return [read_pixels(samples.root, path, row, form) for path, row in samples.places()]


def same(stored, images):
    return len(stored) == len(images) and all(
        np.array_equal(stored.image(row), image) for row, image in enumerate(images)
    )


@pytest.mark.parametrize("form", FORMS)
def test_cache_on_off_cold_or_warm_give_the_same_pixels(photos, tmp_path, form):
    samples = read_source(str(photos)).samples
    cache = Cache(tmp_path / "cache")
    wanted = decoded(samples, form)
    done = []
    assert same(store(samples, form, cache, done.append), wanted)
    assert sum(done) == len(samples)
    assert same(store(samples, form, cache, done.append), wanted)
    assert sum(done) == len(samples)  # the second time nothing was decoded
    assert same(store(samples, form, Cache(None), nothing), wanted)


def test_a_changed_image_is_decoded_anew(photos, tmp_path):
    cache, form = Cache(tmp_path / "cache"), FORMS[0]
    store(read_source(str(photos)).samples, form, cache, nothing)
    Image.new("RGB", (30, 30), "red").save(photos / "cat" / "0.jpg")
    samples = read_source(str(photos)).samples
    assert same(store(samples, form, cache, nothing), decoded(samples, form))


def test_two_processes_store_at_once(photos, tmp_path):
    program = (
        "import sys; from pathlib import Path; from fieldmark.cache import Cache; "
        "from fieldmark.data.sources import read_source; from fieldmark.data.stored import store; "
        "store(read_source(sys.argv[1]).samples, ('shorter', 16), Cache(Path(sys.argv[2])), print)"
    )
    words = [sys.executable, "-c", program, str(photos), str(tmp_path / "cache")]
    others = [subprocess.Popen(words, stdout=subprocess.DEVNULL) for _ in range(2)]
    assert [other.wait() for other in others] == [0, 0]
    samples = read_source(str(photos)).samples
    decodings = []
    stored = store(samples, ("shorter", 16), Cache(tmp_path / "cache"), decodings.append)
    assert same(stored, decoded(samples, ("shorter", 16)))
    assert decodings == []


def test_too_many_images_are_not_kept(photos, tmp_path, monkeypatch):
    samples = read_source(str(photos)).samples
    monkeypatch.setattr("fieldmark.data.stored.IN_MEMORY", 1000)
    small = Cache(tmp_path / "cache", most_bytes=1000)
    assert store(samples, FORMS[0], small, nothing) is None
    assert not (tmp_path / "cache").exists()


def test_a_file_that_vanished_is_named_and_nothing_is_kept(photos, tmp_path):
    samples = read_source(str(photos)).samples
    (photos / "dog" / "3.jpg").unlink()
    with pytest.raises(DataError, match=r"dog/3.jpg: cannot be read"):
        store(samples, FORMS[0], Cache(tmp_path / "cache"), nothing)
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


def test_the_estimate_is_near(photos):
    samples = read_source(str(photos)).samples
    for form in FORMS:
        true = sum(image.nbytes for image in decoded(samples, form))
        assert estimated_bytes(samples, form) == pytest.approx(true, rel=0.1)


def test_torch_takes_the_views_without_a_warning(photos, tmp_path):
    samples = read_source(str(photos)).samples
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for cache in (Cache(tmp_path / "cache"), Cache(None)):
            view = torch.from_numpy(store(samples, FORMS[0], cache, nothing).image(0))
            assert view.dtype == torch.uint8


def test_an_empty_store_has_no_image():
    assert len(Stored(np.zeros(0, np.uint8), np.zeros((0, 3), np.int64))) == 0


def test_the_key_follows_content_and_not_the_name(photos, tmp_path):
    samples = read_source(str(photos)).samples
    cache = Cache(tmp_path / "cache")
    store(samples, FORMS[0], cache, nothing)
    renamed = replace(samples, frame=samples.frame.with_columns(pl.lit("x").alias("caption")))
    decodings = []
    store(renamed, FORMS[0], cache, decodings.append)
    assert decodings == []
