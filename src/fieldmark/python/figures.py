"""Figures of the caller's own, functions of truth and scores: metrics for as long as a call."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

from fieldmark.errors import Mistake, refuse
from fieldmark.judge.metrics import METRICS, Metric, of_function

WHOSE = "of the caller's own"


@contextmanager
def counted_with(given: Sequence[Callable[..., Any]]) -> Iterator[tuple[str, ...]]:
    """Inside, METRICS has these functions under their names. -> the names

    A function takes the truth, (N,) places of classes or of several labels (N, C) of 0 and 1, and
    the scores (N, C), and gives a number; more is better, but where its attribute `better` is
    "min". Its attribute `within`, such as (0, 1), says between which ends it lies. Raises
    SettingsError for a name that is taken or is none.
    """
    names = tuple(str(getattr(each, "__name__", type(each).__name__)) for each in given)
    what = "must be functions with plain names that no other figure has; rename"
    refuse(
        Mistake("metrics", f"{what} '{name}'")
        for place, name in enumerate(names)
        if not name.isidentifier() or name in (*METRICS, "loss", *names[:place])
    )
    table = cast(dict[str, Metric], METRICS)
    table.update({name: of_function(each, WHOSE) for name, each in zip(names, given, strict=True)})
    try:
        yield names
    finally:
        for name in names:
            del table[name]
