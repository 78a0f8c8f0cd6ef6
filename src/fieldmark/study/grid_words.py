"""What is said of a grid: its lines for a terminal, and the sentences that its page has too."""

from collections.abc import Sequence

from fieldmark.console import duration
from fieldmark.errors import counted
from fieldmark.report.words import MISSING, aligned, figure, images, interval, metric_words, size
from fieldmark.study.axes import short_label
from fieldmark.study.best import Best, Found, against
from fieldmark.study.cells import Finished, chosen_by

NO_BEST = "there are no validation images to tell by, so no cell is called the best"
DULL = "did not learn"
FLATTERS = (
    "the best of {n} cells was chosen by validation, which flatters its figures there, the more "
    "the more cells there are; the test took no part in it"
)


def lines(found: Found) -> list[str]:
    """What the terminal is told."""
    told = [*_table(found), "", *best_lines(found), *traded(found)]
    if found.compared:
        told += ["", *found.compared.sentences()]
    told += [f"{short_label(each.about)} failed: {reason}" for each, reason in found.failed]
    return [*told, *(f"note: {note}" for note in notes(found))]


def best_lines(found: Found) -> list[str]:
    """Which cell is best for what, and by which figure."""
    best = found.best
    if best is None:
        return [NO_BEST]
    by = metric_words(best.metric)
    its = figure(best.score.validation(best.metric), best.metric)
    return [
        f"best score: {best.score.label} ({by} {its} in validation; {shown(best.score)})",
        f"best for training time: {best.time.label} ({duration(best.time.seconds)}"
        f"{_beside(best.time, best)})",
        f"best for size: {best.size.label} ({best.size.megabytes:.3g} MB"
        f"{_beside(best.size, best)})",
    ]


def _beside(cell: Finished, best: Best) -> str:
    """What speaks for a cell that is not the best by its score."""
    if cell is best.score:
        return "; the same cell"
    return "; in validation too close to the best to tell"


def shown(cell: Finished) -> str:
    """ "accuracy 94.1 % (91.0 to 96.3 %) on 270 test images" """
    metric = cell.metrics.of_task.metric
    bounds = interval(cell.figures.intervals.get(metric), metric)
    value = figure(cell.value, metric)
    end = f" ({bounds})" if bounds else ""
    return f"{metric_words(metric)} {value}{end} on {images(cell.figures.n, cell.side)}"


def notes(found: Found) -> list[str]:
    """What one must know to read the figures rightly."""
    told = found.compared.notes() if found.compared else []
    if found.best and len(found.cells) > 1:
        told = [FLATTERS.format(n=len(found.cells)), *told]
    dull = [cell.label for cell in found.cells if not cell.has_learned]
    if dull:
        constant = figure(found.first.constant, found.metric)
        told.append(
            f"{counted(len(dull), 'cell')} did not learn, for {metric_words(found.metric)} is no "
            f"better than the {constant} of always giving the same answer: {'; '.join(dull)}"
        )
    if any(cell.settings["model"]["freeze"] for cell in found.cells):
        told.append("features that one cell left in the cache cost the next one no time")
    return told


def traded(found: Found) -> list[str]:
    """Of an axis of precisions: time saved against score lost, against its first value."""
    values = found.axes.get("precision")
    if not values:
        return []
    by_about = {tuple(cell.planned.about.items()): cell for cell in found.cells}
    told = []
    for cell in found.cells:
        about = cell.planned.about
        first = by_about.get(tuple({**about, "precision": values[0]}.items()))
        if first is None or first is cell:
            continue
        saved = 1 - cell.seconds / first.seconds if first.seconds else 0.0
        lost, metric = _lost(first, cell), found.metric
        word = "saved" if saved >= 0 else "more"
        told.append(
            f"{cell.label} beside {values[0]}: {100 * abs(saved):.0f} % of the training time "
            f"{word}, {metric_words(metric)} {figure(first.value, metric)} becomes "
            f"{figure(cell.value, metric)}{lost}"
        )
    return told


def _lost(first: Finished, cell: Finished) -> str:
    found = against(first, [cell])
    if found is None or found.pairings[0].differences is None:
        return ""
    return f": {found.pairings[0].amount(found.metric)}"


HEADS = ("parameters", "MB", "epochs", "s an epoch", "training", "images/s", "gap", "")


def _table(found: Found) -> list[str]:
    metric, by = found.metric, chosen_by(found.cells)
    side = "test" if found.first.side == "test" else "validation"
    heads = ["cell", f"val {metric_words(by)}", f"{side} {metric_words(metric)} (95 %)", *HEADS]
    return aligned([heads, *(_row(found, cell, by) for cell in found.cells)])


def _row(found: Found, cell: Finished, by: str) -> Sequence[str]:
    metric = found.metric
    bounds = interval(cell.figures.intervals.get(metric), metric).removesuffix(" %")
    gap, an_epoch, rate = cell.gap(by), cell.seconds_an_epoch, cell.images_a_second
    return [
        cell.label,
        figure(cell.validation(by), by),
        figure(cell.value, metric) + (f" ({bounds})" if bounds else ""),
        size(cell.parameters),
        f"{cell.megabytes:.3g}",
        str(cell.epochs) if cell.epochs else "solved",
        MISSING if an_epoch is None else f"{an_epoch:.3g}",
        duration(cell.seconds),
        MISSING if rate is None else f"{rate:.3g}",
        figure(gap, by),
        marks(found, cell),
    ]


def marks(found: Found, cell: Finished) -> str:
    """What is to be said of a cell in a word or two."""
    best = found.best
    titles = best.titles(cell) if best else []
    named = [f"best {'' if title == 'score' else 'for '}{title}" for title in titles]
    close = found.state(cell) in ("close", "same")
    return ", ".join(
        [*named, *(["too close to tell"] if close else []), *([] if cell.has_learned else [DULL])]
    )
