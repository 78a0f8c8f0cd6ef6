"""Figures as lines of text."""

from typing import Any

HEADLINE = (
    ("accuracy", "accuracy"),
    ("balanced_accuracy", "balanced accuracy"),
    ("macro_f1", "macro F1"),
    ("roc_auc", "ROC-AUC"),
    ("log_loss", "log loss"),
)


def figure_lines(side: str, found: dict[str, Any]) -> list[str]:
    """A split's figures as lines of text, with their intervals where there are some."""
    lines = [
        f"{side}, {found['n']} images" + (", 95 % intervals:" if "intervals" in found else ":")
    ]
    for name, words in HEADLINE:
        value = found[name]
        low, high = found.get("intervals", {}).get(name, (None, None))
        number = "not defined" if value is None else f"{value:.4f}"
        between = "" if low is None or high is None else f"   {low:.4f} to {high:.4f}"
        lines.append(f"  {words:<18}{number}{between}")
    if found["absent"]:
        lines.append(f"  not in {side}: {', '.join(found['absent'])}; the figures leave them out")
    return lines
