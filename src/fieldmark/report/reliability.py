"""Whether the scores can be believed: the reliability diagram, and what answering less brings."""

from collections.abc import Mapping, Sequence
from typing import Any

from fieldmark.judge.calibrate import threshold_for
from fieldmark.judge.intervals import wilson
from fieldmark.metrics_json import Answer, Bin, Calibration, Change, Figures
from fieldmark.report.curves import INK, TRAIN, VAL, Curve, drawing, share_axes, themed_svg
from fieldmark.report.words import SPLIT_WORDS, count, defined, images, percent, sureness

WANTED = (0.9, 0.95, 0.98, 0.99, 0.995)  # shares right that somebody may ask for
ROWS = 3  # of them, the least that answering all does not reach already
ENOUGH = 10  # images of a bin that a sentence is made of
DOT = (3.0, 13.0)  # points; a dot's width, from nearly no images to the fullest bin
SHOWN = 0.02  # share of the images; what is fewer jumps too much to scale a chart by
Bins = Sequence[Bin]
Answers = Sequence[Answer]
AnswerCurve = Sequence[tuple[float, int, int]]  # rows of judge.calibrate.answer_curve
Curves = Mapping[str, AnswerCurve]  # by split


def calibration_part(
    figures: Mapping[str, Figures],
    calibration: Calibration | None,
    curves: Curves,
    *,
    names: Mapping[str, str] = SPLIT_WORDS,
) -> dict[str, Any] | None:
    """What calibration.html says and draws; None where no split has a reliability diagram.

    figures: by split, "val" and "test" or one of them. calibration: as in metrics.json; None
    where no temperature was fitted. curves: "val" as `predict --abstain` goes by it, and a whole
    "test"; without "val" nothing is said of when to answer. names: what the page calls the splits.
    """
    sides = [side for side in ("test", "val") if side in figures and figures[side].reliability]
    if not sides:
        return None
    several = figures[sides[0]].of_task.several
    shown, answers = figures[sides[0]], {side: figures[side].answers or () for side in sides}
    bins, grouped = shown.reliability or (), bool(shown.groups)  # a bin's images then go by groups
    fitted = calibration.sides if calibration else {}
    return {
        "images": images(shown.n, names[sides[0]]),
        "ece": shown["ece"],
        "interval": shown.intervals.get("ece"),
        "saying": saying(bins, several=several),
        "several": several,
        "diagram": reliability_chart(bins, bounds=not grouped, several=several),
        "bounds": not grouped,
        "temperature": calibration and calibration.temperature,
        "sureness": sureness(calibration.temperature) if calibration else "",
        "fitted_on": images(calibration.n, names["val"])
        if calibration and calibration.n
        else "validation",
        "came_of_it": came_of_it(fitted.get("test"), names["test"]),
        "changes": [(names[side], fitted[side]) for side in ("val", "test") if side in fitted],
        "answers": answers_chart(answers, names=names) if any(answers.values()) else None,
        "targets": targets(curves, bounds=not grouped),
        "all_right": val[-1][2] / val[-1][1] if (val := curves.get("val")) else None,
        "names": dict(names),
        "leaves_out": any(figures[side].unlike for side in sides),
        "drawn": [side for side in ("val", "test") if answers.get(side)],
    }


def came_of_it(change: Change | None, name: str) -> str:
    """What the temperature did to the calibration error of images that it was not found on."""
    before, after = (change.before["ece"], change.after["ece"]) if change else (None, None)
    if not defined(before) or not defined(after):
        return ""
    if percent(before) == percent(after):
        return f"The calibration error of the {name} images stays at {percent(after)}."
    verb = "falls" if after < before else "grows"
    ends = f"from {percent(before)} to {percent(after)}"
    return f"The calibration error of the {name} images {verb} by it {ends}."


def saying(bins: Bins, *, several: bool = False) -> str:
    """One bin in plain words, that nearest to 90 % of those that have some images.

    "When it says 91 %, it is right on 87 % (46 images)." Of several labels an image their scores
    are meant, and bins count each label of each image.
    """
    told = [each for each in bins if each.n >= ENOUGH] or [max(bins, key=lambda b: b.n)]
    best = min(told, key=lambda each: abs(each.confidence - 0.9))
    said, right = percent(best.confidence), percent(best.accuracy)
    if several:
        return (
            f"Of labels with a score of about {said}, {right} are there ({count(best.n)} of them)."
        )
    return f"When it says about {said}, it is right on {right} ({images(best.n)})."


