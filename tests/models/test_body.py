import copy

import pytest
import torch
from torch import nn

from fieldmark.errors import UserError
from fieldmark.models.assemble import Design, assemble
from fieldmark.models.body import body_and_head
from fieldmark.models.bundle import Classifier
from fieldmark.models.catalog import MODELS, outline
from fieldmark.models.heads import head_of, redrawn
from fieldmark.models.own_networks import SmallCnn
from fieldmark.records import InputSpec

SHAPES = {  # of one image's features, by 224 px
    "resnet18": (512,),
    "mobilenet_v2": (1280,),
    "mobilenet_v3_small": (1024,),
    "efficientnet_b0": (1280,),
    "vgg11": (4096,),
    "densenet121": (1024,),
    "squeezenet1_1": (512, 13, 13),
    "vit_b_32": (768,),
    "swin_t": (768,),
    "convnext_tiny": (768,),
    "regnet_y_400mf": (440,),
    "mnasnet0_5": (1024 + 256,),
    "shufflenet_v2_x0_5": (1024,),
    "googlenet": (1024,),
    "small_cnn": (128,),
    "nature_cnn": (32 * 7 * 7,),
    "birds_alexnet": (512,),
    "attention_cnn": (512 + 256 + 512,),
    "cifar_resnet18": (512,),
    "cifar_fast": (256,),
}
SMALL = ("small_cnn", "cifar_fast", "squeezenet1_1", "mobilenet_v3_small", "shufflenet_v2_x0_5")


def assert_same_logits(network, size, count=2):
    network.eval()
    images = torch.rand(count, 3, size, size)
    body, head = body_and_head(network)
    with torch.no_grad():
        torch.testing.assert_close(head(body(images)), network(images), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", SHAPES)
def test_the_features_are_what_enters_the_head(name):
    body, head = body_and_head(outline(name, 7), 224)
    features = body(torch.rand(2, 3, 224, 224, device="meta"))
    assert features.shape == (2, *SHAPES[name])
    assert head(features).shape == (2, 7)


@pytest.mark.parametrize("name", SMALL)
def test_body_and_head_together_are_the_network(name):
    torch.manual_seed(0)
    assert_same_logits(MODELS.build(name, {}, 7), 64)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in SHAPES if name not in SMALL])
def test_body_and_head_together_are_a_larger_network(name):
    torch.manual_seed(0)
    assert_same_logits(MODELS.build(name, {}, 7), 224 if name.startswith(("vit", "nature")) else 64)


@pytest.mark.parametrize("name", ["test_vit", "test_convnext", "test_resnet", "resnetv2_50"])
def test_networks_of_timm_are_parted_too(name):
    import timm

    torch.manual_seed(0)
    assert_same_logits(timm.create_model(name, num_classes=7), 160 if name == "test_vit" else 64)


@pytest.mark.parametrize(
    "design",
    [
        Design("small_cnn", head="mlp", head_options={"sizes": (16,), "norm": True}),
        Design("small_cnn", head="linear", head_options={"dropout": 0.5}),
        Design("squeezenet1_1", head="mlp", head_options={"sizes": (16,)}),
        Design("squeezenet1_1", head="after"),
        Design("small_cnn", head="after"),
        Design("small_cnn", resizer=16),
    ],
)
def test_networks_with_other_heads_are_parted_too(design):
    torch.manual_seed(0)
    assert_same_logits(assemble(design, 3), 64)


def test_the_features_before_a_layer_that_is_kept_are_its_outputs():
    body, head = body_and_head(assemble(Design("small_cnn", head="after"), 3))
    assert body(torch.rand(2, 3, 8, 8)).shape == (2, 1000)
    assert [type(layer).__name__ for layer in head] == ["Head"]


def test_the_head_is_the_networks_own_head_and_dropout():
    network = SmallCnn(3)
    _, head = body_and_head(network)
    assert list(head) == [network.dropout, network.head]


