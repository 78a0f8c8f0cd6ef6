import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from fieldmark.models import cifar_fast as module
from fieldmark.models.cifar_fast import cifar_fast, second_moments
from fieldmark.models.stages import chosen, set_trained, stages


def smooth_images(count=64, side=32):
    """Drawn images whose neighbouring pixels are alike, as those of photos are."""
    coarse = torch.randn(count, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    return F.interpolate(coarse, side, mode="bilinear") + 0.3 * coarse.mean((2, 3), keepdim=True)


def patches_one_by_one(images):
    """Every 2x2 patch of every image, by loops. -> (patches, 12)"""
    high, wide = images.shape[2] - 1, images.shape[3] - 1
    return np.array(
        [
            image[:, y : y + 2, x : x + 2].ravel()
            for image in images.numpy().astype(np.float64)
            for y in range(high)
            for x in range(wide)
        ]
    )


@pytest.fixture(scope="module")
def learnt():
    network = cifar_fast(10)
    network.learn_from(smooth_images())
    return network.eval()


def test_it_has_the_parameters_that_its_docstring_states(learnt):
    assert sum(weight.numel() for weight in learnt.parameters()) == 1_971_352
    assert learnt.whiten.weight.numel() == 288
    norms = [layer for layer in learnt.modules() if isinstance(layer, nn.BatchNorm2d)]
    assert sum(norm.weight.numel() for norm in norms) == 1_152


def test_it_computes_what_the_published_network_computes_at_32_px(learnt):
    images, state = smooth_images(4), dict(learnt.state_dict())
    maps = F.gelu(F.conv2d(images, state["whiten.weight"], state["whiten.bias"]))
    for block in ("block1", "block2", "block3"):
        for place in ("1", "2"):
            maps = F.conv2d(maps, state[f"{block}.conv{place}.weight"], padding=1)
            maps = F.max_pool2d(maps, 2) if place == "1" else maps
            mean, variance = (state[f"{block}.norm{place}.running_{n}"] for n in ("mean", "var"))
            bias = state[f"{block}.norm{place}.bias"]
            shaped = [values[:, None, None] for values in (mean, variance + 1e-12, bias)]
            maps = F.gelu((maps - shaped[0]) / shaped[1].sqrt() + shaped[2])
    features = F.max_pool2d(maps, 3).flatten(1)
    torch.testing.assert_close(learnt(images), features @ state["head.weight"].T / 9)


def test_the_learnt_directions_of_the_images_patches_are_white(learnt):
    maps = learnt.whiten(smooth_images())
    there, negatives = maps.transpose(0, 1).flatten(1).double().split(12)
    torch.testing.assert_close(there, -negatives)
    moments = there @ there.T / there.shape[1]
    squares = np.linalg.eigvalsh(second_moments(smooth_images()).numpy())[::-1].copy()
    expected = torch.diag(torch.tensor(squares / (squares + 5e-4)))
    torch.testing.assert_close(moments, expected, rtol=0, atol=1e-3)
    assert expected[0, 0] > 0.999


def test_the_second_moments_are_those_of_all_patches_one_by_one(monkeypatch):
    images = smooth_images(5, side=9)
    patches = patches_one_by_one(images)
    expected = torch.tensor(patches.T @ patches / len(patches))
    torch.testing.assert_close(second_moments(images), expected)
    monkeypatch.setattr(module, "TOGETHER", 2 * 81)  # a part of two images, and a last one of one
    torch.testing.assert_close(second_moments(images), expected)


def test_learning_the_first_layer_draws_nothing_and_autocast_does_not_coarsen_it(learnt):
    network, before = cifar_fast(10), torch.get_rng_state()
    with torch.autocast("cpu", torch.bfloat16):
        network.learn_from(smooth_images())
    assert torch.equal(network.whiten.weight, learnt.whiten.weight)
    assert torch.equal(torch.get_rng_state(), before)


def test_black_images_leave_the_first_layer_finite():
    network = cifar_fast(10)
    network.learn_from(torch.zeros(2, 3, 32, 32))
    assert network.whiten.weight.isfinite().all()


def test_the_first_layer_and_the_norms_scales_are_never_an_optimisers(learnt):
    network = cifar_fast(10)
    set_trained(network, chosen(network, ["all"]))
    names = dict(network.named_parameters())
    assert "whiten.weight" not in names
    assert "whiten.bias" in names
    norms = [name for name in names if ".norm" in name]
    assert len(norms) == 6
    assert all(name.endswith(".bias") for name in norms)


def test_the_first_layer_is_kept_with_the_weights(learnt):
    other = cifar_fast(10)
    other.load_state_dict(learnt.state_dict())
    images = smooth_images(2)
    assert torch.equal(other.eval()(images), learnt(images))


def test_a_convolution_begins_by_handing_its_maps_on():
    network, maps = cifar_fast(10), torch.rand(1, 64, 6, 6)
    torch.testing.assert_close(network.block1.conv2(maps), maps)
    torch.testing.assert_close(network.block2.conv1(maps)[:, :64], maps)
    narrow = cifar_fast(10, width=8).block1.conv1(torch.rand(1, 24, 6, 6))
    assert narrow.shape == (1, 8, 6, 6)


def test_the_share_of_a_batch_in_the_norms_statistics_is_the_one_asked_for():
    network = cifar_fast(10, norm_momentum=0.25)
    network(smooth_images(8))
    seen = network.block1.norm1
    assert seen.running_var.mean() < 1
    assert {norm.momentum for norm in network.modules() if hasattr(norm, "momentum")} == {0.25}


def test_the_scale_multiplies_the_logits(learnt):
    twice = cifar_fast(10, scale=2 / 9).eval()
    twice.load_state_dict(learnt.state_dict())
    images = smooth_images(2)
    torch.testing.assert_close(twice(images), 2 * learnt(images))


def test_in_bf16_and_channels_last_it_computes_nearly_the_same(learnt):
    images, expected = smooth_images(8), learnt(smooth_images(8)).detach()
    last = cifar_fast(10).eval().to(memory_format=torch.channels_last)
    last.load_state_dict(learnt.state_dict())
    with torch.autocast("cpu", torch.bfloat16):
        found = last(images.contiguous(memory_format=torch.channels_last))
    assert found.isfinite().all()
    torch.testing.assert_close(found.float(), expected, rtol=0, atol=0.1 * float(expected.std()))


def test_its_stages_begin_with_the_whitening_layers_bias(learnt):
    parts = stages(learnt)
    assert [part.name for part in parts] == ["whiten", "block1", "block2", "block3", "head"]
    assert parts[0].parameters == ("whiten.bias",)


def test_it_memorises_eight_images():
    torch.manual_seed(0)
    network, images = cifar_fast(8, width=16), smooth_images(8, side=16)
    network.learn_from(images)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.2, momentum=0.85, nesterov=True)
    for _ in range(30):
        optimizer.zero_grad()
        F.cross_entropy(network(images), torch.arange(8)).backward()
        optimizer.step()
    network.eval()
    assert torch.equal(network(images).argmax(1), torch.arange(8))
