"""A stage's head that has no epochs, solved exactly or of boosted trees, and how it is judged."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn

from fieldmark.data.splits import folds, judged_rows
from fieldmark.data.stratify import units_of
from fieldmark.errors import StoppedError
from fieldmark.fit.boosted import Boosted, fit_boosted
from fieldmark.fit.checkpoint import Tensors
from fieldmark.fit.epochs import close_epoch
from fieldmark.fit.exact import KINDS, PENALTIES, Solved, fit_exact
from fieldmark.fit.heads import Trained, state_of
from fieldmark.fit.logistic import Task
from fieldmark.fit.losses import weights_of
from fieldmark.fit.optimizers import Idle
from fieldmark.fit.plan import Judged, Parts
from fieldmark.models.body import body_and_head
from fieldmark.models.heads import HEADS, Linear32
from fieldmark.models.trees import Trees
from fieldmark.records import Samples
from fieldmark.runs.bench import Bench, Found
from fieldmark.runs.network import with_head

INNER = 5  # folds that choose where there is no validation
SOLVED = "the head is solved exactly"
GROWN = "as many trees are grown as validation chose"


Maker = Callable[[Bench, Task, Callable[[], None]], tuple[Solved | Boosted, list[dict[str, Any]]]]


def solved(bench: Bench) -> Found:
    """A linear head at the minimum of its loss, in the way that was judged the best."""
    return _made(bench, "linear", SOLVED, _exact)


def grown(bench: Bench) -> Found:
    """A head of boosted trees, as many as were judged the best."""
    return _made(bench, "boosted", GROWN, _boosted)


def _exact(
    bench: Bench, task: Task, looking: Callable[[], None]
) -> tuple[Solved, list[dict[str, Any]]]:
    features = bench.prepared.settings.features
    ways = features.scalings or KINDS, features.penalties or PENALTIES
    made = fit_exact(task, *ways, looking, alone=bench.samples.folds is None)
    chosen = made.scaling, made.penalty
    return made, [
        {
            "head": "linear",
            "scaling": way.scaling,
            "penalty": way.penalty,
            "val_loss": None if np.isnan(way.loss) else way.loss,
            "ended": SOLVED,
            "error": None,
            "kept": (way.scaling, way.penalty) == chosen,
        }
        for way in made.tried
    ]


def _boosted(
    bench: Bench, task: Task, looking: Callable[[], None]
) -> tuple[Boosted, list[dict[str, Any]]]:
    given = bench.prepared.settings.head
    chosen = given.options if given.name == "boosted" else {}
    defaults = {name: each.default for name, each in HEADS["boosted"].options().items()}
    options = {**defaults, **chosen}
    made = fit_boosted(task, **options, seed=bench.plan.seed, looking=looking)
    about = {"trees": made.trees, "leaves": options["leaves"], "ended": GROWN, "error": None}
    return made, [{"head": "boosted", **about, "kept": True}]


def _made(bench: Bench, name: str, ended: str, make: Maker) -> Found:
    """A head that has no epochs, closed as if it had one."""
    begun, prepared = time.monotonic(), bench.prepared
    parts = bench.parts(bench.training(), bench.plan.seed)
    task, rows = _task(bench, parts)

    with bench.console.bar(f"making the {name} head", None) as bar:

        def looking() -> None:
            bar.advance()
            if bench.stop_asked():
                raise StoppedError(f"stopped before {ended}")

        made, tried = make(bench, task, looking)
        looking()
    kept = next(row for row in tried if row["kept"])
    options = options_of(kept)
    head = body_and_head(with_head(prepared, name, options)[0])[1]
    state = state_of(head, Idle(), bench.plan, bench.begun)
    one = Trained(state, bench.plan, parts, None, ended=ended)
    train = np.isin(rows, bench.samples.rows("train"))
    logits, targets = made.logits(task.features[torch.from_numpy(train)]), task.targets[train]
    truth = torch.from_numpy(targets)
    one.state.running.add(parts.loss(logits, truth), logits, truth)
    judged = _answers(bench, task, made)
    row, is_best = close_epoch(one.state, one.plan, parts, judged, time.monotonic() - begun)
    del row["lr"]
    one.weights = head_weights(head, made, 0) if is_best else None
    found = Found(name, one, tried, options)
    if bench.samples.folds is None:
        return found
    answers = None if judged is None else torch.from_numpy(judged[0])
    return replace(found, answers=answers, held=head_weights(head, made, 1))


def options_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """The head's options, beside the settings' own, of a row on a head that was tried."""
    if "scaling" in row:
        return {"length": row["scaling"] == "length"}
    return {"trees": row["trees"], "leaves": row["leaves"]} if "trees" in row else {}


def _answers(bench: Bench, task: Task, made: Solved | Boosted) -> Judged | None:
    """Logits and targets of the validation: of its images, or of those that folds judge."""
    samples = bench.samples
    if len(samples.rows("val")):
        is_val = task.judged[0]
        of_val = made.logits(task.features[torch.from_numpy(is_val)])
        return of_val.numpy(), task.targets[is_val]
    if samples.folds is None:
        return None
    rows, train = judged_rows(samples), samples.rows("train")
    if not len(rows):
        return None
    at = np.searchsorted(train, rows)
    fold = samples.folds[0][rows]
    logits = np.empty((len(rows), task.shares.shape[1]), np.float32)
    for number in np.unique(fold):
        held = fold == number
        own = task.features[torch.from_numpy(at[held])]
        logits[held] = made.logits(own, int(number) + 1).numpy()
    return logits, task.targets[at]


def head_weights(head: nn.Module, made: Solved | Boosted, problem: int) -> Tensors:
    """The head's state with what was made for a problem in its last layer."""
    weights = dict(head.state_dict())
    kind = Linear32 if isinstance(made, Solved) else Trees
    last = next(name for name, each in head.named_modules() if isinstance(each, kind))
    if isinstance(made, Solved):
        weights[f"{last}.weight"] = made.weights[problem].float()
        weights[f"{last}.bias"] = made.biases[problem].float()
        return weights
    own = made.heads[problem].state_dict()
    return weights | {f"{last}.{name}": tensor for name, tensor in own.items()}


