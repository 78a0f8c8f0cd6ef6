"""What the loop is handed, made from a prepared run: state, plan, batches, functions."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from fieldmark.cache import open_cache
from fieldmark.console import Console
from fieldmark.data.augment import AUGMENTS
from fieldmark.data.loader import Augmenting, Batches, Images
from fieldmark.data.sources import BUILT_IN
from fieldmark.data.stored import Stored, store
from fieldmark.fit import precision
from fieldmark.fit.clock import Clock
from fieldmark.fit.ema import Ema
from fieldmark.fit.loop import Parts, Plan
from fieldmark.fit.losses import LOSSES
from fieldmark.fit.mixing import MIXES, addressed
from fieldmark.fit.optimizers import OPTIMIZERS
from fieldmark.fit.schedules import SCHEDULES
from fieldmark.fit.state import State
from fieldmark.judge.metrics import measure
from fieldmark.models.infer import infer
from fieldmark.models.stages import chosen, parameter_groups, set_trained
from fieldmark.runs.checks import MONITORS
from fieldmark.runs.prepare import Prepared
from fieldmark.runs.stages import HEAD, HEAD_PATIENCE
from fieldmark.settings.tree import Settings, StageSettings


def stage_of(settings: Settings, index: int) -> StageSettings:
    """A stage with its numbers; those of the last are the run's own."""
    stage = settings.train.stages[index]
    epochs = stage.epochs or settings.train.epochs
    lr = stage.lr or settings.optimizer.options["lr"]
    return StageSettings(train=stage.train, epochs=epochs, lr=lr)


def is_on_features(settings: Settings, index: int) -> bool:
    """Whether a stage trains the head alone, on what the rest of the network gives."""
    return bool(settings.train.stages[index].train == HEAD)


def new_state(prepared: Prepared, index: int, clock: Clock | None = None) -> State:
    """The network as it is before a stage, ready for it. `clock`: the run's own."""
    model = prepared.model.to(prepared.device).to(memory_format=torch.channels_last)
    nothing = torch.optim.SGD([torch.zeros(1, requires_grad=True)])
    state = State(model, nothing, stage=index, clock=clock or Clock(prepared.device.type))
    enter_stage(state, prepared)
    return state


def enter_stage(state: State, prepared: Prepared) -> None:
    """Give `state` what its stage needs: trained parameters, optimiser, average."""
    settings, stage = prepared.settings, stage_of(prepared.settings, state.stage)
    network = prepared.model.network
    set_trained(network, chosen(network, stage.train))
    decay, factor = settings.train.layer_decay, settings.train.head_factor
    trained: Any = [p for p in network.parameters() if p.requires_grad]  # one group is fastest
    if decay != 1 or factor != 1:
        trained = parameter_groups(network, lr=stage.lr or 0, decay=decay, head_factor=factor)
    options = {**settings.optimizer.options, "lr": stage.lr}
    state.optimizer = OPTIMIZERS.build(settings.optimizer.name, options, trained)
    mixed = settings.run.precision == "16-mixed"
    state.planned = stage.epochs
    state.scaler = torch.amp.GradScaler(prepared.device.type) if mixed else None
    state.ema = Ema(state.model, settings.train.ema) if settings.train.ema else None
    if settings.run.compile and not is_on_features(settings, state.stage):
        state.compiled = torch.compile(state.model, dynamic=False)


def make_plan(prepared: Prepared, state: State) -> Plan:
    """The settings that the loop needs for the stage that `state` is in."""
    train, count = prepared.settings.train, len(prepared.settings.train.stages)
    patience = train.patience
    if patience and is_on_features(prepared.settings, state.stage) and state.stage + 1 < count:
        patience = max(patience, HEAD_PATIENCE)
    return Plan(
        epochs=stage_of(prepared.settings, state.stage).epochs or 0,
        seed=prepared.settings.run.seed,
        first=state.stage_begun,
        accumulate=train.accumulate,
        clip_norm=train.clip_norm,
        monitor=train.monitor,
        sign=1 if MONITORS[train.monitor] == "max" else -1,
        patience=patience,
        steps_every=train.steps_every,
        norm_frozen=train.norm_frozen,
    )


def stored_images(prepared: Prepared, console: Console) -> Stored | None:
    """The images decoded once; None where they must be, or need not be, read each time."""
    samples, spec = prepared.samples, prepared.spec
    if spec.stored == "original" or samples.frame["path"][0] in BUILT_IN:
        return None
    with console.bar("decoding images", len(samples)) as bar:
        return store(samples, spec.form, open_cache(), bar.advance)


def make_parts(prepared: Prepared, stored: Stored | None, predict: "Predicting") -> Parts:
    """The batches and functions that the loop works with."""
    settings, samples = prepared.settings, prepared.samples
    augment = AUGMENTS.build(settings.augment.name, settings.augment.options, prepared.spec.size)
    augmenting = Augmenting(augment, settings.run.seed)
    images = Images(samples, prepared.classes, prepared.spec, augmenting, stored=stored)
    batches = Batches(
        images,
        samples.rows("train"),
        batch_size=settings.train.batch_size,
        seed=settings.run.seed,
        workers=int(settings.run.workers),
        sampling=settings.train.sampling,
    )
    mix = MIXES.build(settings.mix.name, settings.mix.options)
    classes = len(prepared.classes)
    targets = samples.targets(prepared.classes)[samples.rows("val")]
    return Parts(
        batches=batches,
        loss=LOSSES.build(settings.loss.name, settings.loss.options, train_counts(prepared)),
        schedule=SCHEDULES.build(settings.schedule.name, settings.schedule.options),
        autocast=precision.autocast(settings.run.precision, prepared.device),
        device=prepared.device,
        measure=measure,
        validate=(lambda model: (predict("val", model), targets)) if len(targets) else None,
        mix=addressed(mix, seed=settings.run.seed, classes=classes) if mix else None,
    )


def train_counts(prepared: Prepared) -> np.ndarray:
    """Training images of each class. -> (C,)"""
    samples = prepared.samples
    targets = samples.targets(prepared.classes)[samples.rows("train")]
    return np.bincount(targets, minlength=len(prepared.classes))


class Predicting:
    """Logits of a split's images; its loader's workers stay alive from epoch to epoch."""

    def __init__(self, prepared: Prepared, stored: Stored | None, console: Console):
        self._prepared, self._stored, self._console = prepared, stored, console
        self._batches: dict[str, Batches] = {}

    def __call__(self, side: str, model: torch.nn.Module | None = None) -> np.ndarray:
        """-> (n, C) float32, in the order of the split's rows"""
        prepared, run = self._prepared, self._prepared.settings.run
        if side not in self._batches:
            self._batches[side] = Batches(
                Images(prepared.samples, prepared.classes, prepared.spec, stored=self._stored),
                prepared.samples.rows(side),
                batch_size=prepared.settings.train.batch_size,
                seed=None,
                workers=int(run.workers),
            )
        with self._console.bar(f"predicting {side}", len(prepared.samples.rows(side))) as bar:
            return infer(
                model or prepared.model,
                self._batches[side],
                device=prepared.device,
                autocast=precision.autocast(run.precision, prepared.device),
                advance=bar.advance,
            )


def network_weights(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A classifier's tensors under the names that its network gives them."""
    return {name.removeprefix("network."): tensor for name, tensor in tensors.items()}
