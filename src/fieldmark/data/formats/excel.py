"""Sheets of Excel and LibreOffice, read by fastexcel (MIT), which is an extra."""

from pathlib import Path

import polars as pl

from fieldmark.data.inside import content_at
from fieldmark.data.text_tables import Table, refuse_twice
from fieldmark.errors import DataError, listed
from fieldmark.machine import INSTALL

ENDINGS = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")


def read_sheet(path: Path) -> Table:
    """The first sheet that has cells, all of them texts: 1 is "1", whatever its format shows.

    Raises DataError.
    """
    try:
        import fastexcel
    except ImportError as error:
        raise DataError(
            f"{path}: to read it needs another package: {INSTALL} 'fieldmark[excel]'; or save it "
            "as CSV in UTF-8"
        ) from error
    try:
        book = fastexcel.read_excel(content_at(path))
        sheets = {name: _cells(book, name) for name in book.sheet_names}
    except fastexcel.FastExcelError as error:
        reason = str(error).partition("\n")[0]
        raise DataError(
            f"{path}: cannot be read as a workbook ({reason}); save it anew, or as CSV in UTF-8"
        ) from error
    filled = {name: frame for name, frame in sheets.items() if len(frame)}
    if not filled:
        raise DataError(f"{path}: is empty; the first row should name columns: image, label")
    name, frame = next(iter(filled.items()))
    header = [(cell or "").strip() for cell in frame.row(0)]
    names = [cell or f"column {number}" for number, cell in enumerate(header, 1)]
    refuse_twice(names, f"{path}, row 1")
    rows = frame.slice(1)
    rows.columns = names
    there = [row for row, cells in enumerate(rows.iter_rows()) if any(cells)]
    notes = []
    if filled.keys() - {name}:
        notes.append(
            f"{path}: the sheet '{name}' is read, and not {listed(filled.keys() - {name})}; save "
            "that one as CSV where it is meant"
        )
    places = [f"{path}, row {row + 2}" for row in there]
    return Table(rows[there], places, {}, tuple(notes))


def _cells(book: object, name: str) -> pl.DataFrame:
    """A sheet's cells as texts, the first row too; empty ones are null."""
    sheet = book.load_sheet(name, header_row=None, dtypes="string")  # type: ignore[attr-defined]
    frame = sheet.to_polars()
    filled = pl.when(pl.col(pl.String).str.strip_chars() != "").then(pl.col(pl.String))
    return frame.select(filled) if frame.width else pl.DataFrame()
