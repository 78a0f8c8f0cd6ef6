"""Training from where a run's folder stands to its end: each stage by its trainer."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from fieldmark.console import Console
from fieldmark.data.splits import judged_rows
from fieldmark.errors import DiskError, NotFiniteError, PrunedError, StoppedError
from fieldmark.fit.checkpoint import Checkpoints
from fieldmark.fit.clock import Clock
from fieldmark.fit.epochs import close_epoch
from fieldmark.fit.keeper import Keeper
from fieldmark.fit.optimizers import Idle
from fieldmark.fit.plan import Follow
from fieldmark.fit.state import Row, State
from fieldmark.models import bundle
from fieldmark.records import SPLITS
from fieldmark.rundir import RunDir
from fieldmark.runs import budgets
from fieldmark.runs.network import Prepared, adopt
from fieldmark.runs.on_features import OnFeatures
from fieldmark.runs.on_images import OnImages
from fieldmark.runs.solved import options_of
from fieldmark.runs.stages import by_epochs, stage_of
from fieldmark.runs.tuning import average_ends, best_weights, enough_alone, hold_out
from fieldmark.settings.tree import Settings
from fieldmark.stopping import Stop, listening
from fieldmark.track.trackers import Trackers

# what trains a stage: `train`, `predict`, `estimate`, `rates`; what calls these knows not which
Trainer = OnImages | OnFeatures


@dataclass(frozen=True)
class Reached:
    """Where training ended: in words why, and the error that ended it before its own end.

    trainer: of the stage whose weights are the best; it predicts with them. cut: the hours of the
    budget were used up before that end, and no error.
    """

    state: State
    reason: str
    trainer: Trainer
    error: StoppedError | NotFiniteError | None
    cut: bool = False


def trainers_of(
    prepared: Prepared,
    console: Console,
    clock: Clock | None = None,
    *,
    decode: bool = True,
    follow: Follow | None = None,
) -> list[Trainer]:
    """A trainer for each stage; stages of a kind share one. See OnImages for the rest."""
    clock = clock or Clock(prepared.device.type)
    images = OnImages(prepared.held_out(), console, clock, decode=decode, follow=follow)
    features = OnFeatures(prepared, images)
    return [features if each.head_alone else images for each in prepared.settings.train.stages]


def new_state(prepared: Prepared, trainers: Sequence[Trainer], index: int) -> State:
    """The network as it is before a stage, ready for it."""
    model = prepared.model.to(prepared.device).to(memory_format=torch.channels_last)
    state = State(model, Idle(), stage=index, clock=trainers[index].clock)
    trainers[index].enter(state)
    return state


def tell_start(prepared: Prepared, console: Console) -> None:
    """What is to know of the images, and a line each on what is trained on what."""
    settings, samples = prepared.settings, prepared.samples
    for note in (*prepared.data.notes, *budgets.notes(settings.budget, prepared.data)):
        console.warn(note)
    counts = {side: len(samples.rows(side)) for side in SPLITS}
    sides = ", ".join(
        f"{number} {side}" for side, number in counts.items() if number or samples.folds is None
    )
    if samples.folds is not None:
        can_judge = len(judged_rows(samples)) > 0
        folds = f"validation by {samples.folds.max() + 1} folds of train"
        sides += f"; {folds if can_judge else 'no validation'}"
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


def train(
    run: RunDir,
    prepared: Prepared,
    trackers: Trackers,
    clock: Clock,
    console: Console,
    *,
    watch: Follow | None = None,
) -> Reached:
    """Every stage from where the folder stands, a checkpoint or the start, to the end.

    watch: asked after each epoch that is on disk, with the whole history; it may raise PrunedError.
    Where anything good was reached, the best weights are in the folder then, and in the network.
    """
    settings = prepared.settings

    def follow(history: list[Row]) -> None:
        trackers.catch_up(history)
        if watch is not None:
            watch(history)

    trainers = trainers_of(prepared, console, clock, follow=follow)
    error: StoppedError | NotFiniteError | None = None
    cut = False
    with listening() as stop:
        keeper = Keeper(
            Checkpoints(run.checkpoint),
            history=run.history,
            steps=run.steps,
            every_seconds=60 * settings.train.checkpoint_minutes,
            user_asks=lambda: stop.asked,
            used_up=lambda: budgets.is_used_up(settings.budget, clock),
        )
        state = begin(run, prepared, trainers, keeper, console)
        trackers.start()
        trackers.catch_up(state.history)
        try:
            if watch is not None and was_watched(state, trainers):
                watch(state.history)  # a kill may have come before it was asked
            reason, cut = train_to_the_end(state, trainers, settings, keeper, console, stop)
        except (StoppedError, NotFiniteError) as ended:
            error, reason = ended, str(ended)
        except DiskError as full:
            if not run.checkpoint.is_dir():
                raise
            raise DiskError(f"{full}: fieldmark train --resume {run.path}") from full
    trackers.catch_up(state.history)  # a stage on features has no epochs to follow
    best_stage = state.stage
    if state.best_epoch is not None:
        best = best_weights(state, keeper.checkpoints)
        named = {name.removeprefix("network."): tensor for name, tensor in best.items()}
        bundle.save(run.path, named, prepared.info)
        prepared.model.load_state_dict(best)
        best_stage = int(state.history[state.best_epoch - 1]["stage"]) - 1
    return Reached(state, reason, trainers[best_stage], error, cut)


def train_to_the_end(
    state: State,
    trainers: Sequence[Trainer],
    settings: Settings,
    keeper: Keeper,
    console: Console,
    stop: Stop,
) -> tuple[str, bool]:
    """Every stage, as far as the hours go. -> in words, why training ended; whether they cut it

    Raises StoppedError where the user stops it, NotFiniteError.
    """
    cut, last = False, trainers[-1]
    try:
        reason = train_stages(state, trainers, settings, keeper, console)
    except PrunedError:
        raise
    except StoppedError as ended:
        cut = not stop.asked and budgets.is_used_up(settings.budget, state.clock)
        if not cut:
            raise
        reason = budgets.used_up(settings.budget, ended)
        if state.best_epoch is None:
            keep_unfinished(state, trainers[state.stage], keeper)
    if settings.train.wise and isinstance(last, OnImages) and not stop.asked:
        average_ends(state, last, keeper, console)
    if stop.asked:
        raise StoppedError("stopped after the training")
    return reason, cut


def keep_unfinished(state: State, trainer: Trainer, keeper: Keeper) -> None:
    """Take a first epoch that is ended within for a whole one, so that there are weights to keep.

    The checkpoint stays within the epoch. A head on features has no weights before its end.
    """
    if state.step and isinstance(trainer, OnImages):
        parts, seconds = trainer.parts, state.seconds
        judged = parts.validate(state.judged) if parts.validate else None
        close_epoch(state, trainer.plan(state), parts, judged, seconds)
        keeper.save_unfinished(state, dict(state.judged.state_dict()))


def was_watched(state: State, trainers: Sequence[Trainer]) -> bool:
    """Whether the last epoch is one that is followed; those of a head on features are not."""
    if not state.history:
        return False
    return isinstance(trainers[int(state.history[-1]["stage"]) - 1], OnImages)


def begin(
    run: RunDir,
    prepared: Prepared,
    trainers: Sequence[Trainer],
    keeper: Keeper,
    console: Console,
) -> State:
    """Where training stands by the folder: at its last checkpoint, or at the start."""
    tree = keeper.checkpoints.read()
    if tree is not None and tree["trials"]:
        kept = next(trial for trial in tree["trials"] if trial["kept"])
        adopt(prepared, kept["head"], options_of(kept))
    state = new_state(prepared, trainers, tree["stage"] if tree else 0)
    keeper.restore(state, tree)
    state.clock.add(budgets.spent_before(run, tree))
    if tree is not None:
        at = f", step {state.step + 1}" if state.step else ""
        plan = trainers[state.stage].plan(state)
        done = state.epoch >= plan.last
        place = "the end of the training" if done else f"{plan.named(state.epoch + 1)}{at}"
        console.say(f"going on at {place}")
    if tree is not None and run.is_done:  # it is not done any more
        if not budgets.was_cut(run):  # it had come to its end, so patience counts from here
            state.patient_from = state.epoch
        keeper.save(state)
        run.manifest.unlink()
    return state


def train_stages(
    state: State,
    trainers: Sequence[Trainer],
    settings: Settings,
    keeper: Keeper,
    console: Console,
) -> str:
    """Every stage from the one that `state` is in. -> in words, why the last one ended.

    A stage begins with the best weights of those before it. A kill between two stages leaves
    the end of the first of them, from which the second begins as it would have.
    """
    while True:
        trainer = trainers[state.stage]
        tell_stage(state, trainer, settings, console)
        reason = trainer.train(state, keeper)
        if state.stage + 1 == len(trainers):
            return reason
        if state.stage == 0 and isinstance(trainer, OnFeatures):
            least = int(settings.train.least_mistakes)
            if enough := enough_alone(state, trainer.prepared.samples, least):
                return enough
        if state.best_epoch is not None:
            state.model.load_state_dict(keeper.checkpoints.read_best(state.best_epoch))
            best = trainers[int(state.history[state.best_epoch - 1]["stage"]) - 1]
            following = trainers[state.stage + 1]
            if settings.train.wise and state.head_epoch is None:
                state.head_epoch = state.best_epoch
                keeper.checkpoints.write_start(dict(state.model.state_dict()))
            if state.held_out and isinstance(best, OnFeatures) and isinstance(following, OnImages):
                hold_out(state, following, console)
        state.stage += 1
        state.stage_begun = state.patient_from = state.epoch
        trainers[state.stage].enter(state)
        keeper.save(state)


def tell_stage(state: State, trainer: Trainer, settings: Settings, console: Console) -> None:
    """What is trained now, where there is more than one stage."""
    count, stage = len(settings.train.stages), stage_of(settings, state.stage)
    if count > 1 and stage.head_alone and not by_epochs(settings):
        console.say(f"stage {state.stage + 1} of {count}: head, solved exactly")
    elif count > 1:
        rates = " or ".join(f"{rate:g}" for rate in trainer.rates_of(state.stage))
        console.say(
            f"stage {state.stage + 1} of {count}: {', '.join(stage.train)}, at most "
            f"{stage.epochs} epochs, learning rate {rates}"
        )
