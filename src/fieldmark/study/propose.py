"""Which point a sweep tries next: a grid's, a drawn one, or what Optuna proposes.

A point is a function of the sweep, its seed, its place and the trials before it, as their folders
tell them. Nothing is kept beside them, so a sweep goes on from its folder alone.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

from fieldmark import streams
from fieldmark.errors import Mistake, refuse
from fieldmark.machine import INSTALL, is_installed
from fieldmark.streams import Stream
from fieldmark.study.space import Parameter
from fieldmark.study.trials import Point, Trial, same

TRIES = 200  # draws of a point that is not there yet, before one is taken of those that are left
FEW = 10_000  # points at most, of which those that are left are listed
PROPOSALS = 20  # of Optuna, before a point is drawn that is not there yet
DRAWN, PROPOSED, LEFT_OVER = 0, 1, 2  # the last of a place in the stream
Parameters = Mapping[str, Parameter]


def points_of_grid(parameters: Parameters) -> list[Point]:
    """Every combination, the last parameter the fastest."""
    values = [parameter.values() or [] for parameter in parameters.values()]
    return [dict(zip(parameters, each, strict=True)) for each in itertools.product(*values)]


def count_of(parameters: Parameters) -> int | None:
    """How many points there are; None where there is no end of them."""
    sizes = [parameter.values() for parameter in parameters.values()]
    known = [len({str(v) for v in each}) for each in sizes if each is not None]
    return math.prod(known) if len(known) == len(sizes) else None


def drawn(parameters: Parameters, seed: int, number: int, taken: set[str]) -> Point | None:
    """Point `number` (from 0) of a random sweep; None where none is left that is not taken.

    The first of its draws that no earlier point has, so it follows from seed and number alone.
    After too many in vain it is any of those that are left, each as likely, where points are few.
    """
    for attempt in range(TRIES):
        numbers = streams.draw(Stream.SWEEP, seed, number, attempt, DRAWN)
        point = {name: each.draw(numbers) for name, each in parameters.items()}
        if same(point) not in taken:
            return point
    count = count_of(parameters)
    left = []
    if count is not None and count <= FEW:
        likely = {name: each.likely() for name, each in parameters.items()}
        left = [each for each in points_of_grid(likely) if same(each) not in taken]
    numbers = streams.draw(Stream.SWEEP, seed, number, TRIES, LEFT_OVER)
    return left[int(numbers.integers(len(left)))] if left else None


def proposed(
    parameters: Parameters,
    trials: Sequence[Trial],
    seed: int,
    *,
    more_is_better: bool,
) -> Point | None:
    """Optuna's next point after these trials; None where none is left that is not there.

    Its default sampler, with a seed of its own for each proposal and told all trials anew: those
    that run count as bad (its constant liar). A point that is there already is asked for again.
    """
    taken, number = {same(each.point) for each in trials}, len(trials)
    for attempt in range(PROPOSALS):
        point = _ask(parameters, trials, (seed, number, attempt), more_is_better=more_is_better)
        if same(point) not in taken:
            return point
    return drawn(parameters, seed, number, taken)


def check_optuna() -> None:
    """Raise SettingsError where Optuna is not installed, which only bayes needs."""
    what = f"bayes is Optuna's, which is not installed; install it with: {INSTALL}"
    missing = [] if is_installed("optuna") else [f"{what} 'fieldmark[sweep]', or take random"]
    refuse(Mistake("method", each) for each in missing)


def _ask(
    parameters: Parameters,
    trials: Sequence[Trial],
    address: tuple[int, int, int],
    *,
    more_is_better: bool,
) -> Point:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    kinds = {name: _in_optuna(each) for name, each in parameters.items()}
    seed = streams.word(Stream.SWEEP, *address, PROPOSED)
    sampler = optuna.samplers.TPESampler(seed=seed)
    study = optuna.create_study(
        direction="maximize" if more_is_better else "minimize", sampler=sampler
    )
    for trial in trials:
        study.add_trial(_told(trial, parameters, kinds))
    asked = study.ask(kinds).params
    return {name: _from_optuna(each, asked[name]) for name, each in parameters.items()}


def _told(trial: Trial, parameters: Parameters, kinds: Mapping[str, Any]) -> Any:
    """A trial as Optuna knows one."""
    from optuna.trial import TrialState, create_trial

    params = {name: _to_optuna(each, trial.point[name]) for name, each in parameters.items()}
    states = {"done": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}
    state = states.get(trial.state, TrialState.RUNNING)
    if state is TrialState.COMPLETE and trial.value is None:
        state = TrialState.FAIL
    steps = {k: value for k, value in enumerate(trial.by_epoch, 1) if math.isfinite(value)}
    return create_trial(
        state=state,
        value=trial.value if state is TrialState.COMPLETE else None,
        params=params,
        distributions=dict(kinds),
        intermediate_values=steps if state is TrialState.PRUNED else None,
    )


def _in_optuna(parameter: Parameter) -> Any:
    """A parameter as Optuna's distribution; values of any kind are told by their places.

    Those of q_uniform are told by how many q they are, so that no end is rounded past its value.
    """
    from optuna.distributions import CategoricalDistribution as Choices
    from optuna.distributions import FloatDistribution, IntDistribution

    own = parameter.numbers
    if "values" in own:
        return Choices(tuple(range(len(own["values"]))))
    if parameter.distribution == "int_uniform":
        return IntDistribution(own["min"], own["max"])
    low, high = parameter.ends
    if parameter.distribution == "q_uniform":
        return IntDistribution(round(low / own["q"]), round(high / own["q"]))
    return FloatDistribution(low, high, log=parameter.is_logarithmic)


def _to_optuna(parameter: Parameter, value: Any) -> Any:
    if "values" in parameter.numbers:
        return parameter.numbers["values"].index(value)
    is_stepped = parameter.distribution == "q_uniform"
    return round(value / parameter.numbers["q"]) if is_stepped else value


def _from_optuna(parameter: Parameter, value: Any) -> Any:
    if "values" in parameter.numbers:
        return parameter.numbers["values"][value]
    if parameter.distribution == "q_uniform":
        value *= parameter.numbers["q"]
    return parameter.stepped(value)
