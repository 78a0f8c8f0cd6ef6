"""A sweep as a file says it, in the form of Weights & Biases (its schema of 2026).

Nothing here knows what settings there are; `names` does.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from fieldmark.errors import Mistake, listed, nearest, refuse
from fieldmark.settings.texts import config_text, read_table
from fieldmark.study.space import IN_GRID, IN_OPTUNA, NUMBERS, Parameter

METHODS = ("bayes", "random", "grid")
ABOUT = ("name", "description", "project", "entity")  # kept beside the study
WITHOUT_USE = ("program", "command", "job", "image_uri", "controller", "apiVersion", "kind")
KNOWN = ("method", "metric", "parameters", "early_terminate", "run_cap", *ABOUT, *WITHOUT_USE)
EXPONENT = re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+")
GOALS = ("minimize", "maximize")
IMPUTED = ("impute", "impute_while_running")  # what a failed run counts as: here it counts nothing
OF_METRIC = ("name", "goal", "target", *IMPUTED)
OF_HYPERBAND = ("type", "min_iter", "max_iter", "s", "eta", "strict")
NO_PARAMETER = "must be value, values, min and max, or a distribution with its numbers"


@dataclass(frozen=True)
class SweepFile:
    """What a file asks for. metric: {name, goal, target}; early: hyperband's numbers; {}: none.

    ignored: keys that mean nothing here.
    """

    path: str
    method: str
    parameters: dict[str, Parameter]
    metric: dict[str, Any] = field(default_factory=dict)
    early: dict[str, Any] = field(default_factory=dict)
    run_cap: int | None = None
    about: dict[str, str] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()


def read_sweep(path: str) -> SweepFile:
    """The file, checked as far as that can be without settings. Raises SettingsError with all."""
    table = read_table(config_text(path, "--sweep"), path)
    method, nested = str(table.get("method")), table.get("parameters")
    mistakes = list(_wrong_keys(table))
    parameters: dict[str, Parameter] = {}
    if isinstance(nested, Mapping) and nested:
        for name, given in _flat(nested):
            found = read_parameter(name, given)
            if isinstance(found, str):
                mistakes.append(Mistake(f"parameters, {name}", found))
            else:
                parameters[name] = found
        mistakes += _against_method(method, parameters)
    else:
        what = "say what may vary, as in {lr: {values: [0.001, 0.0001]}}"
        mistakes.append(Mistake("parameters", what))
    refuse(Mistake(f"{path}: {each.where}", each.what) for each in mistakes)
    return SweepFile(
        path,
        method,
        parameters,
        metric=dict(table.get("metric") or {}),
        early=dict(table.get("early_terminate") or {}),
        run_cap=table.get("run_cap"),
        about={key: str(table[key]) for key in ABOUT if table.get(key) is not None},
        ignored=(
            *(key for key in WITHOUT_USE if key in table),
            *(f"metric {key}" for key in IMPUTED if key in (table.get("metric") or {})),
        ),
    )


def _wrong_keys(table: Mapping[str, Any]) -> Iterator[Mistake]:
    """What is wrong outside the parameters."""
    for key in table:
        if key == "scheduler" or key == "metrics":
            yield Mistake(key, "is of Weights & Biases' own servers; leave it out")
        elif key not in KNOWN:
            hint = nearest(key, KNOWN) or f"; there are {listed(KNOWN, len(KNOWN))}"
            yield Mistake(key, f"a sweep has no such key{hint}")
    if table.get("method") not in METHODS:
        yield Mistake("method", f"must be {listed(METHODS)}, not {table.get('method')}")
    cap = table.get("run_cap")
    if cap is not None and not _is_count(cap):
        yield Mistake("run_cap", f"must be a whole number of at least 1, not {cap}")
    yield from _wrong_metric(table.get("metric"))
    yield from _wrong_early(table.get("early_terminate"))


def _wrong_metric(metric: Any) -> Iterator[Mistake]:
    if metric is None:
        return
    if not isinstance(metric, Mapping) or not isinstance(metric.get("name"), str):
        yield Mistake("metric", "must be a table with a name, such as {name: val_accuracy}")
        return
    for key in metric:
        if key not in OF_METRIC:
            yield Mistake("metric", f"has no '{key}'; it has {listed(OF_METRIC)}")
    if metric.get("goal", "minimize") not in GOALS:
        yield Mistake("metric, goal", f"must be {listed(GOALS)}, not {metric['goal']}")
    if "target" in metric and not _is_number(metric["target"]):
        yield Mistake("metric, target", f"must be a number, not {metric['target']}")


def _wrong_early(early: Any) -> Iterator[Mistake]:
    """What is wrong with hyperband's numbers."""
    if early is None:
        return
    if not isinstance(early, Mapping) or early.get("type") != "hyperband":
        yield Mistake("early_terminate", "must be a table of type: hyperband")
        return
    for key in early:
        if key not in OF_HYPERBAND:
            yield Mistake("early_terminate", f"has no '{key}'; it has {listed(OF_HYPERBAND)}")
    for key in ("min_iter", "max_iter", "s"):
        if key in early and not _is_count(early[key]):
            yield Mistake(f"early_terminate, {key}", "must be a whole number of at least 1")
    eta = early.get("eta", 3)
    if not _is_number(eta) or eta <= 1:
        yield Mistake("early_terminate, eta", f"must be more than 1, not {eta}")
    if not isinstance(early.get("strict", False), bool):
        yield Mistake("early_terminate, strict", "must be true or false")
    ways = ("min_iter" in early) + ("max_iter" in early)
    if ways != 1 or ("max_iter" in early) != ("s" in early):
        yield Mistake("early_terminate", "takes min_iter, or max_iter and s")


