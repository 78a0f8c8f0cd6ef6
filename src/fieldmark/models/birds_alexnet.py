"""An AlexNet with batch norm after every layer and a narrow layer before the classes."""

from collections import OrderedDict
from typing import Annotated

from pydantic import Field
from torch import nn


def birds_alexnet(
    num_classes: int, *, dropout: Annotated[float, Field(ge=0, le=1)] = 0.1
) -> nn.Module:
    """(N, 3, H, W) -> (N, num_classes) logits, for sides of 63 px or more; made for 224.

    dropout is that before each of the three wide linear layers. With 25 classes: 59,134,041
    parameters. In training mode a batch needs two images at least, as batch norm does.
    """
    features = nn.Sequential(
        *_convolution(3, 64, kernel=11, stride=4, padding=2),
        nn.MaxPool2d(3, stride=2),
        *_convolution(64, 192, kernel=5, stride=1, padding=2),
        nn.MaxPool2d(3, stride=2),
        *_convolution(192, 384, kernel=3, stride=1, padding=1),
        *_convolution(384, 256, kernel=3, stride=1, padding=1),
        *_convolution(256, 256, kernel=3, stride=1, padding=1),
        nn.MaxPool2d(3, stride=2),
    )
    classifier = nn.Sequential(
        *_linear(256 * 6 * 6, 4096, dropout),
        *_linear(4096, 4096, dropout),
        *_linear(4096, 512, dropout),
        nn.Linear(512, num_classes),
    )
    pool, flatten = nn.AdaptiveAvgPool2d(6), nn.Flatten()
    return nn.Sequential(
        OrderedDict[str, nn.Module](
            features=features, pool=pool, flatten=flatten, classifier=classifier
        )
    )


def _convolution(
    channels: int, width: int, *, kernel: int, stride: int, padding: int
) -> tuple[nn.Module, ...]:
    layer = nn.Conv2d(channels, width, kernel, stride=stride, padding=padding)
    return layer, nn.ReLU(inplace=True), nn.BatchNorm2d(width)


def _linear(features: int, width: int, dropout: float) -> tuple[nn.Module, ...]:
    return (
        nn.Dropout(dropout),
        nn.Linear(features, width),
        nn.ReLU(inplace=True),
        nn.BatchNorm1d(width),
    )
