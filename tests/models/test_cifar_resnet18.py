import pytest
import torch
from torch import nn

from fieldmark.models.cifar_resnet18 import cifar_resnet18
from fieldmark.models.outline import outline
from fieldmark.models.stages import stages


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


def test_its_stages_are_those_of_a_resnet():
    names = [stage.name for stage in stages(outline("cifar_resnet18", 10))]
    assert names == ["conv1", "layer1", "layer2", "layer3", "layer4", "head"]
