"""Training a network on images: batches that are augmented, the loop, predictions."""

import time
from collections.abc import Callable, Iterable
from functools import cached_property
from itertools import chain, count, islice
from typing import Any

import numpy as np
import torch

from fieldmark.cache import open_cache
from fieldmark.console import Bar, Console, duration
from fieldmark.data.augment import AUGMENTS
from fieldmark.data.batch_augment import BATCH_AUGMENTS
from fieldmark.data.in_memory import InMemory, read_all
from fieldmark.data.loader import Augmenting, Batch, Batches, Feed, Images
from fieldmark.data.sources import BUILT_IN
from fieldmark.data.stored import Stored, store
from fieldmark.fit.clock import Clock
from fieldmark.fit.epochs import rate_of
from fieldmark.fit.find_lr import Search, find_lr
from fieldmark.fit.keeper import Keeper
from fieldmark.fit.loop import fit, seed_step, set_rate, step
from fieldmark.fit.losses import LOSSES, counts_of
from fieldmark.fit.mixing import MIXES, addressed
from fieldmark.fit.penalty import Penalty
from fieldmark.fit.plan import Follow, Parts, Plan
from fieldmark.fit.schedules import SCHEDULES
from fieldmark.fit.state import Row, State
from fieldmark.judge.metrics import each_epoch
from fieldmark.models import precision
from fieldmark.models.infer import infer
from fieldmark.models.known import watched
from fieldmark.models.precision import Autocast
from fieldmark.models.stages import set_training
from fieldmark.runs.network import Prepared
from fieldmark.runs.stages import enter_stage, plan_of, stage_of

See = Callable[[np.ndarray], np.ndarray]  # of features (n, D), something (n, ...)
TIMED = 3  # steps of an estimate, after one that is not counted


