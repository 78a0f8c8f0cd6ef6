"""How good the guesses are: one table of metrics, in scikit-learn's names and meaning.

A row of METRICS says how a metric is called, what it means, which way is better and what it is
made of. From that follow its value, its interval, how two classifiers are compared by it, and
every place that shows it. No warning is ever given: what does not exist is nan, and whoever shows
it must say so.

A row is of one label an image, of several, or of both; `several` then says what is otherwise in
the row of several. `of_task` gives the rows of a task as they are there.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from fieldmark import plugins
from fieldmark.judge.calibrate import calibration_error
from fieldmark.judge.evidence import TOP, Evidence, Margins
from fieldmark.judge.metric_kinds import (
    ClassMetric,
    Metric,
    OfAreas,
    OfCounts,
    OfImages,
    OfScores,
    Shown,
)
from fieldmark.judge.rates import (
    accuracy,
    correlation,
    f1,
    macro,
    micro_f1,
    micro_precision,
    precision,
    recall,
    sample_f1,
    sample_precision,
    sample_recall,
    weighted,
    wrong_labels,
)
from fieldmark.task import ONE_LABEL, SEVERAL_LABELS, Task

__all__ = ["ClassMetric", "Metric", "OfAreas", "OfCounts", "OfImages", "OfScores", "Shown"]
EVERY = 5_000_000  # logits of a side, of which all metrics take about a quarter of a second
LARGEST_LOSS = -np.log(np.finfo(np.float64).eps)  # of one image, 36.04: see Evidence.losses


BOTH, SEVERAL = (ONE_LABEL, SEVERAL_LABELS), (SEVERAL_LABELS,)
METRICS: Mapping[str, Metric] = {
    "accuracy": Metric(
        "share of the images that are guessed right",
        OfCounts(accuracy, "images"),
        shown=Shown.COLUMN,
    ),
    "balanced_accuracy": Metric(
        "mean recall of the classes, each counting the same",
        OfCounts(macro(recall)),
        shown=Shown.COLUMN,
    ),
    "top5_accuracy": Metric(
        "share of the images whose class is among the five likeliest",
        OfImages(lambda evidence: evidence.in_top5),
        "top-5 accuracy",
        shown=Shown.LINE,
        among=TOP,
    ),
    "macro_precision": Metric(
        "mean precision of the classes, each counting the same",
        OfCounts(macro(precision)),
        tasks=BOTH,
    ),
    "macro_recall": Metric(
        "mean recall of the classes, each counting the same",
        OfCounts(macro(recall)),
        tasks=BOTH,
    ),
    "macro_f1": Metric(
        "mean F1 of the classes, each counting the same",
        OfCounts(macro(f1)),
        "macro F1",
        shown=Shown.COLUMN,
        tasks=BOTH,
    ),
    "micro_precision": Metric(
        "share of all guesses that are right",
        OfCounts(micro_precision, "guesses", by_class=False),
        tasks=BOTH,
    ),
    "micro_recall": Metric(
        "share of all images that are found",
        OfCounts(accuracy, "images", by_class=False),
        tasks=BOTH,
        several={"meaning": "share of all labels of the images that are found"},
    ),
    "micro_f1": Metric(
        "harmonic mean of micro precision and micro recall",
        OfCounts(micro_f1, "both", by_class=False),
        "micro F1",
        tasks=BOTH,
        several={"shown": Shown.COLUMN},
    ),
    "weighted_precision": Metric(
        "mean precision of the classes by their number of images",
        OfCounts(weighted(precision), by_class=False),
        tasks=BOTH,
    ),
    "weighted_recall": Metric(
        "mean recall of the classes by their number of images",
        OfCounts(weighted(recall), "images", by_class=False),
        tasks=BOTH,
    ),
    "weighted_f1": Metric(
        "mean F1 of the classes by their number of images",
        OfCounts(weighted(f1), by_class=False),
        "weighted F1",
        tasks=BOTH,
    ),
    "samples_precision": Metric(
        "mean over images of the share of an image's guesses that is right",
        OfImages(sample_precision, partly=True),
        tasks=SEVERAL,
    ),
    "samples_recall": Metric(
        "mean over images of the share of an image's labels that is found",
        OfImages(sample_recall, partly=True),
        tasks=SEVERAL,
    ),
    "samples_f1": Metric(
        "mean over images of F1 of an image's labels",
        OfImages(sample_f1, partly=True),
        "samples F1",
        shown=Shown.LINE,
        tasks=SEVERAL,
    ),
    "subset_accuracy": Metric(
        "share of the images whose labels are all guessed and no others",
        OfImages(lambda evidence: evidence.right),
        shown=Shown.LINE,
        tasks=SEVERAL,
    ),
    "hamming_loss": Metric(
        "share of all decisions, one a label and image, that is wrong",
        OfImages(wrong_labels, partly=True),
        "Hamming loss",
        better="min",
        shown=Shown.LINE,
        tasks=SEVERAL,
    ),
    "mcc": Metric(
        "Matthews correlation of guess and truth; 0 is chance",
        OfCounts(correlation, least=-1.0),
        "Matthews correlation",
        is_share=False,
    ),
    "roc_auc": Metric(
        "mean area under the ROC curve of each class against the rest; 0.5 is chance",
        OfAreas("roc_auc"),
        "ROC-AUC",
        is_share=False,
        shown=Shown.KEY,
        tasks=BOTH,
    ),
    "mean_average_precision": Metric(
        "mean average precision of each class against the rest",
        OfAreas("average_precision"),
        "mean AP",
        tasks=BOTH,
        several={"shown": Shown.COLUMN},
    ),
    "log_loss": Metric(
        "mean negative natural logarithm of the true class's score; 0 is perfect",
        OfImages(lambda evidence: evidence.losses, LARGEST_LOSS),
        better="min",
        is_share=False,
        shown=Shown.KEY,
        tasks=BOTH,
        several={
            "meaning": "mean negative natural logarithm of each label's score of what is true"
        },
    ),
    "ece": Metric(
        "mean distance of the guess's score from the share right, in 15 bins",
        OfScores(calibration_error, "chance alone makes it larger where images are few", True),
        "calibration error",
        better="min",
        shown=Shown.LINE,
        tasks=BOTH,
        several={
            "meaning": "mean distance of each label's score from the share that has it, in 15 bins"
        },
    ),
}
CLASS_METRICS: Mapping[str, ClassMetric] = {
    "precision": ClassMetric(
        "share of what is called by the class's name that is right",
        lambda evidence: precision(evidence.margins),
    ),
    "recall": ClassMetric(
        "share of the class's images that are found", lambda evidence: recall(evidence.margins)
    ),
    "f1": ClassMetric(
        "harmonic mean of precision and recall", lambda evidence: f1(evidence.margins), "F1"
    ),
    "roc_auc": ClassMetric(
        "how well the class's score tells it from the rest; 0.5 is chance",
        lambda evidence: evidence.areas["roc_auc"],
        "ROC-AUC",
        is_share=False,
    ),
    "average_precision": ClassMetric(
        "area under the curve of precision by recall",
        lambda evidence: evidence.areas["average_precision"],
    ),
}


def of_function(figure: Callable[[np.ndarray, np.ndarray], Any], whose: str) -> Metric:
    """The row of a function of the truth, (N,) classes or (N, C) of 0 and 1, and scores (N, C).

    Its attributes: better, "min" where less is; within, the ends that it lies between.
    """

    def of_rows(targets: np.ndarray, scores: np.ndarray) -> float:
        return float(figure(targets, scores)) if len(targets) else np.nan

    def value(evidence: Evidence) -> float:
        return of_rows(evidence.targets, evidence.scores)

    about = (figure.__doc__ or "").strip().partition("\n")[0].rstrip(".")
    within = getattr(figure, "within", None)
    return Metric(
        about or f"a figure {whose}",
        OfScores(value, f"it is a function {whose}", of_rows=of_rows, within=within),
        better=getattr(figure, "better", "max"),
        is_share=False,
        shown=Shown.LINE,
        tasks=BOTH,
    )


def _of_packages(own: Iterable[str]) -> dict[str, Metric]:
    """Those that installed packages offer and the environment allows, by the names of their own.

    Raises SettingsError where a package's fails, or has a name that is taken.
    """
    found: dict[str, Metric] = {}
    for point in plugins.all_allowed("fieldmark.metrics"):
        with plugins.blamed(point):
            if point.name in (*own, *found, "loss") or not point.name.isidentifier():
                raise ValueError("a figure wants a plain name that no other has")
            found[point.name] = of_function(point.load(), "of a package")
    return found


METRICS = {**METRICS, **_of_packages(METRICS)}


def prominent(least: Shown, task: Task) -> dict[str, Metric]:
    """The metrics of a task that stand so far to the front, in the order of the table."""
    return {name: metric for name, metric in of_task(task).items() if metric.shown >= least}


def of_task(task: Task = ONE_LABEL) -> dict[str, Metric]:
    """The metrics that a task has, in the order of the table, as they are there."""
    rows = {name: metric for name, metric in METRICS.items() if task in metric.tasks}
    if not task.several:
        return rows
    return {name: replace(row, **row.several) if row.several else row for name, row in rows.items()}


def monitors(task: Task = ONE_LABEL) -> dict[str, int]:
    """What may choose an epoch: every metric and the loss, 1 where more is better, else -1."""
    signs = {name: 1 if metric.better == "max" else -1 for name, metric in of_task(task).items()}
    return {**signs, "loss": -1}


def metrics_of(
    logits: np.ndarray,
    targets: np.ndarray,
    names: Iterable[str] | None = None,
    *,
    task: Task = ONE_LABEL,
) -> dict[str, float]:
    """The named metrics, or all; several labels are guessed from a score of 0.5 on.

    logits (N, C), targets (N,) int in 0..C-1; of several labels (N, C) of 0 and 1.
    """
    return overall(Evidence.of(logits, targets, task=task), names)


def each_epoch(
    asked: Iterable[str], task: Task = ONE_LABEL
) -> Callable[[np.ndarray, np.ndarray], dict[str, float]]:
    """`metrics_of` for the end of an epoch: all metrics, while that takes no time worth a word.

    Of more than EVERY logits: those of counts, which cost one look for the largest of each row,
    and those that are asked for.
    """
    counts = [name for name, row in of_task(task).items() if isinstance(row.of, OfCounts)]
    few = {*counts, *asked}
    return lambda logits, targets: metrics_of(
        logits, targets, None if logits.size <= EVERY else few, task=task
    )


def overall(evidence: Evidence, names: Iterable[str] | None = None) -> dict[str, float]:
    """The named metrics of the task, or all, in the order of METRICS; without images each is nan.

    roc_auc and mean_average_precision are means over the classes that have them: for roc_auc
    an image and a rest to be told from, for mean_average_precision an image.
    """
    rows = of_task(evidence.task)
    wanted = rows.keys() if names is None else set(names)
    return {name: row.figure(evidence) for name, row in rows.items() if name in wanted}


def per_class(evidence: Evidence) -> dict[str, np.ndarray]:
    """Every metric of CLASS_METRICS, and `support`, the images of each class. -> (C,) each

    support is int. The others are nan where a class has no image here, and roc_auc also where
    every image is of one class.
    """
    found = {name: row.value(evidence) for name, row in CLASS_METRICS.items()}
    return {**found, "support": evidence.margins.support}


def averages(margins: Margins, task: Task = ONE_LABEL) -> dict[str, np.ndarray]:
    """Every metric of counts that a task has. Margins of (..., C) -> (...) each."""
    rows = {name: each.of for name, each in of_task(task).items()}
    with np.errstate(divide="ignore", invalid="ignore"):
        return {name: of.value(margins) for name, of in rows.items() if isinstance(of, OfCounts)}
