"""The story of one run: prepare, train, predict, measure, report. Each stage is told in order."""

import csv
import shutil
from functools import partial
from pathlib import Path

import torch

from fieldmark import rundir
from fieldmark.console import Console
from fieldmark.data.sources import content_hashes
from fieldmark.errors import (
    DataError,
    DiskError,
    FieldmarkError,
    NotFiniteError,
    RunError,
    StoppedError,
)
from fieldmark.files import write_whole
from fieldmark.fit.checkpoint import Checkpoints
from fieldmark.fit.keeper import Keeper
from fieldmark.fit.loop import Parts, Plan, fit, rate_of, set_rate
from fieldmark.fit.state import State
from fieldmark.models import bundle
from fieldmark.records import SPLITS, Samples
from fieldmark.rundir import RunDir
from fieldmark.runs.checks import check
from fieldmark.runs.frozen import Frozen
from fieldmark.runs.guard import guarded
from fieldmark.runs.outcome import Ending, conclude
from fieldmark.runs.parts import (
    Predicting,
    enter_stage,
    is_on_features,
    make_parts,
    make_plan,
    network_weights,
    new_state,
    stage_of,
)
from fieldmark.runs.prepare import Prepared, prepare
from fieldmark.runs.stop import listening
from fieldmark.settings.layers import Layer, Resolved, read
from fieldmark.settings.texts import read_file, to_yaml
from fieldmark.settings.tree import Settings

COMMAND = "# repeat: "  # the first line of settings.yaml
CHANGEABLE = ("train.epochs", "run.workers", "run.device")  # by a run that goes on


def train_run(resolved: Resolved, console: Console, command: str) -> RunDir:
    """Train a new run from settings, to its end. -> its folder

    `command` is what the user typed, for the report. Raises any FieldmarkError; what was
    reached by then is in the run folder, and nothing is left where nothing was reached.
    """
    prepared = prepare(resolved, console)
    return start(prepared, console, command)


def start(prepared: Prepared, console: Console, command: str) -> RunDir:
    """Train a run that is prepared in a folder of its own."""
    where = prepared.settings.run
    refuse_full_disk(prepared)
    stem = f"{Path(prepared.settings.data.source).name}-{prepared.settings.model.name}"
    run = rundir.create(where.out, where.name, stem)
    try:
        with guarded(run, prepared.settings.train), run.locked():
            write_whole(run.samples, lambda p: prepared.samples.write(p, prepared.notes))
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


