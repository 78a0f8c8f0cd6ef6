"""The ways in which an exact head was made, as a chart: the loss of held-out images by penalty."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from fieldmark.report.curves import TRAIN, VAL, Curve, drawing, empty_axes, line, themed_svg
from fieldmark.report.words import SCALINGS, decimal, defined

STYLES: dict[str, Any] = {"plain": "-", "standard": (0, (4, 2)), "length": (0, (1, 1.5))}


def ways_curve(tried: Sequence[Mapping[str, Any]]) -> Curve | None:
    """A line for each scaling of the features; None where nothing was to be chosen.

    tried: rows with scaling, penalty, val_loss, and kept for the one that was.
    """
    known = [way for way in tried if "penalty" in way and defined(way.get("val_loss"))]
    kept = next((way for way in known if way["kept"]), None)
    if kept is None or len(known) < 2:
        return None
    with drawing():
        found, axes = empty_axes(230, "penalty")
        for scaling, style in STYLES.items():
            own = [(_place(w), w["val_loss"]) for w in known if w["scaling"] == scaling]
            if own:
                color = VAL if scaling == kept["scaling"] else TRAIN
                line(axes, own, color, linestyle=style, linewidth=1.9, label=SCALINGS[scaling])
        axes.plot([_place(kept)], [kept["val_loss"]], "o", color=VAL, markersize=7.5, zorder=4)
        axes.set_yscale("log")
        axes.xaxis.set_major_formatter(lambda value, _: f"{10**-value:g}")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.yaxis.set_minor_formatter(lambda value, _: f"{value:g}" * (f"{value:e}"[0] in "25"))
        axes.tick_params(which="both", labelsize=12, length=0)
        axes.legend(frameon=False, fontsize=9, labelcolor="linecolor")
        svg = themed_svg(found, "ways", hover=_by_penalty(known))
    made = f"{SCALINGS[kept['scaling']]} and a penalty of {kept['penalty']:g}"
    words = f"Loss by penalty: {decimal(kept['val_loss'])} with {made}"
    return Curve(svg, "Loss by penalty, from strong to weak", words)


def _place(way: Mapping[str, Any]) -> float:
    return -math.log10(way["penalty"])


def _by_penalty(known: Sequence[Mapping[str, Any]]) -> list[tuple[float, float, str]]:
    """A column a penalty, half a step to either side: every scaling's loss."""
    its: dict[float, list[str]] = {}
    for way in known:
        loss = f"{SCALINGS[way['scaling']]} {decimal(way['val_loss'])}"
        its.setdefault(way["penalty"], []).append(loss)
    return [
        (-math.log10(at) - 0.5, -math.log10(at) + 0.5, f"penalty {at:g}: {', '.join(losses)}")
        for at, losses in its.items()
    ]
