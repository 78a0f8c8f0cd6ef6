"""The presets that Albumentations makes against their twins, which need no extra.

At fixed parameters both give the same picture to 1/255, with Albumentations 2.0.8 and OpenCV 5
(an older OpenCV rounds a turn's places to 1/32 of a pixel). Over many draws both change as many
images, by as much.
"""

import os
import pickle
import random
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import torch
from scannedsource import read_source

from fieldmark.data import augment_albumentations, changes
from fieldmark.data.augment import AUGMENTS
from fieldmark.data.loader import Augmenting, Batches, Images
from fieldmark.records import InputSpec

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"  # importing it would ask a server
pytest.importorskip("albumentations")
package = augment_albumentations.albumentations()
SEEN = InputSpec("square:32", 32)
PICTURE = torch.from_numpy(
    np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
).permute(2, 0, 1)
GRAY = torch.full((3, 32, 32), 100, dtype=torch.uint8)


def theirs(step, picture=PICTURE):
    found = step(image=np.ascontiguousarray(picture.permute(1, 2, 0).numpy()))["image"]
    return torch.from_numpy(found).permute(2, 0, 1)


def assert_near(one, other):
    assert (one.float() - other.float()).abs().max() <= 1


@pytest.mark.parametrize("angle", [-9.3, 3.3, 10.0, 90.0])
def test_a_turn_is_the_same(angle):
    assert_near(changes.rotate(PICTURE, angle), theirs(package.Rotate(limit=(angle, angle), p=1.0)))


@pytest.mark.parametrize("shift", [(13.4, -7.7, 19.9), (-20.0, 0.2, 5.5)])
def test_a_shift_of_the_channels_is_the_same(shift):
    step = package.RGBShift(*((each / 255, each / 255) for each in shift), p=1.0)
    assert_near(changes.shift_channels(PICTURE, np.array(shift)), theirs(step))


def test_a_mirror_image_is_the_same():
    assert torch.equal(PICTURE.flip(-1), theirs(package.HorizontalFlip(p=1.0)))


def test_a_hole_is_the_same():
    step = package.CoarseDropout((1, 1), (16, 16), (16, 16), fill=0, p=1.0)
    plain = (PICTURE.float() / 255 - 0.4) / 0.2
    found = theirs(step, plain)
    top, left = (found[0] == 0).nonzero()[0].tolist()
    seen = InputSpec("square:32", 32, mean=(0.4,) * 3, std=(0.2,) * 3)
    ours = changes.fill_hole(PICTURE, top, left, 16, changes.means_of(seen))
    torch.testing.assert_close(changes.to_pixels(found, seen), ours, atol=1e-3, rtol=0)


class Told:
    """A generator whose numbers are given: not mirrored, but varied."""

    def __init__(self, one, change):
        self.chances, self.one, self.change = iter((0.9, 0.1)), one, change

    def random(self):
        return next(self.chances)

    def integers(self, _):
        return self.one

    def uniform(self, low, high):
        return self.change


@pytest.mark.parametrize("change", [-0.2, 0.07, 0.2])
@pytest.mark.parametrize("one", [0, 1, 2], ids=["contrast", "gamma", "brightness"])
def test_contrast_gamma_and_brightness_are_the_same(one, change):
    both, none = (change, change), (0.0, 0.0)
    varied = package.RandomBrightnessContrast
    step = [
        varied(brightness_limit=none, contrast_limit=both, p=1.0),
        package.RandomGamma(gamma_limit=(100 * (1 + change),) * 2, p=1.0),
        varied(brightness_limit=both, contrast_limit=none, p=1.0),
    ][one]

    found = AUGMENTS.build("contrast", {}, SEEN)(PICTURE, Told(one, change))
    assert_near(found, theirs(step))


def drawn(name, picture, count=400, **options):
    change = AUGMENTS.build(name, options, SEEN)
    return [change(picture, np.random.default_rng(seed)).float() for seed in range(count)]


def furthest(one, other):
    """Kolmogorov and Smirnov's distance of two samples."""
    places = np.sort(np.concatenate([one, other]))
    steps = [np.searchsorted(np.sort(each), places, "right") / len(each) for each in (one, other)]
    return np.abs(steps[0] - steps[1]).max()


ALONE = {"angle": 0.0, "shift": 0.0, "hole": 0, "flip": False}
STRIPE = torch.zeros((3, 32, 32), dtype=torch.uint8)
STRIPE[:, :16] = 255


