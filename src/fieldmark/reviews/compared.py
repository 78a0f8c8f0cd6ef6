"""What `fieldmark compare` was given, read: runs, evaluations of runs, and studies."""

from collections.abc import Sequence
from pathlib import Path

from fieldmark import rundir
from fieldmark.errors import RunError
from fieldmark.judge.figures import shown_side
from fieldmark.records import Predictions
from fieldmark.reviews.compared_run import ComparedRun
from fieldmark.reviews.compared_study import ComparedStudy, answers_as_one, read_study
from fieldmark.rundir import RunDir, is_study


def read_runs(paths: Sequence[str]) -> tuple[ComparedRun, ...]:
    """All that were named, in that order. Raises RunError for what cannot be compared.

    A study whose models have one answer to every image is one of them, unless it is named alone;
    of another study each finished run is, by name.
    """
    whole = len(paths) > 1
    paths = [each for path in paths for each in _named_by(path, whole=whole)]
    if len(paths) < 2:
        raise RunError("compare needs two runs at the least; name another run's folder")
    places = [Path(path).resolve() for path in paths]
    for path, place in zip(paths, places, strict=True):
        if places.count(place) > 1:
            raise RunError(f"{path}: is named twice; name each run once")
    names = short_names(places)
    return tuple(_read(p, name) for p, name in zip(paths, names, strict=True))


def runs_of(each: ComparedRun) -> tuple[ComparedRun, ...]:
    """A study with its finished runs behind it; of any other that alone."""
    if not isinstance(each, ComparedStudy):
        return (each,)
    done = [run for run in each.members if run.is_done]
    return (each, *(_read(str(run.path), f"{each.name}/{run.name}") for run in done))


def _named_by(path: str, *, whole: bool) -> list[str]:
    """What a path stands for: the finished runs of a study's folder, or the folder itself."""
    if not is_study(path) or (whole and answers_as_one(path)):
        return [path]
    done = sorted(str(each.parent) for each in Path(path).glob("runs/*/manifest.json"))
    if not done and answers_as_one(path):
        raise RunError(f"{path}: is a study of one model; name another run or study beside it")
    if not done:
        raise RunError(f"{path}: is a study without a finished run; go on with it first")
    return done


def short_names(places: Sequence[Path]) -> list[str]:
    """Each folder's name, with as many of those above it as tell it from the others.

    An evaluation is RUN/NAME.
    """
    parts = [
        [p for p in place.parts if p != "evaluations"] if _parent(place) else list(place.parts)
        for place in places
    ]
    least = [2 if _parent(place) else 1 for place in places]
    names = ["/".join(each[-k:]) for each, k in zip(parts, least, strict=True)]
    while len(set(names)) < len(names) and max(least) < max(map(len, parts)):
        least = [k + (names.count(name) > 1) for k, name in zip(least, names, strict=True)]
        names = ["/".join(each[-k:]) for each, k in zip(parts, least, strict=True)]
    return names


def _parent(place: Path) -> RunDir | None:
    """The run that a folder is an evaluation of, if it is one."""
    run = RunDir(place.parent.parent)
    return run if place.parent == run.evaluations and run.settings.is_file() else None


def _read(path: str, name: str) -> ComparedRun:
    if is_study(path):
        return read_study(path, name)
    run = _parent(Path(path).resolve())
    folder = RunDir(Path(path)) if run else rundir.open_run(path)
    if run is None and not folder.is_done:
        raise RunError(
            f"{path}: is not done, so its test images were not looked at; "
            f"go on with it: fieldmark train --resume {path}"
        )
    missing = [each.name for each in (folder.metrics, folder.manifest) if not each.is_file()]
    if run is not None and missing:
        raise RunError(
            f"{path}: is no whole evaluation (its {missing[0]} is missing); wait until it "
            f"is done, or evaluate once more: fieldmark evaluate {run.path} DATA"
        )
    if not folder.predictions.is_file():
        raise RunError(f"{path}: has no predictions; evaluate the run again")
    predictions = Predictions.read(folder.predictions)
    split = shown_side(path, predictions, "there is nothing to compare")
    run = run or folder
    return ComparedRun(name, folder, run, split, predictions, folder.read_temperature())
