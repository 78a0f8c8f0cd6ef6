"""What every image was answered by models of one class each, from the folders of their runs."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import polars as pl

from fieldmark.data.told import few_images_note
from fieldmark.metrics_json import About
from fieldmark.records import Predictions, Samples
from fieldmark.study.against_rest import shifts, taken
from fieldmark.study.folder import StudyDir
from fieldmark.study.together import Done, joined
from fieldmark.use.ensemble import Joining, Member

ALL = "all"  # the study's name of all images, with their folds
OVR, SOFTMAX = "one-vs-rest", "softmax"


@dataclass(frozen=True)
class Asked:
    """The options of one-vs-rest. name: of one class alone. twin: KEY=VALUE that a twin has."""

    folds: int = 3
    take: float = 0.1
    name: str | None = None
    softmax: bool = True
    twin: str | None = None

    def numbered(self, classes: Sequence[str]) -> list[tuple[int, str]]:
        """The classes that are asked for, with their numbers among all."""
        return [pair for pair in enumerate(classes) if self.name in (None, pair[1])]


@dataclass(frozen=True, eq=False)
class Answers:
    """Of N images, each by models that were trained without it; C classes are asked for.

    samples: with all labels. fold (N,): from 0. names (C,). own, taken (C, N): the images of a
    class, and those of others that stood against it. margins (N, C): the log odds of each class
    as its model has them, at that model's temperature. shifts (C, k): what these have too little
    since few of the others were trained on. softmax: (N, classes) logits of models of all classes
    at their own temperature, or None. seconds: of training, by "one-vs-rest" and "softmax".
    runs: the models by class, in the order of folds; none where heads were solved.
    """

    samples: Samples
    fold: np.ndarray
    names: tuple[str, ...]
    own: np.ndarray
    taken: np.ndarray
    margins: np.ndarray
    shifts: np.ndarray
    softmax: np.ndarray | None
    seconds: dict[str, float]
    about: About
    notes: tuple[str, ...] = ()
    runs: dict[str, Done] = field(default_factory=dict)

    @property
    def logits(self) -> np.ndarray:
        """The log odds of each class as if all of the others had been trained on. -> (N, C)"""
        return np.asarray(self.margins + self.shifts.T[self.fold])

    @property
    def is_whole(self) -> bool:
        """Whether all classes are there, so that the models can answer as one."""
        return self.names == self.samples.classes

    @property
    def model_names(self) -> list[str]:
        """The folders of the models that answered, in the study's `runs`."""
        mine = [planned.name for done in self.runs.values() for planned, _ in done]
        return mine or [OVR]

    def joining(self, temperature: float) -> Joining:
        """The models as one, whose scores are those of `logits` at this temperature."""
        if not self.runs:
            return Joining(self.names, (Member(f"runs/{OVR}"),))
        members = [
            Member(
                f"runs/{planned.name}",
                name,
                scale=1 / (run.read_temperature() * temperature),
                shift=float(self.shifts[place, out] / temperature),
            )
            for place, name in enumerate(self.names)
            for out, (planned, run) in enumerate(self.runs[name])
        ]
        return Joining(self.names, tuple(members), "one-vs-rest")


def read_answers(study: StudyDir, twin: str | None = None) -> Answers:
    """Of the classes that have a model for every fold, maybe none. Raises as reading does.

    twin: of the models that were trained with this setting besides.
    """
    data, wanted = study.read_data(ALL), Asked(**study.question["options"])
    samples = data.samples
    assert samples.folds is not None
    fold, numbered = samples.folds[0], wanted.numbered(samples.classes)
    runs: dict[str, Done] = {}
    if study.plans():
        runs = {name: done_of(study, "class", name, twin) for _, name in numbered}
        numbered = [pair for pair in numbered if len(runs[pair[1]]) == wanted.folds]
        runs = {name: runs[name] for _, name in numbered}
        of_all = [] if twin else done_of(study, "model", SOFTMAX)
        given = _trained(runs, of_all if len(of_all) == wanted.folds else [], fold)
    else:
        given = _solved(study, [number for number, _ in numbered])
    seed = int(study.question["settings"]["data"]["split_seed"])
    own, took = lots(samples, fold, [number for number, _ in numbered], wanted.take, seed)
    return Answers(
        samples=samples,
        fold=fold,
        names=tuple(name for _, name in numbered),
        own=own,
        taken=took,
        shifts=np.array([shifts(*pair, fold) for pair in zip(own, took, strict=True)]),
        notes=(*data.notes, *few_images_note(samples)),
        runs=runs,
        **given,
    )


