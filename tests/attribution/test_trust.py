"""Whether a map is true: scores of blurred images, against masks moved at random."""

import numpy as np
import pytest
import torch
from scipy import ndimage, stats
from torch import nn

from fieldmark.attribution.methods import heat
from fieldmark.attribution.randomised import randomised, rank_correlation
from fieldmark.attribution.trust import blurred, trusted
from fieldmark.captioned import Captioned
from fieldmark.models.bundle import Classifier
from fieldmark.models.catalog import MODELS
from fieldmark.models.infer import infer
from fieldmark.records import InputSpec
from fieldmark.task import sigmoid, softmax

SIDE = 24
SPEC = InputSpec(f"square:{SIDE}", SIDE)


class Spots(nn.Module):
    """Class 1 is the brightest place of the image, class 0 is always 0: known exactly."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.full((1, 3, 3, 3), 1 / 27))
        self.seen = 0

    def forward(self, images):
        self.seen += len(images)
        bright = nn.functional.conv2d(images, self.weight, padding=1).amax(dim=(1, 2, 3))
        return torch.stack([torch.zeros_like(bright), bright - 1], dim=1)


def spot():
    """One black image with a bright square, and a map that is right."""
    image = torch.zeros(1, 3, SIDE, SIDE, dtype=torch.uint8)
    image[:, :, 3:9, 12:18] = 255
    right = np.zeros((1, SIDE, SIDE), np.float32)
    right[0, 3:9, 12:18] = 1
    return image, right


def classifier():
    return Classifier(Spots(), SPEC).eval()


def judged(network, images, heats, *, scores=softmax, **how):
    """The verdicts of maps of class 1."""

    def of(batches):
        return scores(infer(network, batches, device="cpu"))

    return trusted(of, images, np.ones(len(heats), int), heats, **how)


def test_a_map_of_what_decides_beats_random_masks_and_one_of_elsewhere_does_not():
    image, right = spot()
    wrong = np.roll(right, 12, axis=1)
    (true,) = judged(classifier(), image, right)
    (false,) = judged(classifier(), image, wrong)
    assert true.beats
    assert not false.beats
    assert true.fall > true.random_falls.max() - 1e-6
    assert true.fall > 0.1 > false.fall
    assert true.random_falls.shape == (20,)


def test_deletion_falls_at_once_and_insertion_rises_at_once_where_the_map_is_right():
    image, right = spot()
    (true,) = judged(classifier(), image, right)
    for curve in (true.deletion, true.insertion, true.random_deletion, true.random_insertion):
        assert curve.shape == (11,)
    for deletion, insertion in (
        (true.deletion, true.insertion),
        (true.random_deletion, true.random_insertion),
    ):
        assert deletion[0] == insertion[-1] == true.score
        assert deletion[-1] == insertion[0]
    assert true.deletion.mean() < true.random_deletion.mean()
    assert true.insertion.mean() > true.random_insertion.mean()


def test_the_price_is_what_the_docstring_says():
    image, right = spot()
    network = classifier()
    judged(network, image, right)
    assert network.network.seen == 59


def test_a_row_without_a_map_is_not_judged_and_changes_no_other():
    image, right = spot()
    both = np.concatenate([right, np.full_like(right, np.nan)])
    first, second = judged(classifier(), image.repeat(2, 1, 1, 1), both)
    (alone,) = judged(classifier(), image, right)
    assert second is None
    np.testing.assert_array_equal(first.random_falls, alone.random_falls)


def test_an_image_has_the_same_verdict_alone_and_among_others_and_another_image_other_masks():
    image, right = spot()
    other = image.clone()
    other[:, 0, 20, 20] = 1  # nearly black, and another image
    images, heats = torch.cat([other, image, other]), right.repeat(3, 0)
    among = judged(classifier(), images, heats)
    (alone,) = judged(classifier(), image, right)
    for name in ("random_falls", "deletion", "insertion", "random_deletion", "random_insertion"):
        np.testing.assert_array_equal(getattr(among[1], name), getattr(alone, name))
    assert (among[1].score, among[1].fall, among[1].beats) == (alone.score, alone.fall, alone.beats)
    np.testing.assert_array_equal(among[0].random_falls, among[2].random_falls)
    assert (among[0].random_falls != alone.random_falls).any()


@pytest.mark.parametrize(("side", "most"), [(24, 59), (448, 4), (1200, 1)])
def test_so_many_pixels_pass_at_once_as_sixteen_small_images_have_or_one_image(side, most):
    sizes = []

    def scores(batches):
        sizes.extend(len(batch) for batch in batches)
        return np.zeros((sum(sizes), 2))

    ramp = np.linspace(0, 1, side * side, dtype=np.float32).reshape(1, side, side)
    image = torch.zeros(1, 3, side, side, dtype=torch.uint8)
    masks, steps = (20, 10) if side == 24 else (3, 1)
    trusted(scores, image, np.array([1]), ramp, masks=masks, steps=steps)
    assert max(sizes) == most


def test_scores_are_those_that_are_given():
    image, right = spot()
    (one,) = judged(classifier(), image, right)
    (several,) = judged(classifier(), image, right, scores=sigmoid)
    with torch.no_grad():
        logits = classifier()(image).numpy()
    assert several.score == pytest.approx(float(sigmoid(logits)[0, 1]))
    assert one.score == pytest.approx(float(np.exp(logits[0, 1]) / np.exp(logits[0]).sum()))


def test_captions_are_seen_with_every_blurred_image():
    image, right = spot()

    class Reading(Spots):
        def forward(self, images, words):
            assert words.shape == (len(images), 4)
            return super().forward(images)

    reads = Classifier(Reading(), InputSpec(f"square:{SIDE}", SIDE, words=4)).eval()
    (found,) = judged(reads, Captioned(image, torch.ones(1, 4)), right)
    assert found.beats


def test_a_blur_keeps_what_is_even_and_spreads_what_is_not():
    even = torch.full((1, 3, SIDE, SIDE), 7.0)
    torch.testing.assert_close(blurred(even), even)
    image = spot()[0].float()
    assert blurred(image).amax() < 160
    assert float(blurred(image).mean()) == pytest.approx(float(image.mean()), rel=0.1)
    drawn = np.random.default_rng(0).integers(0, 256, (40, SIDE))
    expected = ndimage.gaussian_filter(drawn.astype(float), SIDE / 8, mode="nearest", truncate=3)
    np.testing.assert_allclose(blurred(torch.tensor(drawn)[None, None])[0, 0], expected, atol=1e-3)


@pytest.mark.parametrize("levels", [3, 1000])
def test_rank_correlation_is_spearmans(levels):
    draw = np.random.default_rng(0)
    one, other = draw.integers(0, levels, (2, 9, 9)).astype(float)
    expected = stats.spearmanr(one.ravel(), other.ravel()).statistic
    assert rank_correlation(one, other) == pytest.approx(expected)
    assert np.isnan(rank_correlation(one, np.ones((9, 9))))


def test_stages_are_drawn_anew_from_the_head_down_on_a_copy():
    torch.manual_seed(0)
    network = Classifier(MODELS.build("small_cnn", {"width": 4}, 3), SPEC).eval()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    drawn = torch.Generator().manual_seed(1)
    images = torch.randint(0, 256, (3, 3, SIDE, SIDE), dtype=torch.uint8, generator=drawn)
    classes = np.array([0, 1, 2])
    found = randomised(network, images, classes, method="occlusion")
    assert [stage for stage, _, _ in found] == ["head", "stage3", "stage2", "stage1"]
    assert all(-1 <= correlation < 0.9 for _, correlation, n in found if n)
    assert {n for _, _, n in found} <= {1, 2, 3}
    assert found == randomised(network, images, classes, method="occlusion")
    assert found != randomised(network, images, classes, method="occlusion", seed=1)
    assert all(torch.equal(before[name], each) for name, each in network.state_dict().items())
    maps = heat(network, images, classes, method="occlusion")
    assert rank_correlation(maps[0], maps[0]) == pytest.approx(1)
