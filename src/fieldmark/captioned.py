"""A batch of images whose captions are seen too."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Captioned:
    """Images and the words of their captions, handled as a batch of images alone is.

    images: (n, 3, H, W). words: (n, B), how often each of B buckets of words stands in a caption,
    as `data.words.counted` gives it.
    """

    images: Tensor
    words: Tensor

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, places: slice | Tensor) -> "Captioned":
        return Captioned(self.images[places], self.words[places])

    def dim(self) -> int:
        """Of the images."""
        return self.images.dim()

    def to(self, device: torch.device | str, **how: Any) -> "Captioned":
        """Both parts on a device."""
        return Captioned(self.images.to(device, **how), self.words.to(device, **how))

    def contiguous(self, *, memory_format: torch.memory_format) -> "Captioned":
        """The images in this order of memory."""
        return Captioned(self.images.contiguous(memory_format=memory_format), self.words)

    def flip(self, side: int) -> "Captioned":
        """The images mirrored; their captions stay."""
        return Captioned(self.images.flip(side), self.words)


Seen = Tensor | Captioned  # what a network is shown of images


def pixels_of(seen: Seen) -> Tensor:
    """The images alone."""
    return seen.images if isinstance(seen, Captioned) else seen


def with_pixels(seen: Seen, pixels: Tensor) -> Seen:
    """Other images with the same captions; a single caption goes with each of them."""
    if isinstance(seen, Captioned):
        return Captioned(pixels, seen.words.expand(len(pixels), -1))
    return pixels
