"""Predictions as observations of a Camtrap DP package, which keep the package's own IDs.

camtrap-dp.tdwg.org/data has the fields (version 1.0). The rows are for the package's own
observations.csv, below those that are there.
"""

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from fieldmark.data.boxes import parted
from fieldmark.files import write_stream
from fieldmark.use.predictor import Answer, Prediction

COLUMNS = (
    "observationID",
    "deploymentID",
    "mediaID",
    "eventID",
    "eventStart",
    "eventEnd",
    "observationLevel",
    "observationType",
    "cameraSetupType",
    "scientificName",
    "count",
    "lifeStage",
    "sex",
    "behavior",
    "individualID",
    "individualPositionRadius",
    "individualPositionAngle",
    "individualSpeed",
    "bboxX",
    "bboxY",
    "bboxWidth",
    "bboxHeight",
    "classificationMethod",
    "classifiedBy",
    "classificationTimestamp",
    "classificationProbability",
    "observationTags",
    "observationComments",
)
TYPES = {  # labels that are no animal's name
    "human": "human",
    "person": "human",
    "vehicle": "vehicle",
    "blank": "blank",
    "empty": "blank",
    "unknown": "unknown",
    "unclassified": "unclassified",
}
Row = dict[str, str | None]


@dataclass(frozen=True)
class CamtrapDP:
    """media: a row of the package's table a picture, by its filePath. classifier: its name."""

    media: Mapping[str, Row]
    classifier: str

    def write(self, out: Path | IO[str], answers: Iterable[Answer]) -> None:
        """A row a label, as they come; a picture without an answer has none. Raises DiskError."""
        write_stream(out, lambda stream: self._write(stream, answers))

    def _write(self, stream: IO[str], answers: Iterable[Answer]) -> None:
        writer = csv.DictWriter(stream, COLUMNS, restval="", lineterminator="\n")
        writer.writeheader()
        for answer in answers:
            if isinstance(answer, Prediction):
                writer.writerows(self._rows(answer))

    def _rows(self, answer: Prediction) -> Iterator[Row]:
        whole, box = parted(answer.image)
        media = self.media[whole]
        time = media.get("timestamp")
        row: Row = {
            "deploymentID": media["deploymentID"],
            "mediaID": media["mediaID"],
            "eventStart": time,
            "eventEnd": time,
            "observationLevel": "media",
            "classificationMethod": "machine",
            "classifiedBy": self.classifier,
            "classificationTimestamp": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        }
        if box is not None:
            sides = (box.left, box.top, box.width, box.height)
            row |= dict(zip(COLUMNS[18:22], (f"{side:g}" for side in sides), strict=True))
        where = answer.image[len(whole) :]
        for number, label in enumerate(answer.labels or (None,)):
            own = {"observationID": f"fieldmark:{media['mediaID']}{where}:{number}"}
            yield row | own | self._said(answer, label)

    def _said(self, answer: Prediction, label: str | None) -> Row:
        """What an observation says: the label and its score, or why there is none."""
        if label is None:
            why = (
                f"no label: {answer.reason}" if answer.reason else "no label reaches its threshold"
            )
            return {"observationType": "unknown", "observationComments": why}
        kind = TYPES.get(label.casefold(), "animal")
        return {
            "observationType": kind,
            "scientificName": label if kind == "animal" else "",
            "classificationProbability": f"{answer.scores.get(label, answer.score):.4g}",
        }
