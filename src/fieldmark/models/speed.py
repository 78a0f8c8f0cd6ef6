"""How many images a second a network takes here. Weights may be any: the time is the same."""

import math
import statistics
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import nn

from fieldmark.machine import threads
from fieldmark.models.infer import evaluating
from fieldmark.models.precision import Autocast
from fieldmark.models.stages import chosen, set_trained, set_training

MOMENT = 0.5  # seconds that one measurement takes, or its fewest batches where that is more
LONG = 5.0  # seconds after which no batch follows
STEPS = 3  # the fewest of training
STEADY = 1.5  # times the least of the steps that half of them take at most


class Pace(NamedTuple):
    """Images a second, and whether the steps that they were seen in took alike."""

    speed: float
    is_steady: bool


def frozen_speed(body: nn.Module, size: int, count: int, *, autocast: Autocast) -> float:
    """Images a second without gradients, in batches of `count` of `size` x `size` pixels.

    On a processor they are those of one thread, as features are computed: each worker has one.
    """
    images = _images(body, size, count)

    def run() -> None:
        with torch.inference_mode(), autocast():
            body(images)

    with evaluating(body), threads(1):
        return count / min(_several(run, images.device, 2))


def trained_pace(
    network: nn.Module,
    size: int,
    count: int,
    *,
    trained: Sequence[str],
    norm_frozen: bool,
    autocast: Autocast,
) -> Pace:
    """Of training what the words of `trained` mean, but for the optimiser's step.

    As many threads compute as torch has now. Where something else runs too, they wait for each
    other, ten times as long as they compute, and so the processor's time of one thread alone is an
    upper bound. The network's weights are as they were afterwards, and so is what batch norm
    counted.
    """
    images = _images(network, size, count)
    counted = {name: buffer.clone() for name, buffer in network.named_buffers()}
    before = [name for name, weight in network.named_parameters() if weight.requires_grad]
    set_trained(network, chosen(network, trained))

    def run() -> None:
        with autocast():
            made = network(images)
        several = made if isinstance(made, tuple) else (made,)  # logits on the way
        losses = [each.float().square().mean() for each in several]
        torch.autograd.backward(losses)

    with evaluating(network):  # which gives every part its own mode back
        set_training(network, norm_frozen=norm_frozen)
        with threads(1):  # it warms up, too
            alone = _timed(run, images.device, time.process_time)
        if images.device.type != "cpu":
            alone = math.inf
        found = _several(run, images.device, STEPS)
    network.zero_grad()
    set_trained(network, before)
    for name, buffer in network.named_buffers():
        buffer.copy_(counted[name])
    least = min(alone, *found)
    return Pace(count / least, statistics.median(found) <= STEADY * least)


def _images(network: nn.Module, size: int, count: int) -> torch.Tensor:
    weight = next(network.parameters())
    images = torch.full((count, 3, size, size), 0.5, device=weight.device)
    return images.to(memory_format=torch.channels_last)


def _several(run: Callable[[], None], device: torch.device, fewest: int) -> list[float]:
    """The seconds of several runs, or of the fewest; of one where that takes long."""
    found = [_timed(run, device, time.perf_counter)]
    while sum(found) < MOMENT or (len(found) < fewest and sum(found) < LONG):
        found.append(_timed(run, device, time.perf_counter))
    return found


def _timed(run: Callable[[], None], device: torch.device, now: Callable[[], float]) -> float:
    begun = now()
    run()
    if device.type != "cpu":
        torch.accelerator.synchronize(device)
    return now() - begun
