"""Heat maps: what they are made of, and that they leave everything as it was."""

import gc

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from fieldmark.attribution.catalog import METHODS
from fieldmark.attribution.integrated import attributions
from fieldmark.attribution.methods import heat
from fieldmark.captioned import Captioned
from fieldmark.errors import SettingsError, UserError
from fieldmark.models.assemble import Design, assemble
from fieldmark.models.bundle import Classifier
from fieldmark.records import InputSpec

SIDE = 32


def classifier_of(design, classes=3, side=SIDE, words=0):
    torch.manual_seed(0)
    network = assemble(design, classes)
    for parameter in network.parameters():  # new heads are zero
        if not parameter.any():
            nn.init.normal_(parameter, std=0.1)
    return Classifier(network, InputSpec(f"square:{side}", side, words=words))


def images_of(count=2, side=SIDE):
    drawn = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (count, 3, side, side), dtype=torch.uint8, generator=drawn)


@pytest.fixture
def small():
    return classifier_of(Design("small_cnn", {"width": 4}))


def by_autograd(classifier, images, classes, layer, *, over_channels=torch.sum):
    """Grad-CAM written down plainly: a hook, backward, and the formula."""
    kept = {}

    def keep(_, __, given):
        given.retain_grad()
        kept["maps"] = given

    handle = classifier.network.get_submodule(layer).register_forward_hook(keep)
    logits = classifier.eval()(images)
    handle.remove()
    logits[torch.arange(len(images)), torch.as_tensor(classes)].sum().backward()
    maps = kept["maps"]
    weights = maps.grad.mean(dim=(2, 3), keepdim=True)
    cams = over_channels(weights * maps, dim=1).clamp(min=0)
    cams = cams / cams.amax(dim=(1, 2), keepdim=True)
    wide = functional.interpolate(cams[:, None], images.shape[-2:], mode="bilinear")[:, 0]
    return (wide / wide.amax(dim=(1, 2), keepdim=True)).detach().numpy()


def test_grad_cam_is_what_plain_autograd_gives(small):
    images, classes = images_of(), np.array([0, 2])
    found = heat(small, images, classes)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found, by_autograd(small, images, classes, "stage3"), atol=1e-6)


def test_the_mean_over_channels_gives_the_same_map_as_their_sum(small):
    images, classes = images_of(), np.array([0, 2])
    mean = by_autograd(small, images, classes, "stage3", over_channels=torch.mean)
    np.testing.assert_allclose(heat(small, images, classes), mean, atol=1e-6)


@pytest.mark.parametrize("pool", [None, "mean"])
def test_hires_cam_is_grad_cam_where_a_mean_follows_the_maps(pool):
    classifier = classifier_of(Design("small_cnn", {"width": 4}, pool=pool))
    images, classes = images_of(), np.array([0, 2])
    found = heat(classifier, images, classes, method="hires-cam")
    np.testing.assert_allclose(found, heat(classifier, images, classes), atol=1e-5)
    early = [
        heat(classifier, images, classes, method=method, layer="stage1")
        for method in ("hires-cam", "grad-cam")
    ]
    assert np.abs(early[0] - early[1]).max() > 0.1


