"""Numbers, dates and names as a reader wants them; None and nan are an en dash everywhere."""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypeGuard

from markupsafe import Markup, escape

from fieldmark.errors import counted
from fieldmark.judge.metrics import CLASS_METRICS, METRICS, ClassMetric, Metric
from fieldmark.metrics_json import Figures
from fieldmark.records import Samples
from fieldmark.task import ONE_LABEL, Task

MISSING = "\N{EN DASH}"
SPLIT_WORDS = {"train": "training", "val": "validation", "test": "test"}
SCALINGS = {
    "plain": "features as they are",
    "standard": "standardised features",
    "length": "features divided by their length",
}
LONG = 60  # letters of two classes that a sentence has no room for beyond
SAME = 0.02  # a temperature so near to 1 changes nothing that is worth a word


def made_words(trial: Mapping[str, Any]) -> str:
    """How a head that was tried was made."""
    if "penalty" in trial:
        ways = f", chosen of {trial['ways']} ways" if trial.get("ways", 1) > 1 else ""
        return f"exact head on {SCALINGS[trial['scaling']]}, penalty {trial['penalty']:g}{ways}"
    if "trees" in trial:
        return f"{counted(trial['trees'], 'tree')} a class, of at most {trial['leaves']} leaves"
    words = f"lr {trial['lr']:g}", f"seed {trial['seed']}", f"best epoch {trial['best_epoch']}"
    return "  ".join(words)


def defined(value: Any) -> TypeGuard[float]:
    """Whether there is a number to show: not None, nan or infinite."""
    return isinstance(value, int | float) and math.isfinite(value)


def breaks(text: str) -> Markup:
    """A text that breaks after `/` and `_`, where a reader would break a path or a long name."""
    return Markup(escape(text).replace("/", Markup("/<wbr>")).replace("_", Markup("_<wbr>")))


def percent(value: float | None, sign: str = " %") -> str:
    """A share as a percentage with one decimal: 0.985 -> "98.5 %".

    Only 1 reads "100 %" and only 0 reads "0 %" (to a millionth): shares that would round to
    them get more decimals, so that 9999 of 10000 are "99.99 %".
    """
    if not defined(value):
        return MISSING
    for decimals in range(1, 5):
        text = f"{value * 100:.{decimals}f}"
        if float(text) not in (0, 100):
            return f"{text}{sign}"
    return f"{value * 100:.0f}{sign}"


def whole_percent(share: float) -> str:
    """0.623 -> "62 %"."""
    return f"{100 * share:.0f} %"


def sureness(temperature: float) -> str:
    """What a fitted temperature says of the scores before it."""
    if abs(temperature - 1) < SAME:
        return "about right"
    return "too sure" if temperature > 1 else "not sure enough"


def decimal(value: float | None, places: int = 3) -> str:
    """0.9987 -> "0.999"."""
    return f"{value:.{places}f}" if defined(value) else MISSING


def is_share(metric: str) -> bool:
    """Whether a metric is read as a percentage ("macro_f1"), not as a plain number ("log_loss")."""
    row = _row(metric)
    return row is not None and row.is_share


def figure(value: float | None, metric: str) -> str:
    """A metric's value as it is written: a percentage, or three decimals."""
    return percent(value) if is_share(metric) else decimal(value)


def interval(bounds: Sequence[float | None] | None, metric: str = "accuracy") -> str:
    """Bounds in words, "96.3 to 99.4 %"; "" where there are none."""
    if not bounds or not all(map(defined, bounds)):
        return ""
    low, high = bounds
    first = percent(low, sign="") if is_share(metric) else decimal(low)
    return f"{first} to {figure(high, metric)}"


def count(value: float) -> str:
    """1797 -> "1,797"."""
    return f"{value:,.0f}"


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of words as lines, with columns below each other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def images(n: int, split: str = "") -> str:
    """ "270 test images", "1 image"."""
    words = [count(n), SPLIT_WORDS.get(split, split), "image" if n == 1 else "images"]
    return " ".join(filter(None, words))


def metric_words(metric: str) -> str:
    """ "macro_f1" -> "macro F1", "roc_auc" -> "ROC-AUC"."""
    row = _row(metric)
    return row.words if row and row.words else metric.replace("_", " ")


def _row(metric: str) -> Metric | ClassMetric | None:
    return METRICS.get(metric) or CLASS_METRICS.get(metric)


def capital(text: str) -> str:
    """The text with a capital in front; one that begins with a file or a network stays as it is."""
    first = text.split(" ", 1)[0].rstrip(".:;,")
    return text if set("./_") & set(first) else text[:1].upper() + text[1:]


