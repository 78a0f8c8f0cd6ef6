"""A small network of our own, for small images: it trains in seconds on a laptop."""

from typing import Annotated

import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn


class SmallCnn(nn.Module):
    """Three stages of two 3x3 convolutions, each stage twice as wide as the one before.

    (N, 3, H, W) float -> (N, num_classes) logits, for any sides; made for 8 to 64 px. Between
    stages the sides are halved, but only while both are at least 4 px, so that an image of
    8 px still reaches the last stage as 2 x 2. With width 32 and 10 classes: 288,746
    parameters.
    """

    def __init__(self, num_classes: int, width: int, dropout: float):
        super().__init__()
        self.stage1 = _stage(3, width)
        self.stage2 = _stage(width, 2 * width)
        self.stage3 = _stage(2 * width, 4 * width)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(4 * width, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, num_classes)"""
        maps = self.stage1(images)
        maps = self.stage2(_halved(maps))
        maps = self.stage3(_halved(maps))
        logits: Tensor = self.head(self.dropout(maps.mean(dim=(2, 3))))
        return logits


def small_cnn(
    num_classes: int,
    *,
    width: Annotated[int, Field(gt=0)] = 32,
    dropout: Annotated[float, Field(ge=0, le=1)] = 0.1,
) -> nn.Module:
    """SmallCnn; `width` is the number of channels of its first stage."""
    return SmallCnn(num_classes, width, dropout)


def _stage(channels: int, width: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for taken in (channels, width):
        # the batch norm that follows would take a bias away again
        convolution = nn.Conv2d(taken, width, kernel_size=3, padding=1, bias=False)
        layers += [convolution, nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


def _halved(maps: Tensor) -> Tensor:
    return F.max_pool2d(maps, 2) if min(maps.shape[-2:]) >= 4 else maps
