"""Whether the files that settings name are there; no torch, so that this is told at once."""

from pathlib import Path
from typing import Any

from fieldmark.data.columns import Reading, named
from fieldmark.data.formats.recognised import bring
from fieldmark.data.inside import is_there
from fieldmark.data.sources import BUILT_IN, STREAM, address
from fieldmark.errors import Mistake, listed, nearest
from fieldmark.settings.data import DataSettings

NONE = ("none", "null")
MOST_BYTES = 20_000_000  # of a table whose columns are looked at before torch comes
Sections = dict[str, dict[str, Any]]
MADE_BY = {
    "label_names": "as `fieldmark inspect` writes it",
    "corrections": "as the page of `fieldmark suspects` saves it",
}


def check_source(source: Any) -> list[Mistake]:
    """Whether the images are there, or are a built-in set."""
    if not isinstance(source, str) or source in BUILT_IN or is_there(Path(source)):
        return []
    if what := address(source):
        return [Mistake("data.source", f"{source} {what}")]
    if source == STREAM:
        what = "'-' is a list that comes in, for predict; write it into a .txt file, a path a line"
        return [Mistake("data.source", what)]
    there = f", and no built-in set of that name (there are {listed(BUILT_IN)})"
    hint = nearest(source, BUILT_IN) or there
    return [Mistake("data.source", f"there is no folder or file '{source}'{hint}")]


def refuse_columns(data: DataSettings) -> None:
    """Raise DataError for a named column that a table of texts has not.

    Only where the table is small enough to be read twice; else its reading says it.
    """
    table = Path(data.source or "")
    given = {role: getattr(data, f"{role}_column") for role in ("image", "label", "group", "split")}
    wanted = {role: name for role, name in given.items() if name and "," not in name}
    is_text = table.suffix.lower() in (".csv", ".tsv") and table.is_file()
    if not wanted or not is_text or table.stat().st_size > MOST_BYTES or data.pattern:
        return
    brought = bring(table, Reading(task=data.task))
    if brought.plain:
        for role, name in wanted.items():
            named(str(table), brought.table.frame.columns, role, name)


def check_names(raw: Sections) -> list[Mistake]:
    """Whether files of names and corrections, and the images' folder, are there.

    A run that goes on has kept the files, and says itself where its photos are gone.
    """
    given = {key: raw["data"].get(key) for key in MADE_BY}
    images = raw["data"].get("images")
    lost = f"there is no folder or file '{images}'; name the one that the images lie in"
    wrong = isinstance(images, str) and images.casefold() not in NONE and not is_there(Path(images))
    return [Mistake("data.images", lost)] * wrong + [
        Mistake(f"data.{key}", f"there is no file '{path}'; name one {MADE_BY[key]}")
        for key, path in given.items()
        if isinstance(path, str) and path.casefold() not in NONE and not Path(path).is_file()
    ]
