"""Figures as lines of text: of a split, of the values of a column, and which of these are low."""

import math
from typing import Literal

from fieldmark.errors import counted, listed
from fieldmark.judge.metrics import METRICS, Shown, prominent
from fieldmark.judge.paired import Difference
from fieldmark.metrics_json import By, Calibration, Figures
from fieldmark.report.words import count, is_share, metric_words, sureness, whole_percent
from fieldmark.task import ONE_LABEL

FEW_GROUPS = 2  # whose differences tell nearly nothing of what other groups would give
MOST_WARNINGS = 5  # values that are named; the others are counted


def figure_lines(
    side: str, found: Figures, calibration: Calibration | None = None, *, name: str | None = None
) -> list[str]:
    """A split's figures as lines of text, with their intervals where there are some.

    calibration: of a split that it knows, a line says what it brought there. name: what the
    images are called, where that is not the split.
    """
    name = name or side
    title = f"{name}{' out of fold' * bool(found.folds)}, {counted(found.n, 'image')}"
    title += f" in {found.total_answers} answers" if found.total_answers else ""
    lines = [f"{title:<29} 95 % interval" if found.intervals else title]
    for metric in shown_metrics(found):
        words, value = metric_words(metric), number(found[metric])
        lines.append(f"  {words:<19}{value:<9}{between(found, metric)}".rstrip())
    lines += calibration_lines(side, calibration)
    if found.groups and found.intervals:
        few = "; so few tell nearly nothing" if found.groups <= FEW_GROUPS else ""
        lines.append(f"  the intervals go by {counted(found.groups, 'group')}{few}")
    lines += _uncounted_lines(found)
    if found.absent:
        lines.append(f"  not in {name}: {', '.join(found.absent)}; the figures leave them out")
    return lines


def shown_metrics(found: Figures) -> list[str]:
    """The metrics that are told first of these figures; of ten classes or fewer five are all."""
    return [
        metric
        for metric, row in prominent(Shown.LINE, found.of_task).items()
        if metric in found.values and not (row.among and len(found.per_class) <= 2 * row.among)
    ]


def number(value: float | None) -> str:
    """A figure with four decimals."""
    return "none" if value is None else f"{value:.4f}"


def between(found: Figures, metric: str) -> str:
    """A metric's interval, "0.9637 to 0.9942"; "" where it has none."""
    bounds = found.interval(metric)
    return f"{bounds[0]:.4f} to {bounds[1]:.4f}" if bounds else ""


def flip_line(found: Figures) -> str:
    """A split's metric and log loss with mirror images averaged in, in a line."""
    metric = found.of_task.metric
    bounds = f" ({between(found, metric)})" if found.interval(metric) else ""
    loss = "" if found["log_loss"] is None else f", log loss {number(found['log_loss'])}"
    told = f"{metric_words(metric)} {number(found[metric])}{bounds}{loss}"
    return f"  with mirror images averaged in, apart: {told}"


def _uncounted_lines(found: Figures) -> list[str]:
    """Images that got no guess, and those that the figures are not of; none where all count."""
    lines = []
    if found.no_guess:
        what = "got no guess, since the scores are not finite"
        count = "counts" if found.no_guess == 1 else "count"
        lines.append(f"  {counted(found.no_guess, 'image')} {what}, and {count} as wrong")
    if found.unknown:
        lines.append(f"  {counted(found.unknown, 'image')} without a known class left out")
    return lines


def calibration_lines(side: str, calibration: Calibration | None) -> list[str]:
    """What the temperature did to the scores of a split, in a line; none where it is not known."""
    change = calibration.sides.get(side) if calibration else None
    before, after = (change.before["ece"], change.after["ece"]) if change else (None, None)
    if calibration is None or before is None:
        return []
    sure = sureness(calibration.temperature)
    without = f"without it {sure}: error {before:.4f}"
    if after is not None and after > before:  # what validation said does not hold here
        without = f"found where scores were {sure}; without it error {before:.4f}"
    return [f"  {'temperature':<19}{calibration.temperature:<9.2f}{without}"]


def by_lines(column: str, side: str, by_value: dict[str, Figures]) -> list[str]:
    """The table of one column for a terminal: value, images, the task's metric, and others.

    A line below says what the intervals go by, where that is not plain.
    """
    head = f"{side} by {column}"
    width = max([len(head), *(len(name) + 2 for name in by_value)])
    task = next((found.of_task for found in by_value.values()), ONE_LABEL)
    first = task.metric
    others = {k: metric_words(k) for k in prominent(Shown.COLUMN, task) if k != first}
    heads = "  ".join(others.values())
    lines = [f"{head:<{width}}   images  {metric_words(first)}  95 % interval     {heads}"]
    for name, found in by_value.items():
        cells = [f"{number(found[metric]):<{len(words)}}" for metric, words in others.items()]
        lines.append(
            f"{'  ' + name:<{width}}  {found.n:>7,}  {number(found[first]):<8}  "
            f"{between(found, first):<16}  {'  '.join(cells)}".rstrip()
        )
    return lines + _group_lines(by_value)


