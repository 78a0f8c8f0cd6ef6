"""The story of one run: prepare, train, predict, measure, report. Each stage is told in order."""

import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from fieldmark import rundir
from fieldmark.console import Console
from fieldmark.data.intake import Dataset
from fieldmark.errors import (
    DiskError,
    FieldmarkError,
    NotFiniteError,
    StoppedError,
)
from fieldmark.fit.checkpoint import Checkpoints
from fieldmark.fit.keeper import Keeper
from fieldmark.fit.loop import Parts, fit
from fieldmark.fit.state import State
from fieldmark.models import bundle
from fieldmark.rundir import RunDir
from fieldmark.runs.frozen import Frozen
from fieldmark.runs.guard import guarded
from fieldmark.runs.outcome import Views, conclude
from fieldmark.runs.parts import (
    Predicting,
    enter_stage,
    is_on_features,
    make_parts,
    make_plan,
    network_weights,
    new_state,
)
from fieldmark.runs.prepare import Prepared, prepare
from fieldmark.runs.run_page import Ending
from fieldmark.runs.tell import tell_resume, tell_stage, tell_start
from fieldmark.settings.layers import Resolved
from fieldmark.settings.texts import to_yaml
from fieldmark.settings.tree import Settings
from fieldmark.stopping import listening
from fieldmark.track.trackers import Trackers

COMMAND = "# repeat: "  # the first line of settings.yaml


def train_run(
    resolved: Resolved, console: Console, command: str, data: Dataset | None = None
) -> RunDir:
    """Train a new run from settings, to its end. -> its folder

    command: what the user typed, for the report. data: taken in already, as a study has it.
    Raises any FieldmarkError; what was reached by then is in the run folder, and nothing is left
    where nothing was reached.
    """
    prepared = prepare(resolved, console, data)
    return start(prepared, console, command)


def start(prepared: Prepared, console: Console, command: str) -> RunDir:
    """Train a run that is prepared in a folder of its own."""
    where = prepared.settings.run
    refuse_full_disk(prepared)
    source, model = rundir.source_name(prepared.settings.data.source), prepared.settings.model.name
    stem = "-".join([source, model, *([where.tag] if where.tag else [])])
    run = rundir.create(where.out, where.name, stem)
    try:
        with guarded(run, prepared.settings.train, is_new=True), run.locked():
            prepared.data.write(run.samples)
            write_run_settings(run, prepared, command)
            go(run, prepared, console, command)
    except BaseException as error:
        if not run.checkpoint.is_dir() or (
            isinstance(error, NotFiniteError) and not run.has_bundle
        ):
            rundir.remove(run)
        raise
    return run


def write_run_settings(run: RunDir, prepared: Prepared, command: str) -> None:
    """settings.yaml: the command in its first line, then every setting."""
    line = " ".join(command.splitlines())
    rundir.write_settings(run, f"{COMMAND}{line}\n{to_yaml(prepared.settings)}")


