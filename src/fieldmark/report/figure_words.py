"""Figures as lines of text."""

from typing import Any

from fieldmark.errors import counted, listed
from fieldmark.judge.by import By
from fieldmark.judge.metrics import Shown, prominent
from fieldmark.report.reliability import sureness

FEW_GROUPS = 2  # whose differences tell nearly nothing of what other groups would give
MOST_WARNINGS = 5  # values that are named; the others are counted


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
    for metric, row in prominent(Shown.LINE).items():
        if metric not in found or (row.among and len(found["per_class"]) <= 2 * row.among):
            continue  # of ten classes or fewer five are nearly all
        value = found[metric]
        low, high = found.get("intervals", {}).get(metric, (None, None))
        between = "" if low is None or high is None else f"{low:.4f} to {high:.4f}"
        lines.append(f"  {row.words:<19}{_four(value):<9}{between}".rstrip())
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


def by_warnings(by: By, accuracy: float | None) -> list[str]:
    """A sentence for each value whose accuracy's whole interval lies below that of all images.

    The worst comes first, and after MOST_WARNINGS of a column the rest are counted. Of many
    values one in forty would stand here by chance.
    """
    return [each for column in by for each in _warnings(column, by[column], accuracy or 0.0)]


def by_lines(column: str, side: str, by_value: dict[str, dict[str, Any]]) -> list[str]:
    """The table of one column for a terminal: value, images, accuracy, and other metrics.

    A line below says what the intervals go by, where that is not plain.
    """
    head = f"{side} by {column}"
    width = max([len(head), *(len(name) + 2 for name in by_value)])
    others = {
        name: row.words for name, row in prominent(Shown.COLUMN).items() if name != "accuracy"
    }
    heads = "  ".join(others.values())
    lines = [f"{head:<{width}}   images  accuracy  95 % interval     {heads}"]
    for name, found in by_value.items():
        low, high = found["intervals"]["accuracy"]
        between = "" if low is None or high is None else f"{low:.4f} to {high:.4f}"
        cells = [f"{_four(found[key]):<{len(words)}}" for key, words in others.items()]
        lines.append(
            f"{'  ' + name:<{width}}  {found['n']:>7,}  {_four(found['accuracy']):<8}  "
            f"{between:<16}  {'  '.join(cells)}".rstrip()
        )
    return lines + _group_lines(by_value)


def _group_lines(by_value: dict[str, dict[str, Any]]) -> list[str]:
    """What the intervals go by where it is not plain: images of one group, or too few groups."""
    lines = []
    if any(found.get("within_group") for found in by_value.values()):
        lines.append("  each value is one group: its interval is of other images of that group")
    few = [name for name, found in by_value.items() if 0 < (found.get("groups") or 0) <= FEW_GROUPS]
    if few:
        lines.append(f"  of one or two groups, which tell nearly nothing: {listed(few)}")
    return lines


def _warnings(column: str, by_value: dict[str, dict[str, Any]], overall: float) -> list[str]:
    highs = {name: found["intervals"]["accuracy"][1] for name, found in by_value.items()}
    below = [name for name, high in highs.items() if high is not None and high < overall]
    below.sort(key=lambda name: float(by_value[name]["accuracy"]))
    said = []
    for name in below[:MOST_WARNINGS]:
        found = by_value[name]
        low, high = found["intervals"]["accuracy"]
        said.append(
            f"{column} {name}: {_whole(found['accuracy'])} ({100 * low:.0f} to "
            f"{_whole(high)}) of {counted(found['n'], 'image')}, below the "
            f"{_whole(overall)} overall"
        )
    if len(below) > MOST_WARNINGS:
        more = counted(len(below) - MOST_WARNINGS, "value")
        said.append(f"{column}: {more} more, below the {_whole(overall)} overall")
    return said


def _four(value: float | None) -> str:
    return "none" if value is None else f"{value:.4f}"


def _whole(share: float) -> str:
    return f"{100 * share:.0f} %"
