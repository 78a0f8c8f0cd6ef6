"""JSON that is a table: a list of objects, or an object a line."""

import json
from pathlib import Path
from typing import Any

import polars as pl

from fieldmark.data.formats.brought import texts
from fieldmark.data.inside import content_at
from fieldmark.data.text_tables import Table
from fieldmark.errors import DataError


def lines_of(path: Path) -> list[dict[str, Any]]:
    """The objects of a file that has one a line. Raises DataError with the line."""
    try:
        text = content_at(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is not UTF-8 text; export it anew") from error
    found = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{path}, line {number}: is no JSON ({error}); correct it") from error
        if not isinstance(value, dict):
            raise DataError(f"{path}, line {number}: is no object with keys; correct it")
        found.append(value)
    if not found:
        raise DataError(f"{path}: is empty; it should have an object a line")
    return found


def table_of(path: Path, objects: list[dict[str, Any]]) -> Table:
    """Objects as a table: lists of texts or numbers stay lists, objects inside are left away."""
    names = list(dict.fromkeys(name for each in objects for name in each))
    columns, lacking = [], []
    for name in names:
        values = [each.get(name) for each in objects]
        if any(isinstance(each, dict) for each in values):
            lacking.append(name)
        elif any(isinstance(each, list) for each in values):
            columns.append(_lists(name, values))
        else:
            columns.append(texts(values, name))
    places = [f"{path}, row {number}" for number in range(1, len(objects) + 1)]
    notes = [f"{path}: '{name}' holds objects, and is not used" for name in lacking]
    return Table(pl.DataFrame(columns), places, {}, tuple(notes))


def _lists(name: str, values: list[Any]) -> pl.Series:
    each_a_list = [each if isinstance(each, list) else [each] for each in values]
    plain = [
        [str(one) for one in each if isinstance(one, str | int | float)] for each in each_a_list
    ]
    return pl.Series(name, plain, pl.List(pl.String))
