"""A run's figures on its own splits, from its predictions table. No torch, no model."""

from typing import Any

from fieldmark import rundir
from fieldmark.console import Console
from fieldmark.errors import RunError
from fieldmark.judge.figures import figures
from fieldmark.records import Predictions
from fieldmark.runs.words import figure_lines


def evaluate_stored(path: str, console: Console) -> dict[str, Any]:
    """A run's figures on its own splits, computed anew from its predictions. No model runs."""
    run = rundir.open_run(path)
    if not run.predictions.is_file():
        raise RunError(
            f"{path}: has no predictions yet; go on with it: fieldmark train --resume {path}"
        )
    predictions = Predictions.read(run.predictions)
    sides = predictions.frame["split"].unique(maintain_order=True).to_list()
    found = {}
    for side in sides:
        table = predictions.of_split(side)
        found[side] = figures(table, with_intervals=side == "test")
        console.say("\n".join(figure_lines(side, found[side])))
    if "test" not in sides:
        console.warn("the test images have not been looked at: the run is not done, or has none")
    return found
