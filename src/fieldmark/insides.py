"""What goes on inside a network that looks at an image: arrays, made by `attribution`."""

import math
from dataclasses import dataclass

import numpy as np

SHARE = 0.1  # of the places: the hottest, whose part of all attention is told
NO_ATTENTION = (
    "the network has no attention maps to show; train one with --model attention_cnn and "
    "model.attention=softmax or sigmoid"
)


@dataclass(frozen=True, eq=False)
class FeatureMaps:
    """What a layer made of one image.

    shape: of all of it, (channels, h, w). channels: the numbers of those that are shown, the one
    that varies most from place to place first. maps: (k, h, w) float32, each 0..1 by its own
    smallest and largest value. mean: (h, w), how far all channels are from zero, the mean of their
    absolute values, in the same way; zeros where it is the same everywhere.
    """

    layer: str
    shape: tuple[int, int, int]
    channels: tuple[int, ...]
    maps: np.ndarray
    mean: np.ndarray


@dataclass(frozen=True, eq=False)
class AttentionMap:
    """How much of one attention each place of one image has.

    pooling: what it looks at, such as "pool3". shares: (h, w) float32, 1 in sum. heat: (H, W)
    float32 over the image, 0..1: the shares, divided by the largest.
    """

    pooling: str
    shares: np.ndarray
    heat: np.ndarray

    @property
    def hottest(self) -> tuple[float, float]:
        """The part that the hottest tenth of the places has, and that it had were all alike."""
        count = math.ceil(SHARE * self.shares.size)
        largest = np.sort(self.shares, axis=None)[-count:]
        return float(largest.sum()), count / self.shares.size


@dataclass(frozen=True, eq=False)
class Filters:
    """The filters of a layer that sees the image itself, as pictures.

    count: how many it has; sides: of each, rows and columns. pictures: (k, H, W, 3) uint8 of the
    k strongest, enlarged with hard edges, the strongest first.
    """

    layer: str
    count: int
    sides: tuple[int, int]
    pictures: np.ndarray


@dataclass(frozen=True, eq=False)
class Inside:
    """One image, (H, W, 3) uint8 as the network was given it, and what is shown of its way."""

    caption: str
    photo: np.ndarray
    attention: tuple[AttentionMap, ...] = ()
    layers: tuple[FeatureMaps, ...] = ()
