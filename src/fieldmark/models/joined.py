"""A network that reads captions too: one head on an image's features and its caption's words."""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from fieldmark.models.heads import take_head_off

BUCKETS = 4096  # that words fall into; of 1,200 captions 1,024 did nearly as well


class Words(nn.Module):
    """Joins the words of captions to the features of images.

    idf: (B,), how much a word of each bucket counts: the rarer in the training captions, the more,
    and nothing where none of them has it.
    """

    idf: Tensor

    def __init__(self, buckets: int):
        super().__init__()
        self.register_buffer("idf", torch.zeros(buckets))

    def weigh(self, words: Tensor) -> None:
        """Learn from the words of the training captions, (n, B), how much each bucket counts.

        ln((1 + n) / (1 + captions with it)) + 1 (Sparck Jones, 1972, smoothed as scikit-learn
        does), of the captions that have a word.
        """
        captions, having = words.any(dim=1).sum(), (words > 0).sum(dim=0)
        idf = ((1 + captions) / (1 + having)).log() + 1
        self.idf.copy_(torch.where(having > 0, idf, 0))

    def forward(self, features: Tensor, words: Tensor | None = None) -> Tensor:
        """(n, D) and (n, B) -> (n, D + B) float32; None, as a row of zeros, is no caption.

        Each part is divided by its own length, else the one with the greater numbers would decide;
        a feature's mean square is then 1.
        """
        features = features.flatten(1).float()
        idf = self.idf.to(features.device)
        known = features.new_zeros(len(features), len(idf)) if words is None else words * idf
        parts = normalize(features, dim=1), normalize(known, dim=1)
        return torch.cat(parts, dim=1) * math.sqrt(features.shape[1])


class Joined(nn.Module):
    """A network whose head works on an image's features and on the words of its caption."""

    def __init__(self, network: nn.Module, buckets: int):
        """network: its head takes features and words already, and comes out of it. It changes."""
        super().__init__()
        dropouts, head = take_head_off(network)
        self.network = network
        self.words = Words(buckets)
        self.dropouts = nn.Sequential(*dropouts)
        self.head = head

    def forward(self, images: Tensor, words: Tensor | None = None) -> Tensor | tuple[Tensor, ...]:
        """(n, 3, H, W) and (n, B) -> (n, classes) logits; None is no caption for any image.

        Where the network has classifiers on the way, their logits follow.
        """
        features = self.network(images)
        features, *others = features if isinstance(features, tuple) else (features,)
        logits: Tensor = self.head(self.dropouts(self.words(features, words)))
        return (logits, *others) if others else logits
