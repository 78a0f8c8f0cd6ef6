"""The six networks of the recipe `multilabel-transfer`: what they hold, and that they train."""

import numpy as np
import pytest
import torch
from loopparts import parts
from torch import nn
from torchvision.models import get_model

from fieldmark.fit.loop import AUXILIARY, step
from fieldmark.fit.losses import bce
from fieldmark.fit.plan import Plan
from fieldmark.fit.state import State
from fieldmark.models.catalog import MODELS, outline
from fieldmark.models.weights import load_into

COUNTS = {  # parameters with 1,000 classes and with 18
    "googlenet": (6_624_904, 5_618_354),
    "resnet50": (25_557_032, 23_544_914),
    "resnext50_32x4d": (25_028_904, 23_016_786),
    "shufflenet_v2_x2_0": (7_393_996, 5_381_878),
    "efficientnet_v2_s": (21_458_488, 20_200_546),
    "regnet_x_3_2gf": (15_296_552, 14_305_714),
}
WITH = {"aux_logits": True}


def parameters(network):
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize("name", COUNTS)
def test_each_network_has_the_published_number_of_parameters(name):
    assert (parameters(outline(name, 1000)), parameters(outline(name, 18))) == COUNTS[name]


def test_googlenet_has_its_auxiliary_classifiers_by_option():
    assert parameters(outline("googlenet", 18, WITH)) == 9_985_238
    assert MODELS.read("googlenet", {"aux_logits": "true"}) == (WITH, [])


def of_labels(count, labels=18):
    draw = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (count, 3, 64, 64), generator=draw).float() / 128 - 1
    return images, (torch.rand(count, labels, generator=draw) < 0.2).long()


def trained(network, images, targets):
    """The network after a step of plain descent, and what the step gave."""
    state = State(network.train(), torch.optim.SGD(network.parameters(), lr=0.1))
    own = parts([len(images)])
    own = own.__class__(**{**vars(own), "loss": bce(np.ones((2, targets.shape[1])))})
    return step(state, Plan(1, 0), own, images, targets)


@pytest.mark.parametrize("name", COUNTS)
def test_each_network_trains_a_step_with_several_labels(name):
    torch.manual_seed(0)
    network = MODELS.build(name, {}, 18)
    before = {n: weight.detach().clone() for n, weight in network.named_parameters()}
    loss, logits = trained(network, *of_labels(4))
    assert loss.isfinite()
    assert logits.shape == (4, 18)
    moved = [n for n, weight in network.named_parameters() if not torch.equal(weight, before[n])]
    assert len(moved) > 0.9 * len(before)


class OnTheWay(nn.Module):
    """A network that gives logits of two more classifiers in training, as torchvision's does."""

    def __init__(self):
        super().__init__()
        self.body, self.heads = nn.Linear(12, 5), nn.ModuleList(nn.Linear(5, 3) for _ in "abc")

    def forward(self, images):
        features = self.body(images.flatten(1))
        if not self.training:
            return self.heads[0](features)
        return tuple(head(features) for head in self.heads)


def test_losses_of_auxiliary_classifiers_are_added_by_their_weight_and_not_told():
    torch.manual_seed(0)
    network, images, targets = OnTheWay(), torch.randn(8, 3, 2, 2), torch.arange(24).view(8, 3) % 2
    losses = [
        nn.functional.binary_cross_entropy_with_logits(logits, targets.float())
        for logits in network(images)
    ]
    wanted = torch.autograd.grad(
        losses[0] + 0.3 * losses[1] + 0.3 * losses[2], list(network.parameters())
    )
    loss, logits = trained(network, images, targets)
    assert AUXILIARY == 0.3
    torch.testing.assert_close(loss, losses[0].detach())
    assert logits.shape == (8, 3)
    found = [parameter.grad for parameter in network.parameters()]
    torch.testing.assert_close(found, list(wanted))


def test_googlenet_with_auxiliary_classifiers_trains_them_and_is_used_without():
    torch.manual_seed(0)
    network = MODELS.build("googlenet", WITH, 18)
    before = network.aux1.fc2.weight.detach().clone()
    images, targets = of_labels(4)
    assert trained(network, images, targets)[1].shape == (4, 18)
    assert not torch.equal(network.aux1.fc2.weight, before)
    assert network.eval()(images).shape == (4, 18)


def test_published_weights_of_auxiliary_classifiers_are_taken_but_for_their_last_layer():
    with torch.device("meta"):
        theirs = get_model("googlenet", aux_logits=True, init_weights=False).state_dict()
    report = load_into(outline("googlenet", 3, WITH), theirs)
    assert set(report.skipped) == {
        f"{layer}.{kind}" for layer in ("aux1.fc2", "aux2.fc2", "fc") for kind in ("weight", "bias")
    }
    assert {"aux1.fc1.weight", "aux2.conv.conv.weight"} <= set(report.loaded)
    assert (report.missing, report.unexpected) == ((), ())


def test_weights_without_auxiliary_classifiers_leave_them_as_they_are():
    saved = outline("googlenet", 3).state_dict()
    report = load_into(outline("googlenet", 3, WITH), saved)
    assert {name.partition(".")[0] for name in report.missing} == {"aux1", "aux2"}