def targets(answers: Curves, *, bounds: bool = True) -> list[dict[str, Any]]:
    """What to answer to be right on a share of it, by validation, and what the test then says.

    Rows of wanted, score, val: {"share", "accuracy"} and test: of `at_score`; score and both are
    None where validation does not reach it. The score is the one that `predict --abstain` asks
    for. What answering all reaches is left out. Shares are of the images with a guess. bounds:
    whether the test's share right has an interval.
    """
    val, test = answers.get("val") or (), answers.get("test") or ()
    if not val:
        return []
    _, images, right = val[-1]
    rows = []
    for wanted in [each for each in WANTED if each > right / images][:ROWS]:
        found = threshold_for(val, wanted)
        score = found[0] if found else None
        kept = {"share": found[1] / images, "accuracy": found[2] / found[1]} if found else None
        seen = None if score is None else at_score(test, score)
        if seen and not bounds:
            seen["interval"] = None
        rows.append({"wanted": wanted, "score": score, "val": kept, "test": seen})
    return rows


def at_score(curve: AnswerCurve, score: float) -> dict[str, Any] | None:
    """Of images with at least this score: their share, the share right of them, its interval.

    None where no image has it.
    """
    found = [row for row in curve if row[0] >= score]
    if not found:
        return None
    _, answered, right = found[-1]
    share, accuracy = answered / curve[-1][1], right / answered
    low, high = wilson(accuracy, answered)
    return {"share": share, "accuracy": accuracy, "interval": [float(low), float(high)]}


def reliability_chart(bins: Bins, *, bounds: bool = True, several: bool = False) -> Curve:
    """Share right by score: a dot a bin, the larger the more images, its gap to the diagonal.

    With `bounds`, beside each dot stands the 95 % interval of the share right, Wilson's.
    """
    with drawing():
        found, axes = share_axes("score of a label" if several else "score of the guess")
        axes.set_ylim(0, 1.03)
        axes.plot([0, 1], [0, 1], color=INK, alpha=0.45, linewidth=1, linestyle=(0, (2, 3)))
        most = max(each.n for each in bins)
        for each in bins:
            said, right = each.confidence, each.accuracy
            weight = (each.n / most) ** 0.5  # what few images say is drawn faintly
            gap = {"color": TRAIN, "linewidth": 1.5 + 3 * weight, "alpha": 0.35 + 0.65 * weight}
            if bounds:
                axes.plot([said, said], wilson(right, each.n), color=INK, alpha=0.3, linewidth=1)
            axes.plot([said, said], [said, right], solid_capstyle="butt", **gap)
            size = DOT[0] + (DOT[1] - DOT[0]) * weight
            axes.plot([said], [right], "o", color=VAL, alpha=0.9, markersize=size, zorder=4)
        words = [_bin_words(each, several=several) for each in bins]
        hover = [(each.low, each.high, said) for each, said in zip(bins, words, strict=True)]
        svg = themed_svg(found, "calibration-diagram", hover=hover)
    title = "Labels that are there, by score" if several else "Share right by score"
    return Curve(svg, title, "; ".join(words))


def answers_chart(
    answers: Mapping[str, Answers], *, names: Mapping[str, str] = SPLIT_WORDS
) -> Curve:
    """Share right among the images that are answered, against their share, the surest first."""
    with drawing():
        found, axes = share_axes("share of the images that is answered")
        shown = [each.accuracy for its in answers.values() for each in its if each.share >= SHOWN]
        lowest = min(shown, default=1.0)
        floor = max(0, lowest - max(0.02, 0.08 * (1 - lowest)))
        for side, color, style in (("val", VAL, "-"), ("test", INK, (0, (5, 2)))):
            # of the few surest images none may be right, far below the chart
            points = [(each.share, max(floor, each.accuracy)) for each in answers.get(side) or ()]
            if points:
                axes.plot(
                    *zip(*points, strict=True),
                    color=color, linewidth=2, linestyle=style, clip_on=False, zorder=3,
                )  # fmt: skip
        axes.set_ylim(floor, 1)
        svg = themed_svg(found, "calibration-answers")
    ends = [
        f"{names[side]}: {percent(its[-1].accuracy)} right where {percent(its[-1].share)} "
        f"are answered, {percent(_half(its).accuracy)} where {percent(_half(its).share)} are"
        for side, its in answers.items()
        if its
    ]
    return Curve(svg, "Share right by share answered", "; ".join(ends))


def _half(answers: Answers) -> Answer:
    """The point at which about half of the images are answered."""
    return min(answers, key=lambda each: abs(each.share - 0.5))


def _bin_words(each: Bin, *, several: bool) -> str:
    """A bin of the diagram in words."""
    said, right = percent(each.confidence), percent(each.accuracy)
    if several:
        return f"score about {said}: {right} there of {count(each.n)}"
    return f"score about {said}: {right} right of {images(each.n)}"
