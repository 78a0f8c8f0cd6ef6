"""Which image is for training, validation and test. Decided by labels, groups, content, a seed."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from fieldmark import streams
from fieldmark.data.copies import Copies
from fieldmark.data.stratify import Unit, stratified, units_of
from fieldmark.errors import DataError, counted, listed
from fieldmark.records import SPLITS, Samples
from fieldmark.streams import Stream

DEALT = ("train", "test", "val")  # of few images one trains first, then one is tested


def split(samples: Samples, *, val: float, test: float, seed: int) -> Samples:
    """Fill in the splits, stratified by label; groups and copies of an image stay on one side.

    What is a copy the samples say, by `copy_of` or else by equal hashes. Nor does a chain
    straddle: with a copy in another group, both groups are on one side.

    Rows that have a split keep it. Where some have one, only what is missing is carved out of
    `train`: with a test set that is given, `test` is not taken; with a given validation set,
    `val` is not. What stays together is so among the rows that are carved: what a given side
    has in common with them, the layout decided (`copies_of_test`).

    A class with few images has at least one for training, then one for the test, then one for
    validation. An image that stands under several, conflicting labels is for training, with all
    that stays with it: no answer to it could be right. Raises DataError where a side that is
    wanted stays empty, or there are fewer than two classes.
    """
    refuse_one_class(samples)
    sides = [side or "train" for side in samples.frame["split"].to_list()]
    wanted = {"test": 0.0 if "test" in sides else test, "val": 0.0 if "val" in sides else val}
    free = np.flatnonzero([side == "train" for side in sides])
    units = units_of(samples, free)
    several = bool((samples.frame["labels"].list.n_unique() > 1).any())
    if several or any(unit.images > 1 for unit in units):
        shares = {"train": 1.0 - sum(wanted.values()), **wanted}
        names = [side for side in DEALT if shares[side] or side == "train"]
        draw = streams.draw(Stream.SPLIT, seed, 0)
        parts = [shares[side] for side in names]
        dealt = [names[side] for side in stratified(units, parts, draw, training_first=True)]
    else:
        dealt = _deal_single_images(units, wanted, seed)
    for unit, side in zip(units, dealt, strict=True):
        for row in unit.rows:
            sides[row] = side
    _refuse_empty(samples, sides, units, {"train": 1.0, "val": val, "test": test})
    return samples.with_splits(sides)


def merge_val_into_train(samples: Samples) -> Samples:
    """Train on the validation images too: there is no validation then."""
    sides = samples.frame["split"].to_list()
    return samples.with_splits(["train" if side == "val" else side for side in sides])


def copies_of_test(samples: Samples) -> np.ndarray:
    """What of training is in validation or test too, and of validation what is in the test.

    Only given splits can have such copies. A given test set stays as it is, and copies on the
    same side stay.
    -> (N,) int64, the first row on the last side that a row is a copy of; -1 where it stays
    """
    numbers = samples.frame["copy_of"].to_list()
    rank = [SPLITS.index(side or "train") for side in samples.frame["split"].to_list()]
    home: dict[int, int] = {}  # image -> its first row on the last side that it is on
    for row, number in enumerate(numbers):
        if rank[row] > rank[home.setdefault(number, row)]:
            home[number] = row
    homes = [home[number] for number in numbers]
    return np.array([at if rank[at] > rank[row] else -1 for row, at in enumerate(homes)], np.int64)


def without_copies(
    samples: Samples, copies: Copies, good: np.ndarray, what: str
) -> tuple[Samples, list[str]]:
    """Take copies of judged images out of training as `what` (data.copies) says, and tell.

    good: which of the images that `copies` numbers the samples are.
    -> the samples that stay; what is a copy of what stands in them
    """
    samples = samples.with_copies((copies.near if what == "near" else copies.equal)[good])
    original = copies_of_test(samples)
    stays, paths = original < 0, samples.frame["path"]
    if stays.all():
        return samples, []
    taken = np.flatnonzero(~stays).tolist()
    pairs = listed([f"{paths[row]} = {paths[int(original[row])]}" for row in taken], most=3)
    if what == "show":
        note = (
            f"{counted(len(taken), 'image')} stand on two sides of the split and are kept "
            f"(data.copies=show), so the figures flatter: {pairs}"
        )
        return samples, [note]
    note = (
        f"{counted(len(taken), 'image')} taken out of training or validation, being copies of "
        f"images that are judged: {pairs}"
    )
    return replace(samples, frame=samples.frame.filter(stays)), [note]


def refuse_one_class(samples: Samples) -> None:
    """Raise DataError where there are fewer than two classes."""
    if len(samples.classes) < 2:
        found = f"only the class {listed(samples.classes)}" if samples.classes else "no class"
        raise DataError(
            f"{samples.root}: there is {found}; a classifier needs at least two classes"
        )


def _deal_single_images(units: Sequence[Unit], wanted: dict[str, float], seed: int) -> list[str]:
    """A side for each unit, where each is one image with one label: a draw a class.

    `stratified` would be as even; this keeps the draws of the splits that are already out.
    """
    of_label: dict[int, list[int]] = defaultdict(list)
    for number, unit in enumerate(units):
        for label in unit.held:
            of_label[label].append(number)
    dealt = ["train"] * len(units)
    for label, numbers in of_label.items():
        order = streams.draw(Stream.SPLIT, seed, label).permutation(len(numbers))
        clear = [numbers[k] for k in order if units[numbers[k]].clear]
        for side, place in _deal(len(numbers), len(clear), wanted):
            dealt[clear[place]] = side
    return dealt


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


def _refuse_empty(
    samples: Samples, sides: list[str], units: Sequence[Unit], needed: dict[str, float]
) -> None:
    empty = [side for side in SPLITS if needed[side] and side not in sides]
    if not empty:
        return
    found, remedy = f"{len(samples)} images in {len(samples.classes)} classes", "add images"
    unclear = sum(len(unit.rows) for unit in units if not unit.clear)
    if unclear:
        found += f" ({unclear} of them only for training, because copies have conflicting labels)"
    if any(unit.images > 1 for unit in units):
        found += f" and {len(units)} group{'s' * (len(units) > 1)} that must stay whole"
        remedy += " or name smaller groups"
    without = {"val": "data.val=none", "test": "data.test_fraction=0"}
    spare = " and ".join(without[side] for side in empty if side in without)
    raise DataError(
        f"{samples.root}: {found} are too few to have some for {listed(empty)}; "
        f"{remedy}{f', or set {spare}' if spare else ''}"
    )


def folds(samples: Samples, *, k: int, seed: int, repeat: int = 0) -> np.ndarray:
    """The fold in which each row is held out. -> (N,) int64, 0 to k - 1; -1 for given test rows

    Stratified by label; neither groups nor copies (as in `split`) are ever in two folds, and no
    fold is empty. A given validation set is dealt like the rest. A class with fewer images than
    k is dealt as far as it goes: `classes_in_few_folds` names it. repeat: other folds of the
    same seed. Raises DataError for fewer than two folds, more folds than can be filled, or fewer
    than two classes.
    """
    refuse_one_class(samples)
    rows = np.flatnonzero((samples.frame["split"] != "test").fill_null(True).to_numpy())
    units = units_of(samples, rows)
    _refuse_number(samples, k, units)
    found = np.full(len(samples), -1, dtype=np.int64)
    dealt = stratified(units, [1 / k] * k, streams.draw(Stream.FOLDS, seed, repeat))
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


def judged_rows(samples: Samples) -> np.ndarray:
    """The rows that folds judge: held out by one while others have its class. -> (n,) int64

    Of a class that is in one fold alone no answer could be right. Of several labels an image the
    others can be judged, so no row is left out.
    """
    assert samples.folds is not None
    if samples.task.several:
        return np.flatnonzero(samples.folds[0] >= 0)
    fold, alone = samples.folds[0], classes_in_few_folds(samples, samples.folds[0])
    lost = {name for name, count in alone.items() if count < 2}
    labels = samples.frame["labels"].to_list()
    able = [not lost.intersection(each or ()) for each in labels]
    return np.flatnonzero((fold >= 0) & np.array(able))


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
