"""Heat from gradients at the pixels, integrated on the way from a grey image to the image."""

from contextlib import nullcontext

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from fieldmark.attribution.cam import no_gradient
from fieldmark.attribution.occlusion import grey_of
from fieldmark.captioned import Seen, pixels_of, with_pixels
from fieldmark.models.infer import evaluating
from fieldmark.models.precision import Autocast

STEPS = 32
SPREAD = 16  # the heat is averaged over squares of a side of 1 / SPREAD of the image's


def integrated_gradients(
    classifier: nn.Module,
    images: Seen,
    classes: np.ndarray,
    *,
    autocast: Autocast = nullcontext,
) -> Tensor:
    """What each pixel adds to the logit, averaged over small squares. -> (N, H, W) of any sign"""
    return smooth(attributions(classifier, images, classes, autocast=autocast))


def attributions(
    classifier: nn.Module,
    images: Seen,
    classes: np.ndarray,
    *,
    autocast: Autocast = nullcontext,
    steps: int = STEPS,
) -> Tensor:
    """What each pixel adds to the logit over that of a grey image. -> (N, H, W) of any sign

    Sundararajan et al., "Axiomatic Attribution for Deep Networks", ICML 2017: the pixels' distance
    from grey (the colour that is zero to the network) times the gradients' mean on the way from
    there, at the middles of `steps` equal parts; the colours are summed. All of an image's pixels
    sum to the logit's difference, but for the error of so few steps. Takes `steps` passes and as
    many ways back, all the way to the pixels.

    Raises UserError where the logits have no gradient, as those of boosted trees.
    """
    pixels = pixels_of(images).float()
    chosen = torch.as_tensor(classes, device=pixels.device).unsqueeze(1)
    grey = grey_of(classifier, pixels)
    total = torch.zeros_like(pixels)
    with evaluating(classifier), torch.enable_grad():
        for step in range(steps):
            shown = (grey + (pixels - grey) * ((step + 0.5) / steps)).requires_grad_()
            with autocast():
                logits = classifier(with_pixels(images, shown))
            logit = logits.gather(1, chosen).sum()
            gradients = None
            if logit.requires_grad:
                (gradients,) = torch.autograd.grad(logit, shown, allow_unused=True)
            if gradients is None:
                raise no_gradient("the pixels")
            total += gradients
    return ((pixels - grey) * total / steps).sum(dim=1)


def smooth(pixels: Tensor) -> Tensor:
    """The mean over a square around each pixel. (N, H, W) -> (N, H, W)"""
    half = max(min(pixels.shape[-2:]) // SPREAD // 2, 0)
    side = 2 * half + 1
    return functional.avg_pool2d(
        pixels.unsqueeze(1), side, stride=1, padding=half, count_include_pad=False
    ).squeeze(1)
