"""The stage that trains the head alone: on features, which every image gives once."""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import torch
from torch import nn

from fieldmark.cache import open_cache
from fieldmark.console import Console
from fieldmark.data.augment import AUGMENTS
from fieldmark.data.loader import Augmenting
from fieldmark.errors import NotFiniteError, StoppedError
from fieldmark.fit.clock import Clock
from fieldmark.fit.features import Features, Pass, Views, embed, weights_hash
from fieldmark.fit.heads import Embedded, HeadParts, Trained, Trial, fit_heads
from fieldmark.fit.keeper import Keeper
from fieldmark.fit.losses import LOSSES
from fieldmark.fit.optimizers import OPTIMIZERS
from fieldmark.fit.schedules import SCHEDULES
from fieldmark.fit.state import Row, State
from fieldmark.judge.metrics import measure
from fieldmark.models.assemble import assemble
from fieldmark.models.heads import head_of, redrawn
from fieldmark.models.infer import evaluating
from fieldmark.models.tail import body_and_tail
from fieldmark.models.weights import fill
from fieldmark.runs.checks import settle
from fieldmark.runs.parts import (
    enter_stage,
    make_plan,
    penalty_of,
    stage_of,
    stored_images,
    train_counts,
)
from fieldmark.runs.prepare import Prepared, bundle_info, design
from fieldmark.settings.tree import Settings


