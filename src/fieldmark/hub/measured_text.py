"""The card's part on figures: how good it is, by class too, and when it is not sure."""

from fieldmark.errors import counted
from fieldmark.hub.facts import Facts
from fieldmark.hub.markdown import bullets, paragraphs, plain, table
from fieldmark.judge.figures import most_confused
from fieldmark.metrics_json import ClassFigures, Figures
from fieldmark.report.caution_words import set_words, share_words
from fieldmark.report.figure_lines import FEW_GROUPS, shown_metrics
from fieldmark.report.measures import measured
from fieldmark.report.reliability import came_of_it, saying, targets
from fieldmark.report.words import (
    SPLIT_WORDS,
    capital,
    count,
    decimal,
    figure,
    images,
    interval,
    metric_name,
    no_test_sentence,
    percent,
    sureness,
)

CLASS_COLUMNS = ("precision", "recall", "f1")
PAIRS = 6  # of classes that are confused


def measured_text(facts: Facts) -> list[str]:
    """How good it is: a table with intervals, then by class, then what is confused."""
    if facts.split is None:
        return ["How good it is has not been measured: no image was kept for it."]
    return paragraphs(
        _basis(facts),
        _all_figures(facts),
        _uncounted(facts.figures),
        "### By class",
        _class_note(facts),
        _class_table(facts),
        _confused(facts),
    )


def _basis(facts: Facts) -> str:
    """What the figures rest on, and how far they can be believed."""
    found = facts.figures
    if facts.split == "val":
        no_test = no_test_sentence(facts.data.samples.counts())
        chosen = "These figures are of the validation images, by which the model was chosen"
        return f"{no_test} {chosen}, so they flatter it."
    told = (
        f"The {images(found.n, 'test')} were looked at once, after training; nothing was chosen "
        "by them. An interval holds, 95 times in 100, what very many images of the same kind give"
    )
    if not found.groups:
        return f"{told}."
    few = ", which are so few that they tell nearly nothing" if found.groups <= FEW_GROUPS else ""
    by = f"of {counted(found.groups, 'group')} of images that belong together{few}"
    return f"{told}; it goes by the differences {by}."


def _all_figures(facts: Facts) -> list[str]:
    found, sides = facts.figures, facts.metrics.sides
    beside = sides.get("val") if facts.split == "test" else None
    heads = ["figure", SPLIT_WORDS[facts.split or "test"]]
    heads += ["95 % interval"] if found.intervals else []
    heads += ["validation"] if beside else []
    rows = []
    for metric in shown_metrics(found):
        cells = [metric_name(metric), figure(found[metric], metric)]
        cells += [interval(found.intervals.get(metric), metric)] if found.intervals else []
        rows.append(cells + ([figure(beside[metric], metric)] if beside else []))
    return table(heads, rows)


def _uncounted(found: Figures) -> str:
    """Images that got no guess, or that the figures are not of."""
    told = []
    if found.no_guess:
        told.append(f"{counted(found.no_guess, 'image')} got no guess and counted as wrong.")
    if found.unknown:
        told.append(f"{counted(found.unknown, 'image')} of other classes were left out.")
    return " ".join(told)


def _class_note(facts: Facts) -> str:
    """What the columns mean."""
    several = facts.metrics.of_task.several
    precision = "of the images that got this label, the share that has it"
    recall = "of the images with this label, the share that got it"
    told = f"Precision: {precision}. Recall: {recall}."
    if any(each.intervals for each in facts.figures.per_class.values()):
        told += " In brackets 95 % intervals."
    if any(each.threshold is not None for each in facts.figures.per_class.values()):
        told += (
            " Threshold: the score from which on the label is given; it was chosen on validation."
        )
    elif several:
        told += " A label is given from a score of 0.5 on."
    return told


