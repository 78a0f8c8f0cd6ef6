"""What a call was given, as the settings have it: data in memory becomes a file beside the runs."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fieldmark.console import Console
from fieldmark.data.given import Kept, is_given, keep
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
    folder, images = Path(known.get("run.out") or out), known.get("data.images")
    column = known.get("data.image_column")
    kept = keep(data, labels, folder, images=images, column=column)
    console.say(f"data    {kept.source}, where a stopped run finds what was given")
    if is_given(known.get("data.test")):
        test = known["data.test"]
        pair = test if _is_images_and_labels(test) else (test, None)
        its = keep(pair[0], pair[1], folder, images=images, column=column)
        refuse(_on_two_sides(kept, its))
        found["data.test"] = its.source
        console.say(f"test    {its.source}")
    if kept.images is not None and images is None:
        found["images"] = kept.images
    return kept.source, found


def _is_images_and_labels(test: Any) -> bool:
    """Whether a test set is (images, labels), as arrays come, and no list of two pairs."""
    return isinstance(test, tuple) and len(test) == 2 and len(test[0]) == len(test[1]) != 2


def _on_two_sides(kept: Kept, test: Kept) -> list[Mistake]:
    """What stands against tables whose images begin in two folders, of which settings have one."""
    if test.images == kept.images:
        return []
    where = f"its images begin in {test.images}, and those of the training in {kept.images}"
    return [Mistake("data.test", f"{where}; name the folder that holds both: images=DIR")]
