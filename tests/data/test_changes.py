import numpy as np
import pytest
import torch
from torchvision.transforms import v2

from fieldmark.data import changes
from fieldmark.data.changes import Padding, crop_beside_centre
from fieldmark.records import InputSpec


def image(height, width, seed=0):
    values = np.random.default_rng(seed).integers(0, 256, size=(3, height, width), dtype=np.uint8)
    return torch.from_numpy(values)


@pytest.mark.parametrize("padding", Padding.__args__)
def test_a_crop_inside_the_image_is_the_same_with_every_padding(padding):
    picture = image(20, 30)
    found = crop_beside_centre(picture, 10, -3, 4, padding=padding)
    assert torch.equal(found, picture[:, 2:12, 14:24])


def test_a_quarter_turn_is_counter_clockwise():
    picture = image(9, 9)
    for nearest in (True, False):
        turned = changes.rotate(picture, 90, nearest=nearest)
        assert torch.equal(turned, picture.rot90(1, (-2, -1)))


def test_what_is_turned_in_from_outside_is_black_and_the_edge_is_blended_into_it():
    white = torch.full((3, 21, 21), 255, dtype=torch.uint8)
    smooth, sharp = (changes.rotate(white, 30, nearest=nearest) for nearest in (False, True))
    assert smooth[:, 0, 0].tolist() == [0, 0, 0]
    assert len(smooth.unique()) > 10
    assert sharp.unique().tolist() == [0, 255]


def test_a_turn_by_nearest_neighbours_is_that_of_random_rotation():
    picture, angle = image(30, 20), 37.5
    published = v2.RandomRotation((angle, angle))
    assert torch.equal(changes.rotate(picture, angle, nearest=True), published(picture))


def test_channels_are_shifted_each_by_its_own_rounded_and_kept_in_their_range():
    picture = torch.tensor([100, 250, 5], dtype=torch.uint8)[:, None, None]
    found = changes.shift_channels(picture, np.array([0.6, 20.0, -20.0]))
    assert found[:, 0, 0].tolist() == [101, 255, 0]
    assert found.dtype == torch.uint8


def test_a_hole_leaves_the_image_that_was_given():
    picture = image(8, 8)
    found = changes.fill_hole(picture, 1, 2, 3, torch.tensor([1.5, 2.5, 3.5]))
    assert torch.equal(picture, image(8, 8))
    assert found[:, 1:4, 2:5].mean((1, 2)).tolist() == [1.5, 2.5, 3.5]
    found[:, 1:4, 2:5] = picture[:, 1:4, 2:5].float()
    assert torch.equal(found, picture.float())


def test_pixels_are_normalised_values_undone():
    spec = InputSpec("square:8", 8, mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6))
    picture = image(8, 8).float()
    mean, std = (torch.tensor(each)[:, None, None] for each in (spec.mean, spec.std))
    found = changes.to_pixels((picture / 255 - mean) / std, spec)
    torch.testing.assert_close(found, picture, atol=1e-4, rtol=0)


def test_an_erased_box_is_standard_noise_once_the_image_is_normalised():
    spec = InputSpec("square:64", 64, mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6))
    white, values, shares = torch.full((3, 64, 64), 255, dtype=torch.uint8), [], []
    for seed in range(40):
        found = changes.erase(white, spec, np.random.default_rng(seed))
        inside = (found[0] != 255).nonzero()
        high, wide = (inside.max(0).values - inside.min(0).values + 1).tolist()
        assert len(inside) == high * wide  # one full box
        assert high < 64
        assert wide < 64
        assert 0.29 < high / wide < 3.4
        shares.append(high * wide / 64**2)
        box = found[:, inside[:, 0], inside[:, 1]] / 255
        mean, std = (torch.tensor(each)[:, None] for each in (spec.mean, spec.std))
        values.append((box - mean) / std)
    together = torch.cat(values, dim=1)
    torch.testing.assert_close(together.mean(1), torch.zeros(3), atol=0.03, rtol=0)
    torch.testing.assert_close(together.std(1), torch.ones(3), atol=0.03, rtol=0)
    assert 0.018 < min(shares) < 0.06
    assert 0.26 < max(shares) < 0.34


def test_boxes_are_erased_as_random_erasing_does():
    spec = InputSpec("square:40", 40)
    white = torch.full((3, 40, 40), 255, dtype=torch.uint8)
    ours = [changes.erase(white, spec, np.random.default_rng(s)) for s in range(300)]
    published = v2.RandomErasing(p=1.0, value="random")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        theirs = [published(white.float()) for _ in range(300)]
    for statistic in (_area, _shape, _top):
        one, other = ([statistic(each) for each in found] for found in (ours, theirs))
        assert np.mean(one) == pytest.approx(np.mean(other), rel=0.12)
        assert np.std(one) == pytest.approx(np.std(other), rel=0.15)


def _box(found):
    inside = (found != 255).any(0).nonzero()
    return inside.min(0).values, inside.max(0).values + 1


def _area(found):
    low, high = _box(found)
    return float((high - low).prod())


def _shape(found):
    low, high = _box(found)
    return float((high - low)[0] / (high - low).sum())


def _top(found):
    return float(_box(found)[0][0])
