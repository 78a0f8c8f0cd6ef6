"""Training the head alone on features, which every image gives once: trials side by side."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from fieldmark.cache import Cache, open_cache
from fieldmark.console import duration
from fieldmark.data.augment import AUGMENTS
from fieldmark.data.loader import Augmenting
from fieldmark.data.words import counted
from fieldmark.errors import NotFiniteError, StoppedError
from fieldmark.fit.features import Features, Pass, Views, body_name, embed, weights_hash
from fieldmark.fit.find_lr import Search, find_lr
from fieldmark.fit.heads import Trained
from fieldmark.fit.keeper import Keeper
from fieldmark.fit.plan import Plan
from fieldmark.fit.state import Row, State
from fieldmark.models.body import body_and_head
from fieldmark.models.infer import evaluating
from fieldmark.models.joined import Joined
from fieldmark.models.known import flat
from fieldmark.models.stages import set_training
from fieldmark.report.words import made_words
from fieldmark.runs.bench import Bench
from fieldmark.runs.heads import find_head
from fieldmark.runs.network import Prepared, adopt
from fieldmark.runs.on_images import OnImages, See
from fieldmark.runs.stages import HEAD_PATIENCE, enter_stage, optimizer, plan_of, stage_of

TRIED = 48  # images that pass a frozen network for an estimate


class OnFeatures:
    """Trains the head's stages of a run: embeds the images, tries heads, keeps the best.

    images: the run's other trainer, which decodes, and predicts what has no features.
    """

    def __init__(self, prepared: Prepared, images: OnImages):
        self._images, self.prepared, self.clock = images, prepared, images.clock
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
            with self.clock("heads"):  # seconds, which no hours that are over take away
                best = self._fit(features, state, keeper.user_asks)
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
        bench = self._bench(replace(self.features(), views=None), state, lambda: False)
        train = bench.training()
        parts = bench.parts(replace(train, features=train.features.float()), settings.run.seed)
        return find_lr(alone, self.plan(state), parts, lr=lr, search=search, told=told)

    def _fit(self, features: Features, state: State, stop_asked: Callable[[], bool]) -> Trained:
        """Train all heads, and put the best one into the network. -> the best one"""
        found = find_head(self._bench(features, state, stop_asked))
        state.trials, state.out_of_fold = found.tried, found.answers
        state.held_out = found.held or {}
        if adopt(self.prepared, found.head, found.options):
            self.enter(state)
        if found.trained.weights is not None:
            body_and_head(self.prepared.model.network)[1].load_state_dict(found.trained.weights)
        return found.trained

    def _bench(self, features: Features, state: State, stop_asked: Callable[[], bool]) -> Bench:
        plan = self.plan(state)
        return Bench(self.prepared, features, plan, state, self._console, stop_asked)

    def features(self, stop_asked: Callable[[], bool] = lambda: False) -> Features:
        """Of every image, as the network is now: from the cache, as far as they are there.

        Words of captions are joined to them where the network reads them.
        """
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
            self._known = body, with_words(self.prepared, features)
        return self._known[1]

    def predict(self, side: str, *, mirrored: bool = False) -> np.ndarray:
        """Logits of a split's images by the network as it is now. -> (n, C) float32

        mirrored: of the mirror images, which have no features.
        """
        if mirrored:
            return self._images.predict(side, mirrored=True)
        return self._logits(self.prepared.samples.rows(side))

    def look(self, rows: np.ndarray, see: See) -> tuple[np.ndarray, np.ndarray | None]:
        """Logits (n, C) of the samples at `rows`, and what `see` makes of their features."""
        plain, words = self.features().plain, self.prepared.spec.words
        parts = torch.split(torch.from_numpy(rows), 4096)
        return self._logits(rows), np.concatenate([see(flat(plain[part], words)) for part in parts])

    def _logits(self, at: np.ndarray) -> np.ndarray:
        rows = torch.from_numpy(at)
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
        """A line on each head, the one that is kept with a word behind it where others are not."""
        told, tried = self.plan(state).told, state.trials
        if len({trial["head"] for trial in tried}) == 1 and "lr" not in tried[0]:
            kept_way = next(trial for trial in tried if trial["kept"])
            tried = [{**kept_way, "ways": len(tried), **state.history[-1]}]
        by = "val" if "val_loss" in state.history[-1] else "out-of-fold"
        for trial in tried:
            kept = "  kept" if trial["kept"] and len(tried) > 1 else ""
            self._console.say(trial_line(trial, told, by) + kept)
            if trial["error"]:
                self._console.warn(trial["error"])


def trial_line(trial: Mapping[str, Any], told: Iterable[str], by: str) -> str:
    """How a head was made, and the figures that chose it. by: of what, "val" or "out-of-fold"."""
    figures = [
        f"{by} {name} {trial[f'val_{name}']:.4f}"
        for name in told
        if trial.get(f"val_{name}") is not None
    ]
    kind = [] if "penalty" in trial else [f"{trial['head']} head"]
    return "  ".join([*kind, made_words(trial), *figures])


def passing(prepared: Prepared, stop_asked: Callable[[], bool] = lambda: False) -> Pass:
    """How images pass the network as it is now."""
    settings = prepared.settings
    model = prepared.model.to(prepared.device).to(memory_format=torch.channels_last)
    body, _ = body_and_head(model.network, prepared.spec.size)
    return Pass(
        body,
        name=body_name(prepared.info),
        spec=replace(prepared.spec, words=0),
        precision=settings.run.precision,
        engine=settings.run.engine,
        device=prepared.device,
        workers=0 if settings.run.workers == 0 else None,
        stop_asked=stop_asked,
    )


def with_words(prepared: Prepared, features: Features) -> Features:
    """The features with the words of the captions, where the network reads them."""
    network, samples = prepared.model.network, prepared.samples
    if not isinstance(network, Joined):
        return features
    words = torch.from_numpy(counted(samples.frame["caption"].to_list(), prepared.spec.words))
    plain, views = network.words(features.plain, words), features.views
    if views is not None:
        of_train = words[torch.from_numpy(samples.rows("train"))]
        views = torch.stack([network.words(view, of_train) for view in views])
    return replace(features, plain=plain, views=views)


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
