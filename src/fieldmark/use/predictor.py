"""A trained bundle at work: images in, scores out, one batch in memory at a time."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fieldmark.data.images import Content
from fieldmark.data.tables import Named
from fieldmark.errors import DataError, Mistake, SettingsError
from fieldmark.judge.thresholds import in_order
from fieldmark.task import NO_GUESS, TASKS
from fieldmark.use.abstention import abstention
from fieldmark.use.ensemble import is_ensemble, joined_info, open_ensemble
from fieldmark.use.inputs import Given, find_images, is_table, told_of
from fieldmark.use.opened import Read, info_of, open_bundle, together

NO_SCORES = (
    "has no answer, since the model's scores for it are not finite; "
    "try it on the processor (--device cpu), or train anew"
)


@dataclass(frozen=True)
class Prediction:
    """One image's answer. `scores` are probabilities by class and sum to 1.

    label: None where the score is too low to answer; `score` is the likeliest class's all the
    same. Of several labels an image each class has a score of its own, `labels` are those that
    reach their thresholds, the likeliest first, and `label` is the first of them.
    """

    image: str
    label: str | None
    score: float
    scores: dict[str, float]
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Failure:
    """An image without an answer, as it cannot be read or has no scores, and the reason why."""

    image: str
    reason: str


class Predictor:
    """A bundle (a run's folder, or one that holds its two files) that is ready to predict.

    A study's folder whose models are one, as of a cross-validation, is such a bundle too.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        device: str = "auto",
        engine: str = "torch",
        batch_size: int = 64,
        abstain: float | None = None,
        at_least_one: bool = False,
    ):
        """`abstain` 0.95: answer only where validation says that 95 % of the answers are right.

        at_least_one: of several labels an image, the likeliest where none reaches its threshold.

        Raises RunError where there is no bundle or it cannot abstain, WeightsError where it is
        damaged, SettingsError for a device, an engine or a share that cannot be had.
        """
        joined = is_ensemble(path)
        self.info = joined_info(path) if joined else info_of(path)
        if at_least_one and not self.several:
            what = "is for several labels an image, and this model answers with one; leave it out"
            raise SettingsError([Mistake("--at-least-one", what)])
        if joined and abstain is not None:
            what = "goes by the validation of one model, and these are several; name a run"
            raise SettingsError([Mistake("--abstain", what)])
        self._at_least_one = at_least_one
        self._said: list[str] = []
        self.abstention = None if abstain is None else abstention(self.info, abstain, path)
        opened = open_ensemble if joined else open_bundle
        self._opened, self._batch_size = opened(path, device, engine), batch_size

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
        return [*self._said, *self._opened.told]

    def predict(self, images: Given | Iterable[Given]) -> Prediction | list[Prediction]:
        """One image's prediction, or a list for a folder, a table or several images.

        An image is a path, the bytes of a picture file, one of Pillow's images, or an array
        (H, W) or (H, W, 3) of uint8; those without a path are called "image 1" and so on.
        Raises DataError for an image that has no answer; `stream` goes on after those. A model
        that reads captions wants a table that has them.
        """
        given = [images] if isinstance(images, Given) else images
        found, answers = find_images(given).images, []
        self._said = told_of(found, self.info, "predict")
        for answer in self.stream(found):
            if isinstance(answer, Failure):
                raise DataError(answer.reason)
            answers.append(answer)
        is_one = isinstance(images, Given) and not is_table(images)
        is_folder = isinstance(images, str | Path) and Path(images).is_dir()
        return answers[0] if is_one and not is_folder else answers

    def stream(self, images: Iterable[Path | Content | Named]) -> Iterator[Prediction | Failure]:
        """Answers in the order of `images`; memory does not grow with their number.

        A model that reads captions finds them in what is Named; see `told_of` of those without.
        """
        for batch in self._opened.batches(images, self._batch_size):
            yield from self._answers(batch)

    def _answers(self, batch: list[Read]) -> Iterator[Prediction | Failure]:
        images = together(batch, self.info.spec.words)
        logits = self._opened.logits(images)
        task = TASKS[self.info.task]
        own = in_order(self.info.thresholds, self.classes)
        least = self.abstention.score if self.abstention else own
        scores = task.scores(logits, self.info.temperature) if images else np.zeros((0, 1))
        answers = zip(scores, task.decide(scores, least), strict=True)
        for name, image, _ in batch:
            if isinstance(image, str):
                yield Failure(name, image)
            else:
                yield self._prediction(name, *next(answers))

    def _prediction(self, name: str, scores: np.ndarray, guess: np.ndarray) -> Prediction | Failure:
        """guess: the class (), or of several labels whether each is there (C,)."""
        if np.isnan(scores).any():
            return Failure(name, f"{name}: {NO_SCORES}")
        if self.several:
            order = np.argsort(-scores, kind="stable")
            there = [index for index in order.tolist() if guess[index]]
            if not there and self._at_least_one:
                there = order[:1].tolist()
        else:
            there = [] if guess == NO_GUESS else [int(guess)]
        labels = tuple(self.classes[index] for index in there)
        by_class = dict(zip(self.classes, scores.tolist(), strict=True))
        return Prediction(
            name, labels[0] if labels else None, float(scores.max()), by_class, labels
        )