def resume_run(path: str, changes: Layer, console: Console) -> RunDir:
    """Go on with a run that was stopped, or train a finished one further with more epochs.

    `changes` may name train.epochs, run.workers and run.device. Raises any FieldmarkError.
    """
    run = rundir.open_run(path)
    resolved, command = read_run(run, changes)
    with run.locked():
        run.clear_drafts()
        epochs, stages = resolved.settings.train.epochs, len(resolved.settings.train.stages)
        reached = epochs_reached(run, stages)
        if run.is_done and epochs <= epochs_planned(run):
            console.say(already_done(run, reached))
            return run
        changed = "train.epochs" in changes.values
        again = is_done_otherwise(run, resolved.settings)
        if again and stages > 1:
            raise RunError(
                f"{run.path}: ends with a stage on features after others, which cannot be "
                "trained further; start a new run with --config"
            )
        if epochs < reached:
            raise RunError(
                f"--epochs {epochs}: {reached} epochs are done already; give {reached + 1} or more"
            )
        if not run.samples.is_file():
            raise RunError(f"{run.path}: has no samples.parquet; start it again without --resume")
        samples = Samples.read(run.samples)
        refuse_changed(samples)
        notes = Samples.read_notes(run.samples)
        # the head 'after' is as wide as the layer in the file that it keeps
        keeps = resolved.settings.head.name == "after"
        load = again or keeps or not Checkpoints(run.checkpoint).is_there
        prepared = prepare(resolved, console, samples, notes=notes, load=load)
        further = f" && fieldmark train --resume {run.path} --epochs {epochs}"
        if changed and run.is_done and not command.endswith(further):
            command += further
        elif changed and not run.is_done:
            command = f"fieldmark train --config {run.settings}"
        write_run_settings(run, prepared, command)
        with guarded(run, prepared.settings.train):
            go(run, prepared, console, command, changed=changed, again=again)
    return run


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
    for note in prepared.notes:
        console.warn(note)
    tell_start(prepared, console)
    frozen = Frozen(prepared, console)
    predict = Predicting(prepared, frozen.stored, console)
    ended: FieldmarkError | None = None
    with listening() as stop:
        keeper = Keeper(
            Checkpoints(run.checkpoint),
            history=run.history,
            steps=run.steps,
            every_seconds=60 * settings.train.checkpoint_minutes,
            stop_asked=stop.is_asked,
        )
        tree = None if again else keeper.checkpoints.read()
        if again:
            run.manifest.unlink(missing_ok=True)
        if tree is not None and tree["trials"]:
            frozen.adopt(next(each["head"] for each in tree["trials"] if each["kept"]))
        state = new_state(prepared, tree["stage"] if tree else 0)
        keeper.restore(state, tree)
        parts = make_parts(prepared, frozen.stored, predict)
        if tree is not None:
            in_last = state.stage == len(settings.train.stages) - 1
            plan = make_plan(prepared, state)
            tell_resume(state, plan, parts, console, changed=changed and in_last)
            if run.is_done:  # patience counts from here, and the run is not done any more
                state.patient_from = state.epoch
                keeper.save(state)
                run.manifest.unlink()
        try:
            reason = train_stages(state, prepared, parts, frozen, keeper, console)
        except (StoppedError, NotFiniteError) as error:
            ended, reason = error, str(error)
        except DiskError as error:
            if not run.checkpoint.is_dir():
                raise
            raise DiskError(f"{error}: fieldmark train --resume {run.path}") from error
    if state.best_epoch is not None:
        best = keeper.checkpoints.read_best(state.best_epoch)
        prepared = frozen.prepared  # with the head that was found to be the best
        bundle.save(run.path, network_weights(best), prepared.info)
        prepared.model.load_state_dict(best)
        seconds = sum(row["seconds"] for row in state.history)
        ending = Ending(reason, whole=ended is None, seconds=seconds, command=command)
        best_stage = int(state.history[state.best_epoch - 1]["stage"]) - 1
        said = frozen.predict if is_on_features(settings, best_stage) else predict
        conclude(run, prepared, state, ending, said, console)
    if isinstance(ended, StoppedError):
        raise StoppedError(f"{ended}; go on with: fieldmark train --resume {run.path}")
    if isinstance(ended, NotFiniteError):
        raise NotFiniteError(f"{ended}; they are in {run.path}" if run.has_bundle else str(ended))


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


def read_run(run: RunDir, changes: Layer) -> tuple[Resolved, str]:
    """A run's own settings with what may be changed, and the command that began it."""
    refused = [changes.where.get(key, key) for key in changes.values if key not in CHANGEABLE]
    if refused:
        raise RunError(
            f"{refused[0]}: cannot be changed in a run that goes on (--epochs, --workers and "
            "--device can); start a new run with --config"
        )
    first, _, _ = run.settings.read_text(encoding="utf-8").partition("\n")
    layers = [read_file(run.settings), changes]
    if "run.device" in changes.values:  # the table knows what suits the other device
        layers.insert(1, Layer("chosen for this device", {"run.precision": "auto"}))
    command = first.removeprefix(COMMAND) if first.startswith(COMMAND) else ""
    checks = partial(check, weights=not Checkpoints(run.checkpoint).is_there)
    return read(layers, [checks]), command or f"fieldmark train --config {run.settings}"


def is_done_otherwise(run: RunDir, settings: Settings) -> bool:
    """Whether the last stage is on features and done, but for another number of epochs.

    Such a stage takes seconds, and is not trained further but again, as a whole.
    """
    last = len(settings.train.stages) - 1
    if not is_on_features(settings, last):
        return False
    tree = Checkpoints(run.checkpoint).read()
    if tree is None or tree["stage"] < last or tree["epoch"] == tree["stage_begun"]:
        return False
    return bool(tree["planned"] != settings.train.epochs)