def _flat(nested: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Parameters with those that are nested in others, by dotted name."""
    for key, given in nested.items():
        name = f"{prefix}{key}"
        if isinstance(given, Mapping) and isinstance(given.get("parameters"), Mapping):
            yield from _flat(given["parameters"], f"{name}.")
        else:
            yield name, given


def read_parameter(name: str, given: Any) -> Parameter | str:
    """One parameter; or what is wrong with it."""
    if not isinstance(given, Mapping):
        return f"{NO_PARAMETER}; write {{value: {given}}}"
    kind = given.get("distribution") or _kind_of(given)
    if kind is None:
        return NO_PARAMETER
    if kind not in NUMBERS:
        hint = nearest(str(kind), NUMBERS) or f"; there are {listed(NUMBERS, len(NUMBERS))}"
        return f"there is no distribution '{kind}'{hint}"
    if kind == "categorical" and "probabilities" in given:
        kind = "categorical_w_probabilities"
    wanted = NUMBERS[kind]
    numbers = {key: _as_number(given.get(key, default)) for key, default in wanted.items()}
    if lacking := [key for key, value in numbers.items() if value is ...]:
        return f"{kind} needs {listed(lacking)}"
    if strange := [key for key in given if key not in wanted and key != "distribution"]:
        return f"{kind} takes no {listed(strange)}; it takes {listed(wanted)}"
    wrong = _wrong_values(numbers) if "values" in numbers else _wrong_numbers(kind, numbers)
    return wrong or Parameter(name, kind, numbers)


def _as_number(value: Any) -> Any:
    """1e-4, which YAML takes for a text, as the number that was meant."""
    if isinstance(value, list):
        return [_as_number(each) for each in value]
    is_number = isinstance(value, str) and EXPONENT.fullmatch(value.strip())
    return float(value) if is_number else value


def _kind_of(given: Mapping[str, Any]) -> str | None:
    """The distribution that is meant where none is named."""
    if "value" in given:
        return "constant"
    if "values" in given:
        return "categorical"
    if "mu" in given or "sigma" in given:
        return "normal"
    if not {"min", "max"} <= set(given):
        return None
    if "q" in given:
        return "q_uniform"
    whole = all(type(given[key]) is int for key in ("min", "max"))
    return "int_uniform" if whole else "uniform"


def _wrong_values(numbers: Mapping[str, Any]) -> str:
    values, shares = numbers["values"], numbers.get("probabilities")
    if not isinstance(values, list) or not values:
        return "values must be a list of one or more"
    if shares is None:
        return ""
    if (
        not isinstance(shares, list)
        or len(shares) != len(values)
        or not all(map(_is_number, shares))
    ):
        return "probabilities must be a list of numbers, one for each value"
    if min(shares) < 0 or not math.isclose(sum(shares), 1, abs_tol=1e-6):
        return f"probabilities must be 0 or more and add up to 1, not to {sum(shares):g}"
    return ""


def _wrong_numbers(kind: str, numbers: Mapping[str, Any]) -> str:
    if kind == "constant":
        return ""
    for key, value in numbers.items():
        if not _is_number(value):
            return f"{key} must be a number, not {value}"
        if key in ("q", "sigma", "a", "b") and value <= 0:
            return f"{key} must be more than 0, not {value}"
    if "min" not in numbers:
        return ""
    low, high = numbers["min"], numbers["max"]
    if low >= high:
        return f"min must be less than max, and {low} is not less than {high}"
    if kind == "int_uniform" and not (type(low) is int and type(high) is int):
        return "int_uniform takes whole numbers; uniform takes others"
    if kind.endswith("log_uniform_values") and low <= 0:
        return f"min must be more than 0 for {kind}, not {low}"
    return ""


def _against_method(method: str, parameters: Mapping[str, Parameter]) -> Iterator[Mistake]:
    """Distributions that a method cannot do."""
    for name, parameter in parameters.items():
        kind = parameter.distribution
        if method == "grid" and kind not in IN_GRID:
            what = f"a grid over {kind} never ends; give values, or take method: random"
            yield Mistake(f"parameters, {name}", what)
        if method == "bayes" and kind not in (*IN_OPTUNA, "constant"):
            what = f"bayes has no {kind}; take method: random, or one of {listed(IN_OPTUNA)}"
            yield Mistake(f"parameters, {name}", what)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1
