"""Features as they enter a network's head, seen in passing, and a file of those that are kept."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock, get_ident
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from fieldmark.errors import UserError, WeightsError
from fieldmark.files import write_whole

if TYPE_CHECKING:
    from torch import Tensor, nn

NAME = "features"
HOOKING = Lock()  # torch numbers hooks without one


@contextmanager
def watched(
    network: "nn.Module", words: int, see: Callable[[np.ndarray], np.ndarray]
) -> Iterator[list[np.ndarray]]:
    """What `see` makes of the features (n, D) of each batch that passes the network inside.

    They are taken as they come to its head, so nothing is computed twice and no logit changes;
    words: that its head is given behind each image's features, which are left off. Nothing is
    seen of a network that has no one head.
    """
    from fieldmark.models.heads import head_of

    found: list[np.ndarray] = []
    mine = get_ident()

    def take(_: "nn.Module", given: tuple[Any, ...]) -> None:
        if get_ident() == mine:  # not the images that another thread looks at
            found.append(see(flat(given[0], words)))

    try:
        head = head_of(network)[1]
    except UserError:
        yield found
        return
    with HOOKING:
        hook = head.register_forward_pre_hook(take)
    try:
        yield found
    finally:
        with HOOKING:
            hook.remove()


def flat(features: "Tensor", words: int) -> np.ndarray:
    """Features as they enter a head -> (n, D) float32: of maps their means, without words."""
    if features.ndim == 4:
        features = features.mean(dim=(2, 3))
    numbers: np.ndarray = features.detach().flatten(1).float().cpu().numpy()
    return numbers[:, : numbers.shape[1] - words]


def write_known(path: Path, features: np.ndarray) -> str:
    """Keep features (K, D) float16 in a file, whole or not at all. -> its SHA-256"""
    content = save({NAME: features})
    write_whole(path, lambda draft: draft.write_bytes(content))
    return hashlib.sha256(content).hexdigest()


def read_known(path: Path, sha256: str) -> np.ndarray:
    """The features (K, D) that were kept. Raises WeightsError: damaged, or of another model."""
    again = "copy the run again, or take the file away"
    try:
        content = path.read_bytes()
        features: np.ndarray = load(content)[NAME]
    except (OSError, SafetensorError, ValueError, KeyError) as error:
        raise WeightsError(f"{path}: cannot be read ({error}); {again}") from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise WeightsError(
            f"{path}: does not belong to the model.json beside it, or was damaged (its SHA-256 is "
            f"another); {again}"
        )
    return features
