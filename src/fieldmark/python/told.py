"""What was found, as lines that a person reads and as the values behind them."""

import html
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, repr=False)
class Told:
    """What `inspect` or `compare` found: printed it is the command's lines.

    values: the same as plain values, what the command prints with --json; `told["findings"]` is
    `told.values["findings"]`. page: the page, where one was asked for.
    """

    lines: tuple[str, ...]
    values: dict[str, Any] = field(default_factory=dict)
    page: Path | None = None

    def __getitem__(self, name: str) -> Any:
        return self.values[name]

    def __repr__(self) -> str:
        return "\n".join(self.lines)

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(repr(self))}</pre>"
