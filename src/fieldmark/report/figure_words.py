"""Figures as lines of text."""

from typing import Any

from fieldmark.errors import counted
from fieldmark.judge.by import FEW_GROUPS
from fieldmark.report.reliability import sureness

HEADLINE = (
    ("accuracy", "accuracy"),
    ("top5_accuracy", "top-5 accuracy"),
    ("balanced_accuracy", "balanced accuracy"),
    ("macro_f1", "macro F1"),
    ("roc_auc", "ROC-AUC"),
    ("log_loss", "log loss"),
    ("ece", "calibration error"),
)


def figure_lines(
    side: str,
    found: dict[str, Any],
    calibration: dict[str, Any] | None = None,
    *,
    name: str | None = None,
) -> list[str]:
    """A split's figures as lines of text, with their intervals where there are some.

    calibration: of metrics.json; of a split that it knows, a line says what it brought there.
    name: what the images are called, where that is not the split.
    """
    name = name or side
    title = f"{name}, {counted(found['n'], 'image')}"
    lines = [f"{title:<30}95 % interval" if "intervals" in found else title]
    for figure, words in HEADLINE:
        value = found.get(figure)
        if figure not in found or (figure == "top5_accuracy" and len(found["per_class"]) <= 10):
            continue  # of ten classes or fewer five are nearly all
        low, high = found.get("intervals", {}).get(figure, (None, None))
        number = "none" if value is None else f"{value:.4f}"
        between = "" if low is None or high is None else f"{low:.4f} to {high:.4f}"
        lines.append(f"  {words:<19}{number:<9}{between}".rstrip())
    lines += calibration_lines(side, calibration)
    if found.get("groups") and "intervals" in found:
        few = "; so few tell nearly nothing" if found["groups"] <= FEW_GROUPS else ""
        lines.append(f"  the intervals go by {counted(found['groups'], 'group')}{few}")
    lines += _uncounted_lines(found)
    if found["absent"]:
        lines.append(f"  not in {name}: {', '.join(found['absent'])}; the figures leave them out")
    return lines


def flip_line(found: dict[str, Any]) -> str:
    """A split's accuracy and log loss with mirror images averaged in, in a line."""
    low, high = found.get("intervals", {}).get("accuracy", (None, None))
    between = "" if low is None or high is None else f" ({low:.4f} to {high:.4f})"
    accuracy, loss = found["accuracy"], found["log_loss"]
    numbers = f"accuracy {accuracy:.4f}{between}" + (
        "" if loss is None else f", log loss {loss:.4f}"
    )
    return f"  with mirror images averaged in, apart: {numbers}"


def _uncounted_lines(found: dict[str, Any]) -> list[str]:
    """Images that got no guess, and those that the figures are not of; none where all count."""
    no_guess, unknown = found.get("no_guess"), found.get("unknown")
    lines = []
    if no_guess:
        what = "got no guess, since the scores are not finite"
        count = "counts" if no_guess == 1 else "count"
        lines.append(f"  {counted(no_guess, 'image')} {what}, and {count} as wrong")
    if unknown:
        lines.append(f"  {counted(unknown, 'image')} without a known class left out")
    return lines


def calibration_lines(side: str, calibration: dict[str, Any] | None) -> list[str]:
    """What the temperature did to the scores of a split, in a line; none where it is not known."""
    change = (calibration or {}).get(side)
    if calibration is None or not change:
        return []
    before = change["before"]["ece"]
    if before is None:
        return []
    temperature = float(calibration["temperature"])
    without = f"without it {sureness(temperature)}: error {before:.4f}"
    return [f"  {'temperature':<19}{temperature:<9.2f}{without}"]
