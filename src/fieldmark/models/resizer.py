"""A learned resizer: a small network before the network, from large images to its own size.

After Talebi and Milanfar, "Learning to Resize Images for Computer Vision Tasks" (2021).
"""

import torch.nn.functional as F
from torch import Tensor, nn

from fieldmark.models.heads import drawn_from
from fieldmark.streams import Stream

SLOPE = 0.2  # of the leaky ReLU below zero


class Block(nn.Module):
    """Two 3x3 convolutions around which the maps also pass unchanged."""

    def __init__(self, width: int):
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)

    def forward(self, maps: Tensor) -> Tensor:
        """(N, width, H, W) -> (N, width, H, W)"""
        inner = F.leaky_relu(self.norm1(self.conv1(maps)), SLOPE)
        out: Tensor = maps + self.norm2(self.conv2(inner))
        return out


class Resizer(nn.Module):
    """(N, 3, H, W) prepared images -> (N, 3, size, size): bilinear, plus what is learned.

    Its last convolution begins at zero, so that a new one is plain bilinear resizing
    (antialiased, as Pillow's) and weights that were trained on such images keep working. The
    paper's first convolutions see the whole image; the blocks, its maps in the new size.
    """

    def __init__(self, size: int, *, width: int = 16):
        super().__init__()
        self.size = size
        self.conv1 = nn.Conv2d(3, width, 7, padding=3)
        self.conv2 = nn.Conv2d(width, width, 1)
        self.norm2 = nn.BatchNorm2d(width)
        self.blocks = nn.Sequential(Block(width))
        self.conv3 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm3 = nn.BatchNorm2d(width)
        self.conv4 = nn.Conv2d(width, 3, 7, padding=3)
        for weight in self.conv4.parameters():
            nn.init.zeros_(weight)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, 3, size, size) float32"""
        sides = (self.size, self.size)
        # in float32: there is no antialiased resizing in bf16 on a processor
        plain = F.interpolate(images.float(), sides, mode="bilinear", antialias=True)
        maps = F.leaky_relu(self.conv1(images), SLOPE)
        maps = self.norm2(F.leaky_relu(self.conv2(maps), SLOPE))
        maps = F.interpolate(maps, sides, mode="bilinear")
        learned: Tensor = self.conv4(maps + self.norm3(self.conv3(self.blocks(maps))))
        return plain + learned.float()


class Resized(nn.Module):
    """A network behind a learned resizer."""

    def __init__(self, resizer: Resizer, network: nn.Module):
        super().__init__()
        self.resizer = resizer
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) of any sides -> what the network gives"""
        logits: Tensor = self.network(self.resizer(images))
        return logits


def make_resizer(size: int, seed: int) -> Resizer:
    """A new resizer, drawn from `seed` alone; the global generators stay as they are."""
    with drawn_from(Stream.RESIZER, seed):
        return Resizer(size)
