"""Answering only where validation says that enough of the answers are right."""

from dataclasses import dataclass

import numpy as np

from fieldmark.errors import Mistake, RunError, SettingsError, counted
from fieldmark.judge.calibrate import threshold_for
from fieldmark.judge.intervals import wilson
from fieldmark.models.bundle_info import BundleInfo, Unlike
from fieldmark.task import TASKS


@dataclass(frozen=True)
class Abstention:
    """An image is answered where its score is `score` or more.

    images: of validation, with a guess; answered: those with that score; right: of these. unlike:
    how many more of validation are unlike the training images; None where nothing tells that.
    models: that answered, each the images of its own validation, where several are one.
    """

    score: float
    images: int
    answered: int
    right: int
    unlike: int | None = None
    models: int = 1

    def words(self, left: int, seen: int, unlike: int = 0) -> str:
        """What it did to `seen` images, `left` of which got no label, and what it rests on.

        unlike: of those left, which are unlike the training images.
        """
        why, known = f"for their score is below {self.score:.3g}", ""
        if self.unlike is not None:
            why = (
                f"{unlike} for being unlike the training images and {left - unlike} for a score "
                f"below {self.score:.3g}"
            )
            known = f" {self.unlike} would be unlike; of the others"
        images = counted(self.images + (self.unlike or 0), "validation image")
        if self.models > 1:
            images = f"{self.images} answers of {self.models} models, each of its own validation,"
        return (
            f"{left} of {counted(seen, 'image')} left without a label, {why}; of {images}{known} "
            f"{self.answered} would be labelled, {right_words(self.right, self.answered)} of them "
            "rightly (pictures of none of the classes may get a label all the same)"
        )


def refuse_share(accuracy: float) -> None:
    """Raise SettingsError for a share outside (0, 1]."""
    if not 0 < accuracy <= 1:
        hint = f"; did you mean {accuracy / 100:g}?" if 2 <= accuracy <= 100 else ""
        what = f"must be more than 0 and at most 1, not {accuracy:g}{hint}"
        raise SettingsError([Mistake("--abstain", what)])


def abstention(
    info: BundleInfo, accuracy: float, path: object, unlike: Unlike | None = None
) -> Abstention:
    """The score that validation says is needed for this share of right answers.

    unlike: what leaves images out before; validation is then taken without those that it flags.

    Raises SettingsError for a share outside (0, 1] or one that validation never reached, and
    RunError where the bundle at `path` does not know what validation answered.
    """
    refuse_share(accuracy)
    if TASKS[info.task].several:
        what = (
            "is for one label an image; of several each has a threshold of its own; leave it out, "
            "or take --unlike, which leaves out images unlike the training ones"
        )
        raise SettingsError([Mistake("--abstain", what)])
    if not info.answers:
        raise RunError(
            f"{path}: does not say what was answered right in validation, which --abstain goes "
            "by; it was trained without validation, or by an older Fieldmark: train anew, or "
            "leave --abstain out"
        )
    answers = unlike.answers if unlike is not None else info.answers
    images = answers[-1][1]
    row = threshold_for(answers, accuracy)
    if row is None:
        best, right = max(answers, key=lambda row: (row[2] / row[1], row[1]))[1:]
        what = (
            f"validation never reaches that; at most it is right on {right_words(right, best)}, "
            f"of the {best} that it is surest of among {counted(images, 'image')}; "
            f"ask for {np.floor(1000 * right / best) / 1000:g} or less"
            if right
            else f"not one of the {counted(images, 'image')} of validation is guessed right; "
            "leave --abstain out"
        )
        raise SettingsError([Mistake(f"--abstain {accuracy:g}", what)])
    return Abstention(row[0], images, row[1], row[2], unlike.flagged if unlike else None)


def right_words(right: int, answered: int) -> str:
    """A share and its 95 % interval: "96.2 % (91.0 to 98.4 %)"."""
    low, high = wilson(np.asarray(right / answered), np.asarray(answered))
    return f"{100 * right / answered:.1f} % ({100 * float(low):.1f} to {100 * float(high):.1f} %)"
