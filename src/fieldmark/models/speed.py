"""How many images a second a network takes here. Weights may be any: the time is the same."""

import time
from collections.abc import Callable

import torch
from torch import nn

from fieldmark.machine import threads
from fieldmark.models.infer import evaluating
from fieldmark.models.precision import Autocast

MOMENT = 0.5  # seconds that one measurement takes, or two batches where that is more
LONG = 5.0  # seconds of a batch after which none follows


def frozen_speed(body: nn.Module, size: int, count: int, *, autocast: Autocast) -> float:
    """Images a second without gradients, in batches of `count` of `size` x `size` pixels.

    On a processor they are those of one thread, as features are computed: each worker has one.
    """
    images = _images(body, size, count)

    def run() -> None:
        with torch.inference_mode(), autocast():
            body(images)

    with evaluating(body), threads(1):
        return count / _seconds(run, images.device)


def trained_speed(network: nn.Module, size: int, count: int, *, autocast: Autocast) -> float:
    """Images a second of training all weights, but for the optimiser's step.

    As many threads compute as torch has now. The network's weights are as they were afterwards,
    and so is what batch norm counted.
    """
    images = _images(network, size, count)
    counted = {name: buffer.clone() for name, buffer in network.named_buffers()}
    trained = [weight.requires_grad for weight in network.parameters()]
    network.requires_grad_(True)

    def run() -> None:
        with autocast():
            logits = network.train()(images)
        logits.float().square().mean().backward()

    with evaluating(network):  # which gives every part its own mode back
        seconds = _seconds(run, images.device)
    network.zero_grad()
    for weight, before in zip(network.parameters(), trained, strict=True):
        weight.requires_grad_(before)
    for name, buffer in network.named_buffers():
        buffer.copy_(counted[name])
    return count / seconds


def _images(network: nn.Module, size: int, count: int) -> torch.Tensor:
    weight = next(network.parameters())
    images = torch.full((count, 3, size, size), 0.5, device=weight.device)
    return images.to(memory_format=torch.channels_last)


def _seconds(run: Callable[[], None], device: torch.device) -> float:
    """The least time of several runs, or of two; of one where that takes long."""
    found = [_timed(run, device)]
    while sum(found) < MOMENT or (len(found) < 2 and sum(found) < LONG):
        found.append(_timed(run, device))
    return min(found)


def _timed(run: Callable[[], None], device: torch.device) -> float:
    begun = time.perf_counter()
    run()
    if device.type != "cpu":
        torch.accelerator.synchronize(device)
    return time.perf_counter() - begun
