"""attention_cnn: its sizes, its arithmetic by hand and by numpy, its twin, and what it learns."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from enginesthere import ENGINES, KINDS

from fieldmark.models.assemble import INITS
from fieldmark.models.attention_cnn import Attention, AttentionCnn
from fieldmark.models.body import body_and_head
from fieldmark.models.bundle import Classifier
from fieldmark.models.catalog import MODELS, outline, side_mistake
from fieldmark.models.engines import InEngine
from fieldmark.models.pooling import add_maximum, pool_mistake
from fieldmark.models.stages import chosen, set_trained, stages
from fieldmark.models.summary import summarise
from fieldmark.records import InputSpec

TINY = (2, 3, 4, 5, 6)
KINDS_THERE = ("softmax", "sigmoid")


def images(count=2, side=32):
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(0))


def built(**options):
    """A network of few channels, whose batch norms have seen images."""
    torch.manual_seed(0)
    network = AttentionCnn(3, **{"widths": TINY, **options})
    network(images(4))
    return network.eval()


def counted(network):
    return sum(weight.numel() for weight in network.parameters())


def test_with_two_classes_it_has_the_parameters_of_its_source():
    network = outline("attention_cnn", 2)
    assert counted(network) == 9_872_708
    assert counted(network.attention["pool3"]) == 256 * 256 + 512 * 256 + 256 + 1
    assert counted(network.attention["pool4"]) == 2 * 512 * 256 + 256 + 1
    assert network.head.weight.shape == (2, 512 + 256 + 512)


@pytest.mark.parametrize("side", [32, 50, 97, 100, 224])
def test_any_side_gives_a_logit_a_class_and_maps_of_the_sides_halved(side):
    network = outline("attention_cnn", 7, {"widths": TINY}).eval()
    seen = torch.empty(2, 3, side, side, device="meta")
    assert network(seen).shape == (2, 7)
    shapes = {name: tuple(found.shape) for name, found in network.attention_maps(seen).items()}
    third, fourth = side // 8, side // 16
    assert shapes == {"pool3": (2, third, third), "pool4": (2, fourth, fourth)}


def test_images_need_no_equal_sides():
    maps = built().attention_maps(torch.rand(1, 3, 50, 97))
    assert [tuple(found.shape) for found in maps.values()] == [(1, 6, 12), (1, 3, 6)]


def test_an_image_of_31_px_is_too_small():
    said = "'attention_cnn' needs images of 32 px or more, not 31"
    assert side_mistake("attention_cnn", {}, 31) == said


def test_softmax_shares_one_among_all_places_and_sigmoid_judges_each_by_itself():
    seen = images(3, side=97)
    for found in built().attention_maps(seen).values():
        torch.testing.assert_close(found.sum(dim=(1, 2)), torch.ones(3))
    network = built(attention="sigmoid")
    network.attention["pool3"].score.bias.data += 20
    first, second = network.attention_maps(seen).values()
    torch.testing.assert_close(first, torch.ones_like(first))
    assert ((second > 0) & (second < 1)).all()


def by_hand(kind):
    """Two channels of 2x2 and one last channel of 1x1, met in one channel, with given weights."""
    attention = Attention(2, 1, kind, projected=1)
    weights = {
        "local.weight": [[1.0, -1.0]],
        "overall.weight": [[0.5]],
        "score.weight": [[np.log(2)]],
        "score.bias": [-np.log(2)],
    }
    state = attention.state_dict()
    shaped = {n: torch.tensor(w).float().view_as(state[n]) for n, w in weights.items()}
    attention.load_state_dict(shaped)
    return (
        attention,
        torch.tensor([[[[1.0, 0], [2, 3]], [[0.0, 2], [0, 2]]]]),
        torch.full((1, 1, 1, 1), 2.0),
    )


def test_softmax_attention_is_what_it_is_by_hand():
    attention, maps, last = by_hand("softmax")
    # difference of the channels 1 -2 / 2 1, and 1 for the whole image: 2 -1 / 3 2; by ReLU 2 0 /
    # 3 2; as powers of two over 2: 2 0.5 / 4 2, which are 8.5 in sum
    expected = torch.tensor([[[2, 0.5], [4, 2]]]) / 8.5
    torch.testing.assert_close(attention.map(maps, last), expected)
    features = torch.tensor([[1 * 2 + 2 * 4 + 3 * 2, 2 * 0.5 + 2 * 2]]) / 8.5
    torch.testing.assert_close(attention(maps, last), features)


def test_sigmoid_attention_is_what_it_is_by_hand():
    attention, maps, last = by_hand("sigmoid")
    # the sigmoid of the logarithm of x is x / (1 + x), here of 2 0.5 / 4 2
    expected = torch.tensor([[[2 / 3, 1 / 3], [4 / 5, 2 / 3]]])
    torch.testing.assert_close(attention.map(maps, last), expected)
    features = torch.tensor([[(2 / 3 + 8 / 5 + 2) / 4, (2 / 3 + 4 / 3) / 4]])
    torch.testing.assert_close(attention(maps, last), features)


def enlarged(maps, side):
    """Bilinear, corners not aligned, one place after the other. (N, C, h, w) -> (N, C, *side)"""
    found = np.zeros((*maps.shape[:2], *side))
    for place in np.ndindex(*side):
        spans = []
        for position, here, there in zip(place, maps.shape[-2:], side, strict=True):
            at = max((position + 0.5) * here / there - 0.5, 0)
            low = int(at)
            spans.append(((low, 1 - at + low), (min(low + 1, here - 1), at - low)))
        found[..., place[0], place[1]] = sum(
            row[1] * column[1] * maps[..., row[0], column[0]]
            for row in spans[0]
            for column in spans[1]
        )
    return found


def in_numpy(state, name, maps, last, kind):
    """-> the attention's map (N, h, w) and what it makes of the maps (N, C)."""
    local, overall, score = (
        state[f"attention.{name}.{layer}.weight"][:, :, 0, 0]
        for layer in ("local", "overall", "score")
    )
    whole = enlarged(np.einsum("pc,ncij->npij", overall, last), maps.shape[-2:])
    met = np.maximum(np.einsum("pc,ncij->npij", local, maps) + whole, 0)
    scores = np.einsum("p,npij->nij", score[0], met) + state[f"attention.{name}.score.bias"][0]
    if kind == "sigmoid":
        counts = 1 / (1 + np.exp(-scores))
        return counts, (maps * counts[:, None]).mean(axis=(2, 3))
    counts = np.exp(scores) / np.exp(scores).sum(axis=(1, 2), keepdims=True)
    return counts, (maps * counts[:, None]).sum(axis=(2, 3))