class ClassToken(nn.Module):
    """One attention of a class token: each place's gradient is known."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 8, 8, stride=8)
        self.norm = nn.LayerNorm(8)
        self.token = nn.Parameter(torch.randn(1, 1, 8))
        self.head = nn.Linear(8, 3)

    def forward(self, images):
        tokens = self.first(images).flatten(2).transpose(1, 2)
        tokens = self.norm(torch.cat([self.token.expand(len(images), 1, 8), tokens], dim=1))
        query = 4 * tokens[:, :1]
        seen = nn.functional.scaled_dot_product_attention(query, tokens, tokens)
        return self.head(seen[:, 0])


def test_of_a_class_token_each_place_has_its_own_gradient_by_default():
    torch.manual_seed(0)
    classifier = Classifier(ClassToken(), InputSpec(f"square:{SIDE}", SIDE)).eval()
    images, classes = images_of(), np.array([0, 2])
    kept = {}
    classifier.network.norm.register_forward_hook(lambda *each: kept.update(tokens=each[2]))
    logits = classifier(images)[torch.arange(2), torch.as_tensor(classes)].sum()
    (gradients,) = torch.autograd.grad(logits, kept["tokens"])
    plain = (gradients * kept["tokens"]).sum(dim=2)[:, 1:].reshape(2, 4, 4).detach()
    usual = heat(classifier, images, classes)
    expected = functional.interpolate(plain.clamp(min=0)[:, None], SIDE, mode="bilinear")[:, 0]
    expected = expected / expected.amax(dim=(1, 2), keepdim=True)
    np.testing.assert_allclose(usual, expected.numpy(), atol=1e-5)
    np.testing.assert_array_equal(usual, heat(classifier, images, classes, method="hires-cam"))
    assert np.nanmax(np.abs(usual - heat(classifier, images, classes, method="grad-cam"))) > 0.1


def test_another_layer_is_looked_at_where_it_is_named(small):
    images, classes = images_of(), np.array([1, 1])
    found = heat(small, images, classes, layer="stage2")
    np.testing.assert_allclose(found, by_autograd(small, images, classes, "stage2"), atol=1e-6)


def test_every_method_gives_maps_of_zero_to_one_with_maximum_one(small):
    for method in METHODS:
        found = heat(small, images_of(), np.array([0, 2]), method=method)
        assert (found.shape, found.dtype) == ((2, SIDE, SIDE), np.float32)
        assert found.min() >= 0
        assert (found.max(axis=(1, 2)) == 1).all()


def test_an_image_has_the_same_map_alone_and_among_others(small):
    images, classes = images_of(3), np.array([0, 1, 2])
    for method in METHODS:
        together = heat(small, images, classes, method=method)
        alone = heat(small, images[1:2], classes[1:2], method=method)
        np.testing.assert_allclose(together[1:2], alone, atol=1e-3)


def test_an_empty_or_flat_map_is_nan(small):
    black = torch.zeros(1, 3, SIDE, SIDE, dtype=torch.uint8)
    small.network.head.weight.data = -small.network.head.weight.data.abs()
    assert np.isnan(heat(small, images_of(1), np.array([0]))).all()  # all speaks against it
    small.network.head.weight.data.zero_()
    for method in METHODS:
        assert np.isnan(heat(small, black, np.array([0]), method=method)).all()


def test_pixels_add_up_to_what_the_logit_gains_over_grey(small):
    image, grey = images_of(1).float(), (small.mean * 255).expand(1, 3, SIDE, SIDE)
    added = attributions(small, image, np.array([1]), steps=256)
    with torch.no_grad():
        gained = small.eval()(image)[0, 1] - small(grey)[0, 1]
    assert float(added.sum()) == pytest.approx(float(gained), rel=0.02)


@pytest.mark.parametrize("method", list(METHODS))
@pytest.mark.parametrize("frozen", [True, False])
def test_the_classifier_is_left_as_it_was(small, method, frozen):
    small.train()
    small.network.stage1.eval()
    for parameter in small.parameters():
        parameter.requires_grad_(not frozen)
    small.network.head.bias.grad = torch.ones(3)
    before = state_of(small)
    heat(small, images_of(), np.array([0, 1]), method=method)
    assert state_of(small) == before
    assert torch.is_grad_enabled()


def test_no_tensor_is_kept(small):
    def look():
        for method in METHODS:
            heat(small, images_of(), np.array([0, 1]), method=method)
        gc.collect()
        return sum(issubclass(type(each), torch.Tensor) for each in gc.get_objects())

    assert look() == look()


def state_of(classifier):
    """All that a look at it might change."""
    return [
        [module.training for module in classifier.modules()],
        [parameter.requires_grad for parameter in classifier.parameters()],
        [None if p.grad is None else p.grad.tolist() for p in classifier.parameters()],
        [tensor.tolist() for tensor in classifier.state_dict().values()],
        [(len(m._forward_hooks), len(m._forward_pre_hooks)) for m in classifier.modules()],
    ]


def test_gradients_need_not_be_on_outside(small):
    images, classes = images_of(), np.array([0, 1])
    for method in METHODS:
        with torch.no_grad():
            found = heat(small, images, classes, method=method)
            assert not torch.is_grad_enabled()
        np.testing.assert_array_equal(found, heat(small, images, classes, method=method))


def test_a_failure_leaves_the_classifier_as_it_was(small):
    small.train()
    before = state_of(small)
    with pytest.raises(RuntimeError):
        heat(small, images_of(), np.array([0, 7]), method="occlusion")
    assert state_of(small) == before


def test_captions_stay_beside_their_images():
    classifier = classifier_of(Design("small_cnn", {"width": 4}, words=8), words=8)
    seen = Captioned(images_of(), torch.ones(2, 8))
    for method in METHODS:
        assert heat(classifier, seen, np.array([0, 1]), method=method).shape == (2, SIDE, SIDE)


def test_a_mirrored_network_looks_at_an_image_and_its_mirror_image_alike():
    classifier = classifier_of(Design("small_cnn", {"width": 4}, mirror=True))
    images, classes = images_of(), np.array([0, 2])
    found = heat(classifier, images, classes)
    mirrored = heat(classifier, images.flip(-1), classes)
    np.testing.assert_allclose(found, mirrored[..., ::-1], atol=1e-5)


@pytest.mark.parametrize(
    "design",
    [
        Design("small_cnn", {"width": 4}, pool="mean"),
        pytest.param(Design("cifar_resnet18", pool="mean+max"), marks=pytest.mark.slow),
        Design("small_cnn", {"width": 4}, resizer=16),
        Design("small_cnn", {"width": 4}, "mlp", {"sizes": (8,)}),
        Design("small_cnn", {"width": 4}, "after"),
        Design("small_cnn+cifar_fast"),
    ],
)
def test_whatever_a_network_is_made_of_its_maps_are_found(design):
    classifier = classifier_of(design)
    for method in ("auto", "grad-cam", "hires-cam", "layer-cam"):
        found = heat(classifier, images_of(), np.array([0, 2]), method=method)
        assert found.shape == (2, SIDE, SIDE)
        assert np.isfinite(found).any()


def test_boosted_trees_have_no_gradient_and_are_told_of_occlusion():
    options = {"trees": 2, "leaves": 2}
    classifier = classifier_of(Design("small_cnn", {"width": 4}, "boosted", options))
    for method, where in (("grad-cam", "stage3"), ("integrated-gradients", "the pixels")):
        with pytest.raises(UserError) as told:
            heat(classifier, images_of(), np.array([0, 1]), method=method)
        assert str(told.value) == (
            f"the scores have no gradient at {where}, as those of boosted trees have none; take "
            "--method occlusion"
        )
    assert heat(classifier, images_of(), np.array([0, 1]), method="occlusion").shape[0] == 2


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (
            {"method": "gradcam"},
            "--method: there is no method 'gradcam'; did you mean 'grad-cam'?",
        ),
        (
            {"layer": "stage4"},
            "--layer: there is no layer 'stage4'; did you mean 'stage3'?",
        ),
        (
            {"layer": "head"},
            "--layer: what 'head' gives has no places; there are 'stage1', 'stage2' and 'stage3'",
        ),
        (
            {"layer": "stage3", "method": "occlusion"},
            "--layer: 'occlusion' looks at no layer; leave it out",
        ),
    ],
)
def test_a_method_or_layer_that_there_is_not_is_told(small, given, text):
    with pytest.raises(SettingsError) as told:
        heat(small, images_of(), np.array([0, 1]), **given)
    assert str(told.value) == text


def test_a_network_without_maps_is_told_of_occlusion():
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * SIDE**2, 3))
    classifier = Classifier(network, InputSpec(f"square:{SIDE}", SIDE))
    with pytest.raises(UserError) as told:
        heat(classifier, images_of(), np.array([0, 1]))
    assert str(told.value) == (
        "Sequential has no layer whose output still has places, other than the image; take "
        "--method occlusion, which needs none"
    )
    assert np.isfinite(heat(classifier, images_of(), np.array([0, 1]), method="occlusion")).all()
