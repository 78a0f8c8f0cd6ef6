"""Our own networks: parameters, shapes, and what is special of each."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn

from fieldmark.cli.models import print_summary
from fieldmark.models import own_networks as module
from fieldmark.models.catalog import MODELS, outline
from fieldmark.models.own_networks import CifarFast, SmallCnn, cifar_resnet18, second_moments
from fieldmark.models.stages import chosen, set_trained, stages


def test_small_cnn_has_the_parameters_that_its_docstring_states():
    assert sum(weight.numel() for weight in SmallCnn(10).parameters()) == 288_746


@pytest.mark.parametrize(("height", "width"), [(4, 4), (5, 9), (8, 8), (33, 64)])
def test_any_sides_give_a_logit_a_class(height, width):
    assert SmallCnn(3)(torch.rand(2, 3, height, width)).shape == (2, 3)


@pytest.mark.parametrize(("side", "last"), [(4, 2), (8, 2), (15, 3), (32, 8), (64, 16)])
def test_stages_halve_the_sides_only_while_they_are_at_least_four(side, last):
    network, shapes = SmallCnn(3), []
    network.stage3.register_forward_hook(lambda _, __, maps: shapes.append(tuple(maps.shape)))
    network(torch.rand(1 + 1, 3, side, side))
    assert shapes == [(2, 128, last, last)]


def test_width_widens_every_stage():
    network = SmallCnn(3, width=8)
    outs = [network.get_submodule(f"stage{n}")[0].out_channels for n in (1, 2, 3)]
    assert outs == [8, 16, 32]


def test_dropout_acts_in_training_only():
    network, batch = SmallCnn(3, dropout=0.5), torch.rand(4, 3, 8, 8)
    assert not torch.equal(network(batch), network(batch))
    network.eval()
    assert torch.equal(network(batch), network(batch))


def test_it_learns_handwritten_digits_of_eight_pixels():
    torch.manual_seed(0)
    digits = load_digits()
    images = torch.tensor(digits.images / 8 - 1, dtype=torch.float32)
    images = images[:, None].expand(-1, 3, -1, -1)
    targets = torch.tensor(digits.target)
    order = torch.randperm(len(targets))
    train, test = order[:1437], order[1437:]
    network = MODELS.build("small_cnn", {}, 10).train()
    epochs, size = 8, 64
    optimizer = torch.optim.AdamW(network.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=3e-3, total_steps=epochs * (len(train) // size)
    )
    for _ in range(epochs):
        rows = train[torch.randperm(len(train))][: len(train) // size * size]
        for batch in rows.split(size):
            loss = nn.functional.cross_entropy(network(images[batch]), targets[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    network.eval()
    with torch.no_grad():
        found = network(images[test]).argmax(dim=1)
    assert (found == targets[test]).float().mean() >= 0.98


FEATURES = [23_296, 128, 307_392, 384, 663_936, 768, 884_992, 512, 590_080, 512]
CLASSIFIER = [37_752_832, 8_192, 16_781_312, 8_192, 2_097_664, 1_024, 12_825]


def test_the_summary_prints_the_published_parameters_layer_by_layer(capsys):
    print_summary("birds_alexnet", 25, 224)
    lines = capsys.readouterr().out.splitlines()
    weighted = [line for line in lines if line.lstrip().startswith(("Conv", "Batch", "Linear"))]
    printed = [line.split(" x ")[-1].split()[1] for line in weighted]
    assert printed == [f"{count:,}" for count in FEATURES + CLASSIFIER]
    assert "total parameters:          59,134,041 (236.5 MB)" in lines


def test_the_layers_are_the_published_ones_in_their_order():
    network = outline("birds_alexnet", 25)
    kinds = [type(layer).__name__ for layer in network.features]
    one, pool = ["Conv2d", "ReLU", "BatchNorm2d"], ["MaxPool2d"]
    assert kinds == one + pool + one + pool + one + one + one + pool
    wide = ["Dropout", "Linear", "ReLU", "BatchNorm1d"]
    assert [type(layer).__name__ for layer in network.classifier] == 3 * wide + ["Linear"]
    geometry = [
        (layer.kernel_size[0], layer.stride[0], layer.padding[0])
        for layer in network.features
        if isinstance(layer, nn.Conv2d)
    ]
    assert geometry == [(11, 4, 2), (5, 1, 2), (3, 1, 1), (3, 1, 1), (3, 1, 1)]
    pools = [layer for layer in network.features if isinstance(layer, nn.MaxPool2d)]
    assert [(layer.kernel_size, layer.stride) for layer in pools] == 3 * [(3, 2)]


def test_images_of_any_size_reach_the_classifier_as_six_by_six():
    network = outline("birds_alexnet", 25).eval()
    for side in (64, 128, 224, 300):
        maps = network.features(torch.empty(1, 3, side, side, device="meta"))
        assert network.pool(maps).shape == (1, 256, 6, 6)


def test_dropout_stands_before_the_three_wide_layers():
    for given, rate in (({}, 0.1), ({"dropout": 0.5}, 0.5)):
        network = outline("birds_alexnet", 25, given)
        dropouts = [layer for layer in network.modules() if isinstance(layer, nn.Dropout)]
        assert [layer.p for layer in dropouts] == 3 * [rate]


def test_a_dropout_that_is_no_share_is_a_mistake():
    _, mistakes = MODELS.read("birds_alexnet", {"dropout": 1.5})
    assert [str(mistake) for mistake in mistakes] == ["dropout: must be at most 1, not 1.5"]


def test_with_ten_classes_it_has_the_published_parameters():
    network = outline("cifar_resnet18", 10)
    assert sum(weight.numel() for weight in network.parameters()) == 11_173_962


def test_the_first_convolution_keeps_the_sides_and_nothing_is_pooled_after_it():
    network, sides = outline("cifar_resnet18", 10).eval(), []
    for name in ("conv1", "layer1", "layer2", "layer3", "layer4"):
        layer = network.get_submodule(name)
        layer.register_forward_hook(lambda _, __, maps: sides.append(tuple(maps.shape[1:])))
    network(torch.empty(1, 3, 32, 32, device="meta"))
    assert sides == [(64, 32, 32), (64, 32, 32), (128, 16, 16), (256, 8, 8), (512, 4, 4)]


def test_an_l1_penalty_of_1e_5_begins_at_about_two_as_the_recipe_says():
    torch.manual_seed(0)
    network = cifar_resnet18(10)
    assert 1e-5 * sum(p.abs().sum().item() for p in network.parameters()) == pytest.approx(
        2.2, abs=0.1
    )
    assert not any(isinstance(layer, nn.MaxPool2d) for layer in network.modules())


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
    network = CifarFast(10)
    network.learn_from(smooth_images())
    return network.eval()


def test_cifar_fast_has_the_parameters_that_its_docstring_states(learnt):
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
    network, before = CifarFast(10), torch.get_rng_state()
    with torch.autocast("cpu", torch.bfloat16):
        network.learn_from(smooth_images())
    assert torch.equal(network.whiten.weight, learnt.whiten.weight)
    assert torch.equal(torch.get_rng_state(), before)


def test_black_images_leave_the_first_layer_finite():
    network = CifarFast(10)
    network.learn_from(torch.zeros(2, 3, 32, 32))
    assert network.whiten.weight.isfinite().all()


def test_the_first_layer_and_the_norms_scales_are_never_an_optimisers(learnt):
    network = CifarFast(10)
    set_trained(network, chosen(network, ["all"]))
    names = dict(network.named_parameters())
    assert "whiten.weight" not in names
    assert "whiten.bias" in names
    norms = [name for name in names if ".norm" in name]
    assert len(norms) == 6
    assert all(name.endswith(".bias") for name in norms)


def test_the_first_layer_is_kept_with_the_weights(learnt):
    other = CifarFast(10)
    other.load_state_dict(learnt.state_dict())
    images = smooth_images(2)
    assert torch.equal(other.eval()(images), learnt(images))


def test_a_convolution_begins_by_handing_its_maps_on():
    network, maps = CifarFast(10), torch.rand(1, 64, 6, 6)
    torch.testing.assert_close(network.block1.conv2(maps), maps)
    torch.testing.assert_close(network.block2.conv1(maps)[:, :64], maps)
    narrow = CifarFast(10, width=8).block1.conv1(torch.rand(1, 24, 6, 6))
    assert narrow.shape == (1, 8, 6, 6)


def test_the_share_of_a_batch_in_the_norms_statistics_is_the_one_asked_for():
    network = CifarFast(10, norm_momentum=0.25)
    network(smooth_images(8))
    seen = network.block1.norm1
    assert seen.running_var.mean() < 1
    assert {norm.momentum for norm in network.modules() if hasattr(norm, "momentum")} == {0.25}


def test_the_scale_multiplies_the_logits(learnt):
    twice = CifarFast(10, scale=2 / 9).eval()
    twice.load_state_dict(learnt.state_dict())
    images = smooth_images(2)
    torch.testing.assert_close(twice(images), 2 * learnt(images))


def test_in_bf16_and_channels_last_it_computes_nearly_the_same(learnt):
    images, expected = smooth_images(8), learnt(smooth_images(8)).detach()
    last = CifarFast(10).eval().to(memory_format=torch.channels_last)
    last.load_state_dict(learnt.state_dict())
    with torch.autocast("cpu", torch.bfloat16):
        found = last(images.contiguous(memory_format=torch.channels_last))
    assert found.isfinite().all()
    torch.testing.assert_close(found.float(), expected, rtol=0, atol=0.1 * float(expected.std()))


def test_of_the_first_layer_the_bias_alone_is_trained(learnt):
    assert stages(learnt)[0].parameters == ("whiten.bias",)


def test_it_memorises_eight_images():
    torch.manual_seed(0)
    network, images = CifarFast(8, width=16), smooth_images(8, side=16)
    network.learn_from(images)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.2, momentum=0.85, nesterov=True)
    for _ in range(30):
        optimizer.zero_grad()
        F.cross_entropy(network(images), torch.arange(8)).backward()
        optimizer.step()
    network.eval()
    assert torch.equal(network(images).argmax(1), torch.arange(8))
