"""ROC and precision-recall curves of the classes, each a line, the worst of them named."""

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

from fieldmark.judge.score_curves import ScoreCurve
from fieldmark.report.curves import INK, VAL, Curve, drawing, share_axes, themed_svg
from fieldmark.report.words import percent

MOST = 40  # lines of a chart, of the classes that are worst
NAMED = 3  # of them that are named


def score_charts(curves: Sequence[ScoreCurve]) -> list[Curve]:
    """The two charts; [] without a class to draw. Of two classes, which mirror each other, one."""
    if not curves:
        return []
    lines = curves[1:] if len(curves) == 2 else curves
    with drawing():
        return [_roc(lines), _precision_recall(lines)]


def _roc(curves: Sequence[ScoreCurve]) -> Curve:
    found, axes = share_axes("false positive rate: other images above the threshold")
    axes.plot([0, 1], [0, 1], color=INK, alpha=0.45, linewidth=1, linestyle=(0, (2, 3)))
    words = _lines(axes, curves, "area", ("false", "recall"), "steps-post")
    said = f"area under the curve, the least first: {words}"
    return Curve(themed_svg(found, "scores-roc"), "ROC", said)


def _precision_recall(curves: Sequence[ScoreCurve]) -> Curve:
    found, axes = share_axes("recall: images of the class above the threshold")
    words = _lines(axes, curves, "average_precision", ("recall", "precision"), "steps-pre")
    said = f"average precision, the least first: {words}"
    return Curve(themed_svg(found, "scores-precision"), "Precision by recall", said)


def _lines(
    axes: Any, curves: Sequence[ScoreCurve], figure: str, sides: tuple[str, str], steps: str
) -> str:
    """Draw the classes that are worst by a figure, and say which are the worst of all."""
    worst = sorted(curves, key=attrgetter(figure))[:MOST]
    for place, each in reversed(list(enumerate(worst))):
        named = place < NAMED
        style: Any = {"color": VAL, "linewidth": 2} if named else {"color": INK, "alpha": 0.3}
        points = attrgetter(*sides)(each)
        axes.plot(*points, drawstyle=steps, zorder=3 if named else 2, **style)
    rest = f" and {len(worst) - NAMED} more" if len(worst) > NAMED else ""
    its = (f"{each.name} {percent(getattr(each, figure))}" for each in worst[:NAMED])
    return ", ".join(its) + rest
