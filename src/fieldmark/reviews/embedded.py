"""Features of images by the body of a trained network, from the cache as far as they are there."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from fieldmark.cache import open_cache
from fieldmark.console import Console
from fieldmark.fit.features import Pass, body_name, embed
from fieldmark.models.body import body_and_head
from fieldmark.records import Samples
from fieldmark.use.opened import open_bundle


def features_of(bundle: Path, samples: Samples, console: Console, device: str) -> np.ndarray:
    """What enters the head of the network in a bundle, of each image. -> (N, ...) float32

    Of a run with a frozen network the cache has them; else the images pass once. Raises DataError
    for an image that cannot be read, and what `open_bundle` does.
    """
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
