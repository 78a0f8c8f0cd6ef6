"""What training makes small: logits (n, C) and targets (n,) -> a scalar, the batch's mean."""

from collections.abc import Callable
from typing import Annotated

import torch
from pydantic import Field
from torch.nn import functional

from fieldmark.catalog import Catalog

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def cross_entropy(*, label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0) -> Loss:
    """-log of the true class's score, in float32 whatever the network computed in."""

    def loss(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return functional.cross_entropy(logits.float(), targets, label_smoothing=label_smoothing)

    return loss


LOSSES = Catalog("loss", {"cross_entropy": (cross_entropy, "one label an image")})
