"""What the heads of a stage are tried on, and what comes of it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fieldmark.console import Console
from fieldmark.fit.checkpoint import Tensors
from fieldmark.fit.features import Features
from fieldmark.fit.heads import Embedded, FeatureBatches, Trained
from fieldmark.fit.plan import Parts, Plan
from fieldmark.fit.state import State
from fieldmark.records import Samples
from fieldmark.runs.network import Prepared
from fieldmark.runs.on_images import parts_of


@dataclass(frozen=True, eq=False)
class Found:
    """The head of a stage that was the best.

    head, options: its kind, and its options beside the settings' own. trained: how it came about.
    answers: (n, C) logits of the images that folds judge. held: the head that was trained without
    the first fold, by names in the head. tried: a row on every head, in order.
    """

    head: str
    trained: Trained
    tried: list[dict[str, Any]]
    options: dict[str, Any] = field(default_factory=dict)
    answers: Tensor | None = None
    held: Tensors | None = None


@dataclass(frozen=True, eq=False)
class Bench:
    """What the heads of a stage are tried on, and how.

    plan: the stage's. begun: where training stands before it, which stays as it is.
    """

    prepared: Prepared
    features: Features
    plan: Plan
    begun: State
    console: Console
    stop_asked: Callable[[], bool]

    @property
    def samples(self) -> Samples:
        """The images with their splits."""
        return self.prepared.samples

    @property
    def targets(self) -> np.ndarray:
        """Of every image. -> (N,)"""
        return self.samples.targets(self.prepared.classes)

    def parts(self, train: Embedded, seed: int) -> Parts:
        """What the training of a head works with."""
        given = self.prepared.settings.train
        order: Any = {"batch_size": given.batch_size, "seed": seed, "sampling": given.sampling}
        return parts_of(self.prepared, FeatureBatches(train, **order))

    def training(self, without: np.ndarray | None = None) -> Embedded:
        """The training images; without (N,): those that are held out."""
        train = self.samples.rows("train")
        kept = np.ones(len(train), bool) if without is None else ~without[train]
        targets = self.targets[train][kept]
        device, views = self.prepared.device, self.features.views
        if views is not None:  # of the training images alone
            return Embedded(views.to(device), np.flatnonzero(kept), targets)
        return Embedded(self._plain(device), train[kept], targets)

    def judging(self, rows: np.ndarray) -> Embedded | None:
        """Images that are validated on, as evaluation sees them; None where there are none."""
        if not len(rows):
            return None
        return Embedded(self._plain(self.prepared.device), rows, self.targets[rows])

    def _plain(self, device: torch.device) -> Tensor:
        return self.features.plain.unsqueeze(0).to(device)
