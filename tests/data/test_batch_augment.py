import inspect

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ks_2samp

from fieldmark.data import batch_augment, changes
from fieldmark.data.augment import AUGMENTS
from fieldmark.data.batch_augment import BATCH_AUGMENTS, WIDTH, Draws, split_mix
from fieldmark.errors import SettingsError
from fieldmark.records import InputSpec

FEW = settings(max_examples=30, deadline=None)
SPEC = InputSpec("square:32", 32)
MEANS = torch.tensor(SPEC.mean) * 255
PADDINGS = ("reflect", "edge", "zero")


def pictures(count, height=32, width=32, seed=0):
    shape = (count, 3, height, width)
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8))


def draws(rows, *, seed=3, epoch=0, draw=0):
    rows = np.asarray(rows)
    return Draws(seed, epoch, rows, np.full(len(rows), draw))


def ramp(count):
    """32 px images: red tells a pixel's column, green its row, blue is 100."""
    across = (torch.arange(32) * 4 + 40).expand(32, 32)
    image = torch.stack([across, across.T, torch.full((32, 32), 100)]).to(torch.uint8)
    return image.expand(count, -1, -1, -1)


def one_by_one(name, images, **options):
    """What the preset for single images makes of each of them."""
    change = AUGMENTS.build(name, options, SPEC)
    return torch.stack([change(x, np.random.default_rng([1, k])) for k, x in enumerate(images)])


def at_once(name, images, **options):
    return BATCH_AUGMENTS[name](SPEC, **options)(images, draws(np.arange(len(images))))


# the numbers that are drawn


def test_the_numbers_are_those_of_the_published_generator():
    """The sequence of SplitMix64 from the seed 1234567, as its authors' C code gives it."""
    found = split_mix(np.array([1234567], np.uint64), np.arange(5, dtype=np.uint64))
    assert found.tolist() == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]


def test_numbers_differ_by_seed_epoch_row_draw_and_place():
    found = [
        draws(np.arange(50), seed=seed, epoch=epoch, draw=draw).uniform(WIDTH)
        for seed in (0, 1)
        for epoch in (0, 1)
        for draw in (0, 1, 2)
    ]
    found += [draws(np.arange(50), seed=seed).fixed(WIDTH) for seed in (0, 1)]
    assert len(np.unique(np.concatenate(found))) == 14 * 50 * WIDTH


def test_numbers_of_an_image_depend_on_nothing_else_in_its_batch():
    whole = draws(np.arange(100)).uniform(5)
    some = np.array([70, 3, 99])
    np.testing.assert_array_equal(draws(some).uniform(5), whole[some])
    np.testing.assert_array_equal(draws(some).uniform(2), whole[some, :2])


def test_fixed_numbers_are_the_same_in_each_epoch():
    first = draws(np.arange(20), epoch=0).fixed(2)
    np.testing.assert_array_equal(draws(np.arange(20), epoch=9).fixed(2), first)
    assert not np.array_equal(draws(np.arange(20), epoch=0).uniform(2), first)


def test_numbers_are_even_and_those_of_one_image_do_not_go_together():
    found = draws(np.arange(20_000)).uniform(WIDTH)
    assert found.min() >= 0
    assert found.max() < 1
    np.testing.assert_allclose(found.mean(0), 0.5, atol=0.01)
    np.testing.assert_allclose(found.var(0), 1 / 12, atol=0.003)
    other = draws(np.arange(20_000), epoch=1).uniform(WIDTH)
    together = np.corrcoef(np.hstack([found, other]).T)
    assert np.abs(together - np.eye(2 * WIDTH)).max() < 0.035


def test_more_numbers_than_an_image_has_are_refused():
    with pytest.raises(ValueError, match="an image has 16 numbers, not 17"):
        draws([0]).uniform(17)


# the changes, each held against that of one image


@FEW
@given(
    st.integers(1, 12),
    st.integers(1, 12),
    st.integers(1, 14),
    st.integers(0, 99),
    st.sampled_from(PADDINGS),
)
def test_crops_and_mirrors_are_exactly_those_of_single_images(height, width, size, seed, padding):
    generator = np.random.default_rng(seed)
    images = pictures(6, height, width, seed)
    moves, mirrored = generator.integers(-20, 21, (6, 2)), generator.random(6) < 0.5
    found = batch_augment.crop_beside_centre(
        images, size, moves, mirrored=mirrored, padding=padding
    )
    for k, (down, right) in enumerate(moves.tolist()):
        wanted = changes.crop_beside_centre(images[k], size, down, right, padding=padding)
        assert torch.equal(found[k], wanted.flip(-1) if mirrored[k] else wanted)


@pytest.mark.parametrize("side", [32, 28, 7])
def test_rotations_are_those_of_single_images(side):
    images, degrees = pictures(40, side, side), np.linspace(-180, 180, 40)
    found = batch_augment.rotate(images, degrees)
    wanted = torch.stack(
        [changes.rotate(x, float(a)) for x, a in zip(images, degrees, strict=True)]
    )
    apart = (found.int() - wanted.int()).abs()
    assert apart.max() <= 1
    assert (apart > 0).float().mean() < 0.001  # halves that are rounded the other way


