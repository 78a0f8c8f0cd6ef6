"""Budgets of a run: what its weights may weigh, how many hours it may take, what it has to reach.

Each is asked as early as it can be answered: targets when the settings are read and when the images
are known, the size when the network is, the hours before a run goes on and at each step. What a
run came to is judged once, at its end. None decides a bit of what is trained.
"""

import math
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from fieldmark.console import duration
from fieldmark.data.intake import Dataset
from fieldmark.errors import BudgetError, Mistake, RunError, StoppedError, counted, listed
from fieldmark.fit.checkpoint import Checkpoints
from fieldmark.fit.clock import Clock
from fieldmark.judge.metrics import METRICS, of_task
from fieldmark.metrics_json import WHOLE, Budget, Metrics
from fieldmark.models import published
from fieldmark.models.catalog import NETWORKS, side_mistake
from fieldmark.rundir import WEIGHTS, RunDir
from fieldmark.settings.run import BudgetSettings
from fieldmark.settings.tree import Settings

MIB = 2**20
DEVICES = 1  # that a run computes on
NAMED = 3  # smaller networks that are named where one is too large
SPARE = 0.98  # of the size: beside parameters a network has statistics of its norms


def against_targets(settings: Settings, data: Dataset) -> Iterator[Mistake]:
    """Targets that cannot be measured on these images."""
    targets, task = settings.budget.targets, data.samples.task
    for name in targets:
        if name in METRICS and name not in of_task(task):
            what = f"{name} does not exist for {task.words}; take {task.metric}"
            yield Mistake("--target", what)
        elif name in METRICS and len(data.classes) <= METRICS[name].among:
            what = f"{name} is not defined for {counted(len(data.classes), 'class')}; take accuracy"
            yield Mistake("--target", what)
    if targets and judging_side(data) is None:
        what = (
            "there are neither test images nor others to measure it on; give some with data.test, "
            "leave data.val=none out, or leave it out"
        )
        yield Mistake("--target", what)


def judging_side(data: Dataset) -> str | None:
    """The split whose figures targets are for: the test, or else validation; None for neither."""
    samples = data.samples
    if len(samples.rows("test")):
        return "test"
    return "val" if samples.folds is not None or len(samples.rows("val")) else None


def notes(budget: BudgetSettings, data: Dataset) -> list[str]:
    """What is worth knowing of the budgets before the training."""
    if not budget.target or judging_side(data) == "test":
        return []
    return ["there are no test images, so the target is measured on validation"]


def against_size(settings: Settings, sizes: Mapping[str, int]) -> list[Mistake]:
    """A network whose weights are larger than the budget.

    sizes: bytes of the file of weights, by the kind of head; the largest counts.
    """
    most = settings.budget.max_size_mb
    head, size = max(sizes.items(), key=lambda each: each[1])
    if most is None or size <= most * MIB:
        return []
    which = f" with the head '{head}'" if len(sizes) > 1 else ""
    names = smaller(settings, most)
    such = f", such as {listed(names)}" if names else ""
    what = (
        f"'{settings.model.name}'{which} has {size / MIB:.4g} MiB of weights, and the budget is "
        f"{most:g}; take a smaller --model{such}, or raise it to {math.ceil(size / MIB)}"
    )
    return [Mistake("--max-size-mb", what)]


def smaller(settings: Settings, most: float) -> list[str]:
    """The largest networks with at most so many MiB of weights for 1,000 classes, that take these
    images and, where the run begins with published weights, have some."""
    size, begins = int(settings.input.size), settings.model.weights != "none"
    fitting = [
        name
        for name, network in NETWORKS.items()
        if network.parameters * 4 <= SPARE * most * MIB
        and side_mistake(name, {}, size) is None
        and (published.weights_of(name) or not begins)
    ]
    return sorted(fitting, key=lambda name: -NETWORKS[name].parameters)[:NAMED]


def device_hours(seconds: float) -> float:
    """Seconds of a clock on the wall as hours of all devices."""
    return seconds * DEVICES / 3600


def limit(max_hours: float) -> str:
    """When a run of so many device hours ends its training, in words."""
    seconds = max_hours * 3600 / DEVICES
    return f"training ends after {duration(seconds)} of the whole run, if not before (--max-hours)"


