"""Answering only where validation says that enough of the answers are right."""

from dataclasses import dataclass

import numpy as np

from fieldmark.errors import Mistake, RunError, SettingsError, counted
from fieldmark.judge.calibrate import threshold_for
from fieldmark.judge.intervals import wilson
from fieldmark.models.bundle_info import BundleInfo
from fieldmark.task import TASKS


@dataclass(frozen=True)
class Abstention:
    """An image is answered where its score is `score` or more.

    images: of validation, with a guess; answered: those with that score; right: of these.
    """

    score: float
    images: int
    answered: int
    right: int

    def words(self, left: int, seen: int) -> str:
        """What it did to `seen` images, `left` of which got no label, and what it rests on."""
        return (
            f"{left} of {counted(seen, 'image')} left without a label, for their score is below "
            f"{self.score:.3g}; of {counted(self.images, 'validation image')} {self.answered} "
            f"would be labelled, {right_words(self.right, self.answered)} of them rightly "
            "(pictures of none of the classes may get a label all the same)"
        )


def abstention(info: BundleInfo, accuracy: float, path: object) -> Abstention:
    """The score that validation says is needed for this share of right answers.

    Raises SettingsError for a share outside (0, 1] or one that validation never reached, and
    RunError where the bundle at `path` does not know what validation answered.
    """
    if not 0 < accuracy <= 1:
        hint = f"; did you mean {accuracy / 100:g}?" if 2 <= accuracy <= 100 else ""
        what = f"must be more than 0 and at most 1, not {accuracy:g}{hint}"
        raise SettingsError([Mistake("--abstain", what)])
    if TASKS[info.task].several:
        what = "is for one label an image; of several each has a threshold of its own; leave it out"
        raise SettingsError([Mistake("--abstain", what)])
    if not info.answers:
        raise RunError(
            f"{path}: does not say what was answered right in validation, which --abstain goes "
            "by; it was trained without validation, or by an older Fieldmark: train anew, or "
            "leave --abstain out"
        )
    images = info.answers[-1][1]
    row = threshold_for(info.answers, accuracy)
    if row is None:
        best, right = max(info.answers, key=lambda row: (row[2] / row[1], row[1]))[1:]
        what = (
            f"validation never reaches that; at most it is right on {right_words(right, best)}, "
            f"of the {best} that it is surest of among {counted(images, 'image')}; "
            f"ask for {np.floor(1000 * right / best) / 1000:g} or less"
            if right
            else f"not one of the {counted(images, 'image')} of validation is guessed right; "
            "leave --abstain out"
        )
        raise SettingsError([Mistake(f"--abstain {accuracy:g}", what)])
    return Abstention(row[0], images, row[1], row[2])


def right_words(right: int, answered: int) -> str:
    """A share and its 95 % interval: "96.2 % (91.0 to 98.4 %)"."""
    low, high = wilson(np.asarray(right / answered), np.asarray(answered))
    return f"{100 * right / answered:.1f} % ({100 * float(low):.1f} to {100 * float(high):.1f} %)"
