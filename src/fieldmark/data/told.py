"""What is said of images that were taken in: their labels, their sides, what is left out."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence

import numpy as np

from fieldmark.data.finding import LEFT_OUT, PROBLEMS, Finding
from fieldmark.data.splits import classes_in_few_folds, judged_rows
from fieldmark.errors import counted, listed
from fieldmark.records import SPLITS, Samples
from fieldmark.settings.data import DataSettings

FEW = 3  # groups; fewer tell nearly nothing
UNJUDGED = "no class has images in two folds of the training images"
LEAST, ENOUGH = 4, 20  # images of a class: fewer teach nearly nothing, so many are a beginning


def several_labels(samples: Samples) -> int:
    """How many images have two labels or more."""
    return int((samples.frame["labels"].list.n_unique() > 1).sum())


def task_notes(data: DataSettings, samples: Samples) -> list[str]:
    """What `label_notes` says, and numbers that are missing among the labels."""
    return [*label_notes(data, samples), *_missing_number(samples.classes)]


def label_notes(data: DataSettings, samples: Samples) -> list[str]:
    """That several labels an image were found or asked for, and how many images have none."""
    if not samples.task.several:
        return []
    images, several = counted(len(samples), "image"), several_labels(samples)
    notes = []
    if data.task == "auto" and several:
        have = "has" if several == 1 else "have"
        notes.append(
            f"several labels an image were found ({several} of {images} {have} two or more), so "
            "each label is a question of its own: multi-label; data.task=single-label refuses them"
        )
    elif data.task == "auto":
        notes.append(
            "the table is made for several labels an image, though none has two, so each label is "
            "a question of its own: multi-label; data.task=single-label asks for the one"
        )
    none = int((samples.frame["labels"].list.len() == 0).sum())
    if none:
        have = "has" if none == 1 else "have"
        notes.append(f"{counted(none, 'image')} {have} no label: none of the classes")
    return notes


def _missing_number(classes: Sequence[str]) -> list[str]:
    """Which numbers are missing in a run of whole numbers: at most one in five of those there."""
    if not all(name.isascii() and name.isdigit() and str(int(name)) == name for name in classes):
        return []
    numbers = sorted(map(int, classes))
    if not numbers or numbers[-1] - numbers[0] + 1 - len(numbers) > len(numbers) // 5:
        return []
    missing = sorted({*range(numbers[0], numbers[-1] + 1)} - set(numbers))
    if not missing:
        return []
    which = listed(map(str, missing)).replace("'", "")
    return [f"labels {numbers[0]} to {numbers[-1]} occur but for {which}"]


def spare_notes(spare: dict[str, frozenset[str]]) -> list[str]:
    """Which pictures beside a table's images no row names."""
    notes = []
    for folder, names in spare.items():
        if names:
            have = "has no row and is" if len(names) == 1 else "have no row and are"
            shown = listed(sorted(names), most=5)
            notes.append(f"{counted(len(names), 'file')} in {folder} {have} not used ({shown})")
    return notes


def health_notes(found: Sequence[Finding]) -> list[str]:
    """The findings that may spoil a score, but those that are told in words of their own.

    And how pixels were read that are not as the files have them.
    """
    own = {*PROBLEMS, *LEFT_OUT, "leakage", "near-leakage", "class-missing-in-split"}
    own |= {"group-leakage"}  # of groups that are given: `group_note`
    also = {("warning", "label-spelling"), ("warning", "group-leakage")}
    also |= {("note", "mended"), ("note", "other-profile"), ("warning", "hdr")}
    return [
        each.sentence
        for each in found
        if (each.severity, each.kind) in also or (each.severity == "error" and each.kind not in own)
    ]


def parted_notes(samples: Samples) -> list[str]:
    """What to say of images that are on their sides, or in folds: where they are too few."""
    return [
        *few_images_note(samples),
        *group_note(samples),
        *few_groups_note(samples),
        *_lacking_notes(samples),
        *_alone_note(samples),
    ]


def _lacking_notes(samples: Samples) -> list[str]:
    """Classes that a side has no image of, given or drawn."""
    notes = []
    counts = samples.counts()
    for side in SPLITS:
        lacking = [name for name, by_side in counts.items() if not by_side[side]]
        if lacking and len(lacking) < len(counts):
            words = "have no image" if len(lacking) > 1 else "has no image"
            then = " and cannot be learned" if side == "train" else ""
            notes.append(f"{listed(lacking)} {words} in {side}{then}")
    return notes


def few_images_note(samples: Samples) -> list[str]:
    """What to say where most classes have next to no images."""
    sizes = [sum(sides.values()) for sides in samples.counts().values()]
    middle = int(np.median(sizes)) if sizes else LEAST
    if middle >= LEAST:
        return []
    which = "the classes have" if max(sizes) == middle else "half of the classes have"
    held = f"{which} {counted(middle, 'image')} or fewer"
    if min(sizes) == max(sizes):
        held = f"each class has {counted(middle, 'image')}"
    return [
        f"{held}, of which little can be learned and nothing proved; "
        f"add images, {ENOUGH} or more a class"
    ]


