"""What a network is made of, by names: enough to build it again."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Design:
    """A network of the catalog, its head, and maybe a learned resizer before it.

    model, options: as MODELS.read gives them. head, head_options: as HEADS.read gives them.
    resizer: the side in pixels of what a learned resizer gives to the network; None is without.
    """

    model: str
    options: dict[str, Any] = field(default_factory=dict)
    head: str = "linear"
    head_options: dict[str, Any] = field(default_factory=dict)
    resizer: int | None = None
