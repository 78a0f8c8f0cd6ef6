"""`fieldmark grid`: every combination of some settings, each from a fresh model, and compared."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import polars as pl

from fieldmark.console import Console
from fieldmark.data.intake import look, part
from fieldmark.files import write_json, write_whole
from fieldmark.runs.concrete import make_concrete
from fieldmark.settings.layers import Resolved
from fieldmark.study.asked import asked, tell_places, with_absolute_paths
from fieldmark.study.axes import Axis, Cell, of_all
from fieldmark.study.best import Found, against, best_of
from fieldmark.study.cells import chosen_by, finished
from fieldmark.study.folder import StudyDir
from fieldmark.study.grid_page import write_page
from fieldmark.study.grid_words import lines
from fieldmark.study.local import run_all
from fieldmark.study.one_model import stand_for
from fieldmark.study.page import notes_of_all
from fieldmark.study.planned import Planned, digest, identity, planned

KIND = "grid"


def grid(
    axes: Sequence[Axis], cells: Sequence[Cell], console: Console, command: str, *, jobs: int = 1
) -> StudyDir:
    """A run a cell. -> the study's folder

    Raises any FieldmarkError; what was done by then is kept, and the same call goes on.
    """
    whole = [replace(cell, resolved=with_absolute_paths(cell.resolved)) for cell in cells]
    over = {axis.name: [value.text for value in axis.values] for axis in axes}

    def plan(study: StudyDir, _: Resolved) -> list[Planned]:
        names = keep_images(study, whole, console)
        pairs = list(zip(whole, names, strict=True))
        checks = [partial(check_with_images, study, cell, name) for cell, name in pairs]
        of_all(axes, [cell.values for cell in whole], checks)
        return [planned(cell.resolved, cell.about, name) for cell, name in pairs]

    options = {"over": over, "cells": digest([identity(each.resolved.settings) for each in whole])}
    study = asked(KIND, whole[0].resolved, options, command, plan, console)
    run_all(study, console, jobs=jobs)
    return study


def keep_images(study: StudyDir, cells: Sequence[Cell], console: Console) -> list[str]:
    """The name of each cell's images in the study's folder; equal ones are taken in once."""
    asked_of = [cell.resolved.settings.data for cell in cells]
    names = [f"images-{digest(each.model_dump(mode='json'))}" for each in asked_of]
    for name, data in dict(zip(names, asked_of, strict=True)).items():
        study.keep_data(name, part(data, look(data, console)))
    return names


def check_with_images(study: StudyDir, cell: Cell, name: str) -> None:
    """Raise SettingsError with what only the images can tell against a cell's settings."""
    if cell.resolved.settings.input.normalize != "dataset":  # which reads all images to be told
        make_concrete(cell.resolved, study.read_data(name), Console(quiet=True))


def tell(study: StudyDir, console: Console) -> int:
    """Compare the cells: tables, figures, the page. -> 1 where a run failed, else 0

    Raises WorkError where all failed.
    """
    done = study.finished()
    places = {each.name: place for place, each in enumerate(study.plans())}
    cells = finished(done, places)
    best = best_of(cells)
    first = best.score if best else cells[0]
    compared = against(first, [cell for cell in cells if cell is not first])
    found = Found(study, cells, study.failures(), best, compared)
    rows = table(found)
    write_json(study.results, as_json(found, rows))
    write_whole(study.table, pl.DataFrame(rows, infer_schema_length=None).write_csv)
    if best:
        stand_for(study, best.score.run, best.score.metrics.classes)
    told = notes_of_all([cell.run for cell in cells])
    write_page(found, told)
    console.say("\n".join(lines(found)))
    for note in told:
        console.warn(note)
    tell_places(console, study=study.path, table=study.table, report=study.report)
    return int(bool(found.failed))


def table(found: Found) -> list[dict[str, Any]]:
    """A row a cell, the axes before the figures, in the order of the cells."""
    metric, by = found.metric, chosen_by(found.cells)
    rows = {}
    for cell in found.cells:
        low, high = cell.figures.interval(metric) or (None, None)
        apart = found.difference(cell)
        rows[cell.planned.name] = {
            **cell.planned.about,
            "run": cell.planned.name,
            "state": "done",
            "reason": None,
            f"val_{by}": cell.validation(by),
            f"{cell.side}_{metric}": cell.value,
            "low": low,
            "high": high,
            "images": cell.figures.n,
            "against_best": apart and apart.value,
            "against_best_low": apart and apart.low,
            "against_best_high": apart and apart.high,
            "parameters": cell.metrics.about.parameters,
            "megabytes": cell.megabytes,
            "multiply_adds": cell.multiply_adds,
            "epochs": cell.epochs,
            "seconds_an_epoch": cell.seconds_an_epoch,
            "hours": cell.seconds / 3600,
            "images_a_second": cell.images_a_second,
            "gap": cell.gap(by),
            "learned": cell.has_learned,
        }
    for each, reason in found.failed:
        rows[each.name] = {**each.about, "run": each.name, "state": "failed", "reason": reason}
    names = list(dict.fromkeys(name for row in rows.values() for name in row))
    order = [each.name for each in found.study.plans() if each.name in rows]
    return [{name: rows[each].get(name) for name in names} for each in order]


def as_json(found: Found, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The same with what was chosen, as plain values."""
    best = found.best
    named = {"score": best.score, "time": best.time, "size": best.size} if best else {}
    return {
        "kind": KIND,
        "axes": found.study.question["options"]["over"],
        "metric": found.metric,
        "decided_by": f"val_{chosen_by(found.cells)}" if best else None,
        "best": {name: cell.planned.name for name, cell in named.items()},
        "too_close_in_validation": [cell.planned.name for cell in best.level[1:]] if best else [],
        "cells": rows,
        "about": found.cells[0].metrics.about.to_json(),
    }
