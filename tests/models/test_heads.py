from functools import cache

import pytest
import torch
from torch import nn

from fieldmark.errors import UserError
from fieldmark.models.catalog import MODELS, NETWORKS, OWN, outline
from fieldmark.models.heads import (
    HEADS,
    Head,
    Linear32,
    head_dropouts,
    head_of,
    make_head,
    redrawn,
)
from fieldmark.models.stages import chosen, set_trained, set_training

ONE_A_FAMILY = {
    network.series.family: name
    for name, network in sorted(
        NETWORKS.items(), key=lambda line: (line[0] not in OWN, -line[1].parameters)
    )
}
PLACES = {
    "small": "head",
    "nature": "head",
    "attention": "head",
    "airbench": "head",
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
    "nature": ["dropout5"],
    "alexnet": [],  # its dropouts stand before the frozen linear layers
    "vgg": ["classifier.5"],
    "googlenet": ["dropout"],
    "inception": ["dropout"],
    "squeezenet": ["classifier.0"],
    "mobilenet": ["classifier.2"],
    "mnasnet": ["classifier.0"],
    "efficientnet": ["classifier.0"],
}

HEADS_BY_NAME = {
    "linear": {},
    "mlp": {"sizes": (6, 5), "norm": True},
    "after": {"norm": True, "dropout": 0.2},
}


@cache
def built(family):
    return outline(ONE_A_FAMILY[family], 7)


def mode_names(network):
    return {name for name, module in network.named_modules() if module.training}


def test_every_family_is_tested():
    assert set(PLACES) == set(ONE_A_FAMILY)


@pytest.mark.parametrize("family", PLACES)
def test_the_head_is_the_layer_that_gives_the_classes(family):
    name, head = head_of(built(family))
    assert name == PLACES[family]
    assert head is built(family).get_submodule(name)
    assert head.weight.shape[0] == 7


@pytest.mark.parametrize("family", ["small", "squeezenet", "resnet", "mobilenet"])
def test_the_logits_are_what_the_head_gives(family):
    network = MODELS.build(ONE_A_FAMILY[family], {}, 7).eval()
    _, head = head_of(network)
    nn.init.zeros_(head.weight)
    head.bias.data = torch.arange(7.0)
    assert torch.allclose(network(torch.rand(1, 3, 32, 32)), torch.arange(7.0)[None])


@pytest.mark.parametrize("family", PLACES)
def test_freezing_leaves_the_head_alone_to_be_trained(family):
    network = built(family)
    set_trained(network, chosen(network, ["head"]))
    trained = {name for name, weight in network.named_parameters() if weight.requires_grad}
    bias = set() if family in ("maxvit", "airbench") else {f"{PLACES[family]}.bias"}
    assert trained == {f"{PLACES[family]}.weight"} | bias


@pytest.mark.parametrize("family", PLACES)
def test_a_frozen_backbone_is_in_eval_mode_but_for_the_heads_own_dropout(family):
    network = built(family)
    set_trained(network, chosen(network, ["head"]))
    network.train()
    set_training(network)
    leaves = {name: m for name, m in network.named_modules() if not any(m.children())}
    matter = {n for n, m in leaves.items() if list(m.parameters()) or "Drop" in type(m).__name__}
    assert mode_names(network) & matter == {PLACES[family], *DROPOUTS.get(family, [])}
    set_trained(network, chosen(network, ["all"]))
    set_training(network)
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
    set_trained(network, chosen(network, ["head"]))
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    optimizer = torch.optim.SGD([w for w in network.parameters() if w.requires_grad], lr=0.1)
    for _ in range(2):
        set_training(network)
        network(torch.rand(4, 3, 8, 8)).square().sum().backward()
        optimizer.step()
    changed = {
        n for n, tensor in network.state_dict().items() if not torch.equal(tensor, before[n])
    }
    assert changed == {"head.weight", "head.bias"}


def test_a_network_without_a_layer_for_classes_is_told_what_to_do():
    with pytest.raises(UserError, match=r"no nn\.Linear and no nn\.Conv2d"):
        head_of(nn.Sequential(nn.ReLU()))


def test_a_linear32_gives_float32_under_autocast_and_the_same_bits_without():
    torch.manual_seed(0)
    plain, features = nn.Linear(40, 5), torch.randn(6, 40)
    layer = Linear32(40, 5)
    layer.load_state_dict(plain.state_dict())
    assert torch.equal(layer(features), plain(features))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert plain(features).dtype == torch.bfloat16
        found = layer(features.bfloat16())
    assert found.dtype == torch.float32
    assert torch.equal(found, plain(features.bfloat16().float()))


