"""Figures of the caller's own, functions of truth and scores: metrics for as long as a call."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

from fieldmark.errors import Mistake, refuse
from fieldmark.judge.evidence import Evidence
from fieldmark.judge.metrics import BOTH, METRICS, Metric, OfScores, Shown

UNPAIRED = "it is a function of the caller's own"


@contextmanager
def counted_with(given: Sequence[Callable[..., Any]]) -> Iterator[tuple[str, ...]]:
    """Inside, METRICS has these functions under their names. -> the names

    A function takes the truth, (N,) places of classes or of several labels (N, C) of 0 and 1, and
    the scores (N, C), and gives a number; more is better, but where its attribute `better` is
    "min". Raises SettingsError for a name that is taken or is none.
    """
    names = tuple(str(getattr(each, "__name__", type(each).__name__)) for each in given)
    what = "must be functions with plain names that no other figure has; rename"
    refuse(
        Mistake("metrics", f"{what} '{name}'")
        for place, name in enumerate(names)
        if not name.isidentifier() or name in (*METRICS, "loss", *names[:place])
    )
    table = cast(dict[str, Metric], METRICS)
    table.update({name: _row(each) for name, each in zip(names, given, strict=True)})
    try:
        yield names
    finally:
        for name in names:
            del table[name]


def _row(figure: Callable[..., Any]) -> Metric:
    def value(evidence: Evidence) -> float:
        if not len(evidence.targets):
            return math.nan
        return float(figure(evidence.targets, evidence.scores))

    about = (figure.__doc__ or "").strip().partition("\n")[0].rstrip(".")
    return Metric(
        about or "a figure of the caller's own",
        OfScores(value, UNPAIRED),
        better=getattr(figure, "better", "max"),
        is_share=False,
        shown=Shown.LINE,
        tasks=BOTH,
    )
