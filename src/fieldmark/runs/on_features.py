"""Training the head alone on features, which every image gives once: trials side by side."""

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import torch
from torch import nn

from fieldmark.cache import Cache, open_cache
from fieldmark.console import duration
from fieldmark.data.augment import AUGMENTS
from fieldmark.data.loader import Augmenting
from fieldmark.errors import NotFiniteError, StoppedError
from fieldmark.fit.averages import Average
from fieldmark.fit.features import Features, Pass, Views, embed, weights_hash
from fieldmark.fit.find_lr import Search, find_lr
from fieldmark.fit.heads import Embedded, FeatureBatches, Trained, Trial, fit_heads
from fieldmark.fit.keeper import Keeper
from fieldmark.fit.plan import Parts, Plan
from fieldmark.fit.state import Row, State
from fieldmark.models.body import body_and_head
from fieldmark.models.heads import redrawn
from fieldmark.models.infer import evaluating
from fieldmark.models.stages import set_training
from fieldmark.runs.network import Prepared, adopt, with_head
from fieldmark.runs.on_images import OnImages, parts_of
from fieldmark.runs.stages import HEAD_PATIENCE, average, enter_stage, optimizer, plan_of, stage_of

TRIED = 48  # images that pass a frozen network for an estimate


class OnFeatures:
    """Trains the head's stages of a run: embeds the images, tries heads, keeps the best.

    images: the run's other trainer, which has its images.
    """

    def __init__(self, images: OnImages):
        self._images, self.prepared, self.clock = images, images.prepared, images.clock
        self._console = images.console
        self._known: tuple[str, Features] | None = None  # of the body with this hash

    def rates_of(self, index: int) -> tuple[float, ...]:
        """The learning rates that are tried in a stage."""
        return self.prepared.settings.features.rates or self._images.rates_of(index)

    def enter(self, state: State) -> None:
        """Give `state` what its stage needs: trained parameters, optimiser."""
        enter_stage(state, self.prepared.settings, self.prepared.model.network)

    def train(self, state: State, keeper: Keeper) -> str:
        """The whole stage. -> in words, why it ended

        A stage that a checkpoint says was done is not done again. Raises NotFiniteError where
        no head could be trained, StoppedError, DataError.
        """
        if state.epoch > state.stage_begun:
            kept = next(trial for trial in state.trials if trial["kept"])
            if kept["error"]:
                raise NotFiniteError(kept["error"])
            return str(kept["ended"])
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

    def estimate(self, state: State) -> str:
        """How long one pass over the images will take, from a batch of them, in one sentence."""
        samples, views = self.prepared.samples, self.prepared.settings.features.views
        few = replace(samples, frame=samples.frame.head(TRIED))
        found = embed(passing(self.prepared), few, cache=Cache(None), console=self._console)
        images = len(samples) + (views * len(samples.rows("train")) if views > 1 else 0)
        taken = found.seconds * images / len(few)
        return (
            f"about {duration(taken)} for one pass of {images} images, less what the cache has, "
            f"and seconds for the head (measured just now with {len(few)} images)"
        )

    def rates(self, state: State, search: Search, told: Callable[[Row], None]) -> list[Row]:
        """Rising rates for the head; the network is as it was afterwards."""
        settings = self.prepared.settings
        head = body_and_head(self.prepared.model.network)[1]
        lr = float(stage_of(settings, state.stage).lr or 0)
        set_training(head, norm_frozen=settings.train.norm_frozen)
        alone = State(head, optimizer(settings, lr, list(head.parameters())))
        train, _ = self.tables(replace(self.features(), views=None))
        train = replace(train, features=train.features.float())
        parts = self.parts(train, settings.run.seed)
        return find_lr(alone, self.plan(state), parts, lr=lr, search=search, told=told)

    def _fit(self, features: Features, state: State, stop_asked: Callable[[], bool]) -> Trained:
        """Train all heads, and put the best one into the network. -> the best one"""
        train, val = self.tables(features)
        abouts, trials = [], []
        for about, head in tried(self.prepared, state.stage):
            make = partial(optimizer, self.prepared.settings, about["lr"])
            parts = self.parts(train, about["seed"])
            abouts.append(about)
            trials.append(Trial(head, about["seed"], make, parts, val, self._average))
        plan = self.plan(state)
        trained = fit_heads(
            trials, plan=plan, console=self._console, stop_asked=stop_asked, begun=state
        )
        best, told = best_of(trained), plan.told
        rows = [row_of(*each, told) for each in zip(abouts, trained, strict=True)]
        state.trials = [{**row, "kept": place == best} for place, row in enumerate(rows)]
        self._take(abouts[best]["head"], trained[best], state)
        return trained[best]

    def features(self, stop_asked: Callable[[], bool] = lambda: False) -> Features:
        """Of every image, as the network is now: from the cache, as far as they are there."""
        body = weights_hash(body_and_head(self.prepared.model.network)[0])
        if self._known is None or self._known[0] != body:
            features = embed(
                passing(self.prepared, stop_asked),
                self.prepared.samples,
                cache=open_cache(),
                console=self._console,
                stored=self._images.stored,
                views=views_of(self.prepared),
            )
            self._known = body, features
        return self._known[1]

    def predict(self, side: str, *, mirrored: bool = False) -> np.ndarray:
        """Logits of a split's images by the network as it is now. -> (n, C) float32

        mirrored: of the mirror images, which have no features.
        """
        if mirrored:
            return self._images.predict(side, mirrored=True)
        rows = torch.from_numpy(self.prepared.samples.rows(side))
        plain, (_, head) = self.features().plain[rows], body_and_head(self.prepared.model.network)
        with evaluating(head), torch.inference_mode():
            parts = [
                head(part.to(self.prepared.device).float()) for part in torch.split(plain, 4096)
            ]
        logits: np.ndarray = torch.cat(parts).float().cpu().numpy()
        return logits

    def plan(self, state: State) -> Plan:
        """The stage's plan; where others follow, epochs that cost nothing have more patience."""
        plan, train = plan_of(self.prepared.settings, state), self.prepared.settings.train
        if plan.patience and state.stage + 1 < len(train.stages):
            return replace(plan, patience=max(plan.patience, HEAD_PATIENCE))
        return plan

    def tables(self, features: Features) -> tuple[Embedded, Embedded | None]:
        """What is trained on, and what is validated on; None where there is no validation."""
        samples, device = self.prepared.samples, self.prepared.device
        targets = samples.targets(self.prepared.classes)
        train, val = samples.rows("train"), samples.rows("val")
        plain = features.plain.unsqueeze(0).to(device)
        trained = Embedded(plain, train, targets[train])
        if features.views is not None:  # of the training images alone
            trained = Embedded(features.views.to(device), np.arange(len(train)), targets[train])
        return trained, Embedded(plain, val, targets[val]) if len(val) else None

    def parts(self, train: Embedded, seed: int) -> Parts:
        """What the training of a head works with."""
        given = self.prepared.settings.train
        order: Any = {"batch_size": given.batch_size, "seed": seed, "sampling": given.sampling}
        return parts_of(self.prepared, FeatureBatches(train, **order))

    def _average(self, head: nn.Module) -> Average | None:
        """Of a head that other stages follow there is none: it is for what follows."""
        train = self.prepared.settings.train
        return average(head, train) if train.head_alone else None

    def _take(self, head: str, best: Trained, state: State) -> None:
        """Put the best head into the network, and what trains it into `state`."""
        if head != self.prepared.info.head:
            adopt(self.prepared, head)
            self.enter(state)
        if best.weights is not None:
            body_and_head(self.prepared.model.network)[1].load_state_dict(best.weights)

    def _note(self, state: State, best: Trained, seconds: float, keeper: Keeper) -> None:
        """Close the stage in `state` and on disk."""
        best.history[0]["seconds"] = round(best.history[0]["seconds"] + seconds, 3)
        state.history += best.history
        state.monitored += best.monitored
        state.epoch, state.best_epoch = len(state.history), best.best_epoch
        with self.clock("writing"):
            for row in best.steps:
                keeper.note_step(row)
        keeper.save(state, dict(state.model.state_dict()) if best.weights is not None else None)

    def _tell(self, state: State) -> None:
        """A line on each head; the one that is kept has a word behind it."""
        for trial in state.trials:
            words = [
                f"{trial['head']} head",
                f"lr {trial['lr']:g}",
                f"seed {trial['seed']}",
                f"best epoch {trial['best_epoch']}",
            ]
            words += [
                f"val {name} {trial[f'val_{name}']:.4f}"
                for name in plan_of(self.prepared.settings, state).told
                if trial[f"val_{name}"] is not None
            ]
            kept = "  kept" if trial["kept"] and len(state.trials) > 1 else ""
            self._console.say("  ".join(words) + kept)
            if trial["error"]:
                self._console.warn(trial["error"])


