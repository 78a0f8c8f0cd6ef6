"""Which images are unlike those that a model was trained on, as its validation says."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fieldmark.errors import counted
from fieldmark.judge.unlike import SHARE, distances, entropy, is_unlike, unit
from fieldmark.models.bundle_info import BundleInfo, Unlike
from fieldmark.models.known import read_known
from fieldmark.rundir import KNOWN


@dataclass(frozen=True, eq=False)
class Check:
    """What an image is held against: what validation chose, and features (K, D) that were kept."""

    chosen: Unlike
    kept: np.ndarray

    def far(self, features: np.ndarray) -> np.ndarray:
        """How far images are from the training's, by their features (n, D). -> (n,)"""
        return distances(unit(features), self.kept)

    def flags(self, scores: np.ndarray, far: np.ndarray) -> np.ndarray:
        """Which images are unlike, by scores (n, C) and how far they are (n,). -> (n,) bool"""
        return is_unlike(self.chosen.distance, self.chosen.entropy, far, entropy(scores))

    def words(self, flagged: int, seen: int) -> str:
        """What it did to `seen` images, of which it `flagged` some, and what it rests on."""
        are = "is" if flagged == 1 else "are"
        by = (
            ""
            if self.chosen.entropy is not None
            else (" (of several labels an image this goes by distance alone)")
        )
        return (
            f"{flagged} of {counted(seen, 'image')} {are} unlike the training images and left "
            f"without labels; so {'is' if self.chosen.flagged == 1 else 'are'} "
            f"{self.validation()}{by}"
        )

    @property
    def is_of_enough(self) -> bool:
        """Whether validation has enough images, or groups, to say how often a known one is flagged.

        Of fewer the largest value is the most, which many of the others may be above.
        """
        return (self.chosen.groups or self.chosen.images) >= 1 / SHARE - 1

    def advice(self, flagged: int, seen: int) -> str:
        """What is said of `seen` images that keep their labels, though it `flagged` some."""
        entropy_counts = self.chosen.entropy is not None  # else --abstain cannot be had either
        how = "--unlike or --abstain leaves" if entropy_counts else "--unlike leaves"
        return f"{self.flagged_words(flagged, seen)}; {how} them without a label"

    def flagged_words(self, flagged: int, seen: int) -> str:
        """How many of `seen` images are unlike, beside how many of validation are."""
        are, so_are = (
            ("is" if number == 1 else "are") for number in (flagged, self.chosen.flagged)
        )
        return (
            f"{flagged} of {counted(seen, 'image')} {are} unlike the training ones (so {so_are} "
            f"{self.validation()})"
        )

    def validation(self) -> str:
        """How many of the validation images it flags: "4 of 150 validation images"."""
        return f"{self.chosen.flagged} of {counted(self.chosen.images, 'validation image')}"


def check_of(info: BundleInfo, path: str | Path) -> Check | str:
    """What the bundle in a folder holds images against, or in a sentence why it cannot.

    Raises WeightsError where what was kept is damaged or another model's.
    """
    file = Path(path) / KNOWN
    if info.unlike is None:
        return (
            f"{path}: does not say which images are unlike the training ones; it was trained "
            "without validation, by an older Fieldmark, or is a network without one head"
        )
    if not file.is_file():
        return (
            f"{path}: lacks {KNOWN}, by which images unlike the training ones are told; copy it "
            "from the run beside the other two files"
        )
    kept = read_known(file, info.unlike.known_sha256).astype(np.float32)  # once, not each batch
    return Check(info.unlike, kept)
