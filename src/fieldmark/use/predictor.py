"""A trained bundle at work: images in, scores out, one batch in memory at a time."""

import math
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fieldmark.data.images import Content
from fieldmark.data.tables import Named
from fieldmark.errors import (
    DataError,
    Mistake,
    RunError,
    SettingsError,
    WeightsError,
    counted,
    refuse,
)
from fieldmark.judge.conformal import sets
from fieldmark.judge.thresholds import in_order
from fieldmark.task import NO_GUESS, TASKS
from fieldmark.use.abstention import abstention
from fieldmark.use.asked import info_of_any
from fieldmark.use.ensemble import (
    Ensemble,
    alone,
    is_ensemble,
    of_several,
    open_ensemble,
    read_joining,
)
from fieldmark.use.exported import Exported, open_export
from fieldmark.use.exported_info import is_export
from fieldmark.use.inputs import find_there, in_parts, told_of
from fieldmark.use.reading import Read, seen_of
from fieldmark.use.sets import set_row
from fieldmark.use.unlike import Check, check_of

if TYPE_CHECKING:
    from fieldmark.use.opened import Opened

UNSURE, UNLIKE = "unsure", "unlike the training images"  # why an image has no label
NO_SCORES = (
    "has no answer, since the model's scores for it are not finite; "
    "try it on the processor (--device cpu), or train anew"
)


@dataclass(frozen=True)
class Prediction:
    """One image's answer. `scores` are probabilities by class and sum to 1.

    label: None where the score is too low to answer, or the image unlike those of the training;
    reason: which of the two, UNSURE or UNLIKE; `score` is the likeliest class's all the same. Of
    several labels an image each class has a score of its own, `labels` are those that reach their
    thresholds, the likeliest first, and `label` is the first of them. set: the classes that hold
    the truth as often as was asked for, the likeliest first; () where that was not asked, and of
    an image that is left without a label as unlike. is_unlike: whether the image is unlike those
    of the training, also where it has its label all the same; False where nothing tells. rank: of
    the taxonomy, that the label is of, where one was given. part: the share of its area that the
    network sees.
    """

    image: str
    label: str | None
    score: float
    scores: dict[str, float]
    labels: tuple[str, ...] = ()
    reason: str = ""
    set: tuple[str, ...] = ()
    is_unlike: bool = False
    rank: str = ""
    part: float = 1.0


@dataclass(frozen=True)
class Failure:
    """An image without an answer, as it cannot be read or has no scores, and the reason why.

    The other fields are those of a Prediction that says nothing.
    """

    image: str
    reason: str
    label: None = None
    score: float = math.nan
    scores: dict[str, float] = field(default_factory=dict)
    labels: tuple[str, ...] = ()
    set: tuple[str, ...] = ()
    is_unlike: bool = False
    rank: str = ""
    part: float = 1.0


Answer = Prediction | Failure


@dataclass(frozen=True)
class Answering:
    """How images are answered. abstain: 0.95: only where validation says that 95 % of the answers
    are right. unlike: no label for images that are unlike those of the training, which `abstain`
    does too. unlike_if_known: the same, but told and no error where the bundle does not know them.
    sets: 0.9: beside the label the classes that hold the truth in 90 % of the images. at_least_one:
    of several labels, the likeliest where none reaches its threshold."""

    abstain: float | None = None
    unlike: bool = False
    sets: float | None = None
    at_least_one: bool = False
    unlike_if_known: bool = False

    @property
    def leaves_out(self) -> bool:
        """Whether images that are unlike those of the training are to have no label."""
        return self.unlike or self.unlike_if_known or self.abstain is not None


