"""Whether heat maps depend on what was learned: weights are drawn anew, stage by stage."""

import copy
from collections.abc import Iterator
from contextlib import nullcontext
from typing import NamedTuple

import numpy as np
import polars as pl
import torch
from torch import nn

from fieldmark import streams
from fieldmark.attribution.methods import heat
from fieldmark.captioned import Seen
from fieldmark.models.precision import Autocast
from fieldmark.models.stages import stages
from fieldmark.streams import Stream


class Redrawn(NamedTuple):
    """How alike the maps are to those of the network whose stages down to this one are redrawn.

    stage: the last that was. correlation: the mean over images of the rank correlation of both maps
    (Spearman's, 1 is the same order), nan where n, the images with both maps, is 0.
    """

    stage: str
    correlation: float
    n: int


def randomised(
    classifier: nn.Module,
    images: Seen,
    classes: np.ndarray,
    *,
    method: str = "auto",
    layer: str | None = None,
    seed: int = 0,
    autocast: Autocast = nullcontext,
) -> list[Redrawn]:
    """From the head down to the input, one more stage's weights drawn anew each time.

    Adebayo et al., "Sanity Checks for Saliency Maps", NeurIPS 2018: a map that stays as it was does
    not show what the network has learned. The weights are drawn on a copy, each tensor's from a
    normal distribution with the mean and the deviation that it had. What speaks against the class
    counts as 0, so that many places have one rank. Takes as many maps as there are stages, and one.
    """
    before = heat(classifier, images, classes, method=method, layer=layer, autocast=autocast)
    found = []
    for stage, network in _redrawn(classifier, seed):
        after = heat(network, images, classes, method=method, layer=layer, autocast=autocast)
        alike = [rank_correlation(*both) for both in zip(before, after, strict=True)]
        known = [each for each in alike if not np.isnan(each)]
        found.append(Redrawn(stage, float(np.mean(known)) if known else np.nan, len(known)))
    return found


def _redrawn(classifier: nn.Module, seed: int) -> Iterator[tuple[str, nn.Module]]:
    """A copy after each stage from the head down, with the stage's name."""
    copied = copy.deepcopy(classifier)
    network: nn.Module = getattr(copied, "network", copied)
    weights = dict(network.named_parameters())
    for place, stage in enumerate(reversed(stages(network))):
        draw = torch.Generator().manual_seed(streams.word(Stream.HEAT, seed, place, 0, 1))
        for name in stage.parameters:
            _redraw(weights[name], draw)
        yield stage.name, copied


@torch.no_grad()
def _redraw(weight: torch.Tensor, draw: torch.Generator) -> None:
    values = torch.randn(weight.shape, generator=draw)
    mean, deviation = weight.float().mean().cpu(), weight.float().std(correction=0).cpu()
    weight.copy_(mean + deviation * values)


def rank_correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Spearman's, equal values at the mean of their ranks; nan where one is all alike or nan."""
    if np.isnan(one).any() or np.isnan(other).any():
        return np.nan
    ranks = [pl.Series(each.ravel()).rank("average").to_numpy() for each in (one, other)]
    if any(np.ptp(rank) == 0 for rank in ranks):
        return np.nan
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])
