"""Heat without a look inside: how far a class's logit falls when a part of the image is grey."""

from contextlib import nullcontext

import numpy as np
import torch
from torch import Tensor, nn

from fieldmark.captioned import Seen, pixels_of, with_pixels
from fieldmark.models.infer import evaluating
from fieldmark.models.precision import Autocast

GRID = 7  # cells a side


def occlusion(
    classifier: nn.Module,
    images: Seen,
    classes: np.ndarray,
    *,
    autocast: Autocast = nullcontext,
) -> Tensor:
    """What the logit loses with each cell. -> (N, 7, 7) of any sign

    Zeiler and Fergus, ECCV 2014, on cells that do not overlap. A covered cell has the colour that
    is zero to the network, its `mean`. Needs no layer and no gradient, so any classifier will do.
    Takes 50 passes an image.
    """
    pixels = pixels_of(images)
    chosen = torch.as_tensor(classes, device=pixels.device).unsqueeze(1)
    rows, columns = (_ends(side) for side in pixels.shape[-2:])
    grey = grey_of(classifier, pixels)
    fallen = pixels.new_zeros((len(pixels), GRID, GRID), dtype=torch.float32)

    def logits(shown: Tensor) -> Tensor:
        with autocast():
            given: Tensor = classifier(with_pixels(images, shown))
        return given.float().gather(1, chosen).squeeze(1)

    with evaluating(classifier), torch.no_grad():
        whole = logits(pixels)
        for row in range(GRID):
            for column in range(GRID):
                covered = pixels.clone()
                covered[..., rows[row] : rows[row + 1], columns[column] : columns[column + 1]] = (
                    grey
                )
                fallen[:, row, column] = whole - logits(covered)
    return fallen


def _ends(side: int) -> list[int]:
    """Where the cells of a side begin, and where the last ends."""
    return [round(side * cell / GRID) for cell in range(GRID + 1)]


def grey_of(classifier: nn.Module, pixels: Tensor) -> Tensor:
    """(3, 1, 1) as the images are"""
    mean: Tensor | None = getattr(classifier, "mean", None)
    grey = pixels.new_full((3, 1, 1), 128) if mean is None else mean * 255
    return grey.to(pixels.dtype) if pixels.is_floating_point() else grey.round().to(pixels.dtype)
