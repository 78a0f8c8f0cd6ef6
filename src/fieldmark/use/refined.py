"""Answers that use what is known of the images beside their pixels.

Which classes there can be where they were taken, which images are of one event, and which classes
are of one taxon. What is chosen is chosen on the validation images of the run, treated likewise.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import polars as pl

from fieldmark.data.taxonomy import Rank, read_taxonomy
from fieldmark.errors import DataError, Mistake, SettingsError, counted, nearest
from fieldmark.judge.roll_up import Bar, choose_bars, roll_up
from fieldmark.judge.smoothing import LEAST, Gain, by_event, gain_of
from fieldmark.models.bundle_info import BundleInfo
from fieldmark.records import SAMPLE_COLUMNS, Predictions, Samples
from fieldmark.rundir import RunDir
from fieldmark.task import TASKS
from fieldmark.use.abstention import refuse_share, right_words
from fieldmark.use.predictor import UNLIKE, UNSURE, Answer, Failure, Prediction


@dataclass(frozen=True)
class Known:
    """only: the file of the classes that there can be; taxonomy: the table of the classes' taxa;
    by: the column of the images' table that tells events."""

    only: Path | None = None
    taxonomy: Path | None = None
    by: str | None = None

    def __bool__(self) -> bool:
        return any(each is not None for each in (self.only, self.taxonomy, self.by))


@dataclass(frozen=True)
class Way:
    """kept: whether there can be each class (C,). bars: of each rank, or None where every image
    is answered by its likeliest class. images: of validation, that bars were chosen on. gain: of
    events, where validation has such."""

    kept: np.ndarray
    by_event: bool = False
    bars: tuple[Bar, ...] | None = None
    images: int = 0
    gain: Gain | None = None
    answered: Counter[str] = field(default_factory=Counter)

    def words(self) -> Iterator[str]:
        """What was done, once all is done, and what validation says of it."""
        if self.by_event:
            yield _gained(self.gain)
        if self.bars is not None:
            had = [f"{self.answered[bar.rank.name]:,} by {bar.rank.name}" for bar in self.bars]
            right = sum(bar.right for bar in self.bars)
            number = sum(bar.answered for bar in self.bars)
            yield (
                f"labelled {', '.join(had)}, and {self.answered['']:,} not at all; of "
                f"{counted(self.images, 'validation image')} {number} would be labelled, "
                f"{right_words(right, number)} of them rightly"
            )


def _gained(gain: Gain | None) -> str:
    if gain is None:
        unknown = "the run's table has no such column to tell the gain by"
        return f"images of one event have one answer; {unknown}"
    images = counted(gain.images, "validation image")
    return (
        f"images of one event have one answer; of {images} in "
        f"{counted(gain.events, 'event')} it is right on {100 * gain.together / gain.images:.1f} "
        f"%, and one by one on {100 * gain.alone / gain.images:.1f} %"
    )


def way_of(
    run: str, info: BundleInfo, known: Known, abstain: float | None, *, sets: float | None = None
) -> Way:
    """How answers of a model are made. abstain: the share that is to be right. sets: that of
    --sets, which goes by the model's own answers.

    Raises DataError, SettingsError.
    """
    options = {"--only": known.only, "--taxonomy": known.taxonomy, "--by": known.by}
    name = next((name for name, value in options.items() if value is not None), "")
    if name and sets is not None:
        what = "rests on the model's own answers in validation; leave one of the two out"
        raise SettingsError([Mistake(f"--sets with {name}", what)])
    if abstain is not None:
        refuse_share(abstain)
    if TASKS[info.task].several:
        what = "is for one label an image, and this model gives several; leave it out"
        raise SettingsError([Mistake(name, what)])
    if known.taxonomy is not None and abstain is None:
        what = "goes up where a class is not sure enough; say how sure: --abstain 0.95"
        raise SettingsError([Mistake("--taxonomy", what)])
    kept = np.ones(len(info.classes), bool) if known.only is None else _only(known.only, info)
    ranks: tuple[Rank, ...] = (Rank("class", info.classes, tuple(range(len(info.classes)))),)
    if known.taxonomy is not None:
        ranks = read_taxonomy(known.taxonomy, info.classes)
    way = Way(kept, by_event=known.by is not None)
    if abstain is None and not way.by_event:
        return way
    return _as_validation_says(run, info, way, ranks, abstain, known.by)


