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
    title = f"{side}, {found['n']} images"
    lines = [f"{title:<30}95 % interval" if "intervals" in found else title]
    for name, words in HEADLINE:
        value = found[name]
        low, high = found.get("intervals", {}).get(name, (None, None))
        number = "none" if value is None else f"{value:.4f}"
        between = "" if low is None or high is None else f"{low:.4f} to {high:.4f}"
        lines.append(f"  {words:<19}{number:<9}{between}".rstrip())
    if found["absent"]:
        lines.append(f"  not in {side}: {', '.join(found['absent'])}; the figures leave them out")
    return lines
