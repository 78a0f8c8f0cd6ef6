"""Networks of our own, and small ones of others: each (N, 3, H, W) -> (N, num_classes) logits.

SmallCnn: for small images, trains in seconds on a laptop. birds_alexnet: an AlexNet with batch
norm after every layer and a narrow layer before the classes. cifar_resnet18: a ResNet-18 whose
first convolution is 3x3 with stride 1 and that pools nothing. CifarFast: the network of Jordan,
"94% on CIFAR-10 in 3.29 seconds on a single GPU", arXiv:2404.00498.
"""

from collections import OrderedDict
from typing import Annotated

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(gt=0)]


class SmallCnn(nn.Module):
    """Three stages of two 3x3 convolutions, each stage twice as wide as the one before.

    (N, 3, H, W) float -> (N, num_classes) logits, for any sides; made for 8 to 64 px. Between
    stages the sides are halved, but only while both are at least 4 px, so that an image of
    8 px still reaches the last stage as 2 x 2. width: channels of the first stage. With 10
    classes: 288,746 parameters.
    """

    def __init__(self, num_classes: int, *, width: Count = 32, dropout: Share = 0.1):
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


def _stage(channels: int, width: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for taken in (channels, width):
        # the batch norm that follows would take a bias away again
        convolution = nn.Conv2d(taken, width, kernel_size=3, padding=1, bias=False)
        layers += [convolution, nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


def _halved(maps: Tensor) -> Tensor:
    return F.max_pool2d(maps, 2) if min(maps.shape[-2:]) >= 4 else maps


def birds_alexnet(num_classes: int, *, dropout: Share = 0.1) -> nn.Module:
    """(N, 3, H, W) -> (N, num_classes) logits, for sides of 63 px or more; made for 224.

    dropout is that before each of the three wide linear layers. With 25 classes: 59,134,041
    parameters. In training mode a batch needs two images at least, as batch norm does.
    """
    features = nn.Sequential(
        *_birds_convolution(3, 64, kernel=11, stride=4, padding=2),
        nn.MaxPool2d(3, stride=2),
        *_birds_convolution(64, 192, kernel=5, stride=1, padding=2),
        nn.MaxPool2d(3, stride=2),
        *_birds_convolution(192, 384, kernel=3, stride=1, padding=1),
        *_birds_convolution(384, 256, kernel=3, stride=1, padding=1),
        *_birds_convolution(256, 256, kernel=3, stride=1, padding=1),
        nn.MaxPool2d(3, stride=2),
    )
    classifier = nn.Sequential(
        *_birds_linear(256 * 6 * 6, 4096, dropout),
        *_birds_linear(4096, 4096, dropout),
        *_birds_linear(4096, 512, dropout),
        nn.Linear(512, num_classes),
    )
    pool, flatten = nn.AdaptiveAvgPool2d(6), nn.Flatten()
    return nn.Sequential(
        OrderedDict[str, nn.Module](
            features=features, pool=pool, flatten=flatten, classifier=classifier
        )
    )


def _birds_convolution(
    channels: int, width: int, *, kernel: int, stride: int, padding: int
) -> tuple[nn.Module, ...]:
    layer = nn.Conv2d(channels, width, kernel, stride=stride, padding=padding)
    return layer, nn.ReLU(inplace=True), nn.BatchNorm2d(width)


def _birds_linear(features: int, width: int, dropout: float) -> tuple[nn.Module, ...]:
    return (
        nn.Dropout(dropout),
        nn.Linear(features, width),
        nn.ReLU(inplace=True),
        nn.BatchNorm1d(width),
    )


def cifar_resnet18(num_classes: int) -> nn.Module:
    """(N, 3, H, W) -> (N, num_classes) logits, for any sides; made for 32 px.

    torchvision's ResNet-18 but for its beginning; its convolutions are drawn as torchvision's,
    Kaiming normal by outputs. With 10 classes: 11,173,962 parameters.
    """
    from torchvision.models import resnet18  # it takes a second

    network: nn.Module = resnet18(weights=None, num_classes=num_classes)
    network.conv1 = nn.Conv2d(3, 64, kernel_size=3, padding=1, bias=False)
    nn.init.kaiming_normal_(network.conv1.weight, mode="fan_out", nonlinearity="relu")
    network.maxpool = nn.Identity()
    return network


PATCH = 2  # px a side of what the first layer sees
VALUES = 3 * PATCH**2  # of one patch
EPS = 5e-4  # added to each direction's mean square, so that those without any stay finite
TOGETHER = 2**18  # patches, about, that are in memory at once


class Whitening(nn.Module):
    """(N, 3, H, W) -> (N, 24, H - 1, W - 1): each 2x2 patch in 12 directions, and their negatives.

    The directions are a buffer: they are learned from images, never by gradients; until then
    they are the patch's own values. What is added to them, the bias, is a parameter. Under
    autocast it still computes in float32, and only what it gives is in the lower precision:
    some directions are enlarged so much that they would be made of rounding errors.
    """

    weight: Tensor

    def __init__(self) -> None:
        super().__init__()
        directions = torch.eye(VALUES).view(VALUES, 3, PATCH, PATCH)
        self.register_buffer("weight", torch.cat((directions, -directions)))
        self.bias = nn.Parameter(torch.zeros(2 * VALUES))

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, 24, H - 1, W - 1)"""
        device = images.device.type
        if not (torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)):
            return F.conv2d(images, self.weight, self.bias)
        with torch.autocast(device, enabled=False):
            maps = F.conv2d(images.to(self.weight.dtype), self.weight, self.bias)
        return maps.to(torch.get_autocast_dtype(device))


class BiasNorm(nn.BatchNorm2d):
    """Batch norm that adds a learned bias but scales by nothing: its weight is a buffer of ones."""

    def __init__(self, channels: int, momentum: float):
        super().__init__(channels, eps=1e-12, momentum=momentum)
        del self.weight
        self.register_buffer("weight", torch.ones(channels), persistent=False)


class CifarFast(nn.Module):
    """A whitening layer, three blocks of two convolutions, the largest value a map, one layer.

    (N, 3, H, W) float, normalised -> (N, num_classes) logits, for sides of 9 px or more; made
    for 32. Call `learn_from` with training images before training. The factor of the published
    logits, `scale`, is on the features instead, which gives the same logits and the same
    gradients, so that the last layer is the whole head. With 10 classes: 1,971,352 parameters,
    beside the 288 values of the whitening layer and the norms' 1,152 ones, which are buffers.

    width: channels of the first block; the others have four times as many. norm_momentum: the
    share of each batch in the running statistics of batch norm, as torch counts it (the published
    0.6 is the share of what was there).
    """

    def __init__(
        self,
        num_classes: int,
        *,
        width: Count = 64,
        scale: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1 / 9,
        norm_momentum: Annotated[float, Field(gt=0, le=1)] = 0.4,
    ):
        super().__init__()
        self.scale = scale
        self.whiten = Whitening()
        self.activation = nn.GELU()
        self.block1 = _block(2 * VALUES, width, norm_momentum)
        self.block2 = _block(width, 4 * width, norm_momentum)
        self.block3 = _block(4 * width, 4 * width, norm_momentum)
        self.head = nn.Linear(4 * width, num_classes, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, num_classes)"""
        maps = self.activation(self.whiten(images))
        maps = self.block3(self.block2(self.block1(maps)))
        # all of a map, which at 32 px is 3x3 as published
        features = F.max_pool2d(maps, tuple(maps.shape[-2:])).flatten(1)
        logits: Tensor = self.head(features * self.scale)
        return logits

    @torch.no_grad()
    def learn_from(self, images: Tensor) -> None:
        """Set the first layer so that what it gives of these images is white.

        images: (n, 3, H, W) float, normalised, of the training split alone; the published code
        takes 5,000 of them. The directions are the eigenvectors of the patches' second moments
        (not centred, as published), from the largest on, each divided by the root of its
        eigenvalue + EPS. No random number is drawn.
        """
        moments = second_moments(images)
        squares, vectors = torch.linalg.eigh(moments)  # ascending; a column a direction
        directions = (vectors / (squares + EPS).sqrt()).flip(1).T
        shaped = directions.reshape(VALUES, 3, PATCH, PATCH)
        self.whiten.weight.copy_(torch.cat((shaped, -shaped)))


def second_moments(images: Tensor) -> Tensor:
    """The mean product of each two values of a patch. (n, 3, H, W) -> (12, 12) float64, on the CPU.

    A patch's values are in the order channel, row, column, as in a convolution's weight.
    """
    count, _, height, width = images.shape
    total = torch.zeros(VALUES, VALUES, dtype=torch.float64)
    step = max(TOGETHER // (height * width), 1)
    for start in range(0, count, step):
        # not all accelerators have float64, from which autocast also keeps away
        some = images[start : start + step].cpu().double()
        patches = F.unfold(some, PATCH).transpose(1, 2).reshape(-1, VALUES)
        total += patches.T @ patches
    return total / (count * (height - PATCH + 1) * (width - PATCH + 1))


def _block(channels: int, width: int, momentum: float) -> nn.Sequential:
    return nn.Sequential(
        OrderedDict[str, nn.Module](
            conv1=_convolution(channels, width),
            pool=nn.MaxPool2d(2),
            norm1=BiasNorm(width, momentum),
            activation1=nn.GELU(),
            conv2=_convolution(width, width),
            norm2=BiasNorm(width, momentum),
            activation2=nn.GELU(),
        )
    )


def _convolution(channels: int, width: int) -> nn.Conv2d:
    """3x3 without bias; its first maps begin as those that come in, the others at random."""
    layer = nn.Conv2d(channels, width, kernel_size=3, padding=1, bias=False)
    nn.init.dirac_(layer.weight.data[:channels])
    return layer
