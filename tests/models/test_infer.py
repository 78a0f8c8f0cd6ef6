import itertools

import numpy as np
import pytest
import torch
from torch import nn

from fieldmark.models.infer import infer
from fieldmark.models.own_networks import SmallCnn


class Mean(nn.Module):
    """Two logits: the mean of an image's values, and that number negated."""

    def __init__(self):
        super().__init__()
        self.dropout = nn.Dropout(0.5)
        self.normalise = nn.BatchNorm2d(3)

    def forward(self, batch):
        means = self.dropout(batch.float()).mean(dim=(1, 2, 3))
        return torch.stack([means, -means], dim=1)


def batches(*sizes):
    numbers = itertools.count()
    return [
        torch.stack([torch.full((3, 4, 4), next(numbers), dtype=torch.uint8) for _ in range(size)])
        for size in sizes
    ]


def test_logits_come_in_the_order_of_the_images_as_float32():
    logits = infer(Mean(), batches(3, 3, 1), device="cpu")
    assert logits.dtype == np.float32
    assert logits.tolist() == [[float(n), -float(n)] for n in range(7)]


def test_a_batch_may_be_a_tuple_that_begins_with_the_images():
    pairs = [(images, "whatever") for images in batches(2, 1)]
    assert np.array_equal(
        infer(Mean(), pairs, device="cpu"), infer(Mean(), batches(2, 1), device="cpu")
    )


def test_the_batch_size_does_not_change_the_logits():
    network, images = SmallCnn(3), torch.rand(6, 3, 8, 8)
    whole = infer(network, [images], device="cpu")
    assert np.allclose(infer(network, images.split(2), device="cpu"), whole, atol=1e-6)


def test_without_a_batch_there_are_no_logits():
    assert infer(Mean(), [], device="cpu").shape == (0, 0)


def test_every_module_has_its_own_mode_again_afterwards():
    model = Mean().train()
    model.normalise.eval()
    infer(model, batches(2), device="cpu")
    assert [m.training for m in (model, model.dropout, model.normalise)] == [True, True, False]


def test_the_modes_come_back_when_the_model_fails_or_batches_end_early():
    model = Mean().train()

    def stopped():
        yield from batches(1)
        assert not model.dropout.training
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        infer(model, stopped(), device="cpu")
    assert model.dropout.training
    with pytest.raises(IndexError):
        infer(model, [torch.zeros(3)], device="cpu")
    assert model.dropout.training


def test_no_gradient_is_kept_and_gradients_still_work_where_batches_are_made():
    network = SmallCnn(3)

    def made():
        for images in torch.rand(4, 3, 8, 8).split(2):
            assert torch.is_grad_enabled()
            assert not torch.is_inference_mode_enabled()
            yield images

    assert infer(network, made(), device="cpu").shape == (4, 3)
    assert all(weight.grad is None for weight in network.parameters())


def test_batches_are_taken_one_at_a_time():
    told = []

    def noted():
        for number, images in enumerate(batches(2, 1)):
            told.append(f"taken {number}")
            yield images

    infer(Mean(), noted(), device="cpu", advance=lambda count: told.append(f"{count} done"))
    assert told == ["taken 0", "2 done", "taken 1", "1 done"]


def test_progress_is_told_in_images():
    told = []
    infer(Mean(), batches(3, 2), device="cpu", advance=told.append)
    assert told == [3, 2]


def test_autocast_lowers_the_precision_inside_and_float32_comes_out():
    network, images = SmallCnn(3), torch.rand(8, 3, 8, 8)
    exact = infer(network, [images], device="cpu")
    lower = infer(
        network, [images], device="cpu", autocast=lambda: torch.autocast("cpu", torch.bfloat16)
    )
    assert lower.dtype == np.float32
    assert not np.array_equal(lower, exact)
    assert np.allclose(lower, exact, atol=0.05)