class Frozen:
    """The head's stage of one run: embeds the images, tries heads, and predicts with the best.

    prepared: the run; where another kind of head than the settings' turns out the best, it is
    the run with that one from then on. clock: the run's, from here on.
    """

    def __init__(self, prepared: Prepared, console: Console):
        self.prepared, self._console = prepared, console
        self.clock = Clock(prepared.device.type)
        self._known: tuple[str, Features] | None = None  # of the body with this hash
        self._only_head = prepared.settings.train.head_alone
        no_pixels = self._only_head and prepared.settings.features.views == 1
        with self.clock("decoding"):
            self.stored = None if no_pixels else stored_images(prepared, console)

    def train(self, state: State, keeper: Keeper) -> str:
        """The whole stage. -> in words, why it ended

        A stage that a checkpoint says was done is not done again. Raises NotFiniteError where
        no head could be trained, StoppedError, DataError.
        """
        if state.epoch > state.stage_begun:
            return str(kept_of(state)["ended"])
        begun = time.monotonic()
        try:
            with self.clock("embedding"):
                features = self.features(keeper.stop_asked)
            seconds = time.monotonic() - begun
            with self.clock("heads"):
                best = self._fit(features, state, keeper.stop_asked)
        except StoppedError:
            keeper.save(state)  # the stage is done again then, but what was embedded is kept
            raise
        self._note(state, best, seconds, keeper)
        self._tell(state)
        if best.error:
            raise NotFiniteError(best.error)
        return best.ended

    def warm_up(self, state: State) -> None:
        """Train the head as in the run, and put it into the network; nothing is written."""
        self._fit(self.features(), state, lambda: False)

    def _fit(self, features: Features, state: State, stop_asked: Callable[[], bool]) -> Trained:
        """Train all heads, and put the best one into the network. -> the best one"""
        trials = tried(self.prepared, state.stage)
        trained = fit_heads(
            [trial for _, trial in trials],
            *self._tables(features),
            plan=make_plan(self.prepared, state),
            parts=self._parts(stop_asked),
            console=self._console,
            begun=state,
        )
        best = best_of(trained)
        abouts = [about for about, _ in trials]
        rows = [row_of(*each) for each in zip(abouts, trained, strict=True)]
        state.trials = [{**row, "kept": place == best} for place, row in enumerate(rows)]
        self._take(abouts[best]["head"], trained[best], state)
        return trained[best]

    def features(self, stop_asked: Callable[[], bool] = lambda: False) -> Features:
        """Of every image, as the network is now: from the cache, as far as they are there."""
        body = weights_hash(body_and_tail(self.prepared.model.network)[0])
        if self._known is None or self._known[0] != body:
            features = embed(
                passing(self.prepared, stop_asked),
                self.prepared.samples,
                cache=open_cache(),
                console=self._console,
                stored=self.stored,
                views=views_of(self.prepared),
            )
            self._known = body, features
        return self._known[1]

    def predict(self, side: str) -> np.ndarray:
        """Logits of a split's images by the network as it is now. -> (n, C) float32"""
        rows = torch.from_numpy(self.prepared.samples.rows(side))
        plain, (_, tail) = self.features().plain[rows], body_and_tail(self.prepared.model.network)
        with evaluating(tail), torch.inference_mode():
            parts = [
                tail(part.to(self.prepared.device).float()) for part in torch.split(plain, 4096)
            ]
        logits: np.ndarray = torch.cat(parts).float().cpu().numpy()
        return logits

    def _tables(self, features: Features) -> tuple[Embedded, Embedded | None]:
        """What is trained on, and what is validated on; None where there is no validation."""
        samples = self.prepared.samples
        targets = samples.targets(self.prepared.classes)
        train, val = samples.rows("train"), samples.rows("val")
        trained = Embedded(features.plain[torch.from_numpy(train)], targets[train], features.views)
        if not len(val):
            return trained, None
        return trained, Embedded(features.plain[torch.from_numpy(val)], targets[val])

    def _parts(self, stop_asked: Callable[[], bool]) -> HeadParts:
        settings, train = self.prepared.settings, self.prepared.settings.train
        counts = train_counts(self.prepared)
        return HeadParts(
            loss=LOSSES.build(settings.loss.name, settings.loss.options, counts),
            schedule=SCHEDULES.build(settings.schedule.name, settings.schedule.options),
            measure=measure,
            batch_size=int(settings.train.batch_size),
            device=self.prepared.device,
            sampling=settings.train.sampling,
            # else an average is for what follows
            ema=train.ema if self._only_head and not train.lookahead else None,
            lookahead=train.lookahead if self._only_head else None,
            penalty=penalty_of(settings.penalty),
            stop_asked=stop_asked,
        )

    def adopt(self, head: str) -> None:
        """Give the network this kind of head, new; its other layers stay as they are."""
        prepared = self.prepared
        if head == prepared.settings.head.name:
            return
        other = with_head(prepared, head)
        prepared.model.network = other.model.network  # others hold the whole classifier
        prepared.model.to(prepared.device).to(memory_format=torch.channels_last)
        self.prepared = replace(other, model=prepared.model)

    def _take(self, head: str, best: Trained, state: State) -> None:
        """Put the best head into the network, and what trains it into `state`."""
        if head != self.prepared.settings.head.name:
            self.adopt(head)
            enter_stage(state, self.prepared)
        if best.weights is not None:
            body_and_tail(self.prepared.model.network)[1].load_state_dict(best.weights)

    def _note(self, state: State, best: Trained, seconds: float, keeper: Keeper) -> None:
        """Close the stage in `state` and on disk."""
        best.history[0]["seconds"] = round(best.history[0]["seconds"] + seconds, 3)
        state.history += best.history
        state.gains += best.gains
        state.epoch, state.best_epoch = len(state.history), best.best_epoch
        if best.weights is not None and state.best_epoch is not None:
            whole = dict(state.model.state_dict())
            with self.clock("writing"):
                keeper.checkpoints.write_best(state.best_epoch, whole)
        with self.clock("writing"):
            for row in best.steps:
                keeper.note_step(row)
        keeper.save(state)

    def _tell(self, state: State) -> None:
        """A line on each head; the one that is kept has a word behind it."""
        for trial in state.trials:
            words = [
                f"{trial['head']} head",
                f"lr {trial['lr']:g}",
                f"seed {trial['seed']}",
                f"best epoch {trial['best_epoch']}",
            ]
            if trial["val_accuracy"] is not None:
                words.append(f"val loss {trial['val_loss']:.4f}")
                words.append(f"val accuracy {trial['val_accuracy']:.4f}")
                words.append(f"val macro_f1 {trial['val_macro_f1']:.4f}")
            kept = "  kept" if trial["kept"] and len(state.trials) > 1 else ""
            self._console.say("  ".join(words) + kept)
            if trial["error"]:
                self._console.warn(trial["error"])


def passing(prepared: Prepared, stop_asked: Callable[[], bool] = lambda: False) -> Pass:
    """How images pass the network as it is now."""
    settings = prepared.settings
    model = prepared.model.to(prepared.device).to(memory_format=torch.channels_last)
    body, _ = body_and_tail(model.network, prepared.spec.size)
    return Pass(
        body,
        name=body_name(settings),
        spec=prepared.spec,
        precision=settings.run.precision,
        device=prepared.device,
        workers=0 if settings.run.workers == 0 else None,
        stop_asked=stop_asked,
    )


