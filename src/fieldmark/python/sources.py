"""What a call was given, as the settings have it: data in memory becomes a file beside the runs."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fieldmark.console import Console
from fieldmark.data.given import is_given, keep
from fieldmark.errors import Mistake, refuse
from fieldmark.settings.options import OPTIONS

OUT = "runs"


def source_of(
    data: Any, labels: Any, settings: Mapping[str, Any], console: Console, out: str | Path = OUT
) -> tuple[str | None, dict[str, Any]]:
    """Where images lie that were given in some form, and the settings with what follows from it.

    out: the folder whose `given` holds what was in memory, where the settings name none. Raises
    SettingsError for labels beside images that have their own, and as `data.given.keep` does.
    """
    found = {name: os.fspath(v) if isinstance(v, Path) else v for name, v in settings.items()}
    if not is_given(data):
        own = "are for images that are an array or a list; a folder or a table has its own"
        refuse([Mistake("labels", f"{own}; leave them out")] if labels is not None else [])
        return None if data is None else os.fspath(data), found
    known = {OPTIONS.get(name, name): value for name, value in found.items()}
    kept = keep(
        data,
        labels,
        Path(known.get("run.out") or out),
        images=known.get("data.images"),
        column=known.get("data.image_column"),
    )
    console.say(f"data    {kept.source}, where a stopped run finds what was given")
    if kept.images is not None and "data.images" not in known:
        found["images"] = kept.images
    return kept.source, found