def go(
    run: RunDir,
    prepared: Prepared,
    console: Console,
    command: str,
    *,
    changed: bool = False,
    again: bool = False,
) -> None:
    """Train from the last checkpoint, or from the start, and conclude. The heart of the story.

    changed: the number of epochs is not that of before. again: the checkpoint does not count.
    """
    console.log_to(run.log)
    settings = prepared.settings
    torch.set_num_threads(int(settings.run.threads))
    for note in prepared.data.notes:
        console.warn(note)
    tell_start(prepared, console)
    frozen = Frozen(prepared, console)
    predict = Predicting(prepared, frozen.stored, console)
    ended: FieldmarkError | None = None
    with Trackers(run, settings, console, clock=frozen.clock) as trackers:
        with listening() as stop:
            keeper = Keeper(
                Checkpoints(run.checkpoint),
                history=run.history,
                steps=run.steps,
                every_seconds=60 * settings.train.checkpoint_minutes,
                stop_asked=stop.is_asked,
            )
            if again:
                run.manifest.unlink(missing_ok=True)
            state, found = begin(prepared, frozen, keeper, again=again)
            parts = make_parts(prepared, frozen.stored, predict)
            parts = replace(parts, follow=trackers.catch_up)
            if found:
                in_last = state.stage == len(settings.train.stages) - 1
                plan = make_plan(prepared, state)
                tell_resume(state, plan, parts, console, changed=changed and in_last)
            if found and run.is_done:  # patience counts from here, and the run is not done any more
                state.patient_from = state.epoch
                keeper.save(state)
                run.manifest.unlink()
            trackers.start(anew=again)
            trackers.catch_up(state.history)
            try:
                reason = train_stages(state, prepared, parts, frozen, keeper, console)
                if stop.asked:
                    raise StoppedError("stopped after the training")
            except (StoppedError, NotFiniteError) as error:
                ended, reason = error, str(error)
            except DiskError as error:
                if not run.checkpoint.is_dir():
                    raise
                raise DiskError(f"{error}: fieldmark train --resume {run.path}") from error
        trackers.catch_up(state.history)  # a stage on features has no epochs to follow
        if state.best_epoch is not None:
            best = keeper.checkpoints.read_best(state.best_epoch)
            prepared = frozen.prepared  # with the head that was found to be the best
            bundle.save(run.path, network_weights(best), prepared.info)
            prepared.model.load_state_dict(best)
            seconds = sum(row["seconds"] for row in state.history)
            ending = Ending(reason, whole=ended is None, seconds=seconds, command=command)
            best_stage = int(state.history[state.best_epoch - 1]["stage"]) - 1
            views = views_of(best_stage, settings, frozen, predict)
            metrics = conclude(run, prepared, state, ending, views, console)
            if ending.whole:
                trackers.finish(metrics)
                run.write_manifest({"epochs": settings.train.epochs, **metrics["about"]})
    if isinstance(ended, StoppedError):
        raise StoppedError(f"{ended}; go on with: fieldmark train --resume {run.path}")
    if isinstance(ended, NotFiniteError):
        raise NotFiniteError(f"{ended}; they are in {run.path}" if run.has_bundle else str(ended))


def views_of(stage: int, settings: Settings, frozen: Frozen, predict: Predicting) -> Views:
    """How the weights of a stage see images: on features where it was on features."""
    plain = frozen.predict if is_on_features(settings, stage) else predict
    return Views(plain, partial(predict, mirrored=True) if settings.train.test_flip else None)


def begin(prepared: Prepared, frozen: Frozen, keeper: Keeper, *, again: bool) -> tuple[State, bool]:
    """Where training stands, and whether that is a checkpoint; `again` does not look for one."""
    tree = None if again else keeper.checkpoints.read()
    if tree is not None and tree["trials"]:
        frozen.adopt(next(each["head"] for each in tree["trials"] if each["kept"]))
    state = new_state(prepared, tree["stage"] if tree else 0, frozen.clock)
    keeper.restore(state, tree)
    return state, tree is not None


def train_stages(
    state: State, prepared: Prepared, parts: Parts, frozen: Frozen, keeper: Keeper, console: Console
) -> str:
    """Every stage from the one that `state` is in. -> in words, why the last one ended.

    A stage begins with the best weights of those before it. A kill between two stages leaves
    the end of the first of them, from which the second begins as it would have.
    """
    settings = prepared.settings
    last = len(settings.train.stages) - 1
    while True:
        tell_stage(state, settings, console)
        if is_on_features(settings, state.stage):
            reason = frozen.train(state, keeper)
        else:
            reason = fit(state, make_plan(prepared, state), parts, keeper, console)
        if state.stage == last:
            return reason
        if state.best_epoch is not None:
            state.model.load_state_dict(keeper.checkpoints.read_best(state.best_epoch))
        state.stage += 1
        state.stage_begun = state.patient_from = state.epoch
        enter_stage(state, prepared)
        keeper.save(state)


def refuse_full_disk(prepared: Prepared) -> None:
    """Look for room before work begins.

    A checkpoint holds the weights, two moments each, and maybe their average, and is written
    beside the one before; two best weights and the bundle's come to that.
    """
    where = Path(prepared.settings.run.out)
    while not where.exists():
        where = where.parent
    weights = sum(t.nbytes for t in prepared.model.state_dict().values())
    train = prepared.settings.train
    need = (11 if train.ema or train.lookahead else 9) * weights + 2_000_000
    free = shutil.disk_usage(where).free
    if free < need:
        raise DiskError(
            f"--out {where}: {free / 1e6:.0f} MB are free and the run needs about "
            f"{need / 1e6:.0f} MB; free some space or choose another place"
        )
