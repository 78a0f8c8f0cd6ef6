"""A run's figures on its own splits, from its predictions table. No torch, no model."""

from typing import Any

from fieldmark import rundir
from fieldmark.cache import open_cache
from fieldmark.console import Console
from fieldmark.data.scan import scan
from fieldmark.errors import RunError, counted
from fieldmark.judge.figures import figures
from fieldmark.records import Predictions, Samples
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
    for note in changed_since(run):
        console.warn(note)
    if "test" not in sides:
        console.warn("the test images have not been looked at: the run is not done, or has none")
    return found


def changed_since(run: rundir.RunDir) -> list[str]:
    """What became of the run's images, where they are not those that it saw."""
    samples = Samples.read(run.samples)
    now = scan(samples, open_cache())["hash"].to_list()
    before, paths = samples.frame["hash"].to_list(), samples.frame["path"].to_list()
    changed = [p for p, was, seen in zip(paths, before, now, strict=True) if was != seen]
    if not changed:
        return []
    return [
        f"{counted(len(changed), 'image')} of {len(paths)} in {samples.root} changed or vanished "
        f"since the run ('{changed[0]}' is one); these figures are of what it saw then"
    ]
