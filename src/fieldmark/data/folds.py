"""k folds: each image is held out once. The same guarantees as the split."""

from collections.abc import Sequence

import numpy as np

from fieldmark import streams
from fieldmark.data.splits import refuse_one_class
from fieldmark.data.stratify import Unit, stratified, units_of
from fieldmark.errors import DataError
from fieldmark.records import Samples
from fieldmark.streams import Stream


def folds(samples: Samples, *, k: int, seed: int, copies: np.ndarray | None = None) -> np.ndarray:
    """The fold in which each row is held out. -> (N,) int64, 0 to k - 1; -1 for given test rows

    Stratified by label; neither groups nor copies (as in `split`) are ever in two folds, and no
    fold is empty. A given validation set is dealt like the rest. A class with fewer images than
    k is dealt as far as it goes: `classes_in_few_folds` names it. Raises DataError for fewer than
    two folds, more folds than can be filled, or fewer than two classes.
    """
    refuse_one_class(samples)
    rows = np.flatnonzero((samples.frame["split"] != "test").fill_null(True).to_numpy())
    units = units_of(samples, copies, rows)
    _refuse_number(samples, k, units)
    found = np.full(len(samples), -1, dtype=np.int64)
    dealt = stratified(units, [1 / k] * k, streams.draw(Stream.FOLDS, seed))
    for unit, fold in zip(units, dealt, strict=True):
        found[unit.rows] = fold
    return found


def classes_in_few_folds(samples: Samples, fold: np.ndarray) -> dict[str, int]:
    """In how many folds each class is, for those that are not in all; in the order of classes.

    Where that is 1, no model that is asked for the class was trained on it.
    """
    wanted = int(fold.max()) + 1
    where: dict[str, set[int]] = {name: set() for name in samples.classes}
    for number, labels in zip(fold.tolist(), samples.frame["labels"].to_list(), strict=True):
        for label in labels or ():
            where[label] |= {number} - {-1}
    return {name: len(found) for name, found in where.items() if len(found) < wanted}


def _refuse_number(samples: Samples, k: int, units: Sequence[Unit]) -> None:
    if k < 2:
        raise DataError(
            f"{samples.root}: cross-validation needs at least 2 folds, not {k}; "
            "with fewer there is nothing to train on"
        )
    if k > len(units):
        several = "s" * (len(units) != 1)
        grouped = any(unit.images > 1 for unit in units)
        kind = f"group{several} that must stay whole" if grouped else f"different image{several}"
        remedy = f"ask for at most {len(units)} folds" if len(units) > 1 else "add images"
        raise DataError(f"{samples.root}: {k} folds are too many for {len(units)} {kind}; {remedy}")
