"""`--find-lr`: the learning rate range test of a run that is prepared."""

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from fieldmark import rundir, streams
from fieldmark.console import Console
from fieldmark.data.loader import step_sizes
from fieldmark.errors import NotFiniteError
from fieldmark.files import write_text
from fieldmark.fit.find_lr import Search, find_lr, suggest
from fieldmark.fit.keeper import as_csv
from fieldmark.fit.loop import Parts
from fieldmark.fit.state import State
from fieldmark.models.stages import set_training
from fieldmark.models.tail import body_and_tail
from fieldmark.report.rates import in_words, write_chart
from fieldmark.runs.frozen import Frozen, optimizer
from fieldmark.runs.parts import (
    Predicting,
    is_on_features,
    make_parts,
    make_plan,
    new_state,
    stage_of,
)
from fieldmark.runs.prepare import Prepared
from fieldmark.streams import Stream


def find_rates(prepared: Prepared, console: Console) -> Path:
    """Try rising rates in the run's last stage. -> the folder of the table and the chart

    Where the run would train the head first, it is trained first here, too. The network is as
    it was afterwards, and nothing is trained that is kept. Raises any FieldmarkError.
    """
    settings = prepared.settings
    for note in prepared.data.notes:
        console.warn(note)
    frozen = Frozen(prepared, console)
    last = len(settings.train.stages) - 1
    if last and is_on_features(settings, 0):
        frozen.warm_up(new_state(prepared, 0))
    state = new_state(prepared, last)
    parts = make_parts(prepared, frozen.stored, Predicting(prepared, frozen.stored, console))
    lr = float(stage_of(settings, last).lr or 0)
    if is_on_features(settings, last):
        state, parts = on_features(prepared, frozen, parts, lr)
    set_training(state.model, norm_frozen=settings.train.norm_frozen)
    search = Search()
    with console.bar("trying rates", search.steps) as bar:
        rows = find_lr(
            state,
            make_plan(prepared, state),
            parts,
            lr=lr,
            search=search,
            told=lambda row: bar.advance(1, f"lr {row['lr']:.1e}  loss {row['smoothed']:.3f}"),
        )
    if not rows:
        raise NotFiniteError("the very first loss is not finite; see to the images and the weights")
    stem = f"{rundir.source_name(settings.data.source)}-{settings.model.name}-rates"
    folder = rundir.create(settings.run.out, settings.run.name, stem)
    suggestion = suggest(rows)
    write_text(folder.rates, as_csv(rows))
    write_chart(folder.rates_chart, rows, suggestion)
    console.say(in_words(rows, suggestion))
    if suggestion is not None:
        console.say(f"\na start; to train with it, add --lr {suggestion:.2g}")
    console.say(f"table   {folder.rates}\nchart   {folder.rates_chart}")
    return folder.path


def on_features(prepared: Prepared, frozen: Frozen, parts: Parts, lr: float) -> tuple[State, Parts]:
    """The head alone as a model of its own, and batches of features for it."""
    settings, samples = prepared.settings, prepared.samples
    features, rows = frozen.features(), samples.rows("train")
    tail = body_and_tail(prepared.model.network)[1]
    state = State(tail, optimizer(settings, lr, list(tail.parameters())))
    batches = FeatureBatches(
        features.plain[torch.from_numpy(rows)].float(),
        samples.targets(prepared.classes)[rows],
        batch_size=int(settings.train.batch_size),
        seed=settings.run.seed,
    )
    whole: Parts = replace(parts, batches=batches, autocast=nullcontext, mix=None)  # type: ignore[arg-type]
    return state, whole


class FeatureBatches:
    """Features in the order in which the loader has images; stands in for loader.Batches."""

    def __init__(self, features: torch.Tensor, targets: np.ndarray, *, batch_size: int, seed: int):
        self._features, self._targets = features, torch.from_numpy(targets)
        self._size, self._seed = batch_size, seed

    def __len__(self) -> int:
        return len(step_sizes(len(self._features), self._size))

    def epoch(self, epoch: int, start: int = 0) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """(n, ...) features and (n,) targets of each step from `start` on."""
        draw = streams.draw(Stream.ORDER, self._seed, epoch)
        order = torch.from_numpy(draw.permutation(len(self._features)))
        for places in torch.split(order, step_sizes(len(order), self._size))[start:]:
            yield self._features[places], self._targets[places]