@pytest.mark.parametrize("kind", KINDS_THERE)
def test_the_network_is_what_numpy_makes_of_its_blocks(kind):
    network, seen = built(attention=kind), images(2, side=97)
    state = {name: tensor.double().numpy() for name, tensor in network.state_dict().items()}
    pooled, maps = {}, seen
    with torch.no_grad():
        for place in range(1, 6):
            maps = network.get_submodule(f"block{place}")(maps)
            pooled[f"pool{place}"] = maps.double().numpy()
        logits, shown = network(seen), network.attention_maps(seen)
    features = [pooled["pool5"].mean(axis=(2, 3))]
    for name in ("pool3", "pool4"):
        counts, found = in_numpy(state, name, pooled[name], pooled["pool5"], kind)
        np.testing.assert_allclose(shown[name].numpy(), counts, rtol=1e-4, atol=1e-6)
        features.append(found)
    expected = np.concatenate(features, axis=1) @ state["head.weight"].T + state["head.bias"]
    np.testing.assert_allclose(logits.numpy(), expected, rtol=1e-4, atol=1e-5)


def test_by_inputs_no_place_begins_with_nearly_all_as_it_does_by_outputs():
    largest = {}
    for name in ("kaiming", "kaiming_in"):
        torch.manual_seed(0)
        network = AttentionCnn(2)
        INITS.build(name, {}, network)
        network.train()(images(4, side=64))
        with torch.no_grad():
            pooled = network._pooled(images(4, side=64))
            found = network.attention["pool3"].map(pooled["pool3"], pooled["pool5"])
        largest[name] = float(found.flatten(1).amax(dim=1).mean())
    assert largest["kaiming"] > 0.8
    assert largest["kaiming_in"] < 0.3


def test_a_block_is_twice_convolution_norm_and_activation_then_a_pooling():
    network = outline("attention_cnn", 2)
    one = ["Conv2d", "BatchNorm2d", "ReLU"]
    for place, width in enumerate((64, 128, 256, 512, 512), start=1):
        block = network.get_submodule(f"block{place}")
        assert [type(layer).__name__ for layer in block] == [*one, *one, "MaxPool2d"]
        assert [(layer.out_channels, layer.kernel_size) for layer in (block[0], block[3])] == 2 * [
            (width, (3, 3))
        ]


@pytest.mark.parametrize("kind", [*KINDS_THERE, "none"])
def test_every_parameter_has_a_gradient(kind):
    torch.manual_seed(0)
    network = AttentionCnn(3, widths=(8, 8, 8, 8, 8), attention=kind)
    F.cross_entropy(network(images(4, side=64)), torch.tensor([0, 1, 2, 0])).backward()
    still = [name for name, weight in network.named_parameters() if not weight.grad.any()]
    # a score's bias is the same for all places, and softmax takes that away again
    biases = [f"attention.pool{place}.score.bias" for place in (3, 4)]
    assert [name for name in still if kind != "softmax" or name not in biases] == []
    assert all(weight.grad is not None for weight in network.parameters())


def test_the_maps_leave_the_network_as_it_was():
    network = built().train()
    network.block2.eval()
    state, modes = copy.deepcopy(network.state_dict()), [m.training for m in network.modules()]
    evaluated = copy.deepcopy(network).eval().attention_maps(images())
    found = network.attention_maps(images())
    assert all(torch.equal(found[name], evaluated[name]) for name in ("pool3", "pool4"))
    assert not any(each.requires_grad for each in found.values())
    assert [module.training for module in network.modules()] == modes
    assert all(torch.equal(tensor, state[name]) for name, tensor in network.state_dict().items())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in network.modules())