def already_done(run: RunDir, reached: int) -> str:
    """What to say of a run that is done, with so many epochs of its last stage."""
    if reached < epochs_planned(run):
        return (
            f"{run.path} is done ({run.read_manifest()['ending']}), and more epochs would end the "
            f"same way; without that: fieldmark train --config {run.settings} train.patience=none"
        )
    return (
        f"{run.path} is done after {epochs_reached(run)} epochs; "
        f"further: fieldmark train --resume {run.path} --epochs {2 * reached}"
    )


def epochs_planned(run: RunDir) -> int:
    """Epochs that a finished run was planned for; patience may have ended it before."""
    return int(run.read_manifest()["epochs"])


def epochs_reached(run: RunDir, stage: int | None = None) -> int:
    """Epochs that are done, by the history: of all stages, or of this one, counted from 1."""
    if not run.history.is_file():
        return 0
    with run.history.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    return sum(stage is None or int(row["stage"]) == stage for row in rows)


def refuse_full_disk(prepared: Prepared) -> None:
    """Look for room before work begins.

    A checkpoint holds the weights, two moments each, and maybe their average, and is written
    beside the one before; two best weights and the bundle's come to that.
    """
    where = Path(prepared.settings.run.out)
    while not where.exists():
        where = where.parent
    weights = sum(t.nbytes for t in prepared.model.state_dict().values())
    need = (11 if prepared.settings.train.ema else 9) * weights + 2_000_000
    free = shutil.disk_usage(where).free
    if free < need:
        raise DiskError(
            f"--out {where}: {free / 1e6:.0f} MB are free and the run needs about "
            f"{need / 1e6:.0f} MB; free some space or choose another place"
        )


def refuse_changed(samples: Samples) -> None:
    """A run goes on only with the images that it began with."""
    now = content_hashes(samples)
    before = samples.frame["hash"].to_list()
    paths = samples.frame["path"].to_list()
    changed = [p for p, was, seen in zip(paths, before, now, strict=True) if was != seen]
    if changed:
        raise DataError(
            f"{samples.root}: {len(changed)} images changed or vanished since the run began "
            f"('{changed[0]}' is one); put them back, or start a new run"
        )


def tell_start(prepared: Prepared, console: Console) -> None:
    """One line on what is about to be trained on what."""
    settings, samples = prepared.settings, prepared.samples
    sides = ", ".join(f"{len(samples.rows(side))} {side}" for side in SPLITS)
    console.say(
        f"{Path(settings.data.source).name}: {len(samples)} images in {len(prepared.classes)} "
        f"classes ({sides})"
    )
    parameters = sum(p.numel() for p in prepared.model.parameters())
    size = prepared.spec.size
    console.say(
        f"{settings.model.name}: {parameters:,} parameters, {size} x {size} px, "
        f"{settings.run.precision} on {prepared.device}"
    )


def tell_stage(state: State, settings: Settings, console: Console) -> None:
    """What is trained now, where there is more than one stage."""
    count = len(settings.train.stages)
    if count > 1:
        stage, rates = stage_of(settings, state.stage), None
        if is_on_features(settings, state.stage):
            rates = settings.features.rates
        console.say(
            f"stage {state.stage + 1} of {count}: {', '.join(stage.train)}, at most "
            f"{stage.epochs} epochs, learning rate "
            + " or ".join(f"{rate:g}" for rate in rates or (stage.lr or 0,))
        )


def tell_resume(state: State, plan: Plan, parts: Parts, console: Console, *, changed: bool) -> None:
    """Where a run goes on, and what becomes of a schedule that was planned for another length."""
    at = f", step {state.step + 1}" if state.step else ""
    console.say(f"going on at epoch {state.epoch + 1}{at}")
    before = rate_of(state)
    if changed and plan.first <= state.epoch < plan.last:
        set_rate(state, plan, parts)
        console.warn(
            f"the schedule is laid over all {plan.epochs} epochs; the learning rate was "
            f"{before:.2g} and goes on at {rate_of(state):.2g}"
        )
