"""The one loop without gradients: a model and batches in, logits out."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
import torch
from torch import nn

from fieldmark.captioned import Captioned
from fieldmark.models.precision import Autocast


def infer(
    model: nn.Module,
    batches: Iterable[Any],
    *,
    device: torch.device | str,
    autocast: Autocast = nullcontext,
    advance: Callable[[int], None] | None = None,
) -> np.ndarray:
    """Logits of all batches, in their order. -> (N, C) float32; (0, 0) without a batch.

    batches: (n, 3, H, W) tensors, uint8 or float32 of 0 to 255, or Captioned, or tuples that begin
    with one, taken one at a time.
    The model must be on `device`; it runs in eval mode, and every part of it has its own mode
    again afterwards.
    advance: called after each batch with its number of images.
    """
    found = []
    with evaluating(model):
        for batch in batches:
            images = batch[0] if isinstance(batch, (tuple, list)) else batch
            images = images if isinstance(images, Captioned) else torch.as_tensor(images)
            # entered anew for each batch: around the loop it would hold for who makes batches, too
            with torch.inference_mode(), autocast():
                found.append(model(images.to(device, non_blocking=True)).float().cpu().numpy())
            if advance:
                advance(len(images))
    return np.concatenate(found) if found else np.zeros((0, 0), np.float32)


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Eval mode inside; afterwards each module has the mode that it had before."""
    modes = {module: module.training for module in network.modules()}
    if any(modes.values()):  # of a server's small batches, to set all anew is a good part
        network.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            if module.training is not training:
                module.training = training
