"""RandAugment and TrivialAugment against torchvision's own."""

import numpy as np
import pytest
import torch
from torchvision.transforms import v2

from fieldmark.data import augment_policies
from fieldmark.data.augment import AUGMENTS
from fieldmark.data.augment_policies import CHANGES, changed, strength
from fieldmark.records import InputSpec

SEEN = InputSpec("square:24", 24)
THEIRS = {
    "identity": "Identity",
    "shear_right": "ShearX",
    "shear_down": "ShearY",
    "move_right": "TranslateX",
    "move_down": "TranslateY",
    "rotate": "Rotate",
    "brightness": "Brightness",
    "saturation": "Color",
    "contrast": "Contrast",
    "sharpness": "Sharpness",
    "posterize": "Posterize",
    "solarize": "Solarize",
    "autocontrast": "AutoContrast",
    "equalize": "Equalize",
}
SIGNED = ("shear", "move", "rotate", "brightness", "saturation", "contrast", "sharpness")


def image(side=24, seed=0):
    values = np.random.default_rng(seed).integers(30, 200, size=(3, side, side), dtype=np.uint8)
    return torch.from_numpy(values)


def test_the_changes_are_those_of_torchvision():
    for policy in (v2.RandAugment, v2.TrivialAugmentWide):
        assert set(policy._AUGMENTATION_SPACE) == set(THEIRS.values())
    assert set(CHANGES) == set(THEIRS)


@pytest.mark.parametrize("policy", [v2.RandAugment, v2.TrivialAugmentWide])
@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_as_strong_as_torchvisions(policy, name):
    spread, signed = policy._AUGMENTATION_SPACE[THEIRS[name]]
    assert signed == name.startswith(SIGNED)
    wanted = spread(31, 24, 24)
    found = [strength(name, step, 24, policy is v2.TrivialAugmentWide) for step in range(31)]
    assert found == pytest.approx([0] * 31 if wanted is None else wanted.tolist(), abs=1e-5)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_torchvisions_own(name, sign):
    policy, value = v2.RandAugment(interpolation="bilinear"), strength(name, 9, 24, False)
    signed = value * sign if name.startswith(SIGNED) else value
    wanted = policy._apply_image_or_video_transform(
        image(), THEIRS[name], signed, interpolation=policy.interpolation, fill=policy._fill
    )
    found = changed(image(), name, value, sign)
    assert torch.equal(found, wanted)
    assert torch.equal(found, image()) == (name == "identity")


@pytest.mark.parametrize(
    ("name", "options", "count"),
    [("randaugment", {"ops": 3, "magnitude": 12}, 3), ("trivialaugment", {}, 1), ("strong", {}, 2)],
)
def test_each_change_each_direction_and_each_magnitude_is_drawn(monkeypatch, name, options, count):
    drawn = []
    monkeypatch.setattr(augment_policies, "changed", lambda image, *how: drawn.append(how) or image)
    monkeypatch.setattr(augment_policies, "strength", lambda *how: how)
    change = AUGMENTS.build(name, options, SEEN)
    for seed in range(900 // count):
        change(image(), np.random.default_rng(seed))
    assert len(drawn) == 900
    names, hows, signs = zip(*drawn, strict=True)
    counts = [names.count(each) for each in CHANGES]
    assert min(counts) > 900 / 14 * 0.6
    assert max(counts) < 900 / 14 * 1.5
    assert signs.count(1) == pytest.approx(450, abs=60)
    steps = {how[1] for how in hows}
    assert steps == (set(range(31)) if name == "trivialaugment" else {options.get("magnitude", 9)})
    assert {how[3] for how in hows} == {name == "trivialaugment"}


def test_without_ops_randaugment_is_a_crop_and_a_mirror():
    options = {"ops": 0, "least_area": 1.0, "flip": False}
    change = AUGMENTS.build("randaugment", options, SEEN)
    assert torch.equal(change(image(), np.random.default_rng(0)), image())


def test_a_strong_image_has_a_box_of_noise_by_its_chance():
    white = torch.full((3, 24, 24), 255, dtype=torch.uint8)
    options = {"ops": 0, "least_area": 1.0}
    change = AUGMENTS.build("strong", options, SEEN)
    found = [change(white, np.random.default_rng(seed)) for seed in range(200)]
    assert sum(bool((each != 255).any()) for each in found) == pytest.approx(50, abs=22)
