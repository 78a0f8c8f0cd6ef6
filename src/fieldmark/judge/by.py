"""Figures by the values of a column of the user's table: by site, by camera, by year."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from fieldmark.data.label_cells import texts_in
from fieldmark.errors import DataError, listed, nearest
from fieldmark.judge.figures import figures
from fieldmark.judge.thresholds import in_order
from fieldmark.metrics_json import By, Figures
from fieldmark.records import SAMPLE_COLUMNS, Predictions, Samples

NONE = "(none)"  # the value of an empty cell
FEW_NUMBERS = 12  # different numbers that are values of their own; more are cut into quarters
MOST_TEXTS = 100  # different texts that a table is made of
OF_THE_IMAGE = ("group", "caption", "width", "height")  # of SAMPLE_COLUMNS, where filled
PLACE = ["path", "row", "split"]
AGAIN = "again"  # which of a table's rows of one image a row is


@dataclass(frozen=True)
class Values:
    """One column's value of every image, as a table names it, and the values in their order.

    are_groups: whether the column is the group, so that a value's images are all of one.
    """

    names: list[str]
    order: list[str]
    are_groups: bool = False


def columns_to_go_by(samples: Samples) -> list[str]:
    """The user's own columns, and those of every table that are filled; no lists, no structs."""
    frame = samples.frame
    own = [
        name
        for name, kind in frame.schema.items()
        if name not in SAMPLE_COLUMNS and not (kind.is_nested() or kind in (pl.Binary, pl.Object))
    ]
    return own + [name for name in OF_THE_IMAGE if frame[name].count()]


def values_by_column(
    samples: Samples, columns: Sequence[str], *, group_column: str | None = None
) -> dict[str, Values]:
    """Each image's value in each of the columns.

    group_column: how the user's table calls the column that became the group. Raises DataError
    for a column that there is not, or that has too many texts to make a table.
    """
    known = columns_to_go_by(samples)
    found = {}
    for column in dict.fromkeys(columns):
        own = "group" if column == group_column and column not in known else column
        if own not in known:
            raise DataError(_no_such_column(column, known, group_column))
        found[column] = _values(samples.frame[own], column)
    return found


def figures_by(
    predictions: Predictions,
    samples: Samples,
    values: dict[str, Values],
    *,
    temperature: float,
    thresholds: Mapping[str, float] | None = None,
) -> By:
    """The figures of the predicted images by each column's values, with their intervals.

    thresholds: by class, of several labels.

    values: of `values_by_column`, of these samples. A value without a predicted image is left
    out. Where the column is the group, a value's intervals go by its images, and its figures are
    `within_group`. In any other column groups count, even if a value has only one.
    """
    named = [pl.Series(f"by:{name}", its.names) for name, its in values.items()]
    keyed, frame = (
        table.with_columns(pl.int_range(pl.len()).over(PLACE).alias(AGAIN))
        for table in (samples.frame.select(PLACE).with_columns(named), predictions.frame)
    )
    on = [*PLACE, AGAIN]
    frame = frame.join(keyed, on=on, how="left", nulls_equal=True, maintain_order="left")
    found, least = By(), in_order(thresholds, predictions.classes)
    for column, its in values.items():
        parts = frame.partition_by(f"by:{column}", as_dict=True)
        of_value = {
            key[0]: replace(predictions, frame=part.select(predictions.frame.columns))
            for key, part in parts.items()
        }
        found[column] = {
            value: _figures(of_value[value], temperature, least, are_groups=its.are_groups)
            for value in its.order
            if value in of_value
        }
    return found


def _figures(
    its: Predictions, temperature: float, least: np.ndarray | None, *, are_groups: bool
) -> Figures:
    """The figures of the rows of one value, by images if that is a group; see `figures_by`."""
    frame = its.frame
    groups = frame["group"].unique() if are_groups and "group" in frame.columns else None
    is_group = groups is not None and len(groups) == 1 and groups[0] is not None
    if is_group:
        frame = frame.with_columns(pl.lit(None, pl.String).alias("group"))
    its = replace(its, frame=frame)
    found = figures(its, temperature=temperature, thresholds=least, with_intervals=True)
    found = replace(found, confusion=None, reliability=None, answers=None, within_group=is_group)
    return replace(found, at_half=None, cooccurrence=None)


def _values(column: pl.Series, name: str) -> Values:
    """A text, a number, or the quarter of the numbers that it lies in, for each cell."""
    numbers = None if column.name == "group" else _numbers(column)
    if numbers is not None and len(np.unique(numbers[~np.isnan(numbers)])) > FEW_NUMBERS:
        return _quarters(numbers)
    cells = [NONE if cell is None else cell.strip() for cell in texts_in(column, f"--by {name}")]
    order = sorted(set(cells) - {NONE})
    if len(order) > MOST_TEXTS:
        raise DataError(
            f"--by {name}: it has {len(order):,} different texts, and a table takes at most "
            f"{MOST_TEXTS}; name a column that puts more images together"
        )
    if numbers is not None:
        order.sort(key=float)
    return Values(cells, [*order, NONE], are_groups=column.name == "group")


def _numbers(column: pl.Series) -> np.ndarray | None:
    """A column as numbers, nan where a cell is empty; None where a cell is no number.

    Texts with a 0 in front ("007") are codes, not numbers.
    """
    if column.dtype == pl.String:
        cells = column.str.strip_chars().replace("", None)
        if not cells.str.contains(r"^[+-]?((0|[1-9]\d*)(\.\d*)?|\.\d+)([eE][+-]?\d+)?$").all():
            return None
        column = cells
    elif not column.dtype.is_numeric():
        return None
    found = column.cast(pl.Float64, strict=False).fill_null(float("nan")).to_numpy()
    return np.where(np.isfinite(found), found, np.nan)


def _quarters(numbers: np.ndarray) -> Values:
    """Each number's quarter, named by the least and the greatest number in it."""
    empty = np.isnan(numbers)
    edges = np.unique(np.quantile(numbers[~empty], (0.25, 0.5, 0.75), method="inverted_cdf"))
    places = np.where(empty, -1, np.searchsorted(edges, numbers))
    names = {}
    for place in np.unique(places[~empty]):
        inside = numbers[places == place]
        low, high = _number(inside.min()), _number(inside.max())
        names[place] = low if low == high else f"{low} to {high}"
    order = [*dict.fromkeys(names.values()), NONE]
    return Values([names.get(place, NONE) for place in places], order)


def _number(value: float) -> str:
    return f"{value:.0f}" if value == round(value) else f"{value:.6g}"


def _no_such_column(column: str, known: Sequence[str], group_column: str | None) -> str:
    own = [name for name in known if name not in OF_THE_IMAGE]
    if not own and not group_column:
        sides = f"there are only {listed(known)}" if known else "there are none"
        return (
            f"--by {column}: the images have no columns of yours ({sides}), as those of folders "
            "never have; give a table of images and labels with this column"
        )
    there = [*known, group_column] if group_column else list(known)
    hint = nearest(column, there) or f"; there are {listed(there, most=12)}"
    return f"--by {column}: the images have no such column{hint}"