def test_a_linear32_hands_gradients_back_under_autocast():
    layer, features = Linear32(4, 2), torch.randn(3, 4, dtype=torch.bfloat16, requires_grad=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        total = layer(features).sum()
    total.backward()
    assert torch.allclose(layer.weight.grad, features.float().sum(0).detach().expand(2, 4))
    assert torch.allclose(features.grad.float(), layer.weight.sum(0).expand(3, 4), atol=0.02)


def test_a_linear32_of_another_precision_takes_any_features():
    assert Linear32(4, 2).double()(torch.randn(3, 4)).dtype == torch.float64
    assert Linear32(4, 2, device="meta")(torch.randn(3, 4, device="meta")).shape == (3, 2)


def kinds(module):
    return [type(layer).__name__ for layer in module]


def test_heads_are_built_as_their_options_say():
    assert type(make_head("linear", {}, 8, 3, 0)) is Linear32
    norm = make_head("linear", {"norm": True, "dropout": 0.2}, 8, 3, 0)
    assert kinds(norm) == ["BatchNorm1d", "Dropout", "Linear32"]
    mlp = make_head("mlp", {"sizes": (6, 5), "activation": "gelu", "dropout": 0.3}, 8, 3, 0)
    assert kinds(mlp) == ["Linear", "GELU", "Dropout"] * 2 + ["Linear32"]
    assert [layer.out_features for layer in mlp if isinstance(layer, nn.Linear)] == [6, 5, 3]
    assert kinds(make_head("mlp", {"norm": True}, 8, 3, 0))[0] == "BatchNorm1d"
    after = make_head("after", {"activation": "tanh", "norm": True}, 8, 3, 0)
    assert kinds(after) == ["BatchNorm1d", "Tanh", "Dropout", "Linear32"]
    for head in (norm, mlp, after):
        assert isinstance(head, Head)
        assert head(torch.randn(4, 8)).shape == (4, 3)


@pytest.mark.parametrize(
    ("name", "options", "where"),
    [
        ("mlp", {"sizes": "[]"}, "sizes"),
        ("mlp", {"sizes": "[0]"}, "sizes"),
        ("mlp", {"activation": "sine"}, "activation"),
        ("linear", {"dropout": "1"}, "dropout"),
        ("linear", {"sizes": "[5]"}, "sizes"),
        ("lineal", {}, ""),
    ],
)
def test_options_that_a_head_does_not_take_are_told(name, options, where):
    _, mistakes = HEADS.read(name, options)
    assert [mistake.where for mistake in mistakes] == [where]


def test_sizes_are_read_from_a_text():
    assert HEADS.read("mlp", {"sizes": "[64, 32]", "dropout": "0.5"}) == (
        {"sizes": (64, 32), "dropout": 0.5},
        [],
    )


def test_a_head_is_drawn_from_its_seed_alone():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    one, same, other = (make_head("mlp", {}, 8, 3, seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(one[0].weight, same[0].weight)
    assert not torch.equal(one[0].weight, other[0].weight)


@pytest.mark.parametrize("name", HEADS_BY_NAME)
def test_a_head_drawn_again_is_the_one_that_its_seed_makes(name):
    head = make_head(name, HEADS_BY_NAME[name], 8, 3, 1)
    before = {key: tensor.clone() for key, tensor in head.state_dict().items()}
    found, wanted = redrawn(head, 2), make_head(name, HEADS_BY_NAME[name], 8, 3, 2)
    assert all(torch.equal(t, found.state_dict()[n]) for n, t in wanted.state_dict().items())
    assert all(torch.equal(t, head.state_dict()[n]) for n, t in before.items())


def test_a_head_that_was_built_is_the_head_of_the_network():
    network = MODELS.build("small_cnn", {}, 4)
    network.head = make_head("mlp", {}, 128, 4, 0)
    assert head_of(network) == ("head", network.head)
    assert head_dropouts(network) == (network.dropout,)


def test_a_network_of_timm_says_which_layer_is_its_head():
    import timm

    network = timm.create_model("resnetv2_50", num_classes=7)
    network.more = nn.Linear(3, 3)
    assert head_of(network) == ("head.fc", network.head.fc)
    assert head_of(nn.Sequential(network)) == ("0.head.fc", network.head.fc)
