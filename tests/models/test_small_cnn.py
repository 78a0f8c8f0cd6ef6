import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn

from fieldmark.models.catalog import MODELS
from fieldmark.models.small_cnn import small_cnn


def test_it_has_the_parameters_that_its_docstring_states():
    assert sum(weight.numel() for weight in small_cnn(10).parameters()) == 288_746


@pytest.mark.parametrize(("height", "width"), [(4, 4), (5, 9), (8, 8), (33, 64)])
def test_any_sides_give_a_logit_a_class(height, width):
    assert small_cnn(3)(torch.rand(2, 3, height, width)).shape == (2, 3)


@pytest.mark.parametrize(("side", "last"), [(4, 2), (8, 2), (15, 3), (32, 8), (64, 16)])
def test_stages_halve_the_sides_only_while_they_are_at_least_four(side, last):
    network, shapes = small_cnn(3), []
    network.stage3.register_forward_hook(lambda _, __, maps: shapes.append(tuple(maps.shape)))
    network(torch.rand(1 + 1, 3, side, side))
    assert shapes == [(2, 128, last, last)]


def test_width_widens_every_stage():
    network = small_cnn(3, width=8)
    outs = [network.get_submodule(f"stage{n}")[0].out_channels for n in (1, 2, 3)]
    assert outs == [8, 16, 32]


def test_dropout_acts_in_training_only():
    network, batch = small_cnn(3, dropout=0.5), torch.rand(4, 3, 8, 8)
    assert not torch.equal(network(batch), network(batch))
    network.eval()
    assert torch.equal(network(batch), network(batch))


def test_it_learns_handwritten_digits_of_eight_pixels():
    torch.manual_seed(0)
    digits = load_digits()
    images = torch.tensor(digits.images / 8 - 1, dtype=torch.float32)
    images = images[:, None].expand(-1, 3, -1, -1)
    targets = torch.tensor(digits.target)
    order = torch.randperm(len(targets))
    train, test = order[:1437], order[1437:]
    network = MODELS.build("small_cnn", {}, 10).train()
    epochs, size = 8, 64
    optimizer = torch.optim.AdamW(network.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=3e-3, total_steps=epochs * (len(train) // size)
    )
    for _ in range(epochs):
        rows = train[torch.randperm(len(train))][: len(train) // size * size]
        for batch in rows.split(size):
            loss = nn.functional.cross_entropy(network(images[batch]), targets[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    network.eval()
    with torch.no_grad():
        found = network(images[test]).argmax(dim=1)
    assert (found == targets[test]).float().mean() >= 0.98
