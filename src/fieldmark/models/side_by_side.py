"""Two networks that see the same image, and one head on the features of both."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fieldmark.models.heads import sides_of, take_head_off

PLACES = ("first", "second")  # where they are, in the names of tensors


class SideBySide(nn.Module):
    """Two networks without their heads; the features of each are divided by their own length.

    Else those of the network with the greater numbers would decide. The images are as `first`
    wants them. `second` is shown images * scale + shift (a number a channel), and where `size` is
    given and they have another, resized to size x size pixels (bilinear, antialiased).
    """

    scale: Tensor
    shift: Tensor

    def __init__(
        self,
        networks: Sequence[nn.Module],
        num_classes: int,
        *,
        size: int | None,
        scale: Sequence[float],
        shift: Sequence[float],
    ):
        """networks: with heads of their own, of which only the sides count. They change."""
        super().__init__()
        width = sum(sides_of(take_head_off(each)[1])[0] for each in networks)
        self.first, self.second = networks
        self.size = size
        # not persistent: they are options of the network, not weights
        self.register_buffer("scale", torch.tensor(scale).view(3, 1, 1), persistent=False)
        self.register_buffer("shift", torch.tensor(shift).view(3, 1, 1), persistent=False)
        self.head = nn.Linear(width, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W), prepared for `first` -> (N, num_classes) logits"""
        own = images * self.scale + self.shift
        if self.size not in (None, images.shape[-1]):
            own = F.interpolate(own, [self.size] * 2, mode="bilinear", antialias=True)
        found = (self.first(images), self.second(own))
        halves = [F.normalize(features.float(), dim=1) for features in found]
        logits: Tensor = self.head(torch.cat(halves, dim=1))
        return logits
