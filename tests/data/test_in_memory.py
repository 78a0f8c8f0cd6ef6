from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scannedsource import read_source

from fieldmark.cache import Cache
from fieldmark.data.augment import centre_crop
from fieldmark.data.batch_augment import BATCH_AUGMENTS
from fieldmark.data.in_memory import InMemory, fits_in_memory, read_all
from fieldmark.data.loader import Batches, Images
from fieldmark.data.stored import Stored, store
from fieldmark.errors import DataError
from fieldmark.records import InputSpec

SPEC = InputSpec("square:8", 8)
ROWS = np.arange(21) * 3


@pytest.fixture(scope="module")
def digits():
    return read_source("digits").samples


@pytest.fixture(scope="module")
def pixels(digits):
    return read_all(digits, SPEC, None)


@pytest.fixture
def photos(tmp_path):
    """Four images of other sides in two classes, in a folder."""
    for number, place in enumerate(("cat/0", "cat/1", "dog/0", "dog/1")):
        path = tmp_path / f"{place}.png"
        path.parent.mkdir(exist_ok=True)
        values = np.random.default_rng(number).integers(0, 256, (20, 30 + number, 3))
        Image.fromarray(values.astype(np.uint8)).save(path)
    return read_source(str(tmp_path)).samples


def held(digits, pixels, name="light", *, rows=ROWS, spec=SPEC, options=None, **how):
    augment = BATCH_AUGMENTS[name](spec, **options or {})
    how = {"batch_size": 4, "seed": 7, **how}
    return InMemory(pixels, digits.targets(digits.classes), rows, augment=augment, **how)


def bits(found):
    return [(images.numpy().tobytes(), targets.tolist()) for images, targets in found]


def by_image(found):
    """All images of an epoch, and their classes, whatever the steps."""
    images, targets = zip(*found, strict=True)
    return torch.cat(images), torch.cat(targets)


@pytest.mark.parametrize("how", [{}, {"seed": None}, {"sampling": "balanced"}, {"batch_size": 5}])
def test_order_and_steps_are_those_of_the_loader(digits, pixels, how):
    found = held(digits, pixels, "none", **how)
    how = {"batch_size": 4, "seed": 7, "workers": 0, **how}
    wanted = Batches(Images(digits, digits.classes, SPEC), ROWS, **how)
    assert found.sizes == wanted.sizes
    assert len(found) == len(wanted)
    for epoch in (0, 1, 0):
        assert bits(found.epoch(epoch)) == bits(wanted.epoch(epoch))
    assert bits(found.epoch(1, start=2)) == bits(wanted.epoch(1, start=2))
    assert bits(found) == bits(found.epoch(0))


def test_a_batch_is_bytes_and_classes_channels_last(digits, pixels):
    for name in ("none", "light", "crop"):
        images, targets = next(held(digits, pixels, name).epoch(0))
        assert (images.shape, images.dtype) == ((4, 3, 8, 8), torch.uint8)
        assert images.is_contiguous(memory_format=torch.channels_last)
        assert (targets.shape, targets.dtype, targets.device.type) == ((4,), torch.int64, "cpu")


@pytest.mark.parametrize("name", BATCH_AUGMENTS)
def test_what_happens_to_an_image_does_not_depend_on_its_batch(digits, pixels, name):
    whole = by_image(held(digits, pixels, name, batch_size=64).epoch(3))
    for batch_size in (1, 5, 16):
        found = by_image(held(digits, pixels, name, batch_size=batch_size).epoch(3))
        assert all(map(torch.equal, found, whole))


@pytest.mark.parametrize("name", BATCH_AUGMENTS)
@pytest.mark.parametrize("sampling", ["all", "balanced"])
def test_an_epoch_from_a_step_on_is_the_tail_of_the_whole(digits, pixels, name, sampling):
    whole = bits(held(digits, pixels, name, sampling=sampling).epoch(1))
    for start in (0, 2, len(whole) - 1, len(whole)):
        found = held(digits, pixels, name, sampling=sampling)
        assert bits(found.epoch(1, start=start)) == whole[start:]


def test_another_epoch_or_seed_changes_images_otherwise(digits, pixels):
    def seen(seed, epoch):
        """One image, after the augmentation alone: there is no other whose order could tell."""
        found = held(digits, pixels, "cifar", rows=np.array([5]), seed=seed)
        return next(found.epoch(epoch))[0].numpy().tobytes()

    # a half of the images has a hole that covers all of it, and these are alike
    by_seed = [[seen(seed, epoch) for epoch in range(20)] for seed in (7, 8)]
    assert all(len({*each}) > 5 for each in by_seed)
    assert by_seed[0] != by_seed[1]


