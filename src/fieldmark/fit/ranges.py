"""What an optimiser is given: parameters, and the ranges that its options lie in."""

from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import Field
from torch import nn

Parameters = Iterable[nn.Parameter] | Iterable[dict[str, Any]]  # or groups with their own rates
Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Decay = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