def test_an_image_that_is_not_turned_keeps_its_bytes():
    images = pictures(5, 27, 27)
    assert torch.equal(batch_augment.rotate(images, np.zeros(5)), images)


def test_shifts_of_channels_are_exactly_those_of_single_images():
    images, shifts = pictures(20), np.random.default_rng(0).uniform(-300, 300, (20, 3))
    shifts[0] = 0
    found = batch_augment.shift_channels(images, shifts)
    for k in range(20):
        assert torch.equal(found[k], changes.shift_channels(images[k], shifts[k]))
    assert torch.equal(found[0], images[0])


def test_holes_are_exactly_those_of_single_images():
    images, generator = pictures(20, 9, 12), np.random.default_rng(0)
    corners, sides = generator.integers(0, 6, (20, 2)), generator.integers(0, 5, 20)
    found = batch_augment.fill_holes(images, corners, sides, MEANS)
    for k, (top, left) in enumerate(corners.tolist()):
        wanted = changes.fill_hole(images[k], top, left, int(sides[k]), MEANS)
        assert torch.equal(found[k], wanted)


# the presets, held against those for single images


def test_every_preset_takes_the_options_of_the_one_for_single_images():
    for name, builder in BATCH_AUGMENTS.items():
        wanted = inspect.signature(AUGMENTS[name].builder()).parameters
        assert dict(inspect.signature(builder).parameters) == dict(wanted), name


@pytest.mark.parametrize("stored", ["square:32", "square:40", "square:36"])
@pytest.mark.parametrize("name", BATCH_AUGMENTS)
def test_a_preset_gives_squares_of_the_size_and_leaves_its_images_as_they_are(name, stored):
    images = pictures(5, *2 * (InputSpec(stored, 32).form[1],))
    found = BATCH_AUGMENTS[name](InputSpec(stored, 32))(images, draws(range(5)))
    assert found.shape == (5, 3, 32, 32)
    assert torch.equal(images, pictures(5, *images.shape[2:]))


@pytest.mark.parametrize(
    ("name", "options", "kind"),
    [
        ("none", {}, torch.uint8),
        ("light", {}, torch.uint8),
        ("crop", {}, torch.uint8),
        ("crop", {"hole": 8}, torch.float32),
        ("cifar", {}, torch.float32),
        ("cifar", {"hole": 0}, torch.uint8),
    ],
)
def test_images_are_bytes_wherever_those_of_the_single_preset_are(name, options, kind):
    images = pictures(12)
    assert at_once(name, images, **options).dtype == kind
    assert one_by_one(name, images, **options).dtype == kind


OFF = {
    "light": {"shift": 0.0, "flip": False},
    "crop": {"pad": 0, "flip": False},
    "cifar": {"angle": 0.0, "shift": 0.0, "hole": 0, "flip": False},
}


@pytest.mark.parametrize("name", OFF)
def test_with_all_switched_off_a_preset_changes_nothing(name):
    images = pictures(30)
    assert torch.equal(at_once(name, images, **OFF[name]), images)


