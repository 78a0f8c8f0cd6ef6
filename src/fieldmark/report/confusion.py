"""What is taken for what: the confusion matrix as cells to shade, or as a picture."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fieldmark.report.words import count, quoted

RIGHT, WRONG = (24, 128, 122), (214, 86, 36)  # teal, rust: both read on white and on near-black
PICTURE_SIDE = 720  # pixels at least; the page shows it at 40 rem at most


@dataclass(frozen=True)
class Cell:
    """One cell of the table: images of the row's class that were taken for the column's."""

    count: int
    shade: float  # opacity, 0..1
    right: bool
    title: str


def shades(confusion: np.ndarray) -> np.ndarray:
    """(C, C) counts -> (C, C) opacities in 0..1, 0 where there is nothing.

    By the share of the row: linear on the diagonal; off it by the share's root, since one
    image in thirty must be seen.
    """
    totals = np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    shares = confusion / totals
    opacities = np.where(np.eye(len(confusion), dtype=bool), shares, np.sqrt(shares))
    return np.where(confusion > 0, 0.1 + 0.82 * opacities, 0.0)


def cells(confusion: np.ndarray, classes: Sequence[str]) -> list[list[Cell]]:
    """The table's cells, rows truth and columns guess."""
    opacity, totals = shades(confusion), confusion.sum(axis=1)
    return [
        [
            Cell(
                int(confusion[i, j]),
                round(float(opacity[i, j]), 2),
                i == j,
                _cell_title(int(confusion[i, j]), int(totals[i]), classes[i], classes[j]),
            )
            for j in range(len(classes))
        ]
        for i in range(len(classes))
    ]


def _cell_title(n: int, total: int, truth: str, guess: str) -> str:
    verb = "was" if n == 1 else "were"
    end = f"{verb} recognised" if truth == guess else f"{verb} taken for {quoted(guess)}"
    return f"{count(n)} of {count(total)} {quoted(truth)} {end}" if n else ""


def picture(confusion: np.ndarray) -> str:
    """The matrix as a `data:` PNG with see-through ground, one square a cell."""
    from PIL import Image

    opacity = shades(confusion)
    pixels = np.zeros((*confusion.shape, 4), dtype=np.uint8)
    pixels[..., :3] = WRONG
    pixels[np.diag_indices(len(confusion))] = (*RIGHT, 0)
    pixels[..., 3] = np.rint(np.where(opacity > 0, 0.25 + 0.75 * opacity, 0) * 255)
    scale = -(-PICTURE_SIDE // len(confusion))
    large = pixels.repeat(scale, axis=0).repeat(scale, axis=1)
    buffer = io.BytesIO()
    Image.fromarray(large).save(buffer, "PNG", optimize=True)
    return data_address(buffer.getvalue(), "image/png")


def data_address(content: bytes, mime: str) -> str:
    """Bytes as an address that carries them: "data:image/png;base64,…"."""
    return f"data:{mime};base64,{base64.b64encode(content).decode()}"
