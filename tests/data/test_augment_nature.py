"""The preset `nature` against the published transforms, as torchvision makes them."""

import numpy as np
import pytest
import torch
from torchvision.transforms import v2

from fieldmark.data import augment_policies
from fieldmark.data.augment import AUGMENTS
from fieldmark.records import InputSpec

SEEN = InputSpec("original", 28, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
OFF = {"horizontal": 0.0, "vertical": 0.0, "angle": 0.0, "erasing": 0.0}


def image(height, width, seed=0):
    values = np.random.default_rng(seed).integers(0, 256, size=(3, height, width), dtype=np.uint8)
    return torch.from_numpy(values)


def changed(picture, seed, seen=SEEN, **options):
    return AUGMENTS.build("nature", options, seen)(picture, np.random.default_rng(seed))


class Told:
    """A generator whose numbers are given: uniform ones, and whole ones as shares of the span."""

    def __init__(self, chances, angle, share):
        self.chances, self.angle, self.share = iter(chances), angle, share

    def random(self):
        return next(self.chances)

    def uniform(self, low, high):
        return self.angle

    def integers(self, low, high):
        return int(self.share * (high - low))


@pytest.mark.parametrize("size", [28, 112])
def test_the_changes_come_in_the_published_order(size):
    picture, seen = image(70, 95), InputSpec("original", size)
    told = Told([0.1, 0.1, 0.9], angle=37.0, share=0.5)  # both mirrors; ColorJitter changes nothing
    found = AUGMENTS.build("nature", {"erasing": 0.0}, seen)(picture, told)
    published = v2.Compose(
        [
            v2.RandomHorizontalFlip(p=1.0),
            v2.RandomVerticalFlip(p=1.0),
            v2.RandomRotation((37.0, 37.0)),
            v2.ColorJitter(),
            v2.Resize(round(size * 256 / 224), antialias=True),
        ]
    )
    resized = published(picture)
    top, left = ((side - size + 1) // 2 for side in resized.shape[-2:])
    assert torch.equal(found, resized[:, top : top + size, left : left + size])


def test_224_pixels_are_cropped_from_256_and_other_sizes_in_the_same_ratio():
    assert [InputSpec("original", size).around for size in (224, 112, 28)] == [256, 128, 32]
    assert InputSpec("original", 224).evaluated_form == ("shorter", 256)


def test_a_color_jitter_without_arguments_changes_nothing_as_published():
    picture = image(20, 20)
    assert torch.equal(v2.ColorJitter()(picture), picture)


def test_every_square_of_the_resized_image_is_taken():
    picture, seen = image(32, 34), SEEN
    squares = {
        picture[:, top : top + 28, left : left + 28].numpy().tobytes(): (top, left)
        for top in range(5)
        for left in range(7)
    }
    found = {squares[changed(picture, s, seen, **OFF).numpy().tobytes()] for s in range(300)}
    assert found == set(squares.values())


@pytest.mark.parametrize(
    ("option", "axis"), [("horizontal", -1), ("vertical", -2)], ids=["horizontal", "vertical"]
)
def test_each_mirror_has_its_chance_and_flip_switches_both_off(option, axis):
    picture, seen = image(28, 28), InputSpec("original", 28)
    wide = v2.Resize(32, antialias=True)

    def mirrored(seed, **options):
        given = {**OFF, option: 0.7, **options}
        found = changed(picture, seed, seen, **given)
        squares = wide(picture.flip(axis))
        return any(
            torch.equal(found, squares[:, top : top + 28, left : left + 28])
            for top in range(5)
            for left in range(5)
        )

    assert sum(mirrored(seed) for seed in range(100)) == pytest.approx(70, abs=14)
    assert not any(mirrored(seed, flip=False) for seed in range(20))


def test_angles_are_any_of_a_full_turn(monkeypatch):
    angles = []

    def watch(picture, degrees, *, nearest):
        assert nearest
        angles.append(degrees)
        return picture

    monkeypatch.setattr(augment_policies, "rotate", watch)
    for seed in range(800):
        changed(image(6, 6), seed, InputSpec("original", 2), erasing=0.0)
    shares = np.sort((np.array(angles) + 180) / 360)
    assert np.abs(shares - np.arange(800) / 800).max() < 0.06  # Kolmogorov-Smirnov, 1 in 100


def test_a_box_is_erased_in_four_of_ten():
    white = torch.full((3, 32, 32), 255, dtype=torch.uint8)
    options = {"horizontal": 0.0, "vertical": 0.0, "angle": 0.0}
    found = [changed(white, seed, **options) for seed in range(300)]
    assert {each.dtype for each in found} == {torch.float32}
    assert sum(bool((each != 255).any()) for each in found) == pytest.approx(120, abs=28)
    assert max(float(each.max()) for each in found) > 255  # noise is not clipped