def _class_table(facts: Facts) -> list[str]:
    found, classes = facts.figures, facts.metrics.classes
    shown = measured(classes, facts.metrics.sides, facts.split)["class_rows"]
    own = any(each.threshold is not None for each in found.per_class.values())
    heads = ["class", f"{SPLIT_WORDS[facts.split or 'test']} images", "precision", "recall", "F1"]
    heads += ["threshold"] if own else []
    rows = []
    for name in shown:
        row = found.per_class.get(name)
        if row is None:
            continue
        cells = [plain(facts.names.shown(name)), count(row.support)]
        cells += [_with_interval(row, column) for column in CLASS_COLUMNS]
        rows.append(cells + ([decimal(row.threshold or 0.5)] if own else []))
    left = len(classes) - len(rows)
    ending = [f"The {count(len(rows))} classes with the lowest F1 of {count(len(classes))}."]
    return [*table(heads, rows), *(["", *ending] if left > 0 and shown is not classes else [])]


def _with_interval(row: ClassFigures, column: str) -> str:
    """ "95.0 % (75.1 to 99.9)" """
    bounds = interval(row.intervals.get(column), column)
    return figure(row[column], column) + (f" ({bounds.removesuffix(' %')})" if bounds else "")


def _confused(facts: Facts) -> list[str]:
    """The pairs of classes that are confused most often; [] where none is, or of several labels."""
    import numpy as np

    found = facts.figures
    if found.confusion is None or not found.n:
        return []
    pairs = most_confused(np.array(found.confusion), facts.metrics.classes, PAIRS)
    if not pairs:
        return []
    shown = facts.names.shown
    told = [
        f"{count(each.count)} of {count(each.support)} {plain(shown(each.truth))} taken for "
        f"{plain(shown(each.guess))}"
        for each in pairs
    ]
    return ["Confused most often:", "", *bullets(told)]


def sureness_text(facts: Facts) -> list[str]:
    """What scores mean, and when not to believe an answer."""
    return paragraphs(_scores(facts), _abstaining(facts), _unlike(facts), _sets(facts))


def _scores(facts: Facts) -> str:
    info, found, fitted = facts.info, facts.figures, facts.metrics.calibration
    several = facts.metrics.of_task.several
    kind = "a number from 0 to 1 for each label" if several else "numbers that sum to 1"
    told = [f"Scores are {kind}."]
    if fitted is None:
        told.append("They were not calibrated, so a score is no probability.")
    else:
        of = images(fitted.n, "val") if fitted.n else "validation"
        told.append(
            f"Logits are divided by a temperature of {info.temperature:.3g}, fitted on {of}, where "
            f"scores were {sureness(fitted.temperature)} without it."
        )
        change = fitted.sides.get("test")
        told.append(came_of_it(change, SPLIT_WORDS["test"]) if change else "")
    if found.reliability:
        told.append(saying(found.reliability, several=several))
    return " ".join(filter(None, told))


def _abstaining(facts: Facts) -> list[str]:
    """From which score on answers are right how often, by validation."""
    rows = [row for row in targets({"val": facts.info.curve}) if row["val"] is not None]
    if facts.metrics.of_task.several or not rows:
        return []
    told = "`fieldmark predict --abstain` leaves images without a label rather than guess. By the "
    cells = [
        [
            percent(row["wanted"]),
            f"{row['score']:.3g}",
            percent(row["val"]["share"]),
            percent(row["val"]["accuracy"]),
        ]
        for row in rows
    ]
    heads = ["to be right on", "answer from a score of", "images answered", "of them right"]
    return [f"{told}validation images:", "", *table(heads, cells)]


def _unlike(facts: Facts) -> str:
    unlike, found = facts.info.unlike, facts.figures.unlike
    if unlike is None:
        return (
            "Nothing in this model tells images that are unlike those of its training: a picture "
            "of something else gets a label as well."
        )
    told = "`fieldmark predict` tells which images are unlike those of the training"
    if found is None:
        return f"{told}."
    of = images(found.n, facts.split or "")
    share = share_words(found.flagged)
    return f"{told}. Of the {of}, which are of the same kind, it says so of {share}."


def _sets(facts: Facts) -> str:
    rows = facts.figures.sets or ()
    told = "; ".join(set_words(each) for each in rows)
    asked = "`fieldmark predict --sets 0.9` gives the classes that hold the truth so often"
    return f"{asked}. {capital(told)}." if told else ""
