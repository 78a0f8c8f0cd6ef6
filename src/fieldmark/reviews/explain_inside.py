"""What else an explanation shows: the network's inside, and whether the maps are true."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fieldmark.attribution.attention import attention_maps, has_attention
from fieldmark.attribution.feature_maps import feature_maps
from fieldmark.attribution.filters import first_filters
from fieldmark.attribution.randomised import randomised
from fieldmark.attribution.trust import Trust
from fieldmark.captioned import Captioned, Seen, pixels_of
from fieldmark.console import Console
from fieldmark.data.sources import place_name
from fieldmark.errors import Mistake, SettingsError, refuse
from fieldmark.heats import Heat, Wanted, Way
from fieldmark.insides import NO_ATTENTION, Filters, Inside
from fieldmark.models.maps import handovers
from fieldmark.report.heat_charts import Proof
from fieldmark.reviews.explain_asked import Asked, Wish
from fieldmark.use.explained import black
from fieldmark.use.opened import Opened

ATTENDED, FEATURED = 24, 4  # images whose attention and whose feature maps are shown, at most


@dataclass
class Insides:
    """What was found so far: of the network, and of images by their place.

    labels: the classes that images come from in turn, of each of which about as many are looked
    into; 1 is without turns.
    """

    wish: Wish
    filters: list[Filters] = field(default_factory=list)
    labels: int = 1
    images: dict[tuple[str, int | None], Inside] = field(default_factory=dict)
    attended: Counter[str] = field(default_factory=Counter)
    featured: Counter[str] = field(default_factory=Counter)

    def take(self, opened: Opened, images: Seen, wanted: Sequence[Wanted]) -> None:
        """Look into these images, each once, where more are wanted."""
        for each, image in zip(wanted, pixels_of(images), strict=True):
            if (each.path, each.row) not in self.images:
                self._look(opened, image, each)

    def _look(self, opened: Opened, image: Tensor, wanted: Wanted) -> None:
        attends = bool(self.wish.attention) and self._has_room(self.attended, ATTENDED, wanted)
        has_layers = self.wish.features is not None
        has_layers = has_layers and self._has_room(self.featured, FEATURED, wanted)
        if not (attends or has_layers):
            return
        one, layers = image[None], self.wish.features or None
        self.images[wanted.path, wanted.row] = Inside(
            place_name(wanted.path, wanted.row),
            image.permute(1, 2, 0).cpu().numpy(),
            tuple(attention_maps(opened.network, one)) if attends else (),
            tuple(feature_maps(opened.network, one, layers)) if has_layers else (),
        )
        self.attended[wanted.label] += attends
        self.featured[wanted.label] += has_layers

    def _has_room(self, taken: Counter[str], most: int, wanted: Wanted) -> bool:
        return taken.total() < most and taken[wanted.label] < -(-most // self.labels)


def refuse_inside(opened: Opened, asked: Asked) -> None:
    """Raise SettingsError for layers and for an attention that there are not, before an image.

    And UserError where no stage of the network has maps to show.
    """
    wish = asked.inside
    attention = wish.attention and not has_attention(opened.network)
    refuse(
        [
            *_no_layer(opened, asked.way.layer),
            *([Mistake("--attention", NO_ATTENTION)] if attention else []),
            *_no_layers(opened, wish),
        ]
    )


def begin(opened: Opened, wish: Wish, labels: int = 1) -> Insides:
    """What needs no image, and where to take the rest; of a wish that nothing stands against.

    Raises UserError where the network has no filters to show.
    """
    attention = has_attention(opened.network) if wish.attention is None else wish.attention
    filters = first_filters(opened.network.network) if wish.filters else []
    return Insides(Wish(wish.features, wish.filters, attention), filters, labels)


def _no_layer(opened: Opened, layer: str | None) -> Sequence[Mistake]:
    """What is wrong with the layer that maps are taken of."""
    if layer is None:
        return []
    try:
        handovers(opened.network, black(opened), layer=layer, autocast=opened.autocast)
    except SettingsError as error:
        return error.mistakes
    return []


def _no_layers(opened: Opened, wish: Wish) -> Sequence[Mistake]:
    """What is wrong with the layers whose maps are shown."""
    if wish.features is None:
        return []
    side = opened.info.spec.size
    image = torch.zeros(1, 3, side, side, dtype=torch.uint8)
    try:
        feature_maps(opened.network, image, wish.features or None, most=0)
    except SettingsError as error:
        return error.mistakes
    return []


def proof_of(
    trusts: Sequence[Trust],
    kept: Sequence[tuple[Seen, Heat]],
    opened: Opened,
    way: Way,
    console: Console,
) -> Proof:
    """The curves over all maps, and how maps change where weights are drawn anew.

    kept: images of which there is a map, for the latter.
    """
    if not trusts:
        return Proof()
    names = ("deletion", "insertion", "random_deletion", "random_insertion")
    curves: dict[str, Any] = {
        name: np.array([getattr(each, name) for each in trusts]) for name in names
    }
    if not kept:
        return Proof(**curves)
    images = joined([seen for seen, _ in kept]).to(opened.device)
    classes = np.array([opened.info.classes.index(each.label) for _, each in kept])
    how: dict[str, Any] = {"layer": way.layer, "autocast": opened.autocast}
    with console.bar("drawing weights anew", len(classes)):
        drawn = randomised(opened.network, images, classes, method=way.method, **how)
    return Proof(**curves, drawn=drawn)


def joined(images: Sequence[Seen]) -> Seen:
    """Batches as one."""
    if isinstance(images[0], Captioned):
        both = [each for each in images if isinstance(each, Captioned)]
        pixels, words = [each.images for each in both], [each.words for each in both]
        return Captioned(torch.cat(pixels), torch.cat(words))
    return torch.cat([each for each in images if isinstance(each, Tensor)])
