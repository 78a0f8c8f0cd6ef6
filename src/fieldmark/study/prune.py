"""When a run of a study is ended early: others are far ahead of it at the same epoch.

The rule looks at one validation figure, of this run and of the study's other runs, in their
histories on disk. So with one working process it is the same after a kill. Frozen heads have no
epochs that are followed, and are never pruned; nor is a run at its last epoch, where nothing is
left to save.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from fieldmark.errors import PrunedError, counted
from fieldmark.fit.plan import Follow
from fieldmark.report.words import figure, metric_words
from fieldmark.study.folder import StudyDir

KEY = "prune"  # of a study's options
LEAST = 2  # other runs that have reached an epoch, before the median is one
ETA = 3  # of hyperband: the best 1/ETA go on
Values = list[float]  # by epoch, signed so that more is better; nan where there was no validation


@dataclass(frozen=True)
class Rule:
    """How runs are pruned. type: median or hyperband; metric: a validation figure.

    min_iter, max_iter, s, eta, strict: of hyperband, as Weights & Biases has them, an epoch for
    each value that it counts.
    """

    type: str
    metric: str
    more_is_better: bool
    min_iter: int | None = None
    max_iter: int | None = None
    s: int | None = None
    eta: float = ETA
    strict: bool = False

    @property
    def brackets(self) -> list[int]:
        """The epochs at which hyperband looks, rising."""
        if self.max_iter is not None:
            found = [int(self.max_iter / self.eta**k) for k in range(1, (self.s or 0) + 1)]
            return sorted({each for each in found if each >= 1})
        least = self.min_iter or 1
        return sorted({int(least * self.eta**k) for k in range(20)})


def watching(study: StudyDir, name: str) -> Follow | None:
    """What looks at a run's history after each epoch; None where nothing is pruned."""
    kept = study.question["options"].get(KEY)
    if kept is None:
        return None
    rule, last = Rule(**kept), None

    def watch(history: Sequence[dict[str, float]]) -> None:
        nonlocal last
        last = last or _epochs(study, name)
        if len(history) >= last:
            return
        others = [
            values_of(rule, study.run(each.name).read_history())
            for each in study.plans()
            if each.name != name
        ]
        if reason := verdict(rule, values_of(rule, history), others):
            raise PrunedError(reason)

    return watch


def values_of(rule: Rule, history: Sequence[dict[str, float]]) -> Values:
    """The figure of each epoch, signed."""
    sign = 1 if rule.more_is_better else -1
    return [sign * row.get(f"val_{rule.metric}", math.nan) for row in history]


def verdict(rule: Rule, own: Values, others: Sequence[Values]) -> str:
    """Why a run that has come so far is pruned, in words; "" where it goes on.

    own: its figure at each epoch so far. others: those of the other runs, however far they are.
    """
    epoch = len(own)
    if math.isnan(own[-1]):
        return ""
    there = [each for each in others if len(each) >= epoch]
    if rule.type == "median":
        least, its, what = by_median(own, there), _best(own), "the median"
    else:
        least, its, what = by_hyperband(rule, own, there), own[-1], f"the best 1/{rule.eta:g}"
    if least is None:
        return ""
    sign = 1 if rule.more_is_better else -1
    told, bar = (figure(sign * each, rule.metric) for each in (its, least))
    return (
        f"ended after {counted(epoch, 'epoch')}: validation {metric_words(rule.metric)} {told}, "
        f"where {what} of the other runs had {bar}"
    )


def by_median(own: Values, others: list[Values]) -> float | None:
    """The median at this epoch, where the run's best so far is behind it; else None.

    As in Golovin et al., "Google Vizier", 2017; of all runs that have been there, those that were
    pruned later too, and of LEAST at the fewest.
    """
    known = [each[len(own) - 1] for each in others]
    known = [each for each in known if not math.isnan(each)]
    if len(known) < LEAST:
        return None
    middle = float(median(known))
    return middle if _best(own) < middle else None


def by_hyperband(rule: Rule, own: Values, others: list[Values]) -> float | None:
    """The least figure of the best 1/eta at a bracket's epoch, where the run is below; else None.

    Of n runs that have been there the best n/eta go on, rounded down and one more, as Weights &
    Biases counts; strict: rounded down, but one at the least (Li et al., "Hyperband", 2018).
    """
    epoch = len(own)
    if epoch not in rule.brackets:
        return None
    known = [each[epoch - 1] for each in [own, *others]]
    known = sorted((each for each in known if not math.isnan(each)), reverse=True)
    stay = int(len(known) / rule.eta)
    place = max(stay - 1, 0) if rule.strict else min(stay, len(known) - 1)
    return known[place] if own[-1] < known[place] else None


def _best(values: Values) -> float:
    return max(each for each in values if not math.isnan(each))


def _epochs(study: StudyDir, name: str) -> int:
    """How many epochs a run is planned for, over all stages, by its own settings."""
    train = study.run(name).read_settings()["train"]
    *before, _ = train["stages"]
    return sum(int(stage["epochs"]) for stage in before) + int(train["epochs"])
