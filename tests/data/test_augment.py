import inspect
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from fieldmark.data.augment import AUGMENTS, centre_crop
from fieldmark.data.changes import crop_box, means_of
from fieldmark.errors import SettingsError
from fieldmark.records import InputSpec

OWN = [name for name in AUGMENTS if "albumentations" not in name]  # those without the extra
FLOAT = ("cifar", "nature", "strong")  # what works on normalised values
FEW = settings(max_examples=40, deadline=None)
sides = st.integers(1, 70)
sizes = st.integers(2, 40)  # torch cannot resize bytes to a single pixel
seeds = st.integers(0, 2**32)
names = st.sampled_from(OWN)


def image(height, width, seed=0):
    values = np.random.default_rng(seed).integers(0, 256, size=(3, height, width), dtype=np.uint8)
    return torch.from_numpy(values)


def ramp(height, width):
    """Red grows to the right, green grows downwards: it shows what was mirrored or moved."""
    right = torch.arange(width, dtype=torch.uint8).expand(height, width)
    down = torch.arange(height, dtype=torch.uint8)[:, None].expand(height, width)
    return torch.stack([right, down, torch.zeros_like(right)])


def spec(size):
    return InputSpec(f"square:{size}", size)


def changed(name, picture, size, seed, **options):
    return AUGMENTS.build(name, options, spec(size))(picture, np.random.default_rng(seed))


@FEW
@given(names, sides, sides, sizes, seeds)
def test_an_image_of_any_shape_becomes_a_square_of_the_size(name, height, width, size, seed):
    found = changed(name, image(height, width), size, seed)
    assert found.shape == (3, size, size)
    assert found.dtype == (torch.float32 if name in FLOAT else torch.uint8)


@FEW
@given(names, sides, sides, seeds)
def test_the_same_generator_gives_the_same_picture_and_the_image_stays(name, height, width, seed):
    picture = image(height, width)
    first, second = (changed(name, picture, 16, seed) for _ in range(2))
    assert torch.equal(first, second)
    assert torch.equal(picture, image(height, width))


@pytest.mark.parametrize("name", [name for name in OWN if name != "none"])
def test_another_generator_gives_another_picture(name):
    pictures = {changed(name, image(40, 50), 32, seed).numpy().tobytes() for seed in range(30)}
    assert len(pictures) > (12 if name == "contrast" else 25)


@pytest.mark.parametrize("name", OWN)
def test_nothing_is_drawn_from_the_global_generators(name):
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    changed(name, image(40, 50), 32, 0)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (np.random.get_state()[1] == before[1]).all()  # noqa: NPY002


@pytest.mark.parametrize(
    ("height", "width", "size", "top", "left"),
    [(10, 10, 10, 0, 0), (10, 20, 10, 0, 5), (21, 10, 10, 5, 0), (13, 17, 6, 3, 5)],
)
def test_the_centre_crop_is_the_middle(height, width, size, top, left):
    picture = image(height, width)
    wanted = picture[:, top : top + size, left : left + size]
    assert torch.equal(centre_crop(picture, size), wanted)


def test_a_crop_of_a_smaller_image_repeats_its_edges():
    found = centre_crop(torch.tensor([[[1, 2], [3, 4]]], dtype=torch.uint8), 4)
    wanted = [[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4]]
    assert found[0].tolist() == wanted


@FEW
@given(sides, sides, sizes, seeds)
def test_none_is_the_centre_crop(height, width, size, seed):
    picture = image(height, width)
    assert torch.equal(changed("none", picture, size, seed), centre_crop(picture, size))


@FEW
@given(seeds, st.floats(0, 0.5))
def test_light_moves_by_no_more_than_its_share_and_mirrors_nothing_without_flip(seed, shift):
    found = changed("light", ramp(80, 90), 20, seed, shift=shift, flip=False)
    most = max(1, round(shift * 20)) if shift else 0
    across, down = found[0, 0].int(), found[1, :, 0].int()
    assert (across.diff() == 1).all()
    assert (down.diff() == 1).all()
    assert abs(int(across[0]) - 35) <= most
    assert abs(int(down[0]) - 30) <= most


def test_light_reaches_every_place_and_mirrors_half():
    places, mirrored = set(), 0
    for seed in range(400):
        found = changed("light", ramp(30, 30), 20, seed, shift=0.1)
        across = found[0, 0].int()
        mirrored += bool(across[0] > across[1])
        places.add((int(across.min()), int(found[1].min())))
    assert places == {(right, down) for right in range(3, 8) for down in range(3, 8)}
    assert 150 < mirrored < 250


def test_light_without_a_shift_moves_nothing_and_a_small_one_is_a_pixel():
    picture = image(30, 30)
    still = changed("light", picture, 20, 0, shift=0.0, flip=False)
    assert torch.equal(still, centre_crop(picture, 20))
    tops = {int(changed("light", ramp(12, 12), 8, s, shift=0.01)[1].min()) for s in range(40)}
    assert tops == {1, 2, 3}