def body_name(settings: Settings) -> str:
    """What the body is made of; of the head only whether it keeps the network's own."""
    model = settings.model
    return repr((model.name, model.options, model.resizer, settings.head.name == "after"))


def kept_of(state: State) -> dict[str, Any]:
    """What is told of the head that was kept."""
    return next(trial for trial in state.trials if trial["kept"])


def tried(prepared: Prepared, stage: int) -> list[tuple[dict[str, Any], Trial]]:
    """Every head that is to be trained in a stage: what is told of it, and itself."""
    settings, features = prepared.settings, prepared.settings.features
    own = stage_of(settings, stage)
    rates = features.rates or (float(own.lr or 0),)
    seeds = features.seeds or (settings.run.seed,)
    found = []
    for head in features.heads or (settings.head.name,):
        network = prepared.model.network
        if head != settings.head.name:
            network = with_head(prepared, head).model.network
        tail = body_and_tail(network)[1]
        for seed, lr in product(seeds, rates):
            begun = tail if seed == settings.run.seed else redrawn(tail, seed)
            about = {"head": head, "lr": lr, "seed": seed}
            found.append((about, Trial(begun, seed, partial(optimizer, settings, lr))))
    return found


def optimizer(
    settings: Settings, lr: float, parameters: list[nn.Parameter]
) -> torch.optim.Optimizer:
    """The run's optimiser with another rate."""
    options = {**settings.optimizer.options, "lr": lr}
    made: torch.optim.Optimizer = OPTIMIZERS.build(settings.optimizer.name, options, parameters)
    return made


def with_head(prepared: Prepared, head: str) -> Prepared:
    """The run with another kind of head, new, on the same body."""
    settings = settle({**prepared.settings.model_dump(), "head": {"name": head}})
    network = assemble(design(settings), len(prepared.classes), seed=settings.run.seed)
    place = head_of(prepared.model.network)[0]
    own = {n: t.shape for n, t in network.state_dict().items() if not n.startswith(f"{place}.")}
    before = prepared.model.network.state_dict()
    fill(network, {name: before[name] for name in own})
    name, fresh = head_of(network)
    network.set_submodule(name, redrawn(fresh, settings.run.seed))
    info = bundle_info(settings, prepared.samples, prepared.spec)
    model = type(prepared.model)(network, prepared.spec)
    return replace(prepared, settings=settings, info=info, model=model)


def views_of(prepared: Prepared) -> Views | None:
    """The augmented views of the training images; None where they are seen as evaluation does."""
    settings = prepared.settings
    if settings.features.views == 1:
        return None
    name, options = settings.augment.name, settings.augment.options
    augment = AUGMENTS.build(name, options, prepared.spec)
    augmenting = Augmenting(augment, settings.run.seed)
    rows = prepared.samples.rows("train")
    return Views(settings.features.views, rows, augmenting, repr((name, sorted(options.items()))))


def best_of(trained: list[Trained]) -> int:
    """The place of the best head by its best epoch; of equals the one with less loss, the first.

    One that was trained to its end goes before one whose loss ran away. Raises NotFiniteError
    where none could be trained.
    """
    begun = [place for place, each in enumerate(trained) if each.history]
    if not begun:
        raise NotFiniteError(trained[0].error or "no head could be trained; try a lower --lr")

    def key(place: int) -> tuple[bool, float, float]:
        each = trained[place]
        gains = [gain for gain in each.gains if gain == gain]
        loss = row_of({}, each)["val_loss"]
        return each.error is None, max(gains, default=-np.inf), -(np.inf if loss is None else loss)

    return max(begun, key=key)


def row_of(about: dict[str, Any], each: Trained) -> dict[str, Any]:
    """What is told of a head that was tried: its figures at its own best epoch."""
    first = int(each.history[0]["epoch"]) if each.history else 1
    best: Row = each.history[each.best_epoch - first] if each.weights and each.best_epoch else {}
    return {
        **about,
        "best_epoch": each.best_epoch,
        "val_loss": best.get("val_loss"),
        "val_accuracy": best.get("val_accuracy"),
        "val_macro_f1": best.get("val_macro_f1"),
        "ended": each.ended,
        "error": each.error,
    }
