"""Features of training images that a run keeps, and how far other images are from them."""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from fieldmark.judge.unlike import distances, unit
from fieldmark.models.known import write_known
from fieldmark.records import Samples
from fieldmark.rundir import RunDir
from fieldmark.runs.training import Trainer

OF_A_CLASS, MOST = 50, 5000  # images: at most so many of each class, and of all together


@dataclass(frozen=True, eq=False)
class Known:
    """features (K, D) float16 of length 1, the fold that holds each image out (K,) or -1, and
    the SHA-256 of the file that they are in."""

    features: np.ndarray
    folds: np.ndarray
    sha256: str

    def far(self, features: np.ndarray) -> np.ndarray:
        """How far images are from those that are kept, by their features (n, D). -> (n,)"""
        return distances(unit(features), self.features)

    def far_of_folds(self, features: np.ndarray, folds: np.ndarray) -> np.ndarray:
        """The same of images that folds (n,) hold out: what their own fold holds does not count.

        So no image is compared with itself, with a copy, or with another of its group.
        """
        found = np.full(len(features), np.nan, np.float32)
        for fold in np.unique(folds):
            own = folds == fold
            found[own] = distances(unit(features[own]), self.features[self.folds != fold])
        return found


def keep_known(run: RunDir, trainer: Trainer) -> Known | None:
    """Keep features of training images, by the network as it is now, in the run's folder.

    None where the network has no features that enter one head, and without validation, which alone
    says how far is far. Raises DiskError.
    """
    samples = trainer.prepared.samples
    rows = kept_rows(samples)
    is_validated = samples.folds is not None or len(samples.rows("val"))
    features = trainer.look(rows, unit)[1] if is_validated else None
    if features is None:
        run.known.unlink(missing_ok=True)
        return None
    small = features.astype(np.float16)
    folds = np.full(len(rows), -1) if samples.folds is None else samples.folds[0][rows]
    return Known(small, folds, write_known(run.known, small))


def kept_rows(samples: Samples) -> np.ndarray:
    """Of each class's training images the first 50 in the order of their hashes. -> (K,) rising

    With more than 100 classes fewer, so that all are about 5,000. The same content counts once. An
    image of several labels is kept where one of them has too few; no label is a class as well.
    """
    most = min(OF_A_CLASS, max(1, MOST // max(1, len(samples.classes))))
    rows = samples.rows("train").tolist()
    hashes, labels = (samples.frame[name].to_list() for name in ("hash", "labels"))
    kept: dict[str, int] = {}
    counts: Counter[str] = Counter()
    for row in sorted(rows, key=lambda row: hashes[row]):
        own = labels[row] or [""]
        if hashes[row] not in kept and any(counts[name] < most for name in own):
            kept[hashes[row]] = row
            counts.update(own)
    return np.array(sorted(kept.values()), np.int64)
