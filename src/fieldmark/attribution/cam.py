"""Heat from the maps that the body hands over to the head: Grad-CAM, HiResCAM and LayerCAM.

The pass is cut at these maps, so that gradients of logits are taken there and no further.
"""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from fieldmark.captioned import Seen, pixels_of
from fieldmark.errors import UserError
from fieldmark.models.infer import evaluating
from fieldmark.models.maps import Place, handovers
from fieldmark.models.precision import Autocast

Cam = Callable[[Tensor, Tensor], Tensor]


def weighted(maps: Tensor, gradients: Tensor) -> Tensor:
    """Gradients averaged over places to a weight a channel, and the channels' weighted sum.

    Selvaraju et al., "Grad-CAM", ICCV 2017. (N, C, h, w) twice -> (N, h, w)
    """
    return (gradients.mean(dim=(2, 3), keepdim=True) * maps).sum(dim=1)


def by_place(maps: Tensor, gradients: Tensor) -> Tensor:
    """Each place weighted by its own gradients, where they are positive, and the channels' sum.

    Jiang et al., "LayerCAM", TIP 2021: it holds for shallow layers, too. -> as `weighted`
    """
    return (gradients.clamp(min=0) * maps).sum(dim=1)


def at_place(maps: Tensor, gradients: Tensor) -> Tensor:
    """Each place weighted by its own gradients, of any sign, and the channels' sum.

    Draelos and Carin, "HiResCAM", arXiv 2011.08891. Where a mean over all places follows the maps
    it is Grad-CAM exactly; where places count by their attention it keeps that. -> as `weighted`
    """
    return (gradients * maps).sum(dim=1)


def cams(
    cam: Cam | None,
    classifier: nn.Module,
    images: Seen,
    classes: np.ndarray,
    *,
    layer: str | None = None,
    autocast: Autocast = nullcontext,
) -> Tensor:
    """What `cam` makes of the maps and of the gradients of each image's logit of its class.

    -> (N, h, w) of any sign, on the maps' own grid. Dearer than a pass by the image that finds the
    maps, and by the way back from the logits to them. cam: None is `at_place` where places count by
    their attention, else `weighted`. A class token's gradient at a place is large where it looks.
    Averaged over places that is lost, and tokens of the background, which the norm makes as long as
    all others, are as hot. What the token has taken in before the last block is in neither.

    Raises as `handovers` and `maps_and_gradients` do.
    """
    places = handovers(classifier, images[:1], layer=layer, autocast=autocast)
    chosen = torch.as_tensor(classes, device=pixels_of(images).device)
    found = maps_and_gradients(classifier, images, chosen, places, autocast)
    its = [cam or (at_place if place.attended else weighted) for place in places]
    return together(
        [_of_images(cam(*each), len(images)) for cam, each in zip(its, found, strict=True)]
    )


grad_cam, layer_cam, hires_cam, usual_cam = (
    partial(cams, cam) for cam in (weighted, by_place, at_place, None)
)


def _of_images(cams: Tensor, images: int) -> Tensor:
    """What mirror images, which follow the images, give is turned back and added."""
    if len(cams) == images:
        return cams
    return cams[:images] + cams[images:].flip(-1)


def together(cams: list[Tensor]) -> Tensor:
    """The sum on the finest grid of maps of any grids; what a place holds is by its size.

    So of linear heads on means the sum over all places is the logit, but for its bias.
    """
    if len(cams) == 1:
        return cams[0]
    sides = max((cam.shape[-2:] for cam in cams), key=lambda each: each[0] * each[1])
    dense = [cam * cam[0].numel() for cam in cams]
    return torch.stack([enlarged(cam, sides) for cam in dense]).sum(dim=0)


def enlarged(cams: Tensor, sides: tuple[int, int] | torch.Size) -> Tensor:
    """(N, h, w) -> (N, H, W), bilinear: grids' cells are squares of the image."""
    wide = functional.interpolate(cams.unsqueeze(1), tuple(sides), mode="bilinear")
    return wide.squeeze(1)


class _Cut(TorchFunctionMode):
    """Puts a leaf into the place of what some calls give; from there on gradients are kept."""

    def __init__(self, places: Sequence[Place]):
        super().__init__()
        self.places = {(place.call, place.part): number for number, place in enumerate(places)}
        self.wanted = {place.call for place in places}
        self.leaves: dict[int, Tensor] = {}
        self.count = -1

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        given = function(*args, **(kwargs or {}))
        self.count += 1
        if self.count not in self.wanted:
            return given
        torch.set_grad_enabled(True)  # as it was, where the pass ends
        if isinstance(given, Tensor):
            return self._leaf(given, 0)
        return type(given)(self._leaf(each, part) for part, each in enumerate(given))

    def _leaf(self, given: Tensor, part: int) -> Tensor:
        number = self.places.get((self.count, part))
        if number is None:
            return given
        leaf = self.leaves[number] = given.detach().requires_grad_()
        return leaf.clone()  # which may be changed in place


def maps_and_gradients(
    classifier: nn.Module,
    images: Seen,
    classes: Tensor,
    places: Sequence[Place],
    autocast: Autocast,
) -> list[tuple[Tensor, Tensor]]:
    """Of each place the maps, and the gradients there of each image's logit of its class.

    images: (N, 3, H, W) on the classifier's device; classes: (N,) int. -> (N or 2N, C, h, w)
    float32 twice for each place; 2N where the network sees mirror images, in its order. The
    classifier stays as it is, its parameters' gradients too.

    Raises UserError where the logits have no gradient there, as those of boosted trees.
    """
    cut = _Cut(places)
    with evaluating(classifier), torch.no_grad():
        with autocast(), cut:
            logits = classifier(images)
        leaves = [cut.leaves[number] for number in range(len(places))]
        chosen = logits.gather(1, classes.unsqueeze(1)).sum()
        found: Sequence[Tensor | None] = [None]
        if chosen.requires_grad:
            found = torch.autograd.grad(chosen, leaves, allow_unused=True)
    kept = [gradient for gradient in found if gradient is not None]
    if len(kept) < len(leaves):
        raise no_gradient(places[0].layer or "the maps")
    return [
        (place.layout.maps(leaf.detach()).float(), place.layout.maps(gradient).float())
        for place, leaf, gradient in zip(places, leaves, kept, strict=True)
    ]


def no_gradient(where: str) -> UserError:
    """What to say where logits do not depend on something by a gradient."""
    return UserError(
        f"the scores have no gradient at {where}, as those of boosted trees have none; take "
        "--method occlusion"
    )
