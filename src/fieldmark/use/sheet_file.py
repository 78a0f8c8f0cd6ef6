"""A sheet of Excel, written a row at a time by XlsxWriter (BSD-2-Clause), which is an extra."""

from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from fieldmark.errors import DataError, Mistake, SettingsError
from fieldmark.machine import INSTALL

ENDING = ".xlsx"
MOST = 1_048_576  # rows of a sheet, the names of its columns among them
WIDE, NARROW = 48, 14  # characters


def refuse_lacking(out: Path) -> None:
    """Raise SettingsError, before any work, where there is nothing to write a sheet with."""
    if out.suffix.lower() == ENDING and find_spec("xlsxwriter") is None:
        what = f"to write it needs another package: {INSTALL} 'fieldmark[excel]'; or take .csv"
        raise SettingsError([Mistake(f"--out {out}", what)])


def write_sheet(path: Path, rows: Iterator[dict[str, Any]], columns: Sequence[str]) -> None:
    """Texts stay texts, also such as "=A1" or "007", and numbers are numbers.

    Raises DataError where there are more rows than a sheet has.
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
            if number >= MOST:
                raise DataError(
                    f"a sheet of Excel has {MOST:,} rows, and there are more images; take .csv"
                )
            for place, name in enumerate(columns):
                value = row[name]
                if isinstance(value, float):
                    sheet.write_number(number, place, value)
                elif value is not None:
                    sheet.write_string(number, place, str(value))
        sheet.autofilter(0, 0, number, len(columns) - 1)