def table_of(
    samples: Samples, fold: np.ndarray, logits: np.ndarray, classes: Sequence[str], model: str
) -> Predictions:
    """Answers to all images (N, classes) as a test, each with the fold that it is of."""
    about = {"classes": classes, "model": model, "folds": fold}
    table = Predictions.of(samples, np.arange(len(fold)), logits, **about)
    return replace(table, frame=table.frame.with_columns(pl.lit("test").alias("split")))


def lots(
    samples: Samples, fold: np.ndarray, numbers: Sequence[int], take: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """The images of each class, and those of others that stand against it. -> (C, N) bool twice"""
    targets, shape = samples.targets(samples.classes), (len(numbers), len(samples))
    own = np.array([targets == number for number in numbers], bool).reshape(shape)
    took = [taken(samples, fold, number, take, seed) for number in numbers]
    return own, np.array(took, bool).reshape(shape)


def done_of(study: StudyDir, key: str, value: str, twin: str | None = None) -> Done:
    """The runs that are done of a class, or of all classes, in the order of folds."""
    wanted = {key: value, "twin": twin}
    done = study.runs("done")
    return [each for each in done if {k: each[0].about.get(k) for k in wanted} == wanted]


def seconds_of(done: Done) -> float:
    """What runs took, all that they did."""
    return sum(sum(run.read_metrics().about.times.values()) for _, run in done)


def _margins(done: Done, fold: np.ndarray, name: str) -> np.ndarray:
    """The log odds of a class, of every image by the model that was trained without it. -> (N,)"""
    classes = joined(done[:1]).classes
    logits = _placed(done, fold)
    place = classes.index(name)
    return np.asarray(logits[:, place] - logits[:, 1 - place])


def _placed(done: Done, fold: np.ndarray) -> np.ndarray:
    """The test logits of runs, one a fold, in the order of all images. -> (N, classes) float64"""
    table = joined(done)
    found = np.empty((len(fold), len(table.classes)))
    found[np.argsort(fold, kind="stable")] = table.logits
    return found


def _trained(runs: dict[str, Done], of_all: Done, fold: np.ndarray) -> dict[str, Any]:
    """What single runs give of `Answers`. of_all: runs of all classes, or none."""
    mine = [each for done in runs.values() for each in done]
    margins = np.zeros((len(fold), len(runs)))
    for place, (name, done) in enumerate(runs.items()):
        margins[:, place] = _margins(done, fold, name)
    seconds = {OVR: seconds_of(mine)} | ({SOFTMAX: seconds_of(of_all)} if of_all else {})
    return {
        "margins": margins,
        "softmax": _placed(of_all, fold) if of_all else None,
        "seconds": seconds,
        "about": mine[0][1].read_metrics().about if mine else About(),
    }


def _solved(study: StudyDir, numbers: Sequence[int]) -> dict[str, Any]:
    """The same of heads that were solved side by side, as `solved_rest` has written it."""
    kept = json.loads(study.solved.read_text(encoding="utf-8"))
    margins = Predictions.read(study.run(OVR).predictions).logits
    of_all = study.run(SOFTMAX).predictions
    return {
        "margins": margins[:, numbers].astype(np.float64),
        "softmax": Predictions.read(of_all).logits.astype(np.float64) if of_all.is_file() else None,
        "seconds": kept["seconds"],
        "about": About(**kept["about"]),
    }
