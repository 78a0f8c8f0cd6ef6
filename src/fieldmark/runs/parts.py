"""What the loop is handed, made from a prepared run: state, plan, batches, functions."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
import torch

from fieldmark.cache import open_cache
from fieldmark.console import Console
from fieldmark.data.augment import AUGMENTS
from fieldmark.data.batch_augment import BATCH_AUGMENTS
from fieldmark.data.in_memory import InMemory, read_all
from fieldmark.data.loader import Augmenting, Batches, Images
from fieldmark.data.sources import BUILT_IN
from fieldmark.data.stored import Stored, store
from fieldmark.fit.averages import Average, Ema, Lookahead
from fieldmark.fit.clock import Clock
from fieldmark.fit.loop import Parts, Plan
from fieldmark.fit.losses import LOSSES
from fieldmark.fit.mixing import MIXES, addressed
from fieldmark.fit.optimizers import OPTIMIZERS
from fieldmark.fit.penalty import Penalty
from fieldmark.fit.schedules import SCHEDULES
from fieldmark.fit.state import State
from fieldmark.judge.metrics import measure, monitors
from fieldmark.models import precision
from fieldmark.models.infer import infer
from fieldmark.models.stages import chosen, parameter_groups, set_trained
from fieldmark.runs.prepare import Prepared
from fieldmark.runs.stages import HEAD_PATIENCE
from fieldmark.settings.tree import PenaltySettings, Settings, StageSettings, TrainSettings

PLAIN_GROUPS = {"decay": 1.0, "head_factor": 1.0, "decay_on": "all", "bias_factor": 1.0}


def stage_of(settings: Settings, index: int) -> StageSettings:
    """A stage with its numbers; those of the last are the run's own."""
    stage = settings.train.stages[index]
    epochs = stage.epochs or settings.train.epochs
    lr = stage.lr or settings.optimizer.options["lr"]
    return StageSettings(train=stage.train, epochs=epochs, lr=lr)


def is_on_features(settings: Settings, index: int) -> bool:
    """Whether a stage trains the head alone, on what the rest of the network gives."""
    return settings.train.stages[index].head_alone


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
    options = {**settings.optimizer.options, "lr": stage.lr}
    trained = grouped(network, settings.train, options)
    state.optimizer = OPTIMIZERS.build(settings.optimizer.name, options, trained)
    mixed = settings.run.precision == "16-mixed"
    state.planned = stage.epochs
    state.scaler = torch.amp.GradScaler(prepared.device.type) if mixed else None
    state.ema = average(state.model, settings.train)
    state.penalised = None
    if settings.run.compile and not is_on_features(settings, state.stage):
        state.compiled = torch.compile(state.model, dynamic=False)


def grouped(network: torch.nn.Module, train: TrainSettings, options: dict[str, Any]) -> Any:
    """The trained parameters in groups by rate and decay; in one, the fastest, where all have
    the same."""
    wanted: dict[str, Any] = {
        "decay": train.layer_decay,
        "head_factor": train.head_factor,
        "decay_on": train.decay_on,
        "bias_factor": train.bias_factor,
    }
    if wanted == PLAIN_GROUPS:
        return [parameter for parameter in network.parameters() if parameter.requires_grad]
    decay = float(options.get("weight_decay", 0.0))
    return parameter_groups(network, lr=options["lr"] or 0, weight_decay=decay, **wanted)


def average(model: torch.nn.Module, train: TrainSettings) -> Average | None:
    """The average of the weights that is kept in place of the last ones; None for none."""
    if train.lookahead:
        return Lookahead(model, train.lookahead)
    return Ema(model, train.ema) if train.ema else None


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
        sign=monitors()[train.monitor],
        patience=patience,
        steps_every=train.steps_every,
        norm_frozen=train.norm_frozen,
        figures=train.figures,
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
    mix = MIXES.build(settings.mix.name, settings.mix.options)
    classes = len(prepared.classes)
    targets = samples.targets(prepared.classes)[samples.rows("val")]
    return Parts(
        batches=training_batches(prepared, stored, predict.pixels),
        loss=LOSSES.build(settings.loss.name, settings.loss.options, train_counts(prepared)),
        schedule=SCHEDULES.build(settings.schedule.name, settings.schedule.options),
        autocast=precision.autocast(settings.run.precision, prepared.device),
        device=prepared.device,
        measure=measure,
        validate=(lambda model: (predict("val", model), targets)) if len(targets) else None,
        penalty=penalty_of(settings.penalty),
        mix=addressed(mix, seed=settings.run.seed, classes=classes) if mix else None,
    )