def _group_lines(by_value: dict[str, Figures]) -> list[str]:
    """What the intervals go by where it is not plain: images of one group, or too few groups."""
    lines = []
    if any(found.within_group for found in by_value.values()):
        lines.append("  each value is one group: its interval is of other images of that group")
    few = [name for name, found in by_value.items() if 0 < (found.groups or 0) <= FEW_GROUPS]
    if few:
        lines.append(f"  of one or two groups, which tell nearly nothing: {listed(few)}")
    return lines


def by_warnings(by: By, overall: Figures | None) -> list[str]:
    """A sentence for each value whose figure's whole interval lies below that of all images.

    The figure is the task's own: accuracy, or micro F1 of several labels. The worst comes first,
    and after MOST_WARNINGS of a column the rest are counted. Of many values one in forty would
    stand here by chance.
    """
    if overall is None:
        return []
    metric, all_images = overall.of_task.metric, overall[overall.of_task.metric] or 0.0
    said, end = [], f"below the {whole_percent(all_images)} overall"
    for column, by_value in by.items():
        below = [(name, found) for name, found in by_value.items() if is_below(found, overall)]
        below.sort(key=lambda each: each[1][metric] or 0.0)
        for name, found in below[:MOST_WARNINGS]:
            low, high = found.interval(metric) or (0.0, 0.0)
            said.append(
                f"{column} {name}: {whole_percent(found[metric] or 0.0)} ({100 * low:.0f} to "
                f"{whole_percent(high)}) of {counted(found.n, 'image')}, {end}"
            )
        if len(below) > MOST_WARNINGS:
            said.append(f"{column}: {counted(len(below) - MOST_WARNINGS, 'value')} more, {end}")
    return said


def is_below(found: Figures, overall: Figures) -> bool:
    """Whether the whole interval of the task's metric lies below the figure of all images."""
    metric = overall.of_task.metric
    bounds, whole = found.interval(metric), overall[metric]
    return bounds is not None and whole is not None and bounds[1] < whole


FINE = 0.0005  # a share that would be written as 0.0 points
A_POINT = 0.01  # the difference that most people ask for


def sentence(
    difference: Difference, names: tuple[str, str], *, images: int, groups: int | None = None
) -> str:
    """The second of two runs against the first.

    "b is better than a: 2.5 points of accuracy more (0.6 to 4.4)", or "b and a are too close to
    tell with 200 images: ..." and how many images would tell.
    """
    first, second = names
    if math.isnan(difference.value):
        figures = zip(names, (difference.first, difference.second), strict=True)
        lacks = [name for name, figure in figures if math.isnan(figure)]
        return (
            f"{second} and {first}: no {metric_words(difference.metric)} to compare, "
            f"{lacks[0] if len(lacks) == 1 else 'each'} has none; choose another --metric"
        )
    if difference.is_clear:
        return f"{second} is {direction(difference)} than {first}: {amount(difference)}"
    with_what = counted(images, "image") + (f" in {counted(groups, 'group')}" if groups else "")
    told = f"{second} and {first} are too close to tell with {with_what}: {amount(difference)}"
    enough = needed_words(difference, images)
    return f"{told}; {enough}" if enough else told


def direction(difference: Difference) -> Literal["better", "worse"]:
    """ "better" or "worse", whichever way the figure runs."""
    rises = METRICS[difference.metric].better == "max"
    return "better" if (difference.value > 0) == rises else "worse"


def amount(difference: Difference) -> str:
    """By how much, and from where to where: "2.5 points of accuracy more (0.6 to 4.4)"."""
    metric, points = metric_words(difference.metric), is_share(difference.metric)
    more, less = ("more", "less") if points else ("higher", "lower")
    word = more if difference.value > 0 else less
    size = _written(abs(difference.value), difference)
    told = f"{size} points of {metric} {word}" if points else f"{metric} {size} {word}"
    low, high = (_written(abs(bound), difference) for bound in (difference.low, difference.high))
    if not float(size):
        return f"the same {metric} ({low} {less} to {high} {more})"
    if difference.low < 0 < difference.high:
        return f"{told} ({low} {less} to {high} {more})"
    near, far = sorted((low, high), key=float)
    return f"{told} ({near} to {far})"


def _written(value: float, difference: Difference) -> str:
    """A size without its sign: in points of a percent, or as the plain number it is.

    A clear difference has one decimal more where its nearer bound would read as none.
    """
    points = is_share(difference.metric)
    nearer = min(abs(difference.low), abs(difference.high))
    fine = difference.is_clear and nearer < FINE
    return f"{value * 100:.{1 + fine}f}" if points else f"{value:.{3 + fine}f}"


def needed_words(difference: Difference, images: int) -> str:
    """How many images would tell: a difference of 0.01, or the observed one where it is larger."""
    size = max(A_POINT, abs(difference.value))
    units = difference.needed(size)
    if math.isnan(units):
        return ""
    if is_share(difference.metric):
        points = f"{size * 100:.1f}".removesuffix(".0")
        asked = f"a difference of {points} point{'s' if points != '1' else ''}"
    else:
        asked = f"a difference of {size:.2g}"
    needed = units * images / difference.units
    if needed <= images:
        return f"{asked} would most likely have shown"
    return f"to see {asked} you would need about {about(needed)} images"


def about(number: float) -> str:
    """A number as a person says it: 3140 -> "3,000", 1234 -> "1,200", 47 -> "50"."""
    digits = 2 if f"{number:e}".startswith("1") else 1
    return count(float(f"{number:.{digits - 1}e}"))