def _only(path: Path, info: BundleInfo) -> np.ndarray:
    """Whether each class stands in a file of a class a line."""
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"--only {path}: cannot be read ({error}); write a class a line") from error
    names = [line for line in lines if line and not line.startswith("#")]
    for name in names:
        if name not in info.classes:
            hint = nearest(name, info.classes) or "; take the line out"
            raise DataError(f"--only {path}: the model knows no class '{name}'{hint}")
    if not names:
        raise DataError(f"--only {path}: names no class; write a class a line")
    return np.isin(np.array(info.classes), names)


def _as_validation_says(
    run: str,
    info: BundleInfo,
    way: Way,
    ranks: tuple[Rank, ...],
    abstain: float | None,
    by: str | None,
) -> Way:
    """The way with the bars that validation asks for, and the gain that it saw."""
    file = RunDir(Path(run)).predictions
    table = Predictions.read(file).of_split("val") if file.is_file() else None
    if table is None or not len(table):
        if abstain is None:
            return way
        what = f"goes by the answers of validation, and {run} has none; name a run's own folder"
        raise SettingsError([Mistake("--abstain", what)])
    scores, targets = table.scores(info.temperature), table.targets.copy()
    targets[~way.kept[targets]] = -1  # no image of such a class is to come
    events = _events(RunDir(Path(run)), table, by) if way.by_event else []
    has_events = any(event is not None for event in events)
    scores = _masked(scores, way.kept)
    if way.by_event and has_events:
        way = replace(way, gain=gain_of(scores, targets, events))
        scores = by_event(scores, events)
    if abstain is None:
        return way
    if way.by_event and not has_events:
        what = "rests on single images, for the run's table has no such column; leave one out"
        raise SettingsError([Mistake("--abstain with --by", what)])
    bars = choose_bars(scores, targets, ranks, abstain)
    if all(bar.score is None for bar in bars):
        what = f"validation never reaches that, on no rank of {len(ranks)}; ask for less"
        raise SettingsError([Mistake(f"--abstain {abstain:g}", what)])
    return replace(way, bars=bars, images=int((targets >= 0).sum()))


def _events(run: RunDir, table: Predictions, by: str | None) -> list[str | None]:
    """The events of validation images by the same column; [] where the run's table lacks it."""
    if by is None or not run.samples.is_file():
        return []
    frame = Samples.read(run.samples).frame
    if by not in frame.columns or by in SAMPLE_COLUMNS:
        return []
    places = zip(frame["path"], frame["row"], frame[by].cast(pl.String), strict=True)
    event_of = {(path, row): event for path, row, event in places}
    return [
        event_of.get(place) for place in zip(table.frame["path"], table.frame["row"], strict=True)
    ]


def _masked(scores: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Scores (N, C) of the classes that there can be alone, which sum to 1 again."""
    if kept.all():
        return scores
    its = np.where(kept, np.maximum(scores, LEAST), 0)
    return np.asarray(its / its.sum(axis=1, keepdims=True))


def refine(answers: Iterable[Answer], events: Sequence[str | None], way: Way) -> Iterator[Answer]:
    """The answers as `way` makes them. events: of each image; all are held where it goes by them.

    Images without an answer, and those told unlike the training ones, stay so.
    """
    if not way.by_event:
        for answer in answers:
            yield _refined(answer, _scores(answer, way), way)
        return
    held = list(answers)
    scores = np.vstack([np.zeros((0, len(way.kept))), *(_scores(each, way)[None] for each in held)])
    together = _masked(by_event(scores, events), way.kept)
    for answer, own in zip(held, together, strict=True):
        yield _refined(answer, own, way)


def _scores(answer: Answer, way: Way) -> np.ndarray:
    """(C,), nan of an image whose scores are not to be used."""
    if isinstance(answer, Failure) or answer.reason == UNLIKE:
        return np.full(len(way.kept), np.nan)
    own = np.array([list(answer.scores.values())])
    return np.asarray(_masked(own, way.kept)[0])


def _refined(answer: Answer, scores: np.ndarray, way: Way) -> Answer:
    if isinstance(answer, Failure) or answer.reason == UNLIKE:
        way.answered[""] += isinstance(answer, Prediction)
        return answer
    names = tuple(answer.scores)
    answer = replace(answer, scores=dict(zip(names, scores.tolist(), strict=True)))
    best = int(scores.argmax())
    if way.bars is None:
        label = names[best]
        return replace(answer, label=label, labels=(label,), score=float(scores[best]), reason="")
    found = roll_up(scores, way.bars)
    way.answered[found[0].name if found else ""] += 1
    if found is None:
        return replace(answer, label=None, labels=(), score=float(scores[best]), reason=UNSURE)
    rank, taxon, score = found
    return replace(answer, label=taxon, labels=(taxon,), score=score, reason="", rank=rank.name)
