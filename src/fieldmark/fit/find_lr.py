"""The learning rate range test: a step a rate, from far too low to far too high.

Smith, "Cyclical Learning Rates for Training Neural Networks", 2017. The rates rise
exponentially, the loss is smoothed, and the test ends early where it runs away. What is
trained is a copy, so nothing is left of the test but its rows.
"""

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from fieldmark.fit.loop import group_of, seed_step, step
from fieldmark.fit.plan import Parts, Plan
from fieldmark.fit.state import Row, State
from fieldmark.machine import generators_kept

RUN_AWAY = 4.0  # times the least smoothed loss: there is nothing to see any more
FEWEST = 5  # rates that a suggestion can be made from


@dataclass(frozen=True)
class Search:
    """Which rates are tried: `steps` of them from `first` to `last`, evenly in the logarithm.

    smoothing: the share of the losses before in the smoothed loss. At 0.9 it is some 10 rates
    behind, not a decade; fastai's 0.98 is 50 behind, and suggests nearly the same rates.
    """

    first: float = 1e-7
    last: float = 10.0
    steps: int = 100
    smoothing: float = 0.9

    def rate(self, place: int) -> float:
        """The rate of one step, counted from 0."""
        way = place / max(1, self.steps - 1)
        return float(self.first * (self.last / self.first) ** way)


def find_lr(
    state: State,
    plan: Plan,
    parts: Parts,
    *,
    lr: float,
    search: Search,
    told: Callable[[Row], None] = lambda row: None,
) -> list[Row]:
    """Train a copy of the model on rising rates. -> a row a rate: step, lr, loss, smoothed

    lr: the rate in the settings, which each of the optimiser's groups has a multiple of; they
    keep these multiples. The model must be in the mode that it trains in (`set_training`).
    told: called with each row; what it raises ends the test. A rate has `plan.accumulate`
    batches, a loss that is not finite no row. Model, optimiser and global generators are as
    they were afterwards, whatever ends it.
    """
    rows = list[Row]()
    with generators_kept(parts.device):
        # in one call, so that the optimiser's parameters are the copied model's
        model, optimizer, scaler = copy.deepcopy((state.model, state.optimizer, state.scaler))
        copied = State(model, optimizer, scaler=scaler)
        for loss in _losses(copied, plan, parts, lr, search):
            if not math.isfinite(loss):
                break
            rows.append(_row(rows, loss, search))
            told(rows[-1])
            least = min(row["smoothed"] for row in rows)
            if len(rows) == search.steps or rows[-1]["smoothed"] > RUN_AWAY * least:
                break
    return rows


def suggest(rows: list[Row]) -> float | None:
    """The rate midway down the longest fall of the smoothed loss; None where it never falls.

    Fastai's "valley", its default since 2.3 (there from ESRI's arcgis.learn): the longest
    falling subsequence of the smoothed losses, without the first tenth and the last five of
    them; half the length of that, before its end.
    """
    rows = rows[len(rows) // 10 : -5]
    if len(rows) < FEWEST:
        return None
    losses = np.array([row["smoothed"] for row in rows])
    lengths = np.ones(len(rows), int)  # of the longest falling subsequence that ends here
    for end in range(1, len(rows)):
        higher = losses[:end] > losses[end]
        lengths[end] = 1 + max(lengths[:end][higher], default=0)
    longest = int(lengths.max())
    if longest < FEWEST:
        return None
    end = int(lengths.argmax())
    return float(rows[end - longest // 2]["lr"])


def _losses(state: State, plan: Plan, parts: Parts, lr: float, search: Search) -> Iterator[float]:
    """The loss of each of the optimiser's steps, the mean over its images, at rising rates."""
    groups = state.optimizer.param_groups
    multiples = [group.get("base_lr", group["lr"]) / lr for group in groups]
    done, total, count = 0, 0.0, 0
    while parts.batches.sizes:  # epoch after epoch, until nobody asks for more
        for place, (images, targets) in enumerate(parts.batches.epoch(state.epoch)):
            state.step = place
            for group, multiple in zip(groups, multiples, strict=True):
                group["lr"] = search.rate(done) * multiple
            seed_step(plan.seed, state.epoch, state.step)
            targets = targets.to(parts.device, non_blocking=True)
            total += step(state, plan, parts, images, targets)[0].item() * len(targets)
            count += len(targets)
            if state.step + 1 == group_of(state, plan, parts).stop:
                yield total / count
                done, total, count = done + 1, 0.0, 0
        state.epoch += 1


def _row(rows: list[Row], loss: float, search: Search) -> Row:
    """The next row: its loss, and the exponential average of all so far, freed of its start."""
    place, keep = len(rows), search.smoothing
    before = rows[-1]["smoothed"] * (1 - keep**place) if rows else 0.0
    smoothed = (keep * before + (1 - keep) * loss) / (1 - keep ** (place + 1))
    return {"step": place + 1, "lr": search.rate(place), "loss": loss, "smoothed": smoothed}
