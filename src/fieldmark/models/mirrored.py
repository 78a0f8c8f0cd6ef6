"""A network that sees each image and its mirror image: one head on the mean of their features."""

import torch
from torch import Tensor, nn


class Mirrored(nn.Module):
    """A network that is shown each image and its mirror image, as one batch.

    Before its head it has a `MeanOfBoth`, so that it gives one row an image.
    """

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) -> what the network gives, (N, ...)"""
        logits: Tensor = self.network(torch.cat([images, images.flip(-1)]))
        return logits


class MeanOfBoth(nn.Module):
    """The mean of an image's features and its mirror image's, which lie N rows further."""

    def forward(self, features: Tensor) -> Tensor:
        """(2N, ...) -> (N, ...)"""
        plain, mirrored = features.chunk(2)
        return (plain + mirrored) / 2
