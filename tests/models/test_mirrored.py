import pytest
import torch

from fieldmark.models.assemble import Design, assemble, with_weights
from fieldmark.models.body import body_and_head

LENGTH = {"length": True}


@pytest.mark.parametrize("head", [("linear", {}), ("linear", LENGTH), ("mlp", {}), ("after", {})])
@pytest.mark.parametrize("name", ["small_cnn", "squeezenet1_1"])
def test_the_features_are_the_mean_of_an_images_and_its_mirror_images(name, head):
    tensors = assemble(Design(name), 1000).state_dict()
    plain, _ = with_weights(Design(name, {}, *head), 3, tensors, seed=0)
    both, _ = with_weights(Design(name, {}, *head, mirror=True), 3, tensors, seed=0)
    images = torch.rand(3, 3, 64, 64)
    of_plain, of_both = (body_and_head(network, 64)[0] for network in (plain, both))
    with torch.no_grad():
        wanted = (of_plain(images) + of_plain(images.flip(-1))) / 2
        if wanted.ndim > 2:  # squeezenet's maps, whose mean enters a head on features
            wanted = wanted.mean(dim=(2, 3))
        torch.testing.assert_close(of_both(images), wanted)
        both.eval()
        assert both(images).shape == (3, 3)
        torch.testing.assert_close(both(images), both(images.flip(-1)))


def test_the_weights_of_a_network_are_those_of_its_mirrored_twin():
    design = Design("small_cnn", {"width": 4})
    mirrored = Design("small_cnn", {"width": 4}, mirror=True)
    whole = assemble(mirrored, 3)
    torch.nn.init.normal_(body_and_head(whole)[1][-1].weight)
    again, report = with_weights(mirrored, 3, whole.state_dict(), seed=0)
    assert set(report.loaded) == {name.removeprefix("network.") for name in whole.state_dict()}
    assert all(map(torch.equal, again.state_dict().values(), whole.state_dict().values()))
    _, report = with_weights(design, 3, whole.state_dict(), seed=0)
    assert set(report.missing) == {"head.weight", "head.bias"}
    assert set(report.unexpected) == {"head.1.weight", "head.1.bias"}
