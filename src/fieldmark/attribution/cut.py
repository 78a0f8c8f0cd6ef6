"""A pass that is cut at the maps, so that gradients of logits are taken there and no further."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from fieldmark.captioned import Seen
from fieldmark.errors import UserError
from fieldmark.models.infer import evaluating
from fieldmark.models.maps import Place
from fieldmark.models.precision import Autocast


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
