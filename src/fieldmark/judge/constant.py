"""What always giving the same answer would score."""

import numpy as np

from fieldmark.judge.evidence import Margins
from fieldmark.judge.metrics import OfCounts, of_task
from fieldmark.records import Predictions


def best_constant(predictions: Predictions) -> float:
    """The task's own figure of the best answer that is the same for all images; nan of none.

    Of one label it is a class. Of several it is a set of them: of any number of labels the most
    frequent ones have the best micro F1, so that each number is tried once.
    """
    task = predictions.task
    of = of_task(task)[task.metric].of
    assert isinstance(of, OfCounts), "the task's own figure is made of counts"
    targets, classes = predictions.targets[predictions.known], len(predictions.classes)
    if not len(targets):
        return float("nan")
    if task.several:
        support = np.sort((targets == 1).sum(axis=0))[::-1]
        given = np.tril(np.ones((classes, classes), np.int64))
    else:
        support = np.bincount(targets, minlength=classes)
        given = np.eye(classes, dtype=np.int64)
    every = np.broadcast_to(support, given.shape)
    return float(np.nanmax(of.value(Margins(every * given, every, given * len(targets)))))
