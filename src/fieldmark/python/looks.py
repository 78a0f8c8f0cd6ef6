"""Looks that train nothing, from Python: at images, and at runs side by side."""

import html
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fieldmark.console import Console
from fieldmark.files import check_page
from fieldmark.python.sources import OUT, source_of
from fieldmark.settings.layers import read
from fieldmark.settings.texts import read_given


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


def inspect(
    data: Any, labels: Any, page: str | Path | None, settings: dict[str, Any], *, quiet: bool
) -> Told:
    """See `fieldmark.inspect`."""
    from fieldmark.reviews.inspect import as_json, as_lines, look, write_page

    path = _page(page)
    console, settings = Console(quiet=quiet), dict(settings)
    out = settings.pop("out", OUT)
    with source_of(data, labels, settings, console, out) as (source, known):
        seen = look(read([read_given(known, {}, source)]).settings.data, console)
    if path is not None:
        write_page(seen, path, f"fieldmark.inspect({source!r})")
    return Told(tuple(as_lines(seen)), as_json(seen), path)


def compare(
    runs: Sequence[str | os.PathLike[str]], metric: str | None, page: str | Path | None
) -> Told:
    """See `fieldmark.compare`."""
    from fieldmark.reviews import compare as comparing
    from fieldmark.reviews.compare_page import write_page

    path, paths = _page(page), [os.fspath(run) for run in runs]
    found = comparing.compare(paths, metric=metric)
    command = f"fieldmark.compare({', '.join(map(repr, paths))})"
    if path is not None:
        write_page(found, path, command)
    return Told(tuple(comparing.as_lines(found)), comparing.as_json(found, command), path)


def _page(page: str | Path | None) -> Path | None:
    """Where a page may be written. Raises SettingsError."""
    if page is None:
        return None
    check_page(Path(page))
    return Path(page)
