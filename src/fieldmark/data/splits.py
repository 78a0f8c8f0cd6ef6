"""Which image is for training, validation and test. Decided by labels, content and a seed."""

from collections import defaultdict

import numpy as np

from fieldmark.errors import DataError, listed
from fieldmark.records import SPLITS, Samples


def split(samples: Samples, *, val: float, test: float, seed: int) -> Samples:
    """Fill in the splits, stratified by class; copies of one image stay on one side.

    Rows that have a split keep it. Where some have one, only what is missing is carved out of
    `train`: with a test set that is given, `test` is not taken; with a given validation set,
    `val` is not. A class with few images has at least one for training, then one for the
    test, then one for validation. Raises DataError where a side that is wanted stays empty.
    """
    given = set(samples.frame["split"].drop_nulls().unique().to_list())
    wanted = {
        "test": 0.0 if "test" in given else test,
        "val": 0.0 if "val" in given else val,
    }
    sides = np.array([side or "train" for side in samples.frame["split"].to_list()], dtype=object)
    free = sides == "train"
    classes = samples.targets(samples.classes)
    hashes = samples.frame["hash"].to_list()
    for label in range(len(samples.classes)):
        rows = np.flatnonzero(free & (classes == label))
        groups = _copies(rows, hashes)
        order = np.random.default_rng([seed, label]).permutation(len(groups))
        for side, place in _deal(len(groups), wanted):
            for row in groups[order[place]]:
                sides[row] = side
    _keep_copies_together(sides, free, hashes)
    done = samples.with_splits(sides.tolist())
    _refuse_empty(done, val=val, test=test)
    return done


def merge_val_into_train(samples: Samples) -> Samples:
    """Train on the validation images too: there is no validation then."""
    sides = samples.frame["split"].to_list()
    return samples.with_splits(["train" if side == "val" else side for side in sides])


def _copies(rows: np.ndarray, hashes: list[str]) -> list[list[int]]:
    """Rows with the same content, together."""
    groups: dict[str, list[int]] = defaultdict(list)
    for row in rows:
        groups[hashes[row]].append(int(row))
    return list(groups.values())


def _deal(count: int, wanted: dict[str, float]) -> list[tuple[str, int]]:
    """Which of `count` shuffled groups go where: [(side, place)]; the rest is for training."""
    dealt: list[tuple[str, int]] = []
    for side in ("test", "val"):
        share = wanted[side]
        room = count - 1 - len(dealt)  # one stays for training
        number = min(room, max(1, round(share * count))) if share and room > 0 else 0
        dealt += [(side, len(dealt) + place) for place in range(number)]
    return dealt


def _keep_copies_together(sides: np.ndarray, free: np.ndarray, hashes: list[str]) -> None:
    """Copies under different labels were dealt apart: all go where the first of them went."""
    first: dict[str, str] = {}
    for row in np.flatnonzero(free):
        sides[row] = first.setdefault(hashes[row], sides[row])


def _refuse_empty(samples: Samples, *, val: float, test: float) -> None:
    counts = {side: len(samples.rows(side)) for side in SPLITS}
    needed = {"train": 1.0, "val": val, "test": test}
    empty = [side for side in SPLITS if needed[side] and not counts[side]]
    if empty:
        raise DataError(
            f"{samples.root}: {len(samples)} images in {len(samples.classes)} classes are too few "
            f"to have some for {listed(empty)}; add images, or set data.{empty[0]}_fraction=0"
        )
    if len(samples.classes) < 2:
        raise DataError(
            f"{samples.root}: there is only the class {listed(samples.classes)}; "
            "a classifier needs at least two class folders"
        )
