"""ROC and precision-recall curves of the classes, each a line, the worst of them named."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from fieldmark.judge.score_curves import ScoreCurve
from fieldmark.report.curves import INK, VAL, Curve, drawing, empty_axes, themed_svg
from fieldmark.report.words import percent

MOST = 40  # lines of a chart, of the classes that are worst
NAMED = 3  # of them that are named
HEIGHT = 300


def score_charts(curves: Sequence[ScoreCurve], shown: int = NAMED) -> list[Curve]:
    """The two charts; [] without a class to draw. Of two classes, which mirror each other, one."""
    if not curves:
        return []
    lines = curves[1:] if len(curves) == 2 else curves
    with drawing():
        return [_roc(lines, shown), _precision_recall(lines, shown)]


def _roc(curves: Sequence[ScoreCurve], shown: int) -> Curve:
    worst = sorted(curves, key=lambda each: each.area)[:MOST]
    found, axes = _axes("false positive rate: other images above the threshold")
    axes.plot([0, 1], [0, 1], color=INK, alpha=0.45, linewidth=1, linestyle=(0, (2, 3)))
    for place, each in reversed(list(enumerate(worst))):
        _line(axes, each.false, each.recall, "steps-post", named=place < shown)
    words = _words(worst, [each.area for each in worst], shown)
    return Curve(
        themed_svg(found, "scores-roc"),
        "ROC",
        f"area under the curve, the least first: {words}",
    )


def _precision_recall(curves: Sequence[ScoreCurve], shown: int) -> Curve:
    worst = sorted(curves, key=lambda each: each.average_precision)[:MOST]
    found, axes = _axes("recall: images of the class above the threshold")
    for place, each in reversed(list(enumerate(worst))):
        _line(axes, each.recall, each.precision, "steps-pre", named=place < shown)
    words = _words(worst, [each.average_precision for each in worst], shown)
    return Curve(
        themed_svg(found, "scores-precision"),
        "Precision by recall",
        f"average precision, the least first: {words}",
    )


def _axes(label: str) -> tuple[Any, Any]:
    from matplotlib.ticker import MultipleLocator

    found, axes = empty_axes(HEIGHT)
    axes.xaxis.set_major_locator(MultipleLocator(0.2))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda value, _: f"{value * 100:.4g} %")
    axes.set_xlabel(label, color=INK, fontsize=12)
    axes.set(xlim=(0, 1.02), ylim=(0, 1.02))
    return found, axes


def _line(axes: Any, across: np.ndarray, up: np.ndarray, steps: str, *, named: bool) -> None:
    style = {"color": VAL, "linewidth": 2} if named else {"color": INK, "alpha": 0.3}
    axes.plot(across, up, drawstyle=steps, zorder=3 if named else 2, **style)


def _words(worst: Sequence[ScoreCurve], values: Sequence[float], shown: int) -> str:
    its = zip(worst[:shown], values, strict=False)
    rest = f" and {len(worst) - shown} more" if len(worst) > shown else ""
    return ", ".join(f"{each.name} {percent(value)}" for each, value in its) + rest
