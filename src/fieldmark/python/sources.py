"""What a call was given, as the settings have it: data in memory becomes a file beside the runs."""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fieldmark.console import Console
from fieldmark.data.given import FOLDER, Kept, is_given, keep
from fieldmark.errors import Mistake, UserError, refuse
from fieldmark.settings.layers import is_known, unknown
from fieldmark.settings.options import OPTIONS

OUT = "runs"
SETTING = re.compile(r"'(\w+\.\w+)(?:=(\w+))?'")


@contextmanager
def source_of(
    data: Any, labels: Any, settings: Mapping[str, Any], console: Console, out: str | Path = OUT
) -> Iterator[tuple[str | None, dict[str, Any]]]:
    """Inside: where images lie that were given in some form, and the settings with what follows.

    out: the folder whose `given` holds what was in memory, where the settings name none; what is
    refused inside is not kept. Raises SettingsError for settings that there are not, and labels
    beside images that have their own, and as `data.given.keep` does.
    """
    refuse_unknown(settings)
    found = {name: os.fspath(v) if isinstance(v, Path) else v for name, v in settings.items()}
    if not is_given(data):
        own = "are for images that are an array or a list; a folder or a table has its own"
        refuse([Mistake("labels", f"{own}; leave them out")] if labels is not None else [])
        yield None if data is None else os.fspath(data), found
        return
    known = {OPTIONS.get(name, name): value for name, value in found.items()}
    folder, images = Path(known.get("run.out") or out), known.get("data.images")
    column, runs = known.get("data.image_column"), _folders(folder)
    kept = [keep(data, labels, folder, images=images, column=column)]
    try:
        console.say(f"data    {kept[0].source}, where a stopped run finds what was given")
        if is_given(known.get("data.test")):
            kept.append(keep(known["data.test"], None, folder, images=images, column=column))
            refuse(_on_two_sides(*kept))
            found["data.test"] = kept[1].source
            console.say(f"test    {kept[1].source}")
        if kept[0].images is not None and images is None:
            found["images"] = kept[0].images
        yield kept[0].source, found
    except UserError:
        if _folders(folder) <= runs:  # no run was made that goes on with them
            for each in kept:
                each.give_back()
        raise


def _folders(out: Path) -> set[str]:
    return {each.name for each in out.glob("*/") if each.name != FOLDER}


def refuse_unknown(settings: Mapping[str, Any]) -> None:
    """Raise SettingsError for settings that there are not, in words that Python has."""
    names = [name for name in settings if name not in OPTIONS and not is_known(name)]
    refuse(Mistake(name, SETTING.sub(_as_keyword, unknown(name))) for name in names)


def _as_keyword(found: re.Match[str]) -> str:
    """'train.epochs' as it is given in Python: epochs; or **{"train.patience": ...}."""
    short = next((name for name, key in OPTIONS.items() if key == found[1]), None)
    value = f'"{found[2]}"' if found[2] else "..."
    return f"{short}={value}" if short else f'**{{"{found[1]}": {value}}}'


def _on_two_sides(kept: Kept, test: Kept) -> list[Mistake]:
    """What stands against tables whose images begin in two folders, of which settings have one."""
    if test.images == kept.images:
        return []
    where = f"its images begin in {test.images}, and those of the training in {kept.images}"
    return [Mistake("data.test", f"{where}; name the folder that holds both: images=DIR")]