def moved(images):
    """Rows and columns that ramps were moved by, and which were mirrored. -> (n, 3)"""
    column, row = images[:, 0, 16, 16].int(), images[:, 1, 16, 16].int()
    mirrored = images[:, 0, 16, 17].int() < column
    column = torch.where(mirrored, images[:, 0, 16, 15].int(), column)
    return torch.stack([(row - 40) // 4 - 16, (column - 40) // 4 - 16, mirrored], 1).numpy()


@pytest.mark.parametrize(("name", "most"), [("light", 3), ("crop", 4)], ids=["light", "crop"])
def test_moves_and_mirrors_come_as_often_as_one_by_one(name, most):
    found = [moved(change(name, ramp(4000))) for change in (one_by_one, at_once)]
    for axis in (0, 1):
        shares = [np.bincount(each[:, axis] + most) / 4000 for each in found]
        for share in shares:
            assert len(share) == 2 * most + 1
            np.testing.assert_allclose(share, 1 / (2 * most + 1), atol=0.025)
    for each in found:
        assert each[:, 2].mean() == pytest.approx(0.5, abs=0.03)
        assert np.abs(np.corrcoef(each.T) - np.eye(3)).max() < 0.06  # each drawn by itself


@pytest.mark.parametrize("padding", PADDINGS)
def test_a_crop_has_the_padding_that_is_asked_for(padding):
    image = pictures(1)
    found = at_once("crop", image.expand(300, -1, -1, -1), pad=6, padding=padding, flip=False)
    allowed = {
        changes.crop_beside_centre(image[0], 32, down, right, padding=padding).numpy().tobytes()
        for down in range(-6, 7)
        for right in range(-6, 7)
    }
    kinds = {each.numpy().tobytes() for each in found}
    assert kinds <= allowed
    assert len(kinds) > 120  # of 169


def holes(images):
    """Top, left and side of the hole in each image that has one. -> (m, 3)"""
    where = (images == MEANS[:, None, None]).all(1)
    where = where[where.any((1, 2))]
    rows, columns = where.any(2).float(), where.any(1).float()
    assert torch.equal(where.sum((1, 2)).float(), rows.sum(1) * columns.sum(1))
    return torch.stack([rows.argmax(1), columns.argmax(1), rows.sum(1)], 1).numpy()


@pytest.mark.parametrize(("name", "share"), [("crop", 1.0), ("cifar", 0.5)])
def test_holes_lie_where_they_do_one_by_one(name, share):
    found = [
        holes(change(name, pictures(2000), **OFF[name] | {"hole": 20}))
        for change in (one_by_one, at_once)
    ]
    for each in found:
        assert len(each) / 2000 == pytest.approx(share, abs=0.04)
        assert set(each[:, 2]) == {20}
        assert each[:, :2].min() == 0
        assert each[:, :2].max() == 12
    for axis in (0, 1):
        assert ks_2samp(found[0][:, axis], found[1][:, axis]).pvalue > 0.001


def test_a_hole_larger_than_the_image_covers_all_of_it():
    found = at_once("crop", pictures(3), hole=50)
    assert torch.equal(found, MEANS[None, :, None, None].expand(3, 3, 32, 32))


def test_channels_are_shifted_as_they_are_one_by_one():
    grey = torch.tensor(128, dtype=torch.uint8).expand(4000, 3, 32, 32)
    options = OFF["cifar"] | {"shift": 20.0}
    found = [change("cifar", grey, **options)[:, :, 0, 0].int() for change in (one_by_one, at_once)]
    for each in found:
        changed = each[(each != 128).any(1)]
        assert len(changed) / 4000 == pytest.approx(0.5, abs=0.03)
        assert (int(changed.min()), int(changed.max())) == (108, 148)
        assert np.abs(np.corrcoef(changed.T.numpy()) - np.eye(3)).max() < 0.08
    for channel in range(3):
        assert ks_2samp(*(each[:, channel].numpy() for each in found)).pvalue > 0.001


def angles(images):
    """Degrees that ramps were turned by: red grows by cos to the right, and by sin downwards."""
    red = images[:, 0].float()
    across = red[:, 8:24, 23] - red[:, 8:24, 8]
    down = red[:, 23, 8:24] - red[:, 8, 8:24]
    return torch.rad2deg(torch.atan2(down.mean(1), across.mean(1))).numpy()


def test_images_are_turned_as_they_are_one_by_one():
    options = OFF["cifar"] | {"angle": 10.0}
    found = [angles(change("cifar", ramp(2000), **options)) for change in (one_by_one, at_once)]
    for each in found:
        turned = each[np.abs(each) > 0.05]
        # a half, but for what is turned by less than about a degree, which moves no value
        assert len(turned) / 2000 == pytest.approx(0.455, abs=0.04)
        assert turned.min() == pytest.approx(-10, abs=0.3)
        assert turned.max() == pytest.approx(10, abs=0.3)
    assert ks_2samp(*(np.round(each, 1) for each in found)).pvalue > 0.001


def test_a_half_of_the_images_is_mirrored_by_itself():
    found = moved(at_once("cifar", ramp(2000), **OFF["cifar"] | {"flip": True}))
    assert found[:, 2].mean() == pytest.approx(0.5, abs=0.04)


def test_changes_of_the_same_image_do_not_go_together():
    """That it is turned, mirrored, shifted and holed are four draws, not one."""
    numbers = draws(np.arange(4000)).uniform(10)
    chances = numbers[:, [0, 2, 3, 7]] < 0.5
    assert np.abs(np.corrcoef(chances.T) - np.eye(4)).max() < 0.06
    images = at_once("cifar", ramp(1000), angle=0.0, hole=6)
    shifted = (images[:, 2] != 100).flatten(1).float().mean(1) > 0.5
    holed = torch.tensor([(each == MEANS[:, None, None]).all(0).any() for each in images])
    mirrored = images[:, 0, :, 31].amax(1) < images[:, 0, :, 0].amax(1)
    flags = torch.stack([shifted, holed, mirrored]).numpy()
    assert np.abs(np.corrcoef(flags) - np.eye(3)).max() < 0.12


def sides(epoch, **options):
    """Which of 400 images are mirrored in an epoch. -> (400,) bool"""
    change = BATCH_AUGMENTS["crop"](SPEC, pad=0, **options)
    return moved(change(ramp(400), draws(np.arange(400), epoch=epoch)))[:, 2].astype(bool)


def test_alternating_mirrors_begin_at_random_and_change_sides_each_epoch():
    first, second, third = (sides(epoch, alternate=True) for epoch in range(3))
    assert first.mean() == pytest.approx(0.5, abs=0.08)
    np.testing.assert_array_equal(second, ~first)
    np.testing.assert_array_equal(third, first)


def test_mirrors_that_do_not_alternate_are_drawn_anew_each_epoch():
    assert (sides(0) == sides(1)).mean() == pytest.approx(0.5, abs=0.08)


def test_mirrors_that_alternate_need_mirrors():
    with pytest.raises(SettingsError, match=r"augment\.flip=false never does; leave one out"):
        BATCH_AUGMENTS["crop"](InputSpec("square:32", 32), alternate=True, flip=False)
