"""Tasks of a linear head on drawn features, one label an image or several. Used by tests."""

import numpy as np
import torch

from fieldmark.fit.logistic import Task
from fieldmark.fit.losses import LOSSES, counts_of

N, D, C = 60, 8, 3


def drawn(count=N, width=D, classes=C, seed=0, apart=1.0):
    """Features in clouds, one a class. -> (count, width) float32, (count,)"""
    draw = np.random.default_rng(seed)
    targets = np.arange(count) % classes
    centres = apart * draw.normal(size=(classes, width))
    return (centres[targets] + draw.normal(size=(count, width)) + 3).astype(np.float32), targets


def task(features, targets, *, folds=0, loss=(), classes=C, out=None):
    """Problem 0 on all rows (but those of `out`), and one a fold."""
    counts = np.bincount(targets, minlength=classes)
    made = LOSSES.build("cross_entropy", LOSSES.read("cross_entropy", dict(loss))[0], counts)
    held = [np.arange(len(targets)) // classes % folds == fold for fold in range(folds)]
    first = np.zeros(len(targets), bool) if out is None else out
    judged = np.stack([first, *held])
    truth = torch.from_numpy(targets)
    return Task(
        torch.from_numpy(features),
        targets,
        made.shares(truth),
        made.shift.double(),
        ~judged,
        judged,
    )


def several(images=90, width=6, labels=3, seed=0):
    """Features, and labels that depend on them, any number an image."""
    draw = np.random.default_rng(seed)
    features = draw.normal(size=(images, width)).astype(np.float32)
    logits = features @ draw.normal(size=(width, labels)) - 0.7
    return features, (draw.random((images, labels)) < 1 / (1 + np.exp(-logits))).astype(np.int64)


def task_of_several(features, labels, folds=0, **options):
    loss = LOSSES.build("bce", options, counts_of(labels, labels.shape[1]))
    truth, held = torch.from_numpy(labels), np.arange(len(labels)) % max(folds, 1)
    judged = np.stack([np.zeros(len(labels), bool), *(held == k for k in range(folds))])
    given = torch.from_numpy(features), labels, loss.shares(truth), loss.shift.double()
    return Task(*given, ~judged, judged, loss.against(truth))
