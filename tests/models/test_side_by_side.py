import pytest
import torch
import torch.nn.functional as F

from fieldmark.errors import WeightsError
from fieldmark.models import published
from fieldmark.models.assemble import Design, assemble
from fieldmark.models.body import body_and_head
from fieldmark.models.catalog import MODELS, family, side_mistake
from fieldmark.models.published import chosen, parts, rule_of

SCALE, SHIFT = (2.0, 1.0, 0.5), (0.1, -0.2, 0.3)
SIGHT = {"second_size": 32, "second_scale": SCALE, "second_shift": SHIFT}


def test_the_features_are_those_of_both_each_of_length_1():
    torch.manual_seed(0)
    both = assemble(Design("small_cnn+squeezenet1_1", SIGHT), 3)
    images = torch.rand(2, 3, 64, 64)
    one, other = MODELS.build("small_cnn", {}, 2).eval(), MODELS.build("squeezenet1_1", {}, 2)
    own = both.state_dict()
    for place, network in (("first", one), ("second", other)):
        state = network.state_dict()
        network.load_state_dict({key: own.get(f"{place}.{key}", state[key]) for key in state})
    seen = images * torch.tensor(SCALE).view(3, 1, 1) + torch.tensor(SHIFT).view(3, 1, 1)
    seen = F.interpolate(seen, (32, 32), mode="bilinear", antialias=True)
    with torch.no_grad():
        found = body_and_head(both, 64)[0](images)
        first = body_and_head(one)[0](images)
        second = other.eval().features(seen).mean(dim=(2, 3))
    assert found.shape == (2, 128 + 512)
    torch.testing.assert_close(found[:, :128], first / first.norm(dim=1, keepdim=True))
    torch.testing.assert_close(found[:, 128:], second / second.norm(dim=1, keepdim=True))
    assert not any(isinstance(layer, torch.nn.Dropout) for layer in both.modules())


def test_networks_of_timm_and_of_torchvision_go_together():
    network = assemble(Design("timm/test_resnet+resnet18"), 3).eval()
    assert network.head.in_features == 96 + 512
    assert network(torch.rand(1, 3, 64, 64)).shape == (1, 3)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("resnet18+resnet81", "there is no model 'resnet81'; did you mean 'resnet18'?"),
        (
            "resnet18+resnet34+vgg11",
            "'resnet18+resnet34+vgg11' are 3 networks; name two, as in A+B",
        ),
    ],
)
def test_names_that_are_not_two_networks_are_told(name, sentence):
    assert name not in MODELS
    [mistake] = MODELS.read(name, {})[1]
    assert mistake.what == sentence


def test_each_has_a_side_that_it_needs():
    assert side_mistake("small_cnn+resnet18", {}, 64) is None
    assert side_mistake("small_cnn+vit_b_16", {}, 64).startswith("'vit_b_16' is built for 224 px")
    assert side_mistake("small_cnn+vit_b_16", {"second_size": 224}, 64) is None
    assert side_mistake("resnet18+timm/deit_tiny_distilled_patch16_224", {}, 224) == (
        "'resnet18+timm/deit_tiny_distilled_patch16_224' cannot be put side by side: one of them "
        "does not end in one head"
    )


def test_both_compute_as_the_more_careful_one_needs():
    assert family("resnet18+vgg11") == "resnet"
    assert family("resnet18+small_cnn") == "small"


def test_the_weights_of_both_are_told_with_the_licences_of_both(tmp_path):
    name = "efficientnet_lite0+resnet18"
    both = chosen(name, "default")
    assert (both.version, both.licence) == (
        "IMAGENET1K_V1+IMAGENET1K_V1",
        "Apache-2.0+BSD-3-Clause",
    )
    assert both.rule == rule_of(name, "default") == rule_of("efficientnet_lite0", "default")
    file = tmp_path / "own.pth"
    file.touch()
    with_file = chosen(name, f"default+{file}")
    assert (with_file.version, with_file.licence) == (f"IMAGENET1K_V1+{file}", "Apache-2.0+unknown")
    assert parts(name, str(file)) == [("efficientnet_lite0", str(file)), ("resnet18", str(file))]
    assert published.weights_of("efficientnet_lite0+small_cnn") == ()


@pytest.mark.parametrize(
    ("weights", "sentence"),
    [
        ("default+no.pth", "there is no file 'no.pth'; name a .safetensors or .pth file"),
        (
            "a.pth+b.pth+c.pth",
            "'a.pth+b.pth+c.pth' are 3 files or versions, and 'efficientnet_lite0+resnet18' are "
            "two networks; give one of each with a + between, or default",
        ),
    ],
)
def test_weights_that_are_not_those_of_both_are_told(weights, sentence):
    with pytest.raises(WeightsError) as caught:
        chosen("efficientnet_lite0+resnet18", weights)
    assert str(caught.value) == sentence
