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
WITHOUT_PLACE = ("auto", "none", "null", *BUILT_IN)


def named_anew(run: RunDir, changes: Layer) -> Layer:
    """The changes, with paths that hold from any folder. Needs no torch.

    Raises RunError for a place that the run has none of its own for, and where the photos of a
    run that was stopped are gone.
    """
    before = read_file(run.settings).values
    places = {key: changes.values[key] for key in MOVABLE if key in changes.values}
    for key in places:
        old = before.get(key)
        if old is None or old in WITHOUT_PLACE:
            raise RunError(
                f"{key}: has no place in this run (it is {old or 'none'}), so there is none to "
                "name anew; leave it out, or start a new run with --config"
            )
    if not run.is_done and "data.source" not in places:
        refuse_gone(run, before.get("data.source"))
    whole = {key: os.path.realpath(at) if is_there(Path(at)) else at for key, at in places.items()}
    return replace(changes, values={**changes.values, **whole})


def refuse_gone(run: RunDir, source: object) -> None:
    """Raise RunError where the photos of a run that has work left are not where they were."""
    if source not in BUILT_IN and not is_there(Path(str(source))):
        raise RunError(
            f"{run.path}: its photos are no longer in {source}; put them back, or name where they "
            f"are: fieldmark train --resume {run.path} data.source=NEW"
        )


def follow(run: RunDir, settings: Settings, changes: Layer, console: Console) -> None:
    """Point a run to where its images lie now; nothing is written where one is not the same.

    settings: the run's, with the changes. Raises DataError, DiskError.
    """
    if not set(MOVABLE) & changes.values.keys() or not run.samples.is_file():
        return
    data = Dataset.read(run.samples)
    before = read_file(run.settings)
    root = _root_now(data.samples.root, before, changes)
    samples = replace(data.samples, root=root)
    changed = changed_images(samples)
    if changed and _has_followed(data.samples.root, before, changes):
        root, samples = data.samples.root, data.samples
        changed = changed_images(samples)
    if changed:
        where = next(key for key in MOVABLE if key in changes.values)
        raise DataError(
            f"{where}={changes.values[where]}: {len(changed)} of {counted(len(samples), 'image')} "
            f"of the run are not there as they were ('{changed[0]}' is one); name the place that "
            "holds them all, or start a new run"
        )
    _refuse_test_elsewhere(data.samples.root, root, before, changes)
    replace(data, samples=samples).write(run.samples)
    command = f"fieldmark train --config {run.settings}"
    write_text(run.settings, f"{COMMAND}{command}\n{to_yaml(settings)}")
    if run.is_done:
        run.write_manifest(run.read_manifest())
    console.say(f"{counted(len(samples), 'image')} found again in {root}, each the same")


def _root_now(root: str, before: Layer, changes: Layer) -> str:
    """Where paths of images begin now: it lies to what was named anew as it lay before."""
    at = _place_of_images(changes)
    old = before.values.get(at) if at else None
    if at is None or old is None:
        return root
    return os.path.normpath(Path(changes.values[at]) / os.path.relpath(root, old))


def _has_followed(root: str, before: Layer, changes: Layer) -> bool:
    """Whether paths begin at the new place already: a kill came before the settings named it."""
    at = _place_of_images(changes)
    return at is not None and _near(root, changes.values[at]) and not _near(root, before.values[at])


def _place_of_images(changes: Layer) -> str | None:
    return next((key for key in ("data.images", "data.source") if key in changes.values), None)


def _near(one: str, other: str) -> bool:
    """Whether one of two paths holds the other."""
    first, second = (Path(os.path.realpath(each)) for each in (one, other))
    return first.is_relative_to(second) or second.is_relative_to(first)


def _refuse_test_elsewhere(was: str, root: str, before: Layer, changes: Layer) -> None:
    """Raise DataError where the test set is not said to be where the run's test images are.

    was, root: where paths of images began, and where they begin now.
    """
    if "data.test" not in changes.values:
        return
    at = changes.values["data.test"]
    is_same = Path(root) / os.path.relpath(before.values["data.test"], was)
    if was == root and _near(root, at) and not is_there(Path(before.values["data.test"])):
        return  # the images are found there already
    if os.path.realpath(is_same) != os.path.realpath(at):
        raise DataError(
            f"data.test={at}: the test images of this run are not there but in "
            f"{os.path.normpath(is_same)}; name that, or start a new run"
        )