def passing(prepared: Prepared, stop_asked: Callable[[], bool] = lambda: False) -> Pass:
    """How images pass the network as it is now."""
    settings, made = prepared.settings, prepared.settings.model
    model = prepared.model.to(prepared.device).to(memory_format=torch.channels_last)
    body, _ = body_and_head(model.network, prepared.spec.size)
    return Pass(
        body,
        # of the head only whether it keeps the network's own
        name=repr((made.name, made.options, made.resizer, settings.head.name == "after")),
        spec=prepared.spec,
        precision=settings.run.precision,
        engine=settings.run.engine,
        device=prepared.device,
        workers=0 if settings.run.workers == 0 else None,
        stop_asked=stop_asked,
    )


def tried(prepared: Prepared, stage: int) -> list[tuple[dict[str, Any], nn.Module]]:
    """Every head that is to be trained in a stage: what is told of it, and how it begins."""
    settings, features = prepared.settings, prepared.settings.features
    own = stage_of(settings, stage)
    rates = features.rates or (float(own.lr or 0),)
    seeds = features.seeds or (settings.run.seed,)
    found = []
    for name in features.heads or (prepared.info.head,):
        network = prepared.model.network
        if name != prepared.info.head:
            network, _ = with_head(prepared, name)
        head = body_and_head(network)[1]
        for seed, lr in product(seeds, rates):
            begun = head if seed == settings.run.seed else redrawn(head, seed)
            found.append(({"head": name, "lr": lr, "seed": seed}, begun))
    return found


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
        monitored = [gain for gain in each.monitored if gain == gain]
        loss = best_row(each).get("val_loss", np.inf)
        return each.error is None, max(monitored, default=-np.inf), -loss

    return max(begun, key=key)


def best_row(each: Trained) -> Row:
    """The history's row of a head's best epoch; {} where it has none in this stage."""
    first = int(each.history[0]["epoch"]) if each.history else 1
    return each.history[each.best_epoch - first] if each.weights and each.best_epoch else {}


def row_of(about: dict[str, Any], each: Trained, told: Iterable[str]) -> dict[str, Any]:
    """What is told of a head that was tried: the figures of validation at its own best epoch."""
    return {
        **about,
        "best_epoch": each.best_epoch,
        **{f"val_{name}": best_row(each).get(f"val_{name}") for name in told},
        "ended": each.ended,
        "error": each.error,
    }
