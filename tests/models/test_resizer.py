import pytest
import torch
import torch.nn.functional as F

from fieldmark.models.own_networks import SmallCnn
from fieldmark.models.resizer import Resized, Resizer, make_resizer
from fieldmark.models.stages import chosen, set_trained, set_training


def plain(images, size):
    return F.interpolate(images, (size, size), mode="bilinear", antialias=True)


@pytest.mark.parametrize("sides", [(40, 40), (33, 50), (16, 16)])
def test_a_new_resizer_is_plain_resizing(sides):
    images = torch.rand(2, 3, *sides)
    found = make_resizer(16, 0)(images)
    assert found.shape == (2, 3, 16, 16)
    assert torch.equal(found, plain(images, 16))


def test_a_network_behind_a_new_resizer_gives_what_it_gave():
    network = SmallCnn(3, width=4).eval()
    images = torch.rand(2, 3, 24, 24)
    found = Resized(make_resizer(8, 0), network).eval()(images)
    assert torch.equal(found, network(plain(images, 8)))


def test_it_learns_with_the_network_fixed():
    torch.manual_seed(0)
    network = Resized(make_resizer(8, 0), SmallCnn(2, width=4))
    set_trained(network, chosen(network, ["resizer"]))
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    weights = [weight for weight in network.parameters() if weight.requires_grad]
    optimizer = torch.optim.Adam(weights, lr=3e-2)
    images, targets = torch.rand(8, 3, 24, 24), torch.tensor([0, 1] * 4)
    images[targets == 1, :, ::2] = 0  # stripes that plain resizing takes away
    losses = []
    for _ in range(40):
        set_training(network)
        optimizer.zero_grad()
        loss = F.cross_entropy(network(images), targets)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]
    now = network.state_dict()
    changed = {name for name in now if not torch.equal(now[name], before[name])}
    assert changed
    assert all(name.startswith("resizer.") for name in changed)
    assert {"resizer.conv1.weight", "resizer.conv4.weight"} < changed


def test_it_is_drawn_from_its_seed_alone():
    before = torch.get_rng_state()
    one, same, other = (make_resizer(8, seed).conv1.weight for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert torch.equal(torch.get_rng_state(), before)


def test_it_gives_float32_also_under_autocast():
    images = torch.rand(1, 3, 20, 20)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = make_resizer(8, 0)(images.bfloat16())
    assert found.dtype == torch.float32
    assert torch.equal(found, plain(images.bfloat16().float(), 8))


def test_its_size_is_that_of_the_paper_with_its_default_width():
    """16 maps, one residual block: 11.7 thousand parameters."""
    assert sum(weight.numel() for weight in Resizer(224).parameters()) == pytest.approx(
        1.2e4, rel=0.1
    )
