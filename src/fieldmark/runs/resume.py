"""A run that goes on: from its checkpoint, or, where it is done, with more epochs."""

from collections.abc import Sequence
from functools import partial

from fieldmark import rundir
from fieldmark.console import Console
from fieldmark.data.intake import Dataset, changed_images
from fieldmark.errors import DataError, RunError, counted, refuse
from fieldmark.fit.checkpoint import Checkpoints
from fieldmark.fit.plan import Follow
from fieldmark.records import Samples
from fieldmark.rundir import RunDir
from fieldmark.runs.budgets import refuse_used_up, was_cut
from fieldmark.runs.checks import check, check_weights
from fieldmark.runs.folder import guarded, write_settings
from fieldmark.runs.moved import MOVABLE, follow, named_anew, refuse_gone
from fieldmark.runs.run import JUDGED, go, prepare
from fieldmark.runs.stages import BOOSTED, by_epochs, heads_of
from fieldmark.runs.unlabelled import check_predict
from fieldmark.settings.layers import Layer, Resolved, read
from fieldmark.settings.texts import read_file
from fieldmark.settings.tree import Settings

# by a run that goes on
CHANGEABLE = ("train.epochs", "budget.max_hours", "run.workers", "run.device", *MOVABLE)


def resume_run(
    path: str,
    changes: Layer,
    console: Console,
    *,
    sides: Sequence[str] = JUDGED,
    watch: Follow | None = None,
) -> RunDir:
    """Go on with a run that was stopped, or train a finished one further with more epochs.

    `changes` may name what is CHANGEABLE. sides, watch: see `train_run`. Raises any
    FieldmarkError.
    """
    run = rundir.open_run(path)
    changes = named_anew(run, changes)
    resolved, command = read_run(run, changes, photos="data.source" in changes.values)
    with run.locked():
        run.clear_drafts()
        follow(run, resolved.settings, changes, console)
        epochs, stages = resolved.settings.train.epochs, len(resolved.settings.train.stages)
        reached = epochs_reached(run, stages)
        if run.is_done and epochs <= epochs_planned(run) and not was_cut(run):
            exact = is_exact(resolved.settings)
            console.say(f"{run.path} is done" if exact else already_done(run, reached))
            return run
        refuse_gone(run, resolved.settings.data.source)
        changed = "train.epochs" in changes.values
        again = is_done_otherwise(run, resolved.settings)
        refuse_further(run, resolved.settings, changed=changed, again=again)
        asked = "budget.max_hours" in changes.values
        refuse_used_up(run, resolved.settings.budget, asked=asked)
        if not run.samples.is_file():
            raise RunError(f"{run.path}: has no samples.parquet; start it again without --resume")
        refuse(check_predict({"data": resolved.settings.data.model_dump()}))
        data = Dataset.read(run.samples)
        refuse_changed(data.samples)
        # the head 'after' is as wide as the layer in the file that it keeps
        keeps = resolved.settings.head.name == "after"
        load = again or keeps or not Checkpoints(run.checkpoint).is_there
        model = resolved.settings.model
        refuse(check_weights(model.name, model.weights) if load else ())
        prepared = prepare(resolved, console, data, load=load)
        command = command_on(run, resolved.settings, changes, command)
        if again:
            run.rewind()
        write_settings(run, prepared, command)
        with guarded(run, prepared.settings):
            go(run, prepared, console, command, sides=sides, watch=watch)
    return run


def refuse_further(run: RunDir, settings: Settings, *, changed: bool, again: bool) -> None:
    """Raise RunError where a run cannot be trained to the epochs that are asked for.

    changed: whether they are others than before. again: the last stage is done anew.
    """
    epochs, stages = settings.train.epochs, len(settings.train.stages)
    reached = epochs_reached(run, stages)
    if again and stages > 1:
        raise RunError(
            f"{run.path}: ends with a stage on features after others, which cannot be "
            "trained further; start a new run with --config"
        )
    if changed and is_exact(settings):
        raise RunError(without_epochs(run, settings))
    if changed and run.is_done and stages > 1 and not reached:
        raise RunError(
            f"--epochs {epochs}: nothing was trained after the head of this run "
            f"({run.read_manifest().get('ending')}); start anew with: fieldmark train "
            f"--config {run.settings} train.least_mistakes=0"
        )
    if epochs < reached:
        raise RunError(
            f"--epochs {epochs}: {reached} epochs are done already; give {reached + 1} or more"
        )


