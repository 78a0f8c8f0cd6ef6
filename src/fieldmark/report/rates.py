"""The learning rate range test as a chart in a file."""

from pathlib import Path
from typing import Any

from fieldmark.files import write_whole
from fieldmark.report.curves import INK, Rows, drawing, empty_axes
from fieldmark.report.words import decimal

PAPER, GREEN = "#ffffff", "#12706c"  # a file has no page's theme to follow
DPI = 144  # of a .png: twice the pixels that the chart has in a page
TITLE = "Loss by learning rate"


def write_chart(path: Path, rows: Rows, suggestion: float | None) -> None:
    """Loss by learning rate as a picture, .svg or .png as its name says. Raises DiskError.

    rows: of `fit.find_lr`, with lr, loss and smoothed.
    """
    kind = path.suffix.removeprefix(".").casefold()
    about: dict[str, Any] = {"metadata": {"Date": None}} if kind == "svg" else {"dpi": DPI}
    with drawing():
        found = _drawn(rows, suggestion, GREEN)
        found.axes[0].set_title(TITLE, loc="left", fontsize=12, color=INK)
        write_whole(path, lambda draft: found.savefig(draft, format=kind, facecolor=PAPER, **about))


def in_words(rows: Rows, suggestion: float | None) -> str:
    """What the chart shows, for those who cannot see it, and for the command line."""
    least = min(rows, key=lambda row: row["smoothed"])
    first, last = rows[0], rows[-1]
    advice = "no rate stands out" if suggestion is None else f"suggested is {suggestion:.2g}"
    return (
        f"{TITLE}: from {decimal(first['smoothed'])} at {first['lr']:.2g} to "
        f"{decimal(least['smoothed'])} at {least['lr']:.2g}, and "
        f"{decimal(last['smoothed'])} at {last['lr']:.2g}; {advice}"
    )


def _drawn(rows: Rows, suggestion: float | None, color: str) -> Any:
    """Dots for the losses as they were, a line for the smoothed ones, a mark at the suggestion."""
    found, axes = empty_axes(height=230)
    rates, smoothed = [row["lr"] for row in rows], [row["smoothed"] for row in rows]
    axes.set_xscale("log")
    axes.set_xlabel("learning rate", color=INK, fontsize=12)
    axes.tick_params(which="minor", length=0)
    axes.plot(rates, [row["loss"] for row in rows], "o", color=color, markersize=2.6, alpha=0.35)
    axes.plot(rates, smoothed, color=color, linewidth=2.2)
    # up to the smoothed losses: a single one may be so high that nothing else could be seen
    low, high = min(*smoothed, *(row["loss"] for row in rows)), max(smoothed)
    edge = 0.12 * (high - low) or 0.5
    axes.set_ylim(low - edge, high + edge)
    if suggestion is not None:
        _mark(axes, suggestion)
    return found


def _mark(axes: Any, suggestion: float) -> None:
    axes.axvline(suggestion, color=INK, alpha=0.45, linewidth=1, linestyle=(0, (2, 3)), zorder=1)
    axes.annotate(
        f"suggested {suggestion:.2g}",
        (suggestion, 0),
        xycoords=axes.get_xaxis_transform(),
        xytext=(-6, 5),
        textcoords="offset points",
        ha="right",
        va="bottom",
        color=INK,
        fontsize=12,
    )
