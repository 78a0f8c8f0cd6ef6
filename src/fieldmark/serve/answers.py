"""Answers as they go over the wire: JSON, or the table that `predict` writes."""

import io
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, Field

from fieldmark.use.predictor import Failure, Prediction, Predictor
from fieldmark.use.table import rounded, write_table


class Likely(BaseModel):
    """A class and its score."""

    label: str
    score: float


class Answered(BaseModel):
    """The answer of one picture."""

    image: str = Field(description="The name that was sent, or 'image 1' and so on.")
    label: str | None = Field(description="None where there is none; `reason` or `error` says why.")
    labels: list[str] | None = Field(
        None, description="Of a model of several labels: those that reach their thresholds."
    )
    score: float | None = Field(description="Of the likeliest class, also without a label.")
    reason: str | None = Field(description="'unsure' or 'unlike the training images'.")
    unlike: bool | None = Field(
        description="Whether it is unlike the training images; None where nothing tells that."
    )
    error: str | None = Field(description="Why this picture has no answer.")
    top: list[Likely] = Field(description="The likeliest classes, whether one is the label or not.")


class Answers(BaseModel):
    """The answers of a request, in the order of its pictures."""

    answers: list[Answered]


class Refused(BaseModel):
    """Why a request, or all of its pictures, had no answer."""

    error: str


class Classes(BaseModel):
    """What the model can tell apart, and what it is."""

    model: str
    task: str
    classes: list[str]
    thresholds: dict[str, float] | None
    licence: str | None
    weights_sha256: str | None


def as_plain(answer: Prediction | Failure, predictor: Predictor, top: int) -> dict[str, Any]:
    """An answer as JSON has it, with the `top` likeliest classes."""
    is_answer = isinstance(answer, Prediction)
    best = sorted(answer.scores, key=lambda name: -answer.scores[name])[:top]
    return {
        "image": answer.image,
        "label": answer.label,
        **({"labels": list(answer.labels)} if predictor.several else {}),
        "score": rounded(answer.score) if is_answer else None,
        "reason": (answer.reason or None) if is_answer else None,
        "unlike": answer.is_unlike if is_answer and predictor.check is not None else None,
        "error": None if is_answer else answer.reason,
        "top": [{"label": name, "score": rounded(answer.scores[name])} for name in best],
    }


def as_csv(answers: Sequence[Prediction | Failure], predictor: Predictor, top: int) -> str:
    """A table with a row a picture, those without an answer too."""
    stream = io.StringIO(newline="")
    write_table(
        stream,
        answers,
        predictor.classes,
        scores=False,
        top=top,
        several=predictor.several,
        reasons=True,
        errors=True,
    )
    return stream.getvalue()


def why_none(answers: Sequence[Prediction | Failure]) -> str | None:
    """The first reason, where not one of the pictures has an answer."""
    failed = [answer.reason for answer in answers if isinstance(answer, Failure)]
    return failed[0] if len(failed) == len(answers) else None
