"""Sets of classes that hold the truth as often as was asked for, as validation says."""

from fieldmark.errors import Mistake, RunError, SettingsError, counted
from fieldmark.judge.conformal import row_for
from fieldmark.models.bundle_info import BundleInfo, SetRow, Sets
from fieldmark.task import TASKS


def set_row(info: BundleInfo, level: float, path: object) -> SetRow:
    """What makes a bundle's sets hold the truth in this share of the images.

    Raises SettingsError for a share outside (0, 1), one that so few images cannot promise, and for
    several labels; RunError where the bundle at `path` does not know its validation's scores.
    """
    if not 0 < level < 1:
        hint = f"; did you mean {level / 100:g}?" if 2 <= level < 100 else ""
        what = f"must be more than 0 and less than 1, not {level:g}{hint}"
        raise SettingsError([Mistake("--sets", what)])
    if TASKS[info.task].several:
        what = "is for one label an image; of several each has a threshold of its own; leave it out"
        raise SettingsError([Mistake("--sets", what)])
    if info.sets is None:
        raise RunError(
            f"{path}: does not say which scores the truth had in validation, which --sets goes by; "
            "it was trained without validation, or by an older Fieldmark: train anew, or leave "
            "--sets out"
        )
    row = row_for(info.sets.rows, level)
    if row is None:
        most = int(1e4 * info.sets.rows[-1].level) / 1e4
        what = f"{units(info.sets)} cannot promise that; ask for {most:g} or less"
        raise SettingsError([Mistake(f"--sets {level:g}", what)])
    return row


def units(sets: Sets) -> str:
    """What the sets rest on: "150 validation images", "12 groups of 150 validation images"."""
    images = counted(sets.images, "validation image")
    return images if sets.groups is None else f"{counted(sets.groups, 'group')} of {images}"


def words(sets: Sets, row: SetRow, level: float, size: float) -> str:
    """What the sets promise, what they rest on, and their mean size here and in validation."""
    groups = ", counted by groups" if sets.groups is not None else ""
    folds = ", each answered by a head that was trained without it" if sets.folds else ""
    return (
        f"a set holds the truth of {100 * level:g} % of images like those of validation, by "
        f"{units(sets)}{groups}{folds}; of {size:.2f} classes on "
        f"average here, {row.size:.2f} there"
    )
