"""The story of one run, top to bottom: from settings to a classifier, figures and a report."""

import time
from collections.abc import Sequence
from contextlib import closing, nullcontext
from dataclasses import replace

from fieldmark import rundir
from fieldmark.console import Console
from fieldmark.data.intake import Dataset, take_in
from fieldmark.errors import NotFiniteError, PrunedError, StoppedError
from fieldmark.fit.clock import Clock
from fieldmark.fit.plan import Follow
from fieldmark.insight.label_names import keep_names
from fieldmark.metrics_json import WHOLE
from fieldmark.report.page import report
from fieldmark.rundir import RunDir
from fieldmark.runs.budgets import nothing_reached
from fieldmark.runs.concrete import make_concrete
from fieldmark.runs.explaining import explain_run
from fieldmark.runs.folder import guarded, label_names, new_folder, write_settings
from fieldmark.runs.network import Prepared, build
from fieldmark.runs.outcome import predict, tell_end, write_metrics
from fieldmark.runs.sight import notes_of_sight
from fieldmark.runs.training import tell_start, train
from fieldmark.runs.unlabelled import answer_unlabelled, check_classes, forget_answers
from fieldmark.settings.layers import Resolved
from fieldmark.track.trackers import Trackers

JUDGED = ("val", "test")


def train_run(
    resolved: Resolved,
    console: Console,
    command: str,
    data: Dataset | None = None,
    *,
    sides: Sequence[str] = JUDGED,
    watch: Follow | None = None,
) -> RunDir:
    """Train a new run from settings, to its end. -> its folder

    command: what the user typed, for the report. data: taken in already, as a plan of many has it.
    sides: whose images are predicted at the end; a plan may leave the test out. watch: see
    `training.train`. Raises any FieldmarkError; what was reached by then is in the run folder, and
    nothing is left where nothing was reached.
    """
    prepared = prepare(resolved, console, data)
    names = label_names(prepared)
    run = new_folder(prepared)
    try:
        with guarded(run, prepared.settings, is_new=True), run.locked():
            prepared.data.write(run.samples)
            write_settings(run, prepared, command)
            keep_names(run.label_names, names)
            go(run, prepared, console, command, sides=sides, watch=watch)
    except BaseException as error:
        has_begun = run.checkpoint.is_dir()
        if not has_begun or (isinstance(error, NotFiniteError) and not run.has_bundle):
            rundir.remove(run)
        raise
    return run


def prepare(
    resolved: Resolved, console: Console, data: Dataset | None = None, *, load: bool = True
) -> Prepared:
    """Take in the data, make settings concrete, build the network; no run folder is made.

    load: whether the weights to begin with are read; a checkpoint has its own. Raises
    DataError, SettingsError, WeightsError.
    """
    begun = time.perf_counter()
    built = build(*settled(resolved, console, data), load=load)
    return replace(built, seconds=time.perf_counter() - begun)


def settled(
    resolved: Resolved, console: Console, data: Dataset | None = None
) -> tuple[Resolved, Dataset]:
    """The settings made concrete, and the data on their sides: all but the network.

    Raises DataError, SettingsError, WeightsError.
    """
    if data is None:
        data = take_in(resolved.settings.data, console)
    check_classes(resolved.settings.data, data.classes, several=data.samples.task.several)
    concrete = make_concrete(resolved, data, console)
    data = data.validated(concrete.settings.data.val)
    more = notes_of_sight(concrete.settings, concrete.origins, data)
    return concrete, replace(data, notes=tuple(dict.fromkeys([*data.notes, *more])))


def go(
    run: RunDir,
    prepared: Prepared,
    console: Console,
    command: str,
    *,
    sides: Sequence[str],
    watch: Follow | None,
) -> None:
    """Train, predict, measure, report: of a new run, or of one that goes on where it stands."""
    settings, clock = prepared.settings, Clock(prepared.device.type)
    clock.add(dict.fromkeys(("preparing", WHOLE), prepared.seconds))
    trackers = Trackers(run, settings, console, clock=clock)
    with console.log_to(run.log), closing(trackers):
        tell_start(prepared, console)
        reached = train(run, prepared, trackers, clock, console, watch=watch)
        if reached.state.best_epoch is not None:
            whole = reached.error is None  # else the test is not looked at: it may go on
            predict(run, prepared, reached, sides if whole else ["val"])
            with clock("explaining") if settings.run.explain else nullcontext():
                explain_run(run, settings, console, ends=whole and "test" in sides)
            metrics = write_metrics(run, prepared, reached, command)
            report(run)
            files = answer_unlabelled(run, settings, console) if whole else forget_answers(run)
            tell_end(run, prepared, metrics, console, files)
            if whole:
                trackers.finish(metrics)
                run.write_manifest({"epochs": settings.train.epochs, **metrics.about.to_json()})
        elif reached.cut:
            raise nothing_reached(run, reached.reason, clock)
    if isinstance(reached.error, PrunedError):
        raise reached.error
    if isinstance(reached.error, StoppedError):
        raise StoppedError(f"{reached.reason}; go on with: fieldmark train --resume {run.path}")
    if isinstance(reached.error, NotFiniteError):
        where = f"; they are in {run.path}" if run.has_bundle else ""
        raise NotFiniteError(f"{reached.reason}{where}")