def penalty_of(given: PenaltySettings) -> Penalty | None:
    """What is added to the loss; None where nothing is."""
    if not (given.l1 or given.l2):
        return None
    return Penalty(l1=given.l1, l2=given.l2, on=given.on)


def training_batches(
    prepared: Prepared, stored: Stored | None, pixels: torch.Tensor | None
) -> Batches | InMemory:
    """The training images, augmented: one at a time by workers, or a batch at a time where the
    images' `pixels` lie in memory."""
    settings, samples, spec = prepared.settings, prepared.samples, prepared.spec
    name, options = settings.augment.name, settings.augment.options
    how: Any = {
        "batch_size": settings.train.batch_size,
        "seed": settings.run.seed,
        "sampling": settings.train.sampling,
    }
    rows = samples.rows("train")
    if pixels is not None:
        augment = BATCH_AUGMENTS[name](spec, **options)
        targets = samples.targets(prepared.classes)
        return InMemory(pixels, targets, rows, augment=augment, **how)
    augmenting = Augmenting(AUGMENTS.build(name, options, spec), settings.run.seed)
    images = Images(samples, prepared.classes, spec, augmenting, stored=stored)
    return Batches(images, rows, workers=int(settings.run.workers), **how)


def train_counts(prepared: Prepared) -> np.ndarray:
    """Training images of each class. -> (C,)"""
    samples = prepared.samples
    targets = samples.targets(prepared.classes)[samples.rows("train")]
    return np.bincount(targets, minlength=len(prepared.classes))


class Predicting:
    """Logits of a split's images; its loader's workers stay alive from epoch to epoch."""

    def __init__(self, prepared: Prepared, stored: Stored | None, console: Console):
        self._prepared, self._stored, self._console = prepared, stored, console
        self._batches: dict[str, Batches | InMemory] = {}

    @cached_property
    def pixels(self) -> torch.Tensor | None:
        """All images on the device, where they are small enough to be changed in batches."""
        prepared = self._prepared
        if prepared.settings.augment.by != "batch":
            return None
        pixels = read_all(prepared.samples, prepared.spec, self._stored)
        return pixels.to(prepared.device)

    def __call__(
        self, side: str, model: torch.nn.Module | None = None, *, mirrored: bool = False
    ) -> np.ndarray:
        """-> (n, C) float32, in the order of the split's rows. mirrored: of the mirror images"""
        prepared, run = self._prepared, self._prepared.settings.run
        batches = self._side(side)
        with self._console.bar(f"predicting {side}", len(prepared.samples.rows(side))) as bar:
            return infer(
                model or prepared.model,
                ((images.flip(-1), each) for images, each in batches) if mirrored else batches,
                device=prepared.device,
                autocast=precision.autocast(run.precision, prepared.device),
                advance=bar.advance,
            )

    def _side(self, side: str) -> Batches | InMemory:
        """The batches of a split, made once."""
        if side not in self._batches:
            prepared, rows = self._prepared, self._prepared.samples.rows(side)
            how: Any = {"batch_size": prepared.settings.train.batch_size, "seed": None}
            if self.pixels is not None:
                targets = prepared.samples.targets(prepared.classes)
                plain = BATCH_AUGMENTS["none"](prepared.spec)
                self._batches[side] = InMemory(self.pixels, targets, rows, augment=plain, **how)
            else:
                images = Images(
                    prepared.samples, prepared.classes, prepared.spec, stored=self._stored
                )
                workers = int(prepared.settings.run.workers)
                self._batches[side] = Batches(images, rows, workers=workers, **how)
        return self._batches[side]


def network_weights(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A classifier's tensors under the names that its network gives them."""
    return {name.removeprefix("network."): tensor for name, tensor in tensors.items()}