@FEW
@given(seeds)
def test_standard_mirrors_nothing_without_flip_and_takes_its_share(seed):
    found = changed("standard", ramp(60, 80), 20, seed, flip=False, colour=0.0, least_area=0.5)
    across, down = found[0].float().mean(0), found[1].float().mean(1)
    assert (across.diff() > 0).all()
    assert (down.diff() > 0).all()
    width, height = (float(line[-1] - line[0]) * 20 / 19 for line in (across, down))
    assert 0.46 < width * height / (60 * 80) <= 1.01
    assert 0.72 < width / height < 1.39


def test_standard_with_the_whole_area_of_a_square_is_the_image_resized():
    picture = image(32, 32)
    options = {"least_area": 1.0, "flip": False, "colour": 0.0}
    seen = {changed("standard", picture, 32, s, **options).numpy().tobytes() for s in range(9)}
    assert seen == {picture.numpy().tobytes()}


@FEW
@given(st.integers(1, 300), st.integers(1, 300), st.floats(0.05, 1.0), seeds)
def test_a_crops_box_lies_in_the_image(height, width, least_area, seed):
    box = crop_box(height, width, least_area, np.random.default_rng(seed))
    top, left, high, wide = box
    assert 0 <= top <= top + high <= height
    assert 0 <= left <= left + wide <= width
    assert high > 0
    assert wide > 0


@FEW
@given(st.integers(60, 300), seeds)
def test_a_crops_box_has_its_share_of_the_area_and_its_shape(height, seed):
    width = height + 20
    _, _, high, wide = crop_box(height, width, 0.35, np.random.default_rng(seed))
    assert high * wide >= 0.35 * height * width * 0.96
    assert 3 / 4 - 0.03 <= wide / high <= 4 / 3 + 0.03


def test_where_no_crop_fits_it_is_the_middle_square():
    assert crop_box(4, 100, 0.9, np.random.default_rng(0)) == (0, 48, 4, 4)
    assert crop_box(101, 4, 0.9, np.random.default_rng(0)) == (48, 0, 4, 4)


def test_colours_vary_by_no_more_than_their_strength():
    gray = torch.full((3, 32, 32), 100, dtype=torch.uint8)
    means = [changed("standard", gray, 8, s, colour=0.2).float().mean().item() for s in range(200)]
    assert 79 <= min(means) < 84
    assert 116 < max(means) <= 121
    assert changed("standard", gray, 8, 0, colour=0.0).unique().tolist() == [100]


@pytest.mark.parametrize("padding", ["reflect", "edge", "zero"])
def test_crop_is_a_square_of_the_padded_image(padding):
    picture, pad = image(12, 12), 3
    wide = {"edge": "replicate", "zero": "constant"}.get(padding, padding)
    padded = functional.pad(picture.float()[None], [pad] * 4, mode=wide)[0].to(torch.uint8)
    squares = {
        padded[:, top : top + 12, left : left + 12].numpy().tobytes(): (top, left)
        for top in range(2 * pad + 1)
        for left in range(2 * pad + 1)
    }
    options = {"pad": pad, "padding": padding, "flip": False}
    places = [
        squares[changed("crop", picture, 12, seed, **options).numpy().tobytes()]
        for seed in range(500)
    ]
    assert set(places) == set(squares.values())


@FEW
@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 30), seeds)
def test_a_mirrored_edge_may_be_wider_than_the_image(height, width, pad, seed):
    picture = ramp(height, width) + 1
    found = changed("crop", picture, 6, seed, pad=pad, flip=False)
    assert (found[0].int().diff(dim=1).abs() <= 1).all()
    assert (found[1].int().diff(dim=0).abs() <= 1).all()
    assert found[:2].min() >= 1


def test_crop_mirrors_half_and_without_pad_moves_nothing():
    picture = image(16, 16)
    found = [changed("crop", picture, 16, seed, pad=0) for seed in range(200)]
    mirrored = [torch.equal(each, picture.flip(-1)) for each in found]
    assert 75 < sum(mirrored) < 125
    assert all(torch.equal(each, picture) for each, m in zip(found, mirrored, strict=True) if not m)


def test_flips_that_alternate_are_refused_for_an_image_by_itself():
    with pytest.raises(SettingsError, match=r"^augment.alternate: .* needs augment.by=batch$"):
        AUGMENTS.build("crop", {"alternate": True}, spec(8))


