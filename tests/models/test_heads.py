from functools import cache

import pytest
import torch
from torch import nn

from fieldmark.errors import UserError
from fieldmark.models.catalog import MODELS, NETWORKS
from fieldmark.models.heads import freeze, head_dropouts, head_of, set_training
from fieldmark.models.outline import outline

ONE_A_FAMILY = {
    network.series.family: name
    for name, network in sorted(NETWORKS.items(), key=lambda line: -line[1].parameters)
}
HEADS = {
    "small": "head",
    "alexnet": "classifier.6",
    "vgg": "classifier.6",
    "googlenet": "fc",
    "inception": "fc",
    "resnet": "fc",
    "squeezenet": "classifier.1",
    "densenet": "classifier",
    "mobilenet": "classifier.3",
    "mnasnet": "classifier.1",
    "shufflenet": "fc",
    "efficientnet": "classifier.1",
    "regnet": "fc",
    "vit": "heads.head",
    "swin": "head",
    "convnext": "classifier.2",
    "maxvit": "classifier.5",
}
DROPOUTS = {
    "small": ["dropout"],
    "alexnet": [],  # its dropouts stand before the frozen linear layers
    "vgg": ["classifier.5"],
    "googlenet": ["dropout"],
    "inception": ["dropout"],
    "squeezenet": ["classifier.0"],
    "mobilenet": ["classifier.2"],
    "mnasnet": ["classifier.0"],
    "efficientnet": ["classifier.0"],
}


@cache
def built(family):
    return outline(ONE_A_FAMILY[family], 7)


def mode_names(network):
    return {name for name, module in network.named_modules() if module.training}


def test_every_family_is_tested():
    assert set(HEADS) == set(ONE_A_FAMILY)


@pytest.mark.parametrize("family", HEADS)
def test_the_head_is_the_layer_that_gives_the_classes(family):
    name, head = head_of(built(family))
    assert name == HEADS[family]
    assert head is built(family).get_submodule(name)
    assert head.weight.shape[0] == 7


@pytest.mark.parametrize("family", ["small", "squeezenet", "resnet", "mobilenet"])
def test_the_logits_are_what_the_head_gives(family):
    network = MODELS.build(ONE_A_FAMILY[family], {}, 7).eval()
    _, head = head_of(network)
    nn.init.zeros_(head.weight)
    head.bias.data = torch.arange(7.0)
    assert torch.allclose(network(torch.rand(1, 3, 32, 32)), torch.arange(7.0)[None])


@pytest.mark.parametrize("family", HEADS)
def test_freezing_leaves_the_head_alone_to_be_trained(family):
    network = built(family)
    freeze(network)
    trained = {name for name, weight in network.named_parameters() if weight.requires_grad}
    bias = set() if family == "maxvit" else {f"{HEADS[family]}.bias"}
    assert trained == {f"{HEADS[family]}.weight"} | bias


@pytest.mark.parametrize("family", HEADS)
def test_a_frozen_backbone_is_in_eval_mode_but_for_the_heads_own_dropout(family):
    network = built(family)
    network.train()
    set_training(network, frozen=True)
    assert mode_names(network) == {HEADS[family], *DROPOUTS.get(family, [])}
    set_training(network, frozen=False)
    assert mode_names(network) == {name for name, _ in network.named_modules()}


def test_the_dropout_before_a_head_is_found_in_the_order_of_the_network():
    network = nn.Sequential(
        nn.Dropout(0.1),
        nn.Linear(4, 4),
        nn.Dropout(0.2),
        nn.ReLU(),
        nn.Dropout(0.3),
        nn.Linear(4, 2),
    )
    assert [layer.p for layer in head_dropouts(network)] == [0.2, 0.3]


def test_training_a_frozen_network_changes_the_head_and_nothing_else():
    torch.manual_seed(0)
    network = MODELS.build("small_cnn", {}, 4)
    freeze(network)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    optimizer = torch.optim.SGD([w for w in network.parameters() if w.requires_grad], lr=0.1)
    for _ in range(2):
        set_training(network, frozen=True)
        network(torch.rand(4, 3, 8, 8)).square().sum().backward()
        optimizer.step()
    changed = {
        n for n, tensor in network.state_dict().items() if not torch.equal(tensor, before[n])
    }
    assert changed == {"head.weight", "head.bias"}


def test_a_network_without_a_layer_for_classes_is_told_what_to_do():
    with pytest.raises(UserError, match=r"no nn\.Linear and no nn\.Conv2d"):
        head_of(nn.Sequential(nn.ReLU()))
