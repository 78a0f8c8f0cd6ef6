"""The images that one of two runs is right about and the other is not."""

from dataclasses import dataclass, replace

import numpy as np

from fieldmark.insight.album import Album
from fieldmark.insight.answered import Picture, first, pictured, shown_at
from fieldmark.records import Samples
from fieldmark.reviews.compared_run import ComparedRun

MOST = 12  # pictures of either kind


@dataclass(frozen=True)
class Won:
    """Images that `right` recognises and `wrong` does not: how many, and those `wrong` is surest of
    with what it takes them for."""

    right: str
    wrong: str
    number: int
    pictures: tuple[Picture, ...]


def differing(first: ComparedRun, other: ComparedRun) -> tuple[Won, ...]:
    """The images that `other` wins and those that it loses; () of several labels an image.

    Both runs must have been paired. Pictures that cannot be read any more are left out.
    """
    if first.predictions.task.several or not first.folder.samples.is_file():
        return ()
    place, keys = {key: row for row, key in enumerate(other.keys())}, first.keys()
    known = np.flatnonzero(first.shown.known)
    order = np.array([place[keys[row]] for row in known], np.int64)
    album = Album(Samples.read(first.folder.samples))
    ours, theirs = _right(first, known), _right(other, order)
    return (
        _won(other, first, known, theirs & ~ours, album),
        _won(first, other, order, ours & ~theirs, album),
    )


def _right(run: ComparedRun, rows: np.ndarray) -> np.ndarray:
    """Whether the run is right about each of these rows of its split."""
    return run.evidence(run.predictions.classes, rows).right


def _won(
    winner: ComparedRun, loser: ComparedRun, rows: np.ndarray, won: np.ndarray, album: Album
) -> Won:
    """rows: of the loser's split; won: whether the winner alone is right about each."""
    table = replace(loser.shown, frame=loser.shown.frame[rows])
    evidence = loser.evidence(table.classes, rows)
    wanted = [shown_at(table, evidence, row) for row in first(evidence.confidence, won, MOST)]
    return Won(winner.name, loser.name, int(won.sum()), pictured(album, None, wanted, Picture))
