"""Predictions as MegaDetector's results, version 1.6, which Timelapse, AddaxAI and others read.

lila.science/megadetector-output-format has the fields. A picture is one box that is all of it, or
where boxes were looked at, its boxes.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import IO, Any

from fieldmark.data.boxes import Box, parted
from fieldmark.files import write_stream
from fieldmark.use.predictor import Answer, Failure, Prediction

ANIMAL = "1"
EMPTY = ("empty", "blank")  # classes of pictures without an animal, in which there is no box
MOST = 5  # classes a box
PLACES = 4  # of a score, as the format's makers write it
WHOLE = (0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True)
class MegaDetector:
    """classifier: its name. base: what stands before the files' names, and is left out.

    above: the score from which a label was given, if that was asked for. detector: of the boxes,
    and confidence: how sure it was of one of a picture; "" and 1 where there are none.
    """

    classes: tuple[str, ...]
    classifier: str
    base: Path | None = None
    above: float | None = None
    detector: str = ""
    threshold: float = 0.5
    confidence: Callable[[str, Box], float] = lambda picture, box: 1.0

    def write(self, out: Path | IO[str], answers: Iterable[Answer]) -> None:
        """All answers, as they come; memory does not grow with their number. Raises DiskError."""
        write_stream(out, lambda stream: stream.writelines(self._lines(answers)))

    def _lines(self, answers: Iterable[Answer]) -> Iterator[str]:
        """The text: an image a line, for it may be a million of them."""
        first = json.dumps(self._about(), ensure_ascii=False, indent=1)
        yield first.removesuffix("\n}") + ',\n "images": ['
        mark = "\n  "
        for whole, its in groupby(answers, key=lambda answer: parted(answer.image)[0]):
            yield mark + json.dumps(self._image(whole, list(its)), ensure_ascii=False)
            mark = ",\n  "
        yield "\n ]\n}\n"

    def _about(self) -> dict[str, Any]:
        """Everything but the images."""
        about: dict[str, Any] = {
            "format_version": "1.6",
            "detector": self.detector or "none, each picture is one box",
            "detector_metadata": {"typical_detection_threshold": self.threshold},
            "classifier": self.classifier,
            "classification_completion_time": f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}",
        }
        if self.above is not None:
            about["classifier_metadata"] = {"typical_classification_threshold": self.above}
        return {
            "info": about,
            "detection_categories": {ANIMAL: "animal", "2": "person", "3": "vehicle"},
            "classification_categories": {str(n): name for n, name in enumerate(self.classes)},
        }

    def _image(self, whole: str, its: Sequence[Answer]) -> dict[str, Any]:
        file = self._named(whole)
        failure = next((each.reason for each in its if isinstance(each, Failure)), None)
        if failure is not None:
            return {"file": file, "failure": failure, "detections": None}
        answers = [each for each in its if isinstance(each, Prediction)]
        return {"file": file, "detections": [*filter(None, map(self._detection, answers))]}

    def _named(self, whole: str) -> str:
        path = Path(whole)
        if self.base is not None and path.is_relative_to(self.base):
            path = path.relative_to(self.base)
        return path.as_posix().encode("utf-8", "backslashreplace").decode()

    def _detection(self, answer: Prediction) -> dict[str, Any] | None:
        """The box of an answer; None where the label says that there is nothing in it."""
        if answer.label is not None and answer.label.casefold() in EMPTY:
            return None
        whole, box = parted(answer.image)
        sides = WHOLE if box is None else (box.left, box.top, box.width, box.height)
        sure = 1.0 if box is None else self.confidence(whole, box)
        row = {
            "category": ANIMAL,
            "conf": round(sure, PLACES),
            "bbox": [round(side, 6) for side in sides],
        }
        if answer.label is None:
            return row
        place = {name: str(number) for number, name in enumerate(self.classes)}
        likeliest = sorted(answer.scores.items(), key=lambda item: -item[1])[:MOST]
        return row | {
            "classifications": [[place[name], round(score, PLACES)] for name, score in likeliest]
        }