def read_run(run: RunDir, changes: Layer, *, photos: bool = True) -> tuple[Resolved, str]:
    """A run's own settings with what may be changed, and the command that began it.

    photos: whether its source must be there.
    """
    refused = [changes.where.get(key, key) for key in changes.values if key not in CHANGEABLE]
    if refused:
        raise RunError(
            f"{refused[0]}: cannot be changed in a run that goes on (--epochs, --max-hours, "
            "--workers, --device and data.source can); start a new run with --config"
        )
    layers = [read_file(run.settings), changes]
    if "run.device" in changes.values:  # the table knows what suits the other device
        layers.insert(1, Layer("chosen for this device", {"run.precision": "auto"}))
    checks = partial(check, photos=photos, weights=False, trackers=False)
    return read(layers, [checks]), run.read_command() or f"fieldmark train --config {run.settings}"


def command_on(run: RunDir, settings: Settings, changes: Layer, command: str) -> str:
    """What repeats a run that goes on with other epochs or hours; `command` is what did before."""
    hours = settings.budget.max_hours
    known = {
        "train.epochs": f"--epochs {settings.train.epochs}",
        "budget.max_hours": f"--max-hours {'none' if hours is None else f'{hours:g}'}",
    }
    words = [words for key, words in known.items() if key in changes.values]
    if set(MOVABLE) & changes.values.keys() or (words and not run.is_done):
        return f"fieldmark train --config {run.settings}"
    further = " ".join([f" && fieldmark train --resume {run.path}", *words])
    return command + further if words and not command.endswith(further) else command


def is_done_otherwise(run: RunDir, settings: Settings) -> bool:
    """Whether the last stage is on features and done, but for another number of epochs.

    Such a stage takes seconds, and is not trained further but again, as a whole.
    """
    last = len(settings.train.stages) - 1
    if not settings.train.stages[last].head_alone:
        return False
    tree = Checkpoints(run.checkpoint).read()
    if tree is None or tree["stage"] < last or tree["epoch"] == tree["stage_begun"]:
        return False
    return bool(tree["planned"] != settings.train.epochs)


def is_exact(settings: Settings) -> bool:
    """Whether the last stage makes heads that have no epochs, and no others."""
    return settings.train.stages[-1].head_alone and not by_epochs(settings)


def without_epochs(run: RunDir, settings: Settings) -> str:
    """What to say where more epochs are asked of heads that have none."""
    asked = f"--epochs {settings.train.epochs}: the head"
    if heads_of(settings) == (BOOSTED,):
        return (
            f"{asked} is of boosted trees, which have no epochs; for more trees start anew with: "
            f"fieldmark train --config {run.settings} head.trees=1000"
        )
    return (
        f"{asked} is solved exactly, so more epochs would change nothing; to train it by epochs: "
        f"fieldmark train --config {run.settings} features.solver=epochs train.epochs=30"
    )


def already_done(run: RunDir, reached: int) -> str:
    """What to say of a run that is done, with so many epochs of its last stage."""
    if reached < epochs_planned(run):
        ending = run.read_manifest().get("ending")
        if not reached:  # of what was to come after the head
            return f"{run.path} is done: {ending}"
        return (
            f"{run.path} is done ({ending}), and more epochs would end the same way; without "
            f"that: fieldmark train --config {run.settings} train.patience=none"
        )
    stage = " of its last stage" if reached < epochs_reached(run) else ""
    return (
        f"{run.path} is done after {counted(reached, 'epoch')}{stage}; "
        f"further: fieldmark train --resume {run.path} --epochs {2 * reached}"
    )


def epochs_planned(run: RunDir) -> int:
    """Epochs that a finished run was planned for; patience may have ended it before."""
    try:
        planned = run.read_manifest().get("epochs")
    except RunError:
        planned = None
    if not isinstance(planned, int):
        raise RunError(
            f"{run.manifest}: is damaged; without it the run goes on where its checkpoint is, so "
            "delete it, or copy the run again"
        )
    return planned


def epochs_reached(run: RunDir, stage: int | None = None) -> int:
    """Epochs that are done, by the history: of all stages, or of this one, counted from 1."""
    return sum(stage in (None, row.get("stage")) for row in run.read_history())


def refuse_changed(samples: Samples) -> None:
    """A run goes on only with the images that it began with."""
    changed = changed_images(samples)
    if changed:
        raise DataError(
            f"{samples.root}: {len(changed)} images changed or vanished since the run began "
            f"('{changed[0]}' is one); put them back, or start a new run"
        )
