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
    test, then one for validation. An image that stands under several labels is for training:
    no answer to it could be right. Raises DataError where a side that is wanted stays empty.
    """
    given = set(samples.frame["split"].drop_nulls().unique().to_list())
    wanted = {
        "test": 0.0 if "test" in given else test,
        "val": 0.0 if "val" in given else val,
    }
    sides = np.array([side or "train" for side in samples.frame["split"].to_list()], dtype=object)
    free = sides == "train"
    classes = samples.targets(samples.classes).tolist()
    groups: dict[int, list[tuple[list[int], bool]]] = defaultdict(list)
    for rows in _copies(np.flatnonzero(free), samples.frame["hash"].to_list()):
        labels = {classes[row] for row in rows}
        for label in labels:
            groups[label].append((rows, len(labels) == 1))
    for label in range(len(samples.classes)):
        count = len(groups[label])
        order = np.random.default_rng([seed, label]).permutation(count)
        clear = [rows for rows, is_clear in (groups[label][k] for k in order) if is_clear]
        for side, place in _deal(count, len(clear), wanted):
            sides[clear[place]] = side
    done = samples.with_splits(sides.tolist())
    _refuse_empty(done, val=val, test=test)
    return done


def merge_val_into_train(samples: Samples) -> Samples:
    """Train on the validation images too: there is no validation then."""
    sides = samples.frame["split"].to_list()
    return samples.with_splits(["train" if side == "val" else side for side in sides])


def _copies(rows: np.ndarray, hashes: list[str | None]) -> list[list[int]]:
    """Rows with the same content, together; one without a hash is a copy of none."""
    groups: dict[str | int, list[int]] = defaultdict(list)
    for row in map(int, rows):
        content = hashes[row]
        groups[row if content is None else content].append(row)
    return list(groups.values())


def _deal(count: int, clear: int, wanted: dict[str, float]) -> list[tuple[str, int]]:
    """Which of a class's `count` images go where: [(side, place)]; the rest is for training.

    Only `clear` of them, shuffled, may go; the others stand under another label too.
    """
    dealt: list[tuple[str, int]] = []
    for side in ("test", "val"):
        share = wanted[side]
        room = min(clear, count - 1) - len(dealt)  # one stays for training
        number = min(room, max(1, round(share * count))) if share and room > 0 else 0
        dealt += [(side, len(dealt) + place) for place in range(number)]
    return dealt


def _refuse_empty(samples: Samples, *, val: float, test: float) -> None:
    if len(samples.classes) < 2:
        found = f"only the class {listed(samples.classes)}" if samples.classes else "no class"
        raise DataError(
            f"{samples.root}: there is {found}; a classifier needs at least two class folders"
        )
    counts = {side: len(samples.rows(side)) for side in SPLITS}
    needed = {"train": 1.0, "val": val, "test": test}
    empty = [side for side in SPLITS if needed[side] and not counts[side]]
    if empty:
        spare = " and ".join(f"data.{side}_fraction=0" for side in empty if side != "train")
        raise DataError(
            f"{samples.root}: {len(samples)} images in {len(samples.classes)} classes are too few "
            f"to have some for {listed(empty)}; add images" + (f", or set {spare}" if spare else "")
        )
