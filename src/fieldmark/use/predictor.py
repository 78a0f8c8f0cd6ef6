"""A trained bundle at work: files in, scores out, one batch in memory at a time."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from fieldmark.data.augment import centre_crop
from fieldmark.data.images import read_file
from fieldmark.errors import DataError, Mistake, RunError, SettingsError
from fieldmark.models import bundle, precision
from fieldmark.models.bundle_info import read_info
from fieldmark.models.catalog import family
from fieldmark.models.infer import infer
from fieldmark.records import softmax
from fieldmark.rundir import INFO
from fieldmark.use.abstention import abstention
from fieldmark.use.inputs import find_images

NO_SCORES = (
    "has no answer, since the model's scores for it are not finite; "
    "try it on the processor (--device cpu), or train anew"
)


@dataclass(frozen=True)
class Prediction:
    """One image's answer. `scores` are probabilities by class and sum to 1.

    label: None where the score is too low to answer; `score` is the likeliest class's all the
    same.
    """

    image: str
    label: str | None
    score: float
    scores: dict[str, float]


@dataclass(frozen=True)
class Failure:
    """An image without an answer, as it cannot be read or has no scores, and the reason why."""

    image: str
    reason: str


class Predictor:
    """A bundle (a run's folder, or one that holds its two files) that is ready to predict."""

    def __init__(
        self,
        path: str | Path,
        *,
        device: str = "auto",
        batch_size: int = 64,
        abstain: float | None = None,
    ):
        """`abstain` 0.95: answer only where validation says that 95 % of the answers are right.

        Raises RunError where there is no bundle or it cannot abstain, WeightsError where it is
        damaged, SettingsError for a device or a share that cannot be had.
        """
        folder = Path(path)
        if not (folder / INFO).is_file():
            raise RunError(
                f"{path}: holds no trained model ({INFO}); name a run's folder, or go on "
                "with one that was stopped: fieldmark train --resume RUN"
            )
        if mistakes := precision.check_device(device):
            raise SettingsError([Mistake("--device", mistakes[0].what)])
        self.abstention = (
            None if abstain is None else abstention(read_info(folder / INFO), abstain, path)
        )
        self.model, self.info = bundle.load(folder)
        self.device = precision.pick_device(device)
        self.model.to(self.device).to(memory_format=torch.channels_last)
        measured = self.info.precision
        if precision.check(measured, self.device):  # this device does not have it
            measured = precision.choose(self.device, family(self.info.model))
        self.autocast = precision.autocast(measured, self.device)
        self._batch_size = batch_size

    @property
    def classes(self) -> tuple[str, ...]:
        """What it can tell apart."""
        return self.info.classes

    def predict(self, images: str | Path | Sequence[str | Path]) -> Prediction | list[Prediction]:
        """One image's prediction, or a list for a folder or several images.

        Raises DataError for an image that has no answer; `stream` goes on after those.
        """
        inputs = [images] if isinstance(images, str | Path) else list(images)
        answers = []
        for answer in self.stream(find_images(inputs).paths):
            if isinstance(answer, Failure):
                raise DataError(answer.reason)
            answers.append(answer)
        single = isinstance(images, str | Path) and not Path(images).is_dir()
        return answers[0] if single else answers

    def stream(self, paths: Iterable[Path]) -> Iterator[Prediction | Failure]:
        """Answers in the order of `paths`; memory does not grow with their number."""
        pending = iter(paths)
        with ThreadPoolExecutor() as threads:
            while batch := list(islice(pending, self._batch_size)):
                yield from self._answer(batch, list(threads.map(self._read, batch)))

    def _read(self, path: Path) -> torch.Tensor | str:
        try:
            pixels = read_file(path, self.info.spec.evaluated_form)
        except DataError as error:
            return str(error)
        return centre_crop(torch.from_numpy(pixels.copy()).permute(2, 0, 1), self.info.spec.size)

    def _answer(
        self, paths: list[Path], read: list[torch.Tensor | str]
    ) -> Iterator[Prediction | Failure]:
        images = [image for image in read if isinstance(image, torch.Tensor)]
        scores = iter(self._scores(torch.stack(images)) if images else ())
        for path, image in zip(paths, read, strict=True):
            if isinstance(image, str):
                yield Failure(str(path), image)
            else:
                yield self._prediction(path, next(scores))

    def _prediction(self, path: Path, scores: np.ndarray) -> Prediction | Failure:
        if np.isnan(scores).any():  # numpy's argmax would name a class there
            return Failure(str(path), f"{path}: {NO_SCORES}")
        best = int(scores.argmax())
        score, by_class = float(scores[best]), dict(zip(self.classes, scores.tolist(), strict=True))
        sure = self.abstention is None or score >= self.abstention.score
        return Prediction(str(path), self.classes[best] if sure else None, score, by_class)

    def _scores(self, images: torch.Tensor) -> np.ndarray:
        """(n, 3, size, size) uint8 -> (n, C) float64"""
        logits = infer(self.model, [images], device=self.device, autocast=self.autocast)
        return softmax(logits, self.info.temperature)
