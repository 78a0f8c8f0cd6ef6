"""Heat maps of images that a network is shown, and whether they can be believed."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice

import numpy as np
import torch
from torch.nn import functional

from fieldmark.attribution.methods import heat, usual_method
from fieldmark.attribution.trust import Trust, trusted
from fieldmark.captioned import Captioned, Seen
from fieldmark.data.images import centre_crop
from fieldmark.data.sources import place_name, read_pixels
from fieldmark.errors import DataError
from fieldmark.heats import SIDE, Heat, Wanted, Way
from fieldmark.records import InputSpec, Samples
from fieldmark.task import TASKS
from fieldmark.use.opened import Opened
from fieldmark.use.reading import Read


def concrete(way: Way, opened: Opened) -> Way:
    """The way with its method named, where it is "auto". Raises UserError as `explained`."""
    if way.method != "auto":
        return way
    image, autocast = black(opened), opened.autocast
    method = usual_method(opened.network, image, layer=way.layer, autocast=autocast)
    return replace(way, method=method)


def black(opened: Opened) -> Seen:
    """A black image without a caption, as the network takes images."""
    spec = opened.info.spec
    pixels = torch.zeros(1, 3, spec.size, spec.size, dtype=torch.uint8, device=opened.device)
    if not spec.words:
        return pixels
    return Captioned(pixels, pixels.new_zeros(1, spec.words))


def scores_of(opened: Opened, batches: Iterable[Seen]) -> np.ndarray:
    """-> (N, C) scores at the bundle's temperature"""
    task = TASKS[opened.info.task]
    return task.scores(opened.logits(batches), opened.info.temperature)


def explained(
    opened: Opened, images: Seen, wanted: Sequence[Wanted], way: Way
) -> tuple[list[Heat], list[Trust | None]]:
    """The map of each image for its class, and whether it is true.

    images: (N, 3, S, S) uint8, or Captioned; wanted: of each, in order; -> N maps, and N
    judgements, None where there is no map or no masks were wanted. Raises UserError where the
    network has nothing that a map could be made of.
    """
    classes = opened.info.classes
    labels = np.array([classes.index(each.label) for each in wanted])
    images = images.to(opened.device)
    autocast = opened.autocast
    maps = heat(
        opened.network, images, labels, method=way.method, layer=way.layer, autocast=autocast
    )
    scores = np.array([each.score for each in wanted])
    if np.isnan(scores).any():
        scores = scores_of(opened, [images])[np.arange(len(labels)), labels]
    found = [
        Heat(each.path, each.row, each.label, float(score), cells_of(its), sampled=each.sampled)
        for each, score, its in zip(wanted, scores, maps, strict=True)
    ]
    if not way.masks:
        return found, [None] * len(found)
    scored = partial(scores_of, opened)
    judged = trusted(scored, images, labels, maps, masks=way.masks, steps=way.steps)
    return [with_trust(*pair) for pair in zip(found, judged, strict=True)], judged


def with_trust(found: Heat, trust: Trust | None) -> Heat:
    """The map with what became of the score where its hottest fifth, or any, was blurred."""
    if trust is None:
        return found
    return replace(
        found,
        score=trust.score,
        blurred=trust.score - trust.fall,
        random=tuple(trust.score - float(each) for each in trust.random_falls),
        beats=trust.beats,
    )


def cells_of(found: np.ndarray) -> np.ndarray | None:
    """A map (H, W) 0..1 as bytes of at most SIDE a side; None where it is nan."""
    if np.isnan(found).any() or not found.any():
        return None
    side = min(SIDE, len(found))
    whole = torch.from_numpy(found)[None, None]
    small = functional.interpolate(whole, size=(side, side), mode="area")[0, 0]
    return (255 * small / small.max()).round().to(torch.uint8).numpy()


def batches_of(
    samples: Samples, wanted: Iterable[Wanted], opened: Opened, size: int, failures: list[str]
) -> Iterator[tuple[Seen, list[Wanted]]]:
    """Images of a table as the network sees them, with their captions, `size` at a time.

    failures: takes the reason of each that cannot be read.
    """
    captions = dict(zip(samples.places(), samples.frame["caption"].to_list(), strict=True))
    left = iter(wanted)
    while batch := list(islice(left, size)):
        places = [(each.path, each.row) for each in batch]
        read = [_read(samples.root, at, opened.info.spec, captions.get(at)) for at in places]
        failures += [each.seen for each in read if isinstance(each.seen, str)]
        both = zip(batch, read, strict=True)
        there = [each for each, image in both if not isinstance(image.seen, str)]
        for images in opened.together(read):
            yield images, there


def _read(root: str, place: tuple[str, int | None], spec: InputSpec, caption: str | None) -> Read:
    """An image of a table, or why it cannot be read."""
    try:
        pixels = centre_crop(read_pixels(root, *place, spec.evaluated_form), spec.size)
    except DataError as error:
        return Read(place_name(*place), str(error))
    return Read(place_name(*place), torch.from_numpy(pixels.copy()).permute(2, 0, 1), caption)