class Predictor:
    """A bundle (a run's folder, or one that holds its two files) that is ready to predict.

    A study's folder whose models are one, as of a cross-validation, is such a bundle too, and so is
    an export as ONNX, its folder or the file, which needs no torch.
    """

    def __init__(
        self,
        path: str | Path,
        answering: Answering = Answering(),
        *,
        device: str = "auto",
        engine: str = "torch",
        batch_size: int = 64,
    ):
        """Raises RunError where there is no bundle or it cannot say when not to answer,
        WeightsError where it is damaged, SettingsError for a device, an engine or a share that
        cannot be had.
        """
        path = (alone(path) or path) if is_ensemble(path) else path
        joined = is_ensemble(path)
        self.info, self._answering = info_of_any(path), answering
        if answering.at_least_one and not self.several:
            what = "is for several labels an image, and this model answers with one; leave it out"
            raise SettingsError([Mistake("--at-least-one", what)])
        if joined:
            refuse(Mistake(name, of_several(path)) for name in _of_one(answering, path))
        self._said: list[str] = []
        self._lacks: list[str] = []
        exported = open_export(path, device, engine) if is_export(path) else None
        checked = self._checked(path, exported)
        self.check = checked if isinstance(checked, Check) else None
        self.abstention, self.set_row = None, None
        if answering.abstain is not None:
            chosen = self.check.chosen if self.check else None
            self.abstention = abstention(self.info, answering.abstain, path, chosen)
            if joined:
                members = len(read_joining(path).members)
                self.abstention = replace(self.abstention, models=members)
        if answering.sets is not None:
            self.set_row = set_row(self.info, answering.sets, path)
        if isinstance(checked, str) and answering.leaves_out:
            if answering.unlike:
                raise RunError(f"{checked}; leave --unlike out")
            self._lacks = [f"{checked}; so images are left out for their score alone"]
        self._opened = exported or _opened(path, device, engine)  # torch, if nothing is refused
        self._batch_size = batch_size

    def _checked(self, path: str | Path, exported: Exported | None) -> Check | str:
        """What images are held against, or why nothing is.

        Images that keep their labels are held against it too, for what is said at the end; where
        it is damaged that is told, and raised as WeightsError where labels go by it.
        """
        try:
            return exported.check(path) if exported else check_of(self.info, path)
        except WeightsError as error:
            if self._answering.leaves_out:
                raise
            self._lacks = [f"{error}; until then nothing says which images are unlike"]
            return str(error)

    @property
    def leaves_out(self) -> bool:
        """Whether images that are unlike those of the training have no label."""
        return self.check is not None and self._answering.leaves_out

    @property
    def classes(self) -> tuple[str, ...]:
        """What it can tell apart."""
        return self.info.classes

    @property
    def several(self) -> bool:
        """Whether an image may have several labels."""
        return TASKS[self.info.task].several

    @property
    def told(self) -> list[str]:
        """What another engine than torch has computed so far, and captions that lack, in words."""
        return [*self._said, *self._lacks, *self._opened.told]

    def predict(self, images: Any) -> "Prediction | list[Answer]":
        """One image's prediction, or a list for a folder, a table or several images.

        An image is a path, the bytes of a picture file, one of Pillow's images, or an array
        (H, W) or (H, W, 3) of uint8; several are a list or column of these, or an array (N, H, W)
        or (N, H, W, 3). Those without a path are called "image 1" and so on. Of several, those
        that have no answer are a Failure in their place, with a `reason` and without a label, and
        a warning counts them. Raises DataError for a single image that has no answer, and for
        paths that do not exist where nothing else is given. A model that reads captions wants a
        table that has them.
        """
        given, is_one = in_parts(images)
        found = find_there(given)
        self._said = told_of(found, self.info, "predict")
        answers = list(self.stream(found))
        failed = [answer for answer in answers if isinstance(answer, Failure)]
        if is_one:
            if isinstance(answers[0], Failure):
                raise DataError(answers[0].reason)
            return answers[0]
        if failed:
            what = f"{len(failed)} of {counted(len(answers), 'image')} got no answer"
            warnings.warn(f"{what}; the first: {failed[0].reason}", stacklevel=2)
        return answers

    def stream(self, images: Iterable[Path | Content | Named]) -> Iterator[Answer]:
        """Answers in the order of `images`; memory does not grow with their number.

        A model that reads captions finds them in what is Named; see `told_of` of those without.
        """
        for batch in self._opened.batches(images, self._batch_size):
            yield from self.answers(batch)

    def read(self, image: Content, name: str, caption: str | None = None) -> Read:
        """What the network sees of one image, or why it cannot be read; threads may call it."""
        return seen_of(image, name, self._opened.read, self.info.spec)._replace(caption=caption)

    def answers(self, batch: list[Read]) -> Iterator[Answer]:
        """Answers, in order, of images that are read; they are one batch for the network."""
        images: list[Any] = self._opened.together(batch)
        logits, far = self._look(images)
        task = TASKS[self.info.task]
        own = in_order(self.info.thresholds, self.classes)
        least = self.abstention.score if self.abstention else own
        scores = task.scores(logits, self.info.temperature) if images else np.zeros((0, 1))
        flags = self.check.flags(scores, far) if self.check else np.zeros(len(scores), bool)
        answers = zip(scores, task.decide(scores, least), flags, strict=True)
        for each in batch:
            if isinstance(each.seen, str):
                yield Failure(each.name, each.seen)
            else:
                yield replace(self._prediction(each.name, *next(answers)), part=each.part)

    def _look(self, images: list[Any]) -> tuple[np.ndarray, np.ndarray]:
        """Logits (n, C), and how far images are from the training's (n,), where that is asked."""
        if self.check is None or isinstance(self._opened, Ensemble) or not images:
            return self._opened.logits(images), np.zeros(0, np.float32)
        return self._opened.look(images, self.check.far)

    def _prediction(
        self, name: str, scores: np.ndarray, guess: np.ndarray, unlike: np.bool_
    ) -> Answer:
        """guess: the class (), or of several labels whether each is there (C,)."""
        if np.isnan(scores).any():
            return Failure(name, f"{name}: {NO_SCORES}")
        if unlike and self._answering.leaves_out:
            return replace(self._made(name, scores, [], UNLIKE), is_unlike=True)
        if self.several:
            order = np.argsort(-scores, kind="stable")
            there = [index for index in order.tolist() if guess[index]]
            if not there and self._answering.at_least_one:
                there = order[:1].tolist()
        else:
            there = [] if guess == NO_GUESS else [int(guess)]
        reason = "" if there or self.several else UNSURE
        return replace(self._made(name, scores, there, reason), is_unlike=bool(unlike))

    def _made(self, name: str, scores: np.ndarray, there: list[int], reason: str) -> Prediction:
        """The answer of an image that has the classes at the places `there`."""
        labels = tuple(self.classes[index] for index in there)
        return Prediction(
            image=name,
            label=labels[0] if labels else None,
            score=float(scores.max()),
            scores=dict(zip(self.classes, scores.tolist(), strict=True)),
            labels=labels,
            reason=reason,
            set=() if reason == UNLIKE else self._set(scores),
        )

    def _set(self, scores: np.ndarray) -> tuple[str, ...]:
        """The classes that hold the truth as often as was asked for, the likeliest first."""
        if self.set_row is None:
            return ()
        (inside,) = sets(scores[None], self.set_row.bound)
        order = np.argsort(-scores, kind="stable").tolist()
        return tuple(self.classes[index] for index in order if inside[index])


def _opened(path: str | Path, device: str, engine: str) -> "Opened | Ensemble":
    from fieldmark.use.opened import open_bundle

    return (open_ensemble if is_ensemble(path) else open_bundle)(path, device, engine)


def _of_one(answering: Answering, path: str | Path) -> Iterator[str]:
    """The options that go by the validation of one model, and are asked of those in a folder."""
    leaves_out = answering.abstain is not None or answering.unlike_if_known
    if leaves_out and read_joining(path).kind == "one-vs-rest":
        yield "--abstain"
    if answering.unlike:
        yield "--unlike"
    if answering.sets is not None:
        yield "--sets"
