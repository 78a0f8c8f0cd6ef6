"""The heads that a stage tries on features, each trained in its way, and the best of them.

Three ways: solved exactly, trained epoch by epoch, or grown as trees. Each is validated by
images that were put aside, or by folds: then each image is answered by a head that was trained
without it, and the head that is kept is trained on all of them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fieldmark.data.splits import judged_rows
from fieldmark.errors import NotFiniteError
from fieldmark.fit.averages import Average
from fieldmark.fit.epochs import note_epoch, out_of_patience
from fieldmark.fit.heads import Trained, Trial, fit_heads, state_of
from fieldmark.fit.plan import Parts, Plan
from fieldmark.fit.state import Row
from fieldmark.models.body import body_and_head
from fieldmark.models.heads import redrawn
from fieldmark.runs.bench import Bench, Found
from fieldmark.runs.network import with_head
from fieldmark.runs.solved import grown, solved
from fieldmark.runs.stages import BOOSTED, average, by_epochs, optimizer, stage_of


def find_head(bench: Bench) -> Found:
    """Make every head that is to be tried, each in its way. -> the best

    Raises StoppedError, NotFiniteError.
    """
    settings, info = bench.prepared.settings, bench.prepared.info
    names = settings.features.heads or (info.head,)
    of_epochs = by_epochs(settings)
    ways = [by_rate] if of_epochs else []
    ways += [solved] if set(names) - {*of_epochs, BOOSTED} else []
    ways += [grown] if BOOSTED in names else []
    found = [way(bench) for way in ways]
    if len(found) == 1:
        return found[0]
    best = found[best_of([each.trained for each in found])]
    others = [row for each in found if each is not best for row in each.trained.history]
    first = best.trained.history[0]
    first["seconds"] = round(sum(float(row["seconds"]) for row in (first, *others)), 3)
    rows = [row for each in found for row in told_of(bench, each, kept=each is best)]
    return replace(best, tried=rows)


def told_of(bench: Bench, found: Found, *, kept: bool) -> list[dict[str, Any]]:
    """The rows on the heads of one way beside those of others: of an exact head the best alone."""
    rows, row = found.tried, best_row(found.trained)
    if "lr" not in rows[0]:
        ways = {"ways": len(rows)} if "penalty" in rows[0] else {}
        figures = {f"val_{name}": row.get(f"val_{name}") for name in bench.plan.told}
        rows = [{**each, **figures, **ways} for each in rows if each["kept"]]
    return [{**each, "kept": each["kept"] and kept} for each in rows]


def by_rate(bench: Bench) -> Found:
    """The best of the heads that are trained by epochs."""
    if bench.samples.folds is not None:
        return crossed(bench)
    val = bench.judging(bench.samples.rows("val"))
    begun = tried(bench)
    trained = _fit(bench, [trial(bench, about, head, val=val) for about, head in begun])
    best = best_of(trained)
    rows = rows_of(bench, [about for about, _ in begun], trained, best)
    return Found(begun[best][0]["head"], trained[best], rows)


def tried(bench: Bench) -> list[tuple[dict[str, Any], nn.Module]]:
    """Every head that is trained by epochs: what is told of it, and how it begins."""
    prepared, settings = bench.prepared, bench.prepared.settings
    features, own = settings.features, stage_of(settings, bench.begun.stage)
    rates = features.rates or (float(own.lr or 0),)
    seeds = features.seeds or (settings.run.seed,)
    found = []
    for name in by_epochs(settings):
        network = prepared.model.network
        if name != prepared.info.head:
            network, _ = with_head(prepared, name)
        head = body_and_head(network)[1]
        for seed, lr in product(seeds, rates):
            begun = head if seed == settings.run.seed else redrawn(head, seed)
            found.append(({"head": name, "lr": lr, "seed": seed}, begun))
    return found


def trial(
    bench: Bench,
    about: dict[str, Any],
    head: nn.Module,
    *,
    out: np.ndarray | None = None,
    **more: Any,
) -> Trial:
    """A head to be trained by epochs; out (N,): the images that are held out of its training."""
    settings, seed = bench.prepared.settings, about["seed"]

    def averaged(module: nn.Module) -> Average | None:
        """Of a head that other stages follow there is none: it is for what follows."""
        return average(module, settings.train) if settings.train.head_alone else None

    make = partial(optimizer, settings, about["lr"])
    parts = bench.parts(bench.training(out), seed)
    return Trial(head, seed, make, parts, average=averaged, **more)


def _fit(bench: Bench, trials: Sequence[Trial], plan: Plan | None = None) -> list[Trained]:
    return fit_heads(
        trials,
        plan=plan or bench.plan,
        console=bench.console,
        stop_asked=bench.stop_asked,
        begun=bench.begun,
    )


def crossed(bench: Bench) -> Found:
    """Every head by epochs and folds; the best is trained once more on all, as long as is best."""
    assert bench.samples.folds is not None
    fold, begun, rows = bench.samples.folds[0], tried(bench), judged_rows(bench.samples)
    outs = [fold == number for number in range(int(fold.max()) + 1)]
    plan = replace(bench.plan, patience=None)
    trials = [
        trial(bench, about, head, out=out, val=bench.judging(np.flatnonzero(out)), collect=True)
        for about, head in begun
        for out in outs
    ]
    of_folds = _fit(bench, trials, plan)
    joined = [
        _joined(bench, of_folds[first : first + len(outs)], rows)
        for first in range(0, len(of_folds), len(outs))
    ]
    best = best_of([one for one, _ in joined])
    (one, answers), (about, head) = joined[best], begun[best]
    again = [trial(bench, about, head, out=out, keep=one.best_epoch) for out in (None, outs[0])]
    whole, held = _fit(bench, again, plan)
    _take_training(one, whole)
    abouts = [about for about, _ in begun]
    tried_rows = rows_of(bench, abouts, [one for one, _ in joined], best)
    return Found(about["head"], one, tried_rows, answers=answers, held=held.weights)


def _joined(
    bench: Bench, of_folds: Sequence[Trained], rows: np.ndarray
) -> tuple[Trained, Tensor | None]:
    """The folds' heads as one: after each epoch, every image's answer of the head without it.

    -> with the answers of the best epoch, (n, C)
    """
    first = of_folds[0]
    one = Trained(
        state_of(first.state.model, first.state.optimizer, first.plan, bench.begun),
        replace(first.plan, patience=bench.plan.patience),
        first.parts,
        None,
        ended=first.ended,
        error=next((each.error for each in of_folds if each.error), None),
    )
    at_best = None
    for place in range(min(len(each.answers) for each in of_folds)):
        if ended := out_of_patience(one.state, one.plan):
            one.ended, one.error = ended, None
            break
        whole = np.zeros((len(bench.samples), len(bench.prepared.classes)), np.float32)
        for each in of_folds:
            assert each.val is not None
            whole[each.val.rows] = each.answers[place]
        judged = whole[rows], bench.targets[rows]
        row = _validation(one.parts, judged, one.state.epoch + 1)
        one.state.validated = len(rows)
        if note_epoch(one.state, one.plan, one.parts, row):
            at_best = torch.from_numpy(judged[0])
    return one, at_best


def _validation(parts: Parts, judged: tuple[np.ndarray, np.ndarray], epoch: int) -> Row:
    loss = parts.loss(*map(torch.from_numpy, judged)).item()
    figures = {f"val_{name}": value for name, value in parts.measure(*judged).items()}
    return {"epoch": epoch, "val_loss": loss, **figures}


def _take_training(one: Trained, whole: Trained) -> None:
    """Into the folds' joint history what training on all images gave, and its weights."""
    for row, own in zip(one.history, whole.history, strict=False):
        joint = {**own, **row}
        row.clear()
        row.update(joint)
    one.weights = whole.weights
    one.steps += [row for row in whole.steps if row["epoch"] <= one.state.epoch]


def best_of(trained: Sequence[Trained]) -> int:
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
    there = each.best_epoch is not None and each.best_epoch >= first
    return each.history[each.best_epoch - first] if there and each.best_epoch else {}


def rows_of(
    bench: Bench, abouts: Iterable[dict[str, Any]], trained: Sequence[Trained], best: int
) -> list[dict[str, Any]]:
    """What is told of heads that were tried: figures of validation at each one's best epoch."""
    return [
        {
            **about,
            "best_epoch": each.best_epoch,
            **{f"val_{name}": best_row(each).get(f"val_{name}") for name in bench.plan.told},
            "ended": each.ended,
            "error": each.error,
            "kept": place == best,
        }
        for place, (about, each) in enumerate(zip(abouts, trained, strict=True))
    ]
