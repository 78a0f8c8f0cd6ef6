"""A run whose photos lie elsewhere now: it goes on with them where their content is the same."""

import os
from dataclasses import replace
from pathlib import Path

from fieldmark.console import Console
from fieldmark.data.built_in import BUILT_IN
from fieldmark.data.inside import is_there
from fieldmark.data.intake import Dataset, changed_images
from fieldmark.errors import DataError, RunError, counted
from fieldmark.files import write_text
from fieldmark.rundir import COMMAND, RunDir
from fieldmark.settings.layers import Layer
from fieldmark.settings.texts import read_file, to_yaml
from fieldmark.settings.tree import Settings

MOVABLE = ("data.source", "data.images", "data.test")  # what may be named anew


def named_anew(run: RunDir, changes: Layer) -> Layer:
    """The changes, with paths that hold from any folder. Needs no torch.

    Raises RunError where the photos of the run are not where they were and no place is named.
    """
    before = read_file(run.settings).values.get("data.source")
    there = before in BUILT_IN or is_there(Path(str(before)))
    if not there and "data.source" not in changes.values:
        raise RunError(
            f"{run.path}: its photos are no longer in {before}; put them back, or name where they "
            f"are: fieldmark train --resume {run.path} data.source=NEW"
        )
    places = {key: changes.values[key] for key in MOVABLE if key in changes.values}
    whole = {k: os.path.realpath(at) if is_there(Path(at)) else at for k, at in places.items()}
    return replace(changes, values={**changes.values, **whole})


def follow(run: RunDir, settings: Settings, changes: Layer, console: Console) -> None:
    """Point a run to where its images lie now; nothing is written where one is not the same.

    settings: the run's, with the changes. Raises DataError, DiskError.
    """
    if not set(MOVABLE) & changes.values.keys() or not run.samples.is_file():
        return
    data = Dataset.read(run.samples)
    root = _root_now(data.samples.root, read_file(run.settings), changes)
    samples = replace(data.samples, root=root)
    if changed := changed_images(samples):
        where = next(key for key in MOVABLE if key in changes.values)
        raise DataError(
            f"{where}={changes.values[where]}: {len(changed)} of {counted(len(samples), 'image')} "
            f"of the run are not there as they were ('{changed[0]}' is one); name the place that "
            "holds them all, or start a new run"
        )
    replace(data, samples=samples).write(run.samples)
    command = f"fieldmark train --config {run.settings}"
    write_text(run.settings, f"{COMMAND}{command}\n{to_yaml(settings)}")
    if run.is_done:
        about = {key: each for key, each in run.read_manifest().items() if key != "files"}
        run.write_manifest(about)
    console.say(f"{counted(len(samples), 'image')} found again in {root}, each the same")


def _root_now(root: str, before: Layer, changes: Layer) -> str:
    """Where paths of images begin now: it lies to what was named anew as it lay before."""
    at = next((key for key in ("data.images", "data.source") if key in changes.values), None)
    old = before.values.get(at) if at else None
    if at is None or old is None:
        return root
    return os.path.normpath(Path(changes.values[at]) / os.path.relpath(root, old))