@pytest.mark.parametrize(
    ("options", "picture", "figure"),
    [
        ({"angle": 10.0}, STRIPE, lambda found: found[0, 14:18, 2].sum()),
        ({"shift": 20.0}, GRAY, lambda found: found[0, 0, 0]),
        ({"shift": 20.0}, GRAY, lambda found: found[2, 0, 0] - found[1, 0, 0]),
        ({"hole": 16}, GRAY, lambda found: (found[0, :, :] > 110).any(1).float().argmax()),
        ({"hole": 16}, GRAY, lambda found: (found[0, :, :] > 110).any(0).float().argmax()),
        ({"hole": 16}, GRAY, lambda found: (found[0] > 110).sum()),
        ({"flip": True}, PICTURE, lambda found: found[0, 0, 0]),
    ],
    ids=["turn", "shift", "shifts apart", "top", "left", "holes", "mirror"],
)
def test_cifar_and_its_twin_draw_alike(options, picture, figure):
    names = ("cifar", "cifar-albumentations")
    both = [drawn(name, picture, **{**ALONE, **options}) for name in names]
    one, other = (np.array([round(float(figure(each))) for each in found]) for found in both)
    assert len(set(one)) > 1
    assert furthest(one, other) < 0.115  # of 400 each, 1 in 100 is further


def test_contrast_and_its_twin_draw_alike():
    both = [drawn(name, GRAY, flip=False) for name in ("contrast", "contrast-albumentations")]
    one, other = (np.array([float(each[0, 0, 0]) for each in found]) for found in both)
    assert furthest(np.round(one / 3), np.round(other / 3)) < 0.115  # Albumentations rounds down


def test_changes_are_drawn_each_by_itself():
    """Seeded with a number, Albumentations mirrors exactly those that it turns and shifts."""
    change = AUGMENTS.build("cifar-albumentations", {**ALONE, "shift": 20.0, "flip": True}, SEEN)
    plain = PICTURE.clamp(30, 220)
    pairs = []
    for seed in range(300):
        found = change(plain, np.random.default_rng(seed))
        mirrored = bool((found - plain.flip(-1)).abs().mean() < (found - plain).abs().mean())
        shifted = bool((found - (plain.flip(-1) if mirrored else plain)).abs().max() > 0.5)
        pairs.append((mirrored, shifted))
    for pair in ((False, False), (False, True), (True, False), (True, True)):
        assert pairs.count(pair) == pytest.approx(75, abs=32)


@pytest.mark.parametrize("name", ["cifar-albumentations", "contrast-albumentations"])
def test_all_that_is_drawn_comes_from_the_addressed_generator(name):
    change, found = AUGMENTS.build(name, {}, SEEN), []
    before = PICTURE.clone()
    for state in (1, 2):
        random.seed(state)
        np.random.seed(state)  # noqa: NPY002
        torch.manual_seed(state)
        found.append([change(PICTURE, np.random.default_rng(seed)) for seed in range(12)])
    assert all(torch.equal(*pair) for pair in zip(*found, strict=True))
    assert len({each.numpy().tobytes() for each in found[0]}) > 5
    assert torch.equal(PICTURE, before)


def test_every_worker_gives_what_this_process_gives():
    samples = read_source("digits").samples
    seen = InputSpec("square:8", 8)
    augmenting = Augmenting(AUGMENTS.build("cifar-albumentations", {"hole": 3}, seen), seed=4)
    images = Images(samples, samples.classes, seen, augmenting)

    def pixels(workers):
        found = Batches(images, np.arange(24), batch_size=6, seed=4, workers=workers)
        return torch.cat([batch for batch, _ in found.epoch(1)])

    assert torch.equal(pixels(0), pixels(2))


@pytest.mark.slow
def test_a_process_that_was_not_forked_draws_the_same(tmp_path):
    change = AUGMENTS.build("cifar-albumentations", {}, SEEN)
    (tmp_path / "change").write_bytes(pickle.dumps((change, PICTURE)))
    code = """
        import pickle, sys
        import numpy as np
        change, picture = pickle.load(open("change", "rb"))
        np.save("found", change(picture, np.random.default_rng(5)).numpy())
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], cwd=tmp_path, check=True)
    wanted = change(PICTURE, np.random.default_rng(5))
    assert np.array_equal(np.load(tmp_path / "found.npy"), wanted.numpy())
