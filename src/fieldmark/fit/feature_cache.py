"""Features in the cache: files of many images each, found by their images' keys."""

from collections.abc import Sequence

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from fieldmark.cache import Cache, address

VERSION = 1  # of the files: a change makes every old one unused
KIND = "features"  # the cache's word for them
KEY = 32  # letters of an image's key


class FeatureCache:
    """Features of one origin in the cache: files that are numbered one after another.

    A file that has gone leaves a gap, which the next one fills; what came after it is then
    found again. Until then it is only computed anew.
    """

    def __init__(self, cache: Cache, origin: str):
        self._cache, self._origin, self._next = cache, origin, 0

    def find(self, keys: set[str]) -> dict[str, Tensor]:
        """What is kept of `keys`: each one's features."""
        found: dict[str, Tensor] = {}
        while (path := self._cache.get(KIND, self._key(self._next))) is not None:
            self._next += 1
            try:
                with safe_open(path, framework="pt") as pack:
                    names = _names(pack.get_tensor("keys"))
                    wanted = [place for place, name in enumerate(names) if name in keys]
                    if wanted:  # one tensor of their own, not the whole file's
                        features = pack.get_tensor("features")[torch.tensor(wanted)]
                        found |= {names[at]: row for at, row in zip(wanted, features, strict=True)}
            except (SafetensorError, OSError):  # deleted this moment, or damaged
                continue
        return found

    def add(self, keys: Sequence[str], features: Tensor) -> None:
        """Keep the features of `keys`, (n, ...), in a file of their own."""
        letters = np.frombuffer("".join(keys).encode("ascii"), np.uint8).copy()
        pack = {"keys": torch.from_numpy(letters), "features": features.contiguous()}
        while self._cache.get(KIND, self._key(self._next)) is not None:
            self._next += 1  # found again behind a gap, or another process was faster
        self._cache.put(KIND, self._key(self._next), lambda draft: save_file(pack, draft))
        self._next += 1

    def _key(self, number: int) -> str:
        return address(VERSION, self._origin, number)


def _names(letters: Tensor) -> list[str]:
    whole = letters.numpy().tobytes().decode("ascii")
    return [whole[start : start + KEY] for start in range(0, len(whole), KEY)]
