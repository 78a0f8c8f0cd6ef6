"""Predictions as CSV, JSON lines, Parquet or a sheet, written as they come, whole or not at all."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any, TypedDict, Unpack

import polars as pl

from fieldmark.errors import DataError, Mistake, SettingsError, writing
from fieldmark.files import check_table, write_whole
from fieldmark.machine import INSTALL
from fieldmark.use.predictor import Answer, Prediction

Row = dict[str, Any]
SCORE = "score:"
BETWEEN = "|"  # labels of one image
SHEET = ".xlsx"
MOST_ROWS = 1_048_576  # of a sheet, the names of its columns among them
WIDE, NARROW = 48, 14  # characters
DIGITS = 6  # of a score: the last bits differ from machine to machine


class More(TypedDict, total=False):
    """Columns that a table may have too.

    scores: one `score:CLASS` a class. reasons: why an image has no label. sets: classes with |
    between them, the likeliest first. ranks: of the taxonomy, that the label is of. errors: why an
    image has no answer; without it there are rows of answers alone.
    """

    scores: bool
    reasons: bool
    sets: bool
    ranks: bool
    errors: bool


def write_table(
    out: Path | IO[str],
    answers: Iterable[Answer],
    classes: Sequence[str],
    *,
    top: int = 0,
    several: bool = False,
    **more: Unpack[More],
) -> None:
    """Columns image, label, score, and more.

    `top` 3: top_1, score_1 ... score_3, the likeliest classes, whether one is the label or not.
    `several`: labels in place of label, with | between them.

    Scores have six significant digits. An image without a label has an empty one in CSV, else
    null. A stream gets CSV, a file what its ending says. Memory does not grow with the number of
    rows. Raises DiskError, SettingsError.
    """
    columns = _columns(classes, top, several, more)
    rows = (_row(answer, columns, several, top) for answer in answers)
    if not isinstance(out, Path):
        _stream_csv(out, rows, columns)
        return
    check_table(out, WRITERS, overwrite=True)
    with writing(out):
        out.parent.mkdir(parents=True, exist_ok=True)
    write_whole(out, lambda draft: WRITERS[out.suffix.lower()](draft, rows, columns))


def refuse_lacking(out: Path) -> None:
    """Raise SettingsError, before any work, where there is nothing to write a sheet with."""
    if out.suffix.lower() == SHEET and find_spec("xlsxwriter") is None:
        what = f"to write it needs another package: {INSTALL} 'fieldmark[excel]'; or take .csv"
        raise SettingsError([Mistake(f"--out {out}", what)])


def appended(
    ending: str,
    classes: Sequence[str],
    *,
    top: int = 0,
    several: bool = False,
    **more: Unpack[More],
) -> tuple[bytes, Callable[[Prediction], bytes]]:
    """What a .csv or .jsonl of `write_table` begins with, and what gives the row of an answer."""
    names = _columns(classes, top, several, more)
    write = LINES[ending]
    head = write(dict(zip(names, names, strict=True)), names) if ending == ".csv" else ""
    return head.encode(), lambda answer: write(_row(answer, names, several, top), names).encode()


def _columns(classes: Sequence[str], top: int, several: bool, more: More) -> list[str]:
    columns = ["image", "labels" if several else "label", "score"]
    columns += [name for name in ("rank", "reason", "set", "error") if more.get(f"{name}s")]
    columns += [name for place in range(1, top + 1) for name in (f"top_{place}", f"score_{place}")]
    return [*columns, *(f"{SCORE}{name}" for name in classes if more.get("scores"))]


def _csv_line(row: Row, columns: Sequence[str]) -> str:
    stream = io.StringIO()
    csv.DictWriter(stream, columns, lineterminator="\n").writerow(row)
    return stream.getvalue()


def _json_line(row: Row, columns: Sequence[str]) -> str:
    return json.dumps(row, ensure_ascii=False) + "\n"


LINES: dict[str, Callable[[Row, Sequence[str]], str]] = {".csv": _csv_line, ".jsonl": _json_line}


def _stream_csv(stream: IO[str], rows: Iterator[Row], columns: Sequence[str]) -> None:
    writer = csv.DictWriter(stream, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


def _row(answer: Answer, columns: Sequence[str], several: bool, top: int) -> Row:
    name = answer.image.encode("utf-8", "backslashreplace").decode()  # any file name can be written
    label = {"labels": BETWEEN.join(answer.labels)} if several else {"label": answer.label}
    is_answer = isinstance(answer, Prediction)
    row: Row = {"image": name, **label, "score": rounded(answer.score) if is_answer else None}
    row |= {
        "rank": answer.rank or None,
        "reason": (answer.reason or None) if is_answer else None,
        "set": BETWEEN.join(answer.set) or None,
        "error": None if is_answer else answer.reason,
    }
    best = sorted(answer.scores, key=lambda name: -answer.scores[name])[:top]
    for place, name in enumerate(best, 1):
        row |= {f"top_{place}": name, f"score_{place}": rounded(answer.scores[name])}
    row |= {f"{SCORE}{name}": rounded(score) for name, score in answer.scores.items()}
    return {name: row.get(name) for name in columns}


def rounded(score: float) -> float:
    """A score as tables have it."""
    return float(f"{score:.{DIGITS}g}")


def _write_csv(path: Path, rows: Iterator[Row], columns: Sequence[str]) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        _stream_csv(stream, rows, columns)


def _write_json_lines(path: Path, rows: Iterator[Row], columns: Sequence[str]) -> None:
    with path.open("w", encoding="utf-8") as stream:
        stream.writelines(_json_line(row, columns) for row in rows)


def _write_parquet(path: Path, rows: Iterator[Row], columns: Sequence[str]) -> None:
    """By way of JSON lines, which polars turns into Parquet a piece at a time."""
    kinds = {name: pl.Float64 if name.startswith("score") else pl.String for name in columns}
    between = path.with_name(f"{path.name}.jsonl")
    try:
        _write_json_lines(between, rows, columns)
        pl.scan_ndjson(between, schema=pl.Schema(kinds)).sink_parquet(path)
    finally:
        between.unlink(missing_ok=True)


def _write_sheet(path: Path, rows: Iterator[dict[str, Any]], columns: Sequence[str]) -> None:
    """A sheet of Excel by XlsxWriter (BSD-2-Clause), which is an extra, a row at a time.

    Texts stay texts, also such as "=A1" or "007", and numbers are numbers. Raises DataError where
    there are more rows than a sheet has.
    """
    import xlsxwriter

    with xlsxwriter.Workbook(path, {"constant_memory": True, "in_memory": False}) as book:
        sheet, bold = book.add_worksheet("predictions"), book.add_format({"bold": True})
        sheet.freeze_panes(1, 1)
        for place, name in enumerate(columns):
            sheet.set_column(place, place, NARROW if name.startswith("score") else WIDE)
            sheet.write_string(0, place, name, bold)
        number = 0
        for number, row in enumerate(rows, 1):
            if number >= MOST_ROWS:
                raise DataError(
                    f"a sheet of Excel has {MOST_ROWS:,} rows, and there are more images; take .csv"
                )
            for place, name in enumerate(columns):
                value = row[name]
                if isinstance(value, float):
                    sheet.write_number(number, place, value)
                elif value is not None:
                    sheet.write_string(number, place, str(value))
        sheet.autofilter(0, 0, number, len(columns) - 1)


WRITERS: dict[str, Callable[[Path, Iterator[Row], Sequence[str]], None]] = {
    ".csv": _write_csv,
    ".jsonl": _write_json_lines,
    ".parquet": _write_parquet,
    SHEET: _write_sheet,
}
