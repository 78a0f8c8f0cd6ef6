"""Stored images: the same pixels as decoding gives, from memory, from the cache, or made anew."""

import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from time import perf_counter, sleep

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scannedsource import read_source

from fieldmark.cache import Cache
from fieldmark.data import stored as stored_images
from fieldmark.data.sources import read_listing, read_pixels
from fieldmark.data.stored import Stored, channels, channels_of, estimated_bytes, store
from fieldmark.errors import DataError
from fieldmark.records import InputSpec

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
        f"import sys; sys.path.insert(0, {str(Path(__file__).parents[1])!r}); "
        "from pathlib import Path; from fieldmark.cache import Cache; "
        "from scannedsource import read_source; from fieldmark.data.stored import store; "
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


@pytest.mark.parametrize("spoil", ["cut", "longer", "empty", "other numbers"])
def test_a_damaged_file_of_the_cache_is_made_again(photos, tmp_path, spoil):
    samples, cache = read_source(str(photos)).samples, Cache(tmp_path / "cache")
    store(samples, FORMS[0], cache, nothing)
    (file,) = (path for path in (tmp_path / "cache").rglob("*") if path.is_file())
    content = file.read_bytes()
    spoilt = {"cut": content[:-100], "longer": content + bytes(48), "empty": b""}
    spoilt["other numbers"] = content[:-24] + bytes(24)
    file.write_bytes(spoilt[spoil])
    done = []
    wanted = decoded(samples, FORMS[0])
    assert same(store(samples, FORMS[0], cache, done.append), wanted)
    assert sum(done) == len(samples)
    assert file.read_bytes() == content


def test_a_file_of_the_cache_that_vanishes_before_it_is_opened_is_made_again(photos, tmp_path):
    samples, cache = read_source(str(photos)).samples, Cache(tmp_path / "cache")
    get = cache.get
    store(samples, FORMS[0], cache, nothing)

    def get_and_lose(kind, key):
        path = get(kind, key)
        path.unlink()
        return path

    cache.get = get_and_lose
    assert same(store(samples, FORMS[0], cache, nothing), decoded(samples, FORMS[0]))


def test_another_version_of_pillow_decodes_anew(photos, tmp_path, monkeypatch):
    samples, cache, done = read_source(str(photos)).samples, Cache(tmp_path / "cache"), []
    store(samples, FORMS[0], cache, nothing)
    monkeypatch.setattr("PIL.__version__", "1.2.3")
    store(samples, FORMS[0], cache, done.append)
    assert sum(done) == len(samples)


def test_one_who_stops_does_not_wait_for_the_images_that_are_left(photos, monkeypatch):
    samples, begun = read_source(str(photos)).samples, []
    monkeypatch.setattr("fieldmark.data.stored.read_pixels", lambda *at: begun.append(sleep(0.2)))
    several = replace(samples, frame=pl.concat([samples.frame] * 10))

    def stop(_):
        raise KeyboardInterrupt

    before = perf_counter()
    with pytest.raises(KeyboardInterrupt):
        store(several, FORMS[0], Cache(None), stop)
    assert perf_counter() - before < 2
    sleep(0.5)
    assert len(begun) < 100


def test_few_images_are_in_memory_before_they_are_taken(photos, monkeypatch):
    samples, begun = read_source(str(photos)).samples, []
    monkeypatch.setattr(stored_images, "WORKERS", 2)
    monkeypatch.setattr(stored_images, "read_pixels", lambda *place: begun.append(place))
    rows, most = np.arange(14).repeat(10), 0
    for taken, _ in enumerate(stored_images.decoded(samples, rows, FORMS[0])):
        most = max(most, len(begun) - taken)
    assert (len(begun), most) == (140, 4)


def test_a_strip_takes_no_more_than_its_middle(tmp_path):
    for name in ("cat/1.png", "dog/1.png"):
        (tmp_path / name).parent.mkdir()
        Image.new("RGB", (6000, 20)).save(tmp_path / name)
    samples = read_source(str(tmp_path)).samples
    images = decoded(samples, ("shorter", 32))
    assert estimated_bytes(samples, ("shorter", 32)) == sum(image.size for image in images)
    assert images[0].shape == (32, 512, 3)


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


def drawn(shapes, seed=0):
    draw = np.random.default_rng(seed)
    return [draw.integers(0, 256, (*shape, 3), dtype=np.uint8) for shape in shapes]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 20), st.integers(1, 20)), min_size=1, max_size=6))
def test_they_are_those_of_all_pixels_together(shapes):
    images = drawn(shapes)
    pixels = np.concatenate([image.reshape(-1, 3) for image in images]) / 255
    mean, std = channels(images)
    np.testing.assert_allclose(mean, pixels.mean(0), rtol=1e-12)
    np.testing.assert_allclose(std, pixels.std(0), rtol=1e-9, atol=1e-12)


def test_the_order_of_the_images_does_not_matter_to_the_last_bit():
    images = drawn([(7, 9), (30, 11), (2, 2), (16, 16)])
    assert channels(images) == channels(images[::-1])


def test_white_images_have_a_mean_of_one_and_no_deviation():
    white = np.full((300, 300, 3), 255, np.uint8)
    assert channels([white] * 3) == ((1.0, 1.0, 1.0), (0.0, 0.0, 0.0))


def test_a_view_of_pixels_that_lie_otherwise_counts_the_same():
    image = drawn([(8, 12)])[0]
    turned = image[::-1, ::2]
    assert channels([turned]) == channels([turned.copy()])


def test_no_image_has_no_mean():
    with pytest.raises(DataError, match="no training image"):
        channels([])


def test_only_the_rows_that_are_asked_for_are_read_and_in_the_form_of_evaluation(tmp_path):
    for number, image in enumerate(drawn([(20, 30), (40, 10), (16, 16)])):
        (tmp_path / "cat").mkdir(exist_ok=True)
        Image.fromarray(image).save(tmp_path / "cat" / f"{number}.png")
    samples, told = read_source(str(tmp_path)).samples, []
    found = channels_of(samples, np.array([2, 0]), InputSpec("square:8", 8), told.append)
    pictures = [Image.open(tmp_path / "cat" / f"{n}.png").resize((8, 8), 2) for n in (0, 2)]
    assert found == channels(np.asarray(picture) for picture in pictures)
    assert told == [1, 1]
    full = channels_of(samples, np.array([2]), InputSpec("original", 14))
    assert full == channels([np.asarray(Image.open(tmp_path / "cat" / "2.png"))])


def test_an_image_that_cannot_be_read_is_told(tmp_path):
    (tmp_path / "cat").mkdir()
    path = tmp_path / "cat" / "0.png"
    Image.fromarray(drawn([(9, 9)])[0]).save(path)
    samples = read_listing(str(tmp_path)).samples
    path.write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"0\.png"):
        channels_of(samples, np.array([0]), InputSpec("square:8", 8))