def test_training_the_head_trains_the_network():
    torch.manual_seed(0)
    network = SmallCnn(3)
    body, head = body_and_head(network, 8)
    images, before = torch.rand(2, 3, 8, 8), copy.deepcopy(network)
    with torch.no_grad():
        features = body(images)
        head[-1].weight += 1
        assert torch.equal(head.eval()(features), network.eval()(images))
    assert torch.equal(network.head.weight, before.head.weight + 1)


def test_the_body_shares_the_networks_parameters_but_has_no_head():
    network = SmallCnn(3)
    body, _ = body_and_head(network)
    own = {id(weight) for weight in network.parameters()}
    inside = {id(weight) for weight in body.parameters()}
    assert own - inside == {id(network.head.weight), id(network.head.bias)}
    assert inside < own
    assert not any("head" in name for name in body.state_dict())


def test_parting_leaves_the_network_as_it_was():
    torch.manual_seed(0)
    network = SmallCnn(3).train()
    network.stage2.eval()
    state = copy.deepcopy(network.state_dict())
    modes = [module.training for module in network.modules()]
    head, generators = network.head, torch.get_rng_state()
    body, _ = body_and_head(network, 8)
    body(torch.rand(2, 3, 8, 8, generator=torch.Generator()))
    assert network.head is head
    assert [module.training for module in network.modules()] == modes
    assert all(torch.equal(tensor, state[n]) for n, tensor in network.state_dict().items())
    assert torch.equal(torch.get_rng_state(), generators)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in network.modules())


def test_the_features_are_those_of_eval_mode_whatever_the_mode():
    network = SmallCnn(3, dropout=0.5)
    network(torch.rand(4, 3, 8, 8))
    body, _ = body_and_head(network)
    images = torch.rand(2, 3, 8, 8)
    evaluated = body(images)
    network.train()
    assert torch.equal(body(images), evaluated)


def test_a_classifier_is_parted_too():
    classifier = Classifier(SmallCnn(3), InputSpec("square:8", 8))
    body, head = body_and_head(classifier, 8)
    images = torch.randint(0, 256, (2, 3, 8, 8), dtype=torch.uint8)
    assert torch.equal(head.eval()(body(images)), classifier.eval()(images))


def test_a_tail_drawn_again_is_another_head_over_the_same_features():
    network = assemble(Design("squeezenet1_1"), 3)
    body, head = body_and_head(network, 64)
    features = body(torch.rand(2, 3, 64, 64))
    first, again, other = (redrawn(head, seed).eval() for seed in (1, 1, 2))
    assert torch.equal(first(features), again(features))
    assert not torch.equal(first(features), other(features))
    assert torch.equal(head_of(network)[1].weight, head[1].weight)


class Scaled(nn.Module):
    """Does more after its head than give the classes."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(12, 2)

    def forward(self, images):
        return 2 * self.head(images.flatten(1))


class Averaged(nn.Module):
    """Has two heads."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(12, 2), nn.Linear(12, 2)

    def forward(self, images):
        return self.first(images.flatten(1)) + self.second(images.flatten(1))


class Unused(nn.Module):
    """Has a head that gives nothing."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(12, 2), nn.Linear(12, 2)

    def forward(self, images):
        return self.first(images.flatten(1))


@pytest.mark.parametrize("kind", [Scaled, Averaged, Unused])
def test_a_network_that_does_not_end_in_its_head_is_told(kind):
    with pytest.raises(UserError, match=f"{kind.__name__} does not end in one head, so its head"):
        body_and_head(kind(), 2)
    body, _ = body_and_head(kind())
    with pytest.raises(UserError, match="cannot be trained on features"):
        body(torch.rand(1, 3, 2, 2))


def test_a_layer_alone_has_no_body():
    with pytest.raises(UserError, match="Linear does not end in one head"):
        body_and_head(nn.Linear(3, 2))