@pytest.mark.parametrize(("name", "share"), [("crop", 1.0), ("cifar", 0.5)])
def test_a_hole_is_a_square_of_the_channels_mean_wholly_inside(name, share):
    seen = InputSpec("square:8", 8, mean=(0.1, 0.2, 0.3))
    options = {"hole": 5, "flip": False}
    options |= {"pad": 0} if name == "crop" else {"angle": 0.0, "shift": 0.0}
    change, places = AUGMENTS.build(name, options, seen), []
    white = torch.full((3, 8, 8), 255, dtype=torch.uint8)
    for seed in range(250):
        found = change(white, np.random.default_rng(seed))
        assert found.dtype == torch.float32
        inside = (found[0] != 255).nonzero().tolist()
        wanted = white.float()
        if inside:
            top, left = inside[0]
            places.append((top, left))
            wanted[:, top : top + 5, left : left + 5] = torch.tensor(seen.mean)[:, None, None] * 255
        assert torch.equal(found, wanted)
    assert set(places) == {(top, left) for top in range(4) for left in range(4)}
    assert len(places) == pytest.approx(250 * share, abs=30)


def test_a_hole_becomes_0_once_the_image_is_normalised():
    seen = InputSpec("square:8", 8)
    found = AUGMENTS.build("crop", {"hole": 8}, seen)(image(8, 8), np.random.default_rng(0))
    assert torch.equal(found, means_of(seen)[:, None, None].expand(3, 8, 8))
    assert means_of(seen).tolist() == pytest.approx([255 * mean for mean in seen.mean])


def test_without_a_hole_bytes_stay_bytes():
    for name in ("crop", "cifar"):
        assert changed(name, image(9, 9), 8, 0, hole=0).dtype == torch.uint8
    assert changed("nature", image(9, 9), 8, 0, erasing=0).dtype == torch.uint8
    assert changed("strong", image(9, 9), 8, 0, erasing=0).dtype == torch.uint8


def test_cifar_makes_each_change_for_half_of_the_images():
    alone = {"angle": 0.0, "shift": 0.0, "hole": 0, "flip": False}
    plain = image(16, 16)
    for option, value in {"angle": 10.0, "shift": 20.0, "hole": 5, "flip": True}.items():
        options = {**alone, option: value}
        found = [changed("cifar", plain, 16, seed, **options) for seed in range(120)]
        stayed = sum(torch.equal(each.float(), plain.float()) for each in found)
        assert stayed == pytest.approx(60, abs=20), option


def test_contrast_changes_half_of_the_images_and_by_no_more_than_its_limit():
    gray = torch.full((3, 8, 8), 100, dtype=torch.uint8)
    found = [int(changed("contrast", gray, 8, seed)[0, 0, 0]) for seed in range(600)]
    assert found.count(100) == pytest.approx(300, abs=50)
    assert 49 <= min(found) < 60  # 100 - 0.2 * 255 by brightness
    assert 140 < max(found) <= 151
    assert changed("contrast", gray, 8, 2, limit=0.0).unique().tolist() == [100]


def test_every_option_has_a_default_within_its_range():
    for name, entry in AUGMENTS.items():
        defaults = {option: each.default for option, each in entry.options().items()}
        assert inspect.Parameter.empty not in defaults.values()
        assert AUGMENTS.read(name, defaults) == (defaults, [])


@pytest.mark.parametrize(
    ("name", "option", "value", "what"),
    [
        ("light", "shift", "1.5", "must be at most 1, not 1.5"),
        ("light", "shift", "-0.1", "must be at least 0, not -0.1"),
        ("standard", "least_area", "0", "must be more than 0, not 0"),
        ("standard", "least_area", "1.1", "must be at most 1, not 1.1"),
        ("standard", "colour", "2", "must be at most 1, not 2"),
        ("crop", "padding", "mirror", "must be 'reflect', 'edge' or 'zero', not mirror"),
        ("crop", "pad", "-1", "must be at least 0, not -1"),
        ("cifar", "shift", "256", "must be at most 255, not 256"),
        ("cifar", "hole", "1.5", "must be a whole number, not 1.5"),
        ("nature", "angle", "181", "must be at most 180, not 181"),
        ("scenes", "grayscale", "1.5", "must be at most 1, not 1.5"),
        ("scenes", "brightness", "2", "must be at most 1, not 2"),
        ("randaugment", "magnitude", "31", "must be at most 30, not 31"),
        ("standard", "flip", "perhaps", "must be true or false, not perhaps"),
    ],
)
def test_an_option_out_of_its_range_is_a_mistake(name, option, value, what):
    _, mistakes = AUGMENTS.read(name, {option: value})
    assert [(mistake.where, mistake.what) for mistake in mistakes] == [(option, what)]


@pytest.mark.parametrize("name", OWN)
def test_an_augmentation_can_be_sent_to_a_worker_that_is_not_forked(name):
    augment = AUGMENTS.build(name, {}, spec(8))
    image = torch.arange(300, dtype=torch.uint8).reshape(3, 10, 10)
    again = pickle.loads(pickle.dumps(augment))
    draws = [np.random.default_rng(1) for _ in range(2)]
    assert torch.equal(augment(image, draws[0]), again(image, draws[1]))