class OnImages:
    """Trains the stages of a run whose images pass the network in each epoch.

    clock: the run's. decode: whether images may be decoded once before, which takes its time.
    follow: is told the history after each epoch.
    """

    def __init__(
        self,
        prepared: Prepared,
        console: Console,
        clock: Clock,
        *,
        decode: bool,
        follow: Follow | None,
    ):
        self.prepared, self.console, self.clock = prepared, console, clock
        self._follow = follow
        self._sides: dict[str, Feed] = {}
        train, features = prepared.settings.train, prepared.settings.features
        seen_once = train.head_alone and features.views == 1
        with clock("decoding"):
            self.stored = stored_images(prepared, console) if decode and not seen_once else None

    def rates_of(self, index: int) -> tuple[float, ...]:
        """The learning rates that a stage is trained with."""
        return (stage_of(self.prepared.settings, index).lr or 0,)

    def enter(self, state: State) -> None:
        """Give `state` what its stage needs: trained parameters, optimiser, average."""
        enter_stage(state, self.prepared.settings, self.prepared.model.network)
        if self.prepared.settings.run.compile:
            state.compiled = torch.compile(state.model, dynamic=False)

    def plan(self, state: State) -> Plan:
        """What the loop needs to know of the stage that `state` is in."""
        return plan_of(self.prepared.settings, state)

    def train(self, state: State, keeper: Keeper) -> str:
        """The rest of the stage that `state` is in. -> in words, why it ended. Raises as `fit`."""
        plan, before = self.plan(state), rate_of(state)
        if state.planned not in (None, plan.epochs) and plan.first <= state.epoch < plan.last:
            set_rate(state, plan, self.parts)
            self.console.warn(
                f"the schedule is laid over all {plan.epochs} epochs; the learning rate was "
                f"{before:.2g} and goes on at {rate_of(state):.2g}"
            )
        state.planned = plan.epochs
        return fit(state, plan, self.parts, keeper, self.console)

    def predict(
        self, side: str, model: torch.nn.Module | None = None, *, mirrored: bool = False
    ) -> np.ndarray:
        """Logits of a split's images by the network as it is now, or by `model`.

        -> (n, C) float32, in the order of the split's rows. mirrored: of the mirror images
        """
        batches: Iterable[Batch] = self._batches_of(side).epoch(0)
        if mirrored:
            batches = ((images.flip(-1), targets) for images, targets in batches)
        with self.console.bar(f"predicting {side}", len(self.prepared.samples.rows(side))) as bar:
            return self._infer(model or self.prepared.model, batches, bar)

    def look(self, rows: np.ndarray, see: See) -> tuple[np.ndarray, np.ndarray | None]:
        """Logits (n, C) of the samples at `rows`, and what `see` makes of their features.

        None where the network has no one head that features enter, or no image was seen.
        """
        model, words = self.prepared.model, self.prepared.spec.words
        batches = self._plain_batches(rows)  # by its own name: its workers end with it
        with (
            watched(model.network, words, see) as seen,
            self.console.bar("looking at images", len(rows)) as bar,
        ):
            logits = self._infer(model, batches.epoch(0), bar)
        return logits, np.concatenate(seen) if seen else None

    def _infer(self, model: torch.nn.Module, batches: Iterable[Batch], bar: Bar) -> np.ndarray:
        device = self.prepared.device
        return infer(model, batches, device=device, autocast=self._autocast, advance=bar.advance)

    @property
    def _autocast(self) -> Autocast:
        return precision.autocast(self.prepared.settings.run.precision, self.prepared.device)

    def estimate(self, state: State) -> str:
        """How long the stage that `state` is in will take, from a few steps, in one sentence."""
        a_step, steps = self._time_steps(state)
        epochs = self.plan(state).epochs
        begun = time.monotonic()
        if len(self.prepared.samples.rows("val")):
            self.predict("val")
        validation = time.monotonic() - begun
        epoch = steps * a_step + validation
        return (
            f"about {duration(epoch * epochs)} for {epochs} epochs of {steps} steps "
            f"({a_step:.3f} s a step, {validation:.1f} s of validation, measured just now on this "
            "machine)"
        )

    def warm_up(self, state: State) -> None:
        """Nothing, for it would take as long as the stage."""

    def rates(self, state: State, search: Search, told: Callable[[Row], None]) -> list[Row]:
        """Rising rates in the stage that `state` is in; the network is as it was afterwards."""
        settings = self.prepared.settings
        set_training(state.model, norm_frozen=settings.train.norm_frozen)
        (lr,) = self.rates_of(state.stage)
        return find_lr(state, self.plan(state), self.parts, lr=lr, search=search, told=told)

    @cached_property
    def parts(self) -> Parts:
        """The batches and functions that the loop works with."""
        prepared, settings = self.prepared, self.prepared.settings
        mix = MIXES.build(settings.mix.name, settings.mix.options)
        classes = len(prepared.classes)
        return parts_of(
            prepared,
            self._training_batches(),
            autocast=self._autocast,
            validate=self.validate if len(prepared.samples.rows("val")) else None,
            mix=addressed(mix, seed=settings.run.seed, classes=classes) if mix else None,
            follow=self._follow,
        )

    def validate(self, model: torch.nn.Module) -> tuple[np.ndarray, np.ndarray]:
        """-> (n, C) logits and (n,) targets of the validation images"""
        samples, classes = self.prepared.samples, self.prepared.classes
        return self.predict("val", model), samples.targets(classes)[samples.rows("val")]

    @cached_property
    def _pixels(self) -> torch.Tensor | None:
        """All images on the device, where they are small enough to be changed in batches."""
        prepared = self.prepared
        if prepared.settings.augment.by != "batch":
            return None
        return read_all(prepared.samples, prepared.spec, self.stored).to(prepared.device)

    def _training_batches(self) -> Feed:
        """The training images, augmented: one at a time by workers, or a batch at a time."""
        settings, spec = self.prepared.settings, self.prepared.spec
        name, options = settings.augment.name, settings.augment.options
        rows = self.prepared.samples.rows("train")
        how: Any = {"seed": settings.run.seed, "sampling": settings.train.sampling}
        if self._pixels is not None:
            return self._batches(rows, BATCH_AUGMENTS[name](spec, **options), **how)
        augmenting = Augmenting(AUGMENTS.build(name, options, spec), settings.run.seed)
        return self._batches(rows, augmenting, **how)

    def _batches_of(self, side: str) -> Feed:
        """The batches of a split as evaluation sees it, made once: their workers stay alive."""
        if side not in self._sides:
            self._sides[side] = self._plain_batches(self.prepared.samples.rows(side))
        return self._sides[side]

    def _plain_batches(self, rows: np.ndarray) -> Feed:
        """Batches of the samples at `rows` as evaluation sees them."""
        in_memory = self._pixels is not None
        plain = BATCH_AUGMENTS["none"](self.prepared.spec) if in_memory else None
        return self._batches(rows, plain, seed=None)

    def _batches(self, rows: np.ndarray, augment: Any, **how: Any) -> Feed:
        """Batches of the samples at `rows`, from memory where the images lie there."""
        prepared, settings = self.prepared, self.prepared.settings
        how["batch_size"] = settings.train.batch_size
        if self._pixels is not None:
            targets = prepared.samples.targets(prepared.classes)
            return InMemory(self._pixels, targets, rows, augment=augment, **how)
        images = Images(
            prepared.samples, prepared.classes, prepared.spec, augment, stored=self.stored
        )
        return Batches(images, rows, workers=int(settings.run.workers), **how)

    def _time_steps(self, state: State) -> tuple[float, int]:
        """-> seconds a step with its loading, and steps an epoch"""
        plan, parts = self.plan(state), self.parts
        set_training(state.model, norm_frozen=plan.norm_frozen)
        begun, batches = 0.0, chain.from_iterable(map(parts.batches.epoch, count()))
        for place, (images, targets) in enumerate(islice(batches, TIMED + 1)):
            seed_step(plan.seed, 0, place)
            loss, _ = step(state, plan, parts, images, targets.to(parts.device))
            loss.item()
            if place == 0:  # it warms up, and is not counted
                begun = time.monotonic()
        return (time.monotonic() - begun) / TIMED, len(parts.batches.sizes)


def stored_images(prepared: Prepared, console: Console) -> Stored | None:
    """The images decoded once; None where they must be, or need not be, read each time."""
    samples, spec = prepared.samples, prepared.spec
    if spec.stored == "original" or samples.frame["path"][0] in BUILT_IN:
        return None
    with console.bar("decoding images", len(samples)) as bar:
        return store(samples, spec.form, open_cache(), bar.advance)


def parts_of(prepared: Prepared, batches: Feed, **others: Any) -> Parts:
    """What the training of any stage works with, and what is for this one alone."""
    settings, samples = prepared.settings, prepared.samples
    loss, schedule, penalty = settings.loss, settings.schedule, settings.penalty
    targets = samples.targets(prepared.classes)[samples.rows("train")]
    counts = counts_of(targets, len(prepared.classes))
    return Parts(
        batches=batches,
        loss=LOSSES.build(loss.name, loss.options, counts),
        schedule=SCHEDULES.build(schedule.name, schedule.options),
        device=prepared.device,
        measure=each_epoch((settings.train.monitor, *settings.train.figures), samples.task),
        penalty=Penalty(**penalty.model_dump()) if penalty.l1 or penalty.l2 else None,
        **others,
    )