def is_used_up(budget: BudgetSettings, clock: Clock) -> bool:
    """Whether the run, with all that it went through before, has taken its hours."""
    return budget.max_hours is not None and device_hours(clock.whole()) >= budget.max_hours


def used_up(budget: BudgetSettings, where: StoppedError) -> str:
    """Why a training ended whose hours were used up, in words."""
    return f"the budget of device hours ({budget.max_hours:g}) is used up: {where}"


def spent_before(run: RunDir, tree: Mapping[str, Any] | None) -> dict[str, float]:
    """Seconds by name that the run took and that its checkpoint, `tree`, does not know of.

    What comes after training is in metrics.json alone.
    """
    known: dict[str, float] = dict(tree.get("times", {})) if tree else {}
    told: dict[str, float] = {}
    with suppress(RunError):  # it has none yet, or a damaged one, which is made again
        told = run.read_metrics().about.times
    if told.get(WHOLE, 0.0) <= known.get(WHOLE, 0.0):
        return {}
    return {name: told.get(name, 0.0) - known.get(name, 0.0) for name in {**known, **told}}


def refuse_used_up(run: RunDir, budget: BudgetSettings, *, asked: bool) -> None:
    """Raise RunError where a run that is to go on has no hours left.

    asked: whether these hours are asked for now. If not, a run that was killed between the end of
    its hours and its own comes to that, if it has anything to keep; it trains no step more.
    """
    if budget.max_hours is None:
        return
    tree = Checkpoints(run.checkpoint).read()
    if not (asked or run.is_done) and tree and (tree["epoch"] or tree["step"]):
        return
    before = (tree or {}).get("times", {}).get(WHOLE, 0.0)
    spent = device_hours(before + spent_before(run, tree).get(WHOLE, 0.0))
    if spent >= budget.max_hours:
        used = f"has used {spent:.3g} device hours, and its budget is {budget.max_hours:g}"
        raise RunError(f"{run.path}: {used}; {more(run, spent)}")


def was_cut(run: RunDir) -> bool:
    """Whether a run is done because its hours were used up."""
    return run.is_done and bool(run.read_manifest().get("cut"))


def judged(run: RunDir, budget: BudgetSettings, found: Metrics, seconds: float) -> list[Budget]:
    """What a run that is done came to, budget by budget. seconds: that it took."""
    budgets = []
    if (size := budget.max_size_mb) is not None:
        reached = (run.path / WEIGHTS).stat().st_size / MIB
        budgets.append(Budget("max_size_mb", size, reached <= size, reached))
    if (most := budget.max_hours) is not None:
        reached, wall = device_hours(seconds), seconds / 3600
        budgets.append(Budget("max_hours", most, reached <= most, reached, wall_hours=wall))
    side = next((name for name in ("test", "val") if name in found.sides), None)
    for metric, asked in budget.targets.items():
        value = found.sides[side][metric] if side else None
        rises = METRICS[metric].better == "max"
        is_met = value is not None and (value >= asked if rises else value <= asked)
        budgets.append(Budget(metric, asked, is_met, value, side))
    return budgets


def refuse_missed(run: RunDir) -> None:
    """Raise BudgetError where a run that is done missed one of its budgets."""
    budgets = run.read_manifest().get("budgets", ())
    missed = [each["name"] for each in budgets if not each["is_met"]]
    if missed:
        which = f"{len(missed)} of its {len(budgets)} budgets" if len(budgets) > 1 else "its budget"
        raise BudgetError(
            f"{run.path}: missed {which} ({', '.join(missed)}); the model, its figures and the "
            "report are kept there"
        )


def nothing_reached(run: RunDir, reason: str, clock: Clock) -> BudgetError:
    """The error of a run whose hours were used up before there were any weights to keep."""
    told = more(run, device_hours(clock.whole()))
    return BudgetError(f"{reason}, before there were weights to keep; {told}")


def more(run: RunDir, spent: float) -> str:
    """How to give a run that has spent so many device hours twice as many, in words."""
    return f"give it more: fieldmark train --resume {run.path} --max-hours {2 * spent:.2g}"
