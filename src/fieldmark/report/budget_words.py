"""What a run came to of its budgets, in words: the same on the screen and on the page."""

from dataclasses import dataclass

from fieldmark.console import duration
from fieldmark.judge.metrics import METRICS
from fieldmark.metrics_json import Budget, Figures, Metrics
from fieldmark.report.words import metric_words

NAMES = {"max_size_mb": "size", "max_hours": "hours"}
MEASURED_ON = {"test": "on the test", "val": "on validation, for there is no test"}


@dataclass(frozen=True)
class BudgetRow:
    """A budget in words: what it is of, whether it was met, and how it came out."""

    name: str
    is_met: bool
    words: str

    @property
    def verdict(self) -> str:
        """Whether it was met, in a word."""
        return "met" if self.is_met else "missed"


def budget_rows(metrics: Metrics) -> list[BudgetRow]:
    """The budgets of a run in words; [] where it has none, or was stopped."""
    return [
        BudgetRow(NAMES.get(each.name) or metric_words(each.name), each.is_met, told(each, metrics))
        for each in metrics.about.budgets
    ]


def budget_lines(metrics: Metrics) -> list[str]:
    """The same as lines of text."""
    rows = budget_rows(metrics)
    width = max([18, *(len(each.name) for each in rows)]) + 1
    lines = [f"  {each.name:<{width}}{each.verdict:<9}{each.words}" for each in rows]
    return ["budgets", *lines] if lines else []


def told(budget: Budget, metrics: Metrics) -> str:
    """How a budget came out."""
    if budget.name == "max_hours":
        return told_of_hours(budget, cut=bool(metrics.about.cut))
    if budget.name == "max_size_mb":
        return f"{budget.reached:.4g} MiB of weights; asked for: at most {budget.asked:g}"
    return told_of_metric(budget, metrics.sides.get(budget.side or ""))


def told_of_hours(budget: Budget, *, cut: bool) -> str:
    """The hours, of devices and on the wall. cut: they ended the training."""
    wall = duration(3600 * (budget.wall_hours or 0.0))
    wanted = f"asked for: at most {budget.asked:g}"
    said = f"{budget.reached:.4g} device hours, {wall} on the wall; {wanted}"
    if cut:
        return f"{said}, which ended the training"
    own = "; neither a head on features nor what follows training is cut"
    return said if budget.is_met else f"{said}{own}"


def told_of_metric(budget: Budget, found: Figures | None) -> str:
    """A target: the figure with its interval, and whether that lies on one side of it."""
    rises = METRICS[budget.name].better == "max" if budget.name in METRICS else True
    wanted = f"asked for: at {'least' if rises else 'most'} {budget.asked:g}"
    if budget.reached is None or found is None:
        return f"not defined for these images; {wanted}"
    value = f"{budget.reached:.4f} {MEASURED_ON[budget.side or 'test']}"
    bounds = found.interval(budget.name)
    if bounds is None:
        return f"{value}; {wanted}"
    said = f"{value} ({bounds[0]:.4f} to {bounds[1]:.4f}); {wanted}"
    if bounds[0] < budget.asked < bounds[1]:
        way = "below" if budget.is_met == rises else "above"
        return f"{said}; the interval reaches {way} that"
    return said
