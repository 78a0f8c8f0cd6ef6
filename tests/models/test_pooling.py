import pytest
import torch

from fieldmark.models.assemble import Design, assemble, with_weights
from fieldmark.models.body import body_and_head
from fieldmark.models.pooling import pool_mistake

NAMES = [("cifar_resnet18", 32), ("timm/test_resnet", 96), ("efficientnet_lite0", 64)]


@pytest.mark.parametrize(("name", "side"), NAMES)
def test_the_maximum_of_each_map_stands_behind_its_mean(name, side):
    torch.manual_seed(0)
    plain = assemble(Design(name), 3)
    both, _ = with_weights(Design(name, pool="mean+max"), 3, plain.state_dict(), seed=0)
    images = torch.rand(2, 3, side, side)
    with torch.no_grad():
        mean = body_and_head(plain, side)[0](images)
        found = body_and_head(both, side)[0](images)
        maps = _maps(plain, images)
    width = mean.shape[1]
    assert found.shape == (2, 2 * width)
    assert torch.equal(found[:, :width], mean)
    assert torch.equal(found[:, width:], maps.amax(dim=(2, 3)))


def _maps(network, images):
    """What goes into the last pooling."""
    kept = []
    pools = [layer for layer in network.modules() if isinstance(layer, torch.nn.AdaptiveAvgPool2d)]
    pools[-1].register_forward_pre_hook(lambda _, given: kept.append(given[0]))
    network.eval()(images)
    return kept[-1]


@pytest.mark.parametrize("name", ["small_cnn", "squeezenet1_1", "vgg11", "mobilenet_v3_small"])
def test_a_network_without_such_a_pooling_is_refused(name):
    assert pool_mistake(name, {}, 64) == (
        "mean+max needs a network whose last layer works on the mean of its maps, by a pooling "
        f"that can be replaced, and '{name}' has none; take mean"
    )


@pytest.mark.parametrize("name", ["timm/test_vit", "timm/test_convnext"])
def test_what_has_weights_between_the_maps_and_the_last_layer_is_refused(name):
    assert pool_mistake(name, {}, 160) is not None
    assert pool_mistake("resnet18", {}, 64) is None
