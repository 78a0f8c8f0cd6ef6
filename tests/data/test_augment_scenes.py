"""The preset `scenes` against the published transforms, as torchvision makes them."""

import numpy as np
import pytest
import torch
from torchvision.transforms import v2

from fieldmark.data import augment_policies
from fieldmark.data.augment import AUGMENTS, centre_crop
from fieldmark.records import InputSpec

SEEN = InputSpec("square:256", 224)
OFF = {"brightness": 0.0, "angle": 0.0, "horizontal": 0.0, "vertical": 0.0, "grayscale": 0.0}


def image(side, seed=0):
    values = np.random.default_rng(seed).integers(0, 256, size=(3, side, side), dtype=np.uint8)
    return torch.from_numpy(values)


def changed(picture, seed, size, **options):
    seen = InputSpec(f"square:{picture.shape[-1]}", size)
    return AUGMENTS.build("scenes", options, seen)(picture, np.random.default_rng(seed))


class Told:
    """A generator whose numbers are given: chances, the corner, and uniform ones in turn."""

    def __init__(self, chances, corner, uniform):
        self.chances, self.corner, self.drawn = iter(chances), iter(corner), iter(uniform)

    def random(self):
        return next(self.chances)

    def uniform(self, low, high):
        return next(self.drawn)

    def integers(self, low, high):
        return next(self.corner)


def test_the_changes_come_in_the_published_order():
    picture = image(256)
    told = Told([0.1, 0.01, 0.1], (3, 29), (1.3, -37.0))  # both mirrors, and grey
    found = AUGMENTS.build("scenes", {}, SEEN)(picture, told)
    published = v2.Compose(
        [
            v2.ColorJitter(brightness=(1.3, 1.3)),
            v2.RandomRotation((-37.0, -37.0)),
            v2.RandomHorizontalFlip(p=1.0),
            v2.RandomVerticalFlip(p=1.0),
            v2.RandomGrayscale(p=1.0),
        ]
    )
    assert torch.equal(found, published(picture[:, 3:227, 29:253]))


def test_evaluation_sees_the_centre_of_the_whole_picture_squeezed():
    assert SEEN.evaluated_form == ("square", 256)
    picture = image(256)
    plain = AUGMENTS.build("none", {}, SEEN)(picture, np.random.default_rng(0))
    assert torch.equal(plain, picture[:, 16:240, 16:240])


def test_every_square_is_taken():
    picture = image(12)
    squares = {
        picture[:, top : top + 8, left : left + 8].numpy().tobytes(): (top, left)
        for top in range(5)
        for left in range(5)
    }
    found = [squares[changed(picture, s, 8, **OFF).numpy().tobytes()] for s in range(500)]
    counts = [found.count(place) for place in squares.values()]
    assert min(counts) > 6
    assert max(counts) < 40


def test_an_image_that_is_smaller_than_what_is_seen_has_its_edges_repeated():
    picture = image(5)
    assert torch.equal(changed(picture, 0, 9, **OFF), centre_crop(picture, 9))


@pytest.mark.parametrize("axis", [-1, -2], ids=["horizontal", "vertical"])
def test_each_mirror_has_its_chance_and_flip_switches_both_off(axis):
    picture, name = image(8), {-1: "horizontal", -2: "vertical"}[axis]

    def mirrored(seed, **options):
        return torch.equal(changed(picture, seed, 8, **options), picture.flip(axis))

    shares = {**OFF, name: 0.7}
    assert sum(mirrored(s, **shares) for s in range(200)) == pytest.approx(140, abs=20)
    assert not any(mirrored(s, **shares, flip=False) for s in range(20))
    usual = {option: value for option, value in OFF.items() if option != name}
    expected, spread = (500, 50) if axis == -1 else (50, 22)
    assert sum(mirrored(s, **usual) for s in range(1000)) == pytest.approx(expected, abs=spread)


def test_a_fifth_is_grey():
    picture, options = image(8), {key: OFF[key] for key in OFF if key != "grayscale"}
    grey = v2.functional.rgb_to_grayscale(picture, num_output_channels=3)
    found = [changed(picture, seed, 8, **options) for seed in range(1000)]
    assert sum(torch.equal(each, grey) for each in found) == pytest.approx(200, abs=40)
    assert all(torch.equal(each, grey) or torch.equal(each, picture) for each in found)


@pytest.mark.parametrize(("given", "most"), [({}, 0.5), ({"brightness": 0.2}, 0.2)])
def test_brightness_is_spread_evenly_over_its_range(given, most):
    picture, options = torch.full((3, 4, 4), 100, dtype=torch.uint8), {**OFF, "brightness": 0.5}
    found = [changed(picture, s, 4, **{**options, **given}) for s in range(800)]
    assert all(each.unique().numel() == 1 for each in found)
    factors = np.sort([int(each[0, 0, 0]) / 100 for each in found])
    even = 1 - most + 2 * most * np.arange(800) / 800
    assert np.abs(factors - even).max() < 2 * most * 0.06 + 0.01  # Kolmogorov-Smirnov, and rounding


@pytest.mark.parametrize(("given", "most"), [({}, 45.0), ({"angle": 10.0}, 10.0)])
def test_angles_are_spread_evenly_to_both_sides(monkeypatch, given, most):
    angles = []

    def watch(picture, degrees, *, nearest):
        angles.append((degrees, nearest))
        return picture

    monkeypatch.setattr(augment_policies, "rotate", watch)
    for seed in range(800):
        changed(image(4), seed, 4, **given)
    assert all(nearest for _, nearest in angles)
    shares = (np.sort([degrees for degrees, _ in angles]) + most) / (2 * most)
    assert np.abs(shares - np.arange(800) / 800).max() < 0.06  # Kolmogorov-Smirnov, 1 in 100


def test_bytes_stay_bytes():
    assert changed(image(12), 0, 8, grayscale=1.0, vertical=1.0).dtype == torch.uint8


def test_with_every_change_off_only_the_crop_is_left():
    picture = image(8)
    assert torch.equal(changed(picture, 5, 8, **OFF), picture)