def test_the_plain_twin_is_the_network_without_its_attentions():
    twin, network = built(attention="none"), built()
    assert twin.attention_maps(images()) == {}
    names = {name for name in network.state_dict() if not name.startswith("attention.")}
    assert set(twin.state_dict()) == names
    state = {name: network.state_dict()[name] for name in names}
    state["head.weight"] = state["head.weight"][:, : TINY[-1]]
    twin.load_state_dict(state)
    without = copy.deepcopy(network)
    without.head.weight.data[:, TINY[-1] :] = 0
    torch.testing.assert_close(twin(images()), without(images()))
    full = outline("attention_cnn", 2), outline("attention_cnn", 2, {"attention": "none"})
    assert counted(full[0]) - counted(full[1]) == 196_865 + 262_401 + 2 * (256 + 512)


def test_without_attention_its_stages_are_the_blocks_and_the_head():
    plain = [stage.name for stage in stages(outline("attention_cnn", 2, {"attention": "none"}))]
    assert plain == [*(f"block{place}" for place in range(1, 6)), "head"]


def test_the_attentions_and_the_head_can_be_trained_alone():
    network = built()
    set_trained(network, chosen(network, ["last:1"]))
    trained = {name for name, weight in network.named_parameters() if weight.requires_grad}
    assert {name.partition(".")[0] for name in trained} == {"attention", "head"}


def test_what_enters_the_head_are_the_mean_and_both_attentions():
    network, seen = built(), images(2, side=50)
    body, head = body_and_head(network)
    with torch.no_grad():
        features = body(seen)
        assert torch.equal(head(features), network(seen))
        third = network.block3(network.block2(network.block1(seen)))
        last = network.block5(network.block4(third))
        torch.testing.assert_close(features[:, :6], last.mean(dim=(2, 3)))
        torch.testing.assert_close(features[:, 6:10], network.attention["pool3"](third, last))


def test_the_maximum_beside_the_mean_is_for_the_plain_twin_alone():
    assert pool_mistake("attention_cnn", {}, 64) == (
        "mean+max needs a network whose last layer works on the mean of its maps, by a pooling "
        "that can be replaced, and 'attention_cnn' has none; take mean"
    )
    assert pool_mistake("attention_cnn", {"attention": "none"}, 64) is None
    twin = built(attention="none")
    add_maximum(twin)
    assert twin(images()).shape == (2, 3)


def test_the_rows_of_the_summary_hold_no_work_below_nothing():
    summary = summarise(outline("attention_cnn", 2), 64)
    work = [row.multiply_adds for row in summary.rows]
    assert min(work) == 0
    assert sum(work) == summary.multiply_adds


def test_in_bf16_and_channels_last_it_computes_nearly_the_same():
    network, seen = built(widths=(8, 8, 8, 8, 8)), images(4, side=64)
    expected = network(seen).detach()
    last = copy.deepcopy(network).to(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        found = last(seen.contiguous(memory_format=torch.channels_last)).float()
    torch.testing.assert_close(found, expected, rtol=0, atol=0.05)


@pytest.mark.parametrize(
    ("option", "value", "what"),
    [
        ("widths", "8", "must be a list such as [0.9, 0.99], not 8"),
        ("widths", "[8, 8]", "has too few values: [8, 8]"),
        ("widths", [8, 8, 8, 8, 8, 8], "has too many values: [8, 8, 8, 8, 8, 8]"),
        ("widths", [8, 8, 8, 8, 0], "must be more than 0, not 0"),
        ("attention", "hard", "must be 'softmax', 'sigmoid' or 'none', not hard"),
    ],
)
def test_what_it_could_not_be_built_with_is_one_sentence(option, value, what):
    values, mistakes = MODELS.read("attention_cnn", {option: value})
    assert values == {}
    assert [(mistake.where, mistake.what) for mistake in mistakes] == [(option, what)]


@pytest.mark.parametrize("kind", [*KINDS_THERE, "none"])
def test_it_memorises_eight_drawn_images(kind):
    torch.manual_seed(0)
    network, seen = AttentionCnn(8, widths=(8, 8, 16, 16, 16), attention=kind), images(8)
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)
    for _ in range(60):
        optimizer.zero_grad()
        F.cross_entropy(network(seen), torch.arange(8)).backward()
        optimizer.step()
    assert torch.equal(network.eval()(seen).argmax(dim=1), torch.arange(8))


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_other_engines_compute_what_torch_does(engine):
    classifier = Classifier(built(), InputSpec("square:97", 97)).eval()
    pixels = torch.from_numpy(
        np.random.default_rng(0).integers(0, 256, (9, 3, 97, 97), dtype=np.uint8)
    )
    inside = InEngine(classifier, engine, precision=KINDS[engine], threads=1).eval()
    with torch.no_grad():
        found, expected = inside(pixels), classifier(pixels)
    torch.testing.assert_close(found, expected, rtol=0, atol=0.05)