def split_notes(
    data: DataSettings, listed_sides: Collection[str], samples: Samples
) -> Iterator[str]:
    """How the images came to their sides, a sentence each.

    listed_sides: those that the source names. samples: the images that are used, with splits.
    """
    given = [side for side in SPLITS if side in listed_sides]
    carved = [side for side in SPLITS if side != "train" and side not in given]
    shares = {"val": data.val_fraction, "test": data.test_fraction}
    shares = {side: shares[side] for side in carved if getattr(data, side) != "none"}
    if samples.folds is not None:
        shares.pop("val", None)
    words = {"train": "training", "val": "validation", "test": "test"}
    if given:
        sides = listed([words[side] for side in given]).replace("'", "")
        yield f"The source says which images are for {sides}."
    drawn = " and ".join(f"{share:.3g} for {words[side]}" for side, share in shares.items())
    if drawn:
        of = "the training images" if given else "the images"
        yield (
            f"Shares of {of} were drawn, {drawn}, of each class alike, by data.split_seed "
            f"{data.split_seed}; --seed does not move them."
        )
    if samples.folds is not None:
        yield _fold_note(samples)
    elif data.val == "none":
        yield "There is no validation (data.val=none): its images were trained on."
    if "test" not in given and data.test == "none":
        yield "There is no test (data.test=none)."
    counts = Counter(samples.frame["copy_of"].drop_nulls())
    together = [number for number, many in counts.items() if many > 1]
    if together:
        pictures = counted(len(together), "picture")
        stand = "stands" if len(together) == 1 else "stand"
        yield f"{pictures} {stand} there more than once, also saved again; copies share a side."
    groups = group_sides(samples)
    if groups:
        parted = _parted_groups(groups)
        column = f" ({data.group_column})" if data.group_column else ""
        told = f"{counted(len(groups), 'group')}{column}: "
        end = f"{len(parted)} on more than one side." if parted else "none is on two sides."
        yield told + end


def _fold_note(samples: Samples) -> str:
    """How validation goes by folds, in a sentence."""
    assert samples.folds is not None
    if not len(judged_rows(samples)):
        return f"There is no validation: {UNJUDGED}."
    repeats, number = len(samples.folds), int(samples.folds.max()) + 1
    anew = f", {repeats} times over" if repeats > 1 else ""
    return (
        f"Validation is by {number} folds of the training images{anew}: each image is answered by "
        "a head that was trained without it, and what is kept is trained on all."
    )


def joined_note(samples: Samples) -> str:
    """That validation images of the source's own choice are dealt into folds with the others."""
    images = len(samples.rows("val"))
    is_are = "is" if images == 1 else "are"
    return (
        f"{counted(images, 'image')} that the source has for validation {is_are} in the folds with "
        "those for training (data.val=cross), so the head that is kept is trained on all of them"
    )


def _alone_note(samples: Samples) -> list[str]:
    """Which classes no fold can judge, being in one fold alone."""
    if samples.folds is None:
        return []
    if not len(judged_rows(samples)):
        return [f"{UNJUDGED}, so nothing can be validated"]
    found = classes_in_few_folds(samples, samples.folds[0])
    alone = [name for name, count in found.items() if count == 1]
    if not alone:
        return []
    if len(alone) == 1:
        return [f"'{alone[0]}' is in one fold only, so validation says nothing of it"]
    what = "are in one fold only each, so validation says nothing of them"
    return [f"{listed(alone, most=5)} {what}"]


def group_note(samples: Samples) -> list[str]:
    """What to say where a split that was given parts groups."""
    parted = _parted_groups(group_sides(samples))
    if not parted:
        return []
    stands = "group stands" if len(parted) == 1 else "groups stand"
    return [
        f"{len(parted)} {stands} on more than one side of the given split "
        f"({listed(parted, most=3)}), so the figures may flatter; give no split, and whole groups "
        "are drawn"
    ]


def few_groups_note(samples: Samples) -> list[str]:
    """What to say where the test, or else the validation, has too few groups to tell anything."""
    sides = group_sides(samples)
    for side, words in (("test", "the test images are"), ("val", "the validation images are")):
        found = [group for group, its in sides.items() if side in its]
        if found and len(found) < FEW:
            return [
                f"{words} of {counted(len(found), 'group')} only ({listed(found)}), so the "
                "figures say little of other groups; gather more groups, or raise "
                f"data.{side}_fraction"
            ]
    return []


def group_sides(samples: Samples) -> dict[str, set[str]]:
    """The sides that each group is on."""
    sides: dict[str, set[str]] = {}
    for group, side in samples.frame.select("group", "split").iter_rows():
        if group is not None and side is not None:
            sides.setdefault(group, set()).add(side)
    return sides


def _parted_groups(sides: dict[str, set[str]]) -> list[str]:
    """The groups that are on more than one side."""
    return [group for group, found in sides.items() if len(found) > 1]