def metric_name(metric: str) -> str:
    """ "macro_f1" -> "Macro F1"."""
    return capital(metric_words(metric))


def size(parameters: float) -> str:
    """A number of parameters: 950 -> "950", 38_282 -> "38.3 thousand", 25.6e6 -> "25.6 million"."""
    for unit, word in ((1e9, "billion"), (1e6, "million"), (1e3, "thousand")):
        if parameters >= unit:
            return f"{parameters / unit:.3g} {word}"
    return count(parameters)


def moment(iso: str) -> str:
    """ "2026-03-01T14:05:09+00:00" -> "1 March 2026, 14:05 UTC"; other text is given back."""
    try:
        when = datetime.fromisoformat(iso)
    except ValueError:
        return iso
    return f"{when.day} {when:%B %Y, %H:%M} {when.tzname() or ''}".strip()


def quoted(name: str) -> str:
    """A class's name inside a sentence."""
    return f"\N{LEFT SINGLE QUOTATION MARK}{name}\N{RIGHT SINGLE QUOTATION MARK}"


def doing(classes: Sequence[str], task: Task = ONE_LABEL) -> str:
    """What the classifier does, in words: "tells 'cat' from 'dog'", "tells 10 classes apart"."""
    if task.several:
        return f"says which of {count(len(classes))} labels an image has"
    if len(classes) == 1:
        return "knows one class"
    if len(classes) == 2 and sum(map(len, classes)) <= LONG:
        return f"tells {quoted(classes[0])} from {quoted(classes[1])}"
    return f"tells {count(len(classes))} classes apart"


def task_fact(classes: Sequence[str], task: Task = ONE_LABEL) -> str:
    """The same with how many labels an image has, as a page has it among its facts."""
    told = capital(doing(classes, task))
    return told if task.several else f"{told}, {task.words}"


def headline(split: str | None, figures: Figures, task: Task = ONE_LABEL) -> tuple[str, str]:
    """The page's first sentence, and its interval in brackets ("" where there is none).

    ("Right on 98.5 % of 270 test images", "(95 % interval 96.3 to 99.4 %)")
    """
    metric = task.metric
    value = figures[metric]
    if split is None or not defined(value):
        return "How good it is has not been measured", ""
    bounds = interval(figures.intervals.get(metric), metric)
    of = {"value": figure(value, metric), "images": images(figures.n, split)}
    sentence = task.headline.format(**of)
    return sentence, f"(95 % interval {bounds})" if bounds else ""


def epoch_words(history: Sequence[Mapping[str, float]], epoch: int) -> str:
    """An epoch of all stages as it was told on the screen: "epoch 3", or "stage 2, epoch 1"."""
    stages = [int(row.get("stage", 1)) for row in history]
    stage = stages[epoch - 1]
    if stage == stages[-1] == 1:
        return f"epoch {epoch}"
    return f"stage {stage}, epoch {epoch - stages.index(stage)}"


def head_alone(
    stages: Any, history: Sequence[Mapping[str, float]], best: int | None, *, whole: bool | None
) -> str:
    """What to say where later stages trained more than the head, and the head alone was kept.

    stages: `train.stages` of the settings. history: the rows of history.csv. best: epoch. whole:
    whether the training came to its end.
    """
    if best is None or len(history) < best or not isinstance(stages, list | tuple):
        return ""
    kept, last = (int(row.get("stage", 1)) for row in (history[best - 1], history[-1]))
    if kept == last or list(stages[kept - 1]["train"]) != ["head"]:
        return ""
    its = f"the weights of stage {kept}, on a body as it was"
    if whole is False:
        return (
            f"so far the head alone is kept: {its}; no epoch of training more has done better than "
            "it on the images that validate that, and the end judges anew"
        )
    return (
        f"the head alone was kept: {its}; training more of the network did no better on validation"
    )


def fold_of_tuning(samples: Samples, history: Sequence[Mapping[str, float]]) -> str:
    """What validates what, where folds validated the head and more was trained; "" elsewhere."""
    if samples.folds is None or not history or history[-1].get("stage", 1) == 1:
        return ""
    one = counted(int((samples.folds[0] == 0).sum()), "image")
    return (
        f"What was trained after the head is validated on the first fold alone, {one}; the head "
        "itself was validated out of fold, so its figures and those of later epochs do not compare."
    )


def no_test_sentence(counts: dict[str, dict[str, int]]) -> str:
    """Why a page has no test figures."""
    if counts and not any(splits.get("test", 0) for splits in counts.values()):
        return "No images were kept for testing, so how it does on new ones is not known."
    return "The test images have not been looked at."
