"""`fieldmark evaluate`: the figures of a run."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fieldmark.cli.typed import (
    Crops,
    DataDir,
    Device,
    Engine,
    Images,
    Words,
    command_line,
    data_and_rest,
    flag,
    named,
    refuse_given,
)
from fieldmark.errors import Mistake, refuse

if TYPE_CHECKING:
    from fieldmark.console import Console
    from fieldmark.settings.data import DataSettings

BESIDE_UNKNOWN = "does not go with --unknown, which looks at pictures of no class; leave one out"
WITHOUT_DATA = "goes with DATA, other images; name them, or leave it out"


def command(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run's folder.")],
    words: Words = None,
    by: Annotated[
        list[str] | None,
        named("COLUMN", "Figures by a column's values; may stand repeatedly."),
    ] = None,
    images: Images = None,
    data_dir: DataDir = None,
    crops: Crops = None,
    sets: Annotated[
        float | None, named(None, "How often sets at this level hold the truth: 0.9.")
    ] = None,
    unknown: Annotated[
        str | None, named("DIR", "Pictures of no class: how many are unlike.")
    ] = None,
    as_json: Annotated[bool, flag("--json", "Print the figures as JSON.")] = False,
    page: Annotated[Path | None, named("FILE", "Write the page to this file.")] = None,
    device: Device = "auto",
    engine: Engine = "torch",
) -> int:
    """Print a run's figures on its own splits, or on DATA, labelled images it has not seen.

    DATA: a folder of class folders, or a table of labels; KEY=VALUE says how to read it:
    data.label_column=species.
    """
    import sys

    from fieldmark.console import Console
    from fieldmark.files import check_page
    from fieldmark.reviews.evaluated import Asked

    if page is not None:
        check_page(page)
    console = Console(stream=sys.stderr if as_json else None)
    asked = Asked(tuple(by or ()), page, command_line(), sets)
    data, rest = data_and_rest(words)
    refuse_early(run, data, unknown, sets)
    reading = {"--images": images, "--data-dir": data_dir, "--crops": crops}
    if unknown is not None:
        others = {"DATA": data, "--by": by, "--page": page, "--sets": sets}
        refuse_given({**others, **reading, **dict.fromkeys(rest, True)}, BESIDE_UNKNOWN)
        return look_at_unknown(run, unknown, console, as_json, device=device, engine=engine)
    if data is None:
        unused = {"--device": device if device != "auto" else None}
        unused["--engine"] = engine if engine != "torch" else None
        refuse_given({**reading, **unused, **dict.fromkeys(rest, True)}, WITHOUT_DATA)
        from fieldmark.reviews.stored import evaluate_stored

        found = evaluate_stored(run, asked, console)
    else:
        how = how_to_read(data, rest, {"images": images, "data_dir": data_dir, "crops": crops})
        from fieldmark.reviews.evaluate import evaluate_new

        found = evaluate_new(run, how, asked, console, device=device, engine=engine)
    if as_json:
        shown = found.to_json()
        own = [name for name in ("val", "test", "by") if name in shown]
        print_json(shown if data is not None else {name: shown[name] for name in own})
    return 0


def how_to_read(data: str, rest: list[str], options: dict[str, str | None]) -> "DataSettings":
    """The settings that say how DATA is read; refused where it cannot be, before torch comes."""
    from fieldmark.data.sources import refuse_missing
    from fieldmark.settings.layers import read
    from fieldmark.settings.texts import read_given

    refuse_other_settings(rest)
    refuse_missing(data)
    return read([read_given(rest, options, data)]).settings.data


def print_json(values: dict[str, Any]) -> None:
    """Plain values on the screen."""
    import json

    print(json.dumps(values, indent=2, ensure_ascii=False))


READ_BY = (  # the settings that say how images are read; the others are for training
    "data.images",
    "data.data_dir",
    "data.image_column",
    "data.label_column",
    "data.label_separator",
    "data.group_column",
    "data.split_column",
    "data.pattern",
    "data.crops",
    "data.crops_above",
    "data.levels",
    "data.on_bad",
)


def look_at_unknown(
    run: str, folder: str, console: "Console", as_json: bool, *, device: str, engine: str
) -> int:
    """How many pictures of no class the run tells unlike its training images. -> the exit code"""
    from fieldmark.rundir import open_run
    from fieldmark.use.inputs import refuse_missing

    open_run(run)
    refuse_missing([folder])
    from fieldmark.reviews.unknown import evaluate_unknown

    told = evaluate_unknown(run, folder, console, device=device, engine=engine)
    if as_json:
        print_json(told.to_json())
    return 0


def refuse_early(run: str, data: str | None, unknown: str | None, sets: float | None) -> None:
    """What is told before torch is imported. Raises RunError, DataError, SettingsError."""
    from fieldmark.rundir import open_run
    from fieldmark.use.asked import refuse_swapped
    from fieldmark.use.info import info_of
    from fieldmark.use.sets import set_row

    refuse_swapped("evaluate", run, [data] if data is not None else [])
    refuse_swapped("evaluate", run, [unknown] if unknown is not None else [], "--unknown")
    if data is not None and unknown is None:
        its = open_run(run)
        if sets is not None and its.has_bundle:
            set_row(info_of(its.path), sets, its.path)


def refuse_other_settings(words: list[str]) -> None:
    """Nothing is passed over in silence: settings that training alone has are mistakes."""
    keys = [word.partition("=")[0] for word in words if "=" in word]
    what = f"means nothing to images that are only looked at; there are {', '.join(READ_BY)}"
    refuse(Mistake(key, what) for key in keys if key not in READ_BY)