def test_a_row_that_comes_again_in_an_epoch_is_changed_otherwise(digits, pixels):
    """One image of one class and many of another: a half of what is drawn is that image."""
    targets = digits.targets(digits.classes)
    rows = np.concatenate([np.flatnonzero(targets == 0)[:1], np.flatnonzero(targets == 1)[:29]])
    options = {"angle": 90.0, "shift": 100.0, "hole": 2}
    how = {"rows": rows, "sampling": "balanced", "options": options}
    images, classes = by_image(held(digits, pixels, "cifar", **how).epoch(0))
    again = images[classes == 0]
    assert len(again) > 8
    assert len({each.numpy().tobytes() for each in again}) > len(again) * 0.7


def test_balanced_sampling_draws_each_class_as_often(digits, pixels):
    targets = digits.targets(digits.classes)
    rows = np.concatenate([np.flatnonzero(targets == k)[:n] for k, n in ((0, 60), (1, 20), (2, 4))])
    found = held(digits, pixels, rows=rows, sampling="balanced", batch_size=16)
    drawn = chain.from_iterable(by_image(found.epoch(epoch))[1].tolist() for epoch in range(12))
    shares = np.bincount(list(drawn)) / (12 * len(rows))
    assert shares == pytest.approx([1 / 3] * 3, abs=0.05)


def test_balanced_sampling_wants_a_seed(digits, pixels):
    with pytest.raises(ValueError, match="needs a seed"):
        held(digits, pixels, sampling="balanced", seed=None)


def test_no_rows_have_no_steps(digits, pixels):
    found = held(digits, pixels, rows=np.zeros(0, int))
    assert (bits(found), len(found), found.sizes) == ([], 0, [])


def test_an_epoch_is_settled_when_it_is_asked_for(digits, pixels):
    found = held(digits, pixels)
    wanted = [bits(found.epoch(epoch)) for epoch in (0, 1)]
    first, second = found.epoch(0), found.epoch(1)
    assert [bits(first), bits(second)] == wanted


def test_evaluation_sees_the_centre_of_larger_images(digits):
    spec = InputSpec("square:12", 8)
    larger = read_all(digits, spec, None)
    found = by_image(held(digits, larger, "none", spec=spec, seed=None))[0]
    assert torch.equal(found, centre_crop(larger[torch.from_numpy(ROWS)], 8))


def test_the_images_in_memory_stay_as_they_are(digits):
    pixels = read_all(digits, SPEC, None)
    before = pixels.clone()
    for name in BATCH_AUGMENTS:
        bits(held(digits, pixels, name).epoch(0))
    assert torch.equal(pixels, before)


def test_images_in_any_layout_give_the_same_batches(digits, pixels):
    assert not pixels.is_contiguous()
    found = held(digits, pixels.contiguous())
    assert bits(found.epoch(0)) == bits(held(digits, pixels).epoch(0))


def test_images_from_read_all_are_held_once(digits, pixels):
    assert held(digits, pixels)._pixels.data_ptr() == pixels.data_ptr()


def test_nothing_is_drawn_from_the_global_generators(digits, pixels):
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    for name in BATCH_AUGMENTS:
        bits(held(digits, pixels, name).epoch(0))
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (np.random.get_state()[1] == before[1]).all()  # noqa: NPY002


def test_seconds_of_reading_and_augmenting_are_told_once(digits, pixels, monkeypatch):
    ticks = iter(range(1000))  # every look at the time takes a second
    found = held(digits, pixels)
    monkeypatch.setattr("fieldmark.data.in_memory.time.perf_counter", lambda: float(next(ticks)))
    assert len(list(found.epoch(0))) == 5
    assert found.spent() == {"reading": 5.0, "augmenting": 5.0}
    assert found.spent() == {"reading": 0.0, "augmenting": 0.0}


@pytest.mark.parametrize("kept", [True, False])
def test_all_images_are_read_in_stored_form(photos, tmp_path, kept):
    spec = InputSpec("square:16", 16)
    stored = store(photos, spec.form, Cache(tmp_path / "kept"), lambda _: None) if kept else None
    assert isinstance(stored, Stored) is kept
    found = read_all(photos, spec, stored)
    plain = Images(photos, photos.classes, spec)
    assert found.dtype == torch.uint8
    assert torch.equal(found, plain.__getitems__([(0, row, 0) for row in range(4)])[0])


def test_an_image_that_cannot_be_read_is_told(photos):
    Path(photos.root, "dog", "0.png").unlink()
    with pytest.raises(DataError, match=r"0\.png: cannot be read"):
        read_all(photos, InputSpec("square:16", 16), None)


@pytest.mark.parametrize(
    ("stored", "count", "fits"),
    [
        ("square:32", 60_000, True),
        ("square:32:bicubic", 60_000, True),
        ("square:64", 81_380, True),
        ("square:64", 81_381, False),  # 12,288 bytes each: more than 1e9
        ("square:65", 10, False),
        ("shorter:32", 10, False),
        ("original", 10, False),
    ],
)
def test_few_small_squares_fit_in_memory(stored, count, fits):
    assert fits_in_memory(InputSpec(stored, 32), count) is fits
