"""One parameter of a sweep: what it may be, how it is drawn, and which values it has.

Distributions have the names and the meaning of Weights & Biases' sweep files.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

NUMBERS: dict[
    str, dict[str, Any]
] = {  # what each distribution is told, what it takes where it is not
    "constant": {"value": ...},
    "categorical": {"values": ...},
    "categorical_w_probabilities": {"values": ..., "probabilities": ...},
    **{
        name: {"min": ..., "max": ..., **({"q": 1} if name.startswith("q_") else {})}
        for name in (
            *("int_uniform", "uniform", "q_uniform", "log_uniform", "log_uniform_values"),
            *("q_log_uniform", "q_log_uniform_values"),
            *("inv_log_uniform", "inv_log_uniform_values"),
        )
    },
    **{
        name: {"mu": 0.0, "sigma": 1.0, **({"q": 1} if name.startswith("q_") else {})}
        for name in ("normal", "q_normal", "log_normal", "q_log_normal")
    },
    "beta": {"a": ..., "b": ...},
    "q_beta": {"a": ..., "b": ..., "q": 1},
}
IN_OPTUNA = (  # what Optuna has as it is
    *("categorical", "int_uniform", "uniform", "q_uniform", "log_uniform", "log_uniform_values"),
)
IN_GRID = ("constant", "categorical", "int_uniform", "q_uniform")  # of so many values
EXPONENTS = ("log_uniform", "q_log_uniform", "inv_log_uniform")  # whose ends are powers of e


@dataclass(frozen=True)
class Parameter:
    """What a setting may be. numbers: of the distribution, such as {"min": 0.0, "max": 1.0}."""

    name: str
    distribution: str
    numbers: dict[str, Any]

    @property
    def is_constant(self) -> bool:
        """Whether there is nothing to choose."""
        return self.distribution == "constant"

    @property
    def is_logarithmic(self) -> bool:
        """Whether equal factors are equally likely, and so equally wide where it is drawn."""
        return "log_" in self.distribution

    @property
    def ends(self) -> tuple[float, float]:
        """The least and the most that a range gives."""
        low, high = float(self.numbers["min"]), float(self.numbers["max"])
        if self.distribution == "inv_log_uniform":
            return math.exp(-high), math.exp(-low)
        return (math.exp(low), math.exp(high)) if self.distribution in EXPONENTS else (low, high)

    def values(self) -> list[Any] | None:
        """Every value, in order; None where there are too many to tell."""
        if self.is_constant:
            return [self.numbers["value"]]
        if "values" in self.numbers:
            return list(self.numbers["values"])
        if self.distribution == "int_uniform":
            return list(range(int(self.numbers["min"]), int(self.numbers["max"]) + 1))
        if self.distribution == "q_uniform":
            first, last = (round(end / self.numbers["q"]) for end in self.ends)
            return [
                _stepped(k * self.numbers["q"], self.numbers["q"]) for k in range(first, last + 1)
            ]
        return None

    def likely(self) -> "Parameter":
        """Without the values whose probability is 0."""
        odds = self.numbers.get("probabilities")
        if odds is None:
            return self
        kept = [(v, p) for v, p in zip(self.numbers["values"], odds, strict=True) if p > 0]
        values, odds = (list(each) for each in zip(*kept, strict=True))
        return replace(self, numbers={"values": values, "probabilities": odds})

    def tried(self) -> list[Any]:
        """Values that show what is wrong with it: all, or the ends, or the middle."""
        if "values" in self.numbers or self.is_constant:
            return self.values() or []
        if "min" in self.numbers:
            ends = self.ends
            return [self.stepped(end) for end in ends]
        middle = 0.5 if "beta" in self.distribution else float(self.numbers["mu"])
        return [self.stepped(math.exp(middle) if self.is_logarithmic else middle)]

    def draw(self, numbers: np.random.Generator) -> Any:
        """One value."""
        own = self.numbers
        if (values := own.get("values")) is not None:
            return values[int(numbers.choice(len(values), p=own.get("probabilities")))]
        if self.is_constant:
            return own["value"]
        if self.distribution == "int_uniform":
            return int(numbers.integers(own["min"], own["max"], endpoint=True))
        if "mu" in own:
            found = numbers.normal(own["mu"], own["sigma"])
            return self.stepped(math.exp(found) if self.is_logarithmic else found)
        if "a" in own:
            return self.stepped(numbers.beta(own["a"], own["b"]))
        low, high = self.ends
        if self.is_logarithmic:
            found = math.exp(numbers.uniform(math.log(low), math.log(high)))
            return self.stepped(min(max(found, low), high))
        return self.stepped(numbers.uniform(low, high))

    def stepped(self, value: float) -> Any:
        """round(value / q) * q, where there is a q; a whole number of int_uniform."""
        if self.distribution == "int_uniform":
            return int(value)
        q = self.numbers.get("q")
        return float(value) if q is None else _stepped(round(value / q) * q, q)


def _stepped(value: float, q: float) -> int | float:
    """A multiple of q as a whole number where q is one, else without a float's last digits."""
    return int(value) if isinstance(q, int) else float(f"{value:.12g}")


def same_as(parameter: Parameter) -> str:
    """What a range that is told in exponents comes to, in words; "" for others."""
    if parameter.distribution not in EXPONENTS:
        return ""
    low, high = parameter.ends
    return (
        f"{parameter.name}: {parameter.distribution} takes exponents of e, so it is drawn from "
        f"{low:.3g} to {high:.3g}; log_uniform_values takes the values themselves"
    )
