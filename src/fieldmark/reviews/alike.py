"""What the features of a trained network say of images: which are alike, which like no other."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from fieldmark.console import Console
from fieldmark.data.intake import changed_images
from fieldmark.data.sources import gone
from fieldmark.errors import DataError, counted
from fieldmark.insight import nearness
from fieldmark.records import Samples


@dataclass(frozen=True)
class Alike:
    """Of images, by their place in `samples`.

    pairs: nearly the same picture under other labels or on two sides, with their distance; the
    nearest first. strange: far out of all others, with the mean distance to the ten nearest; the
    strangest first. same: pairs that are alike under the same labels, on one side.
    """

    samples: Samples
    pairs: tuple[tuple[int, int, float], ...]
    strange: tuple[tuple[int, float], ...]
    maps: nearness.Maps
    same: int


def alike(samples: Samples, bundle: Path, console: Console, device: str) -> tuple[Alike, list[str]]:
    """What is near what by the features of a bundle's network.

    -> that, and sentences on images that are not looked at: those that changed since. Raises
    DataError where none is left.
    """
    if why := gone(samples):
        raise DataError(f"{why}; put them back")
    left, notes = unchanged(samples)
    if not len(left):
        raise DataError(f"{samples.root}: no image is what it was in the training; put them back")
    units = nearness.unit(features_of(bundle, left, console, device))
    near = nearness.neighbours(units)
    pairs = nearness.look_alikes(near)
    counting = [at for at, (one, other) in enumerate(pairs.tolist()) if differ(left, one, other)]
    strange = nearness.strangeness(near)
    found = Alike(
        left,
        tuple((*pairs[at].tolist(), _distance(units, *pairs[at])) for at in counting),
        tuple((at, float(strange[at])) for at in nearness.strangers(strange).tolist()),
        nearness.maps(units),
        len(pairs) - len(counting),
    )
    return found, notes


def features_of(bundle: Path, samples: Samples, console: Console, device: str) -> np.ndarray:
    """What enters the head of the network in a bundle, of each image. -> (N, ...) float32

    Of a run with a frozen network the cache has them; else the images pass once. Raises DataError
    for an image that cannot be read, and what `open_bundle` does.
    """
    from fieldmark.cache import open_cache  # only here is a network loaded
    from fieldmark.fit.features import Pass, body_name, embed
    from fieldmark.models.body import body_and_head
    from fieldmark.use.opened import open_bundle

    opened = open_bundle(bundle, device)
    body, _ = body_and_head(opened.network.network, opened.info.spec.size)
    passing = Pass(
        body,
        name=body_name(opened.info),
        spec=replace(opened.info.spec, words=0),
        precision=opened.info.precision,
        device=opened.device,
    )
    found = embed(passing, samples, cache=open_cache(), console=console)
    return found.plain.float().numpy()


def unchanged(samples: Samples) -> tuple[Samples, list[str]]:
    """The images that are what they were, and a sentence on the others."""
    gone = set(changed_images(samples))
    if not gone:
        return samples, []
    stay = [path not in gone for path in samples.frame["path"]]
    note = (
        f"{counted(len(gone), 'image')} in {samples.root} changed or vanished since the training "
        f"('{min(gone)}' is one) and have no place on the map"
    )
    return replace(samples, frame=samples.frame.filter(stay)), [note]


def differ(samples: Samples, one: int, other: int) -> bool:
    """Whether two images have other labels, or stand on two sides."""
    labels: Sequence[Sequence[str]] = samples.frame["labels"][[one, other]].to_list()
    split = samples.frame["split"]
    return set(labels[0]) != set(labels[1]) or split[one] != split[other]


def _distance(units: np.ndarray, one: int, other: int) -> float:
    return max(0.0, float(1 - units[one] @ units[other]))