def inner_folds(samples: Samples, seed: int) -> np.ndarray:
    """Folds that choose where nothing else validates. -> (N,), -1 where none judges

    None does for the test, and where there is only one image or group besides.
    """
    rows = np.flatnonzero((samples.frame["split"] != "test").fill_null(True).to_numpy())
    units = len(units_of(samples, rows))
    if units < 2:
        return np.full(len(samples), -1)
    return folds(samples, k=min(INNER, units), seed=seed)


def _task(bench: Bench, parts: Parts) -> tuple[Task, np.ndarray]:
    """What is solved, and the rows of the samples that it is about."""
    samples = bench.samples
    train, val = samples.rows("train"), samples.rows("val")
    rows = np.concatenate([train, val])
    targets, is_val = bench.targets[rows], np.arange(len(rows)) >= len(train)
    if len(val):
        trained, judged = ~is_val[None], is_val[None]
    else:
        of_rows = samples.folds
        if of_rows is None:
            of_rows = inner_folds(samples, bench.prepared.settings.data.split_seed)[None]
        number = int(of_rows.max(initial=-1)) + 1
        outs = [fold[rows] == each for fold in of_rows for each in range(number)]
        judged = np.stack([np.zeros(len(rows), bool), *outs])
        trained = ~judged
    truth, loss = torch.from_numpy(targets), parts.loss
    assert loss.shares is not None
    assert loss.shift is not None
    shares, against = loss.shares(truth), loss.against and loss.against(truth)
    if bench.prepared.settings.train.sampling == "balanced":
        counts = np.bincount(targets[~is_val], minlength=shares.shape[1])
        weights = weights_of("balanced", counts)
        assert weights is not None
        shares *= weights[truth].unsqueeze(1)
    plain = bench.features.plain[torch.from_numpy(rows)].cpu().float()
    shift, words = loss.shift.double(), bench.prepared.spec.words
    return Task(plain, targets, shares, shift, trained, judged, against, words), rows
