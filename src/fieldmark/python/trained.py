"""Runs that are begun, or go on, from Python."""

import os
from pathlib import Path
from typing import Any

from fieldmark.console import Console
from fieldmark.python.run import Run
from fieldmark.python.sources import source_of
from fieldmark.settings.options import OPTIONS
from fieldmark.settings.texts import read_given


def train(
    data: Any,
    labels: Any,
    recipe: str | None,
    config: str | Path | None,
    settings: dict[str, Any],
    *,
    quiet: bool,
) -> Run:
    """See `fieldmark.train`."""
    from fieldmark.runs.budgets import refuse_missed
    from fieldmark.runs.concrete import gather
    from fieldmark.runs.run import train_run

    console = Console(quiet=quiet)
    source, known = source_of(data, labels, settings, console)
    file = None if config is None else os.fspath(config)
    options = {name: value for name, value in known.items() if name in OPTIONS}
    named = {name: value for name, value in known.items() if name not in OPTIONS}
    resolved = gather(source, named, options, recipe=recipe, config=file)
    command = call(source, {"recipe": recipe, "config": file, **known})
    run = train_run(resolved, console, command)
    refuse_missed(run)
    return Run(run.path)


def resume(run: str | os.PathLike[str], settings: dict[str, Any], *, quiet: bool) -> Run:
    """See `fieldmark.resume`."""
    from fieldmark.rundir import open_run

    path = str(open_run(run).path)  # refused where it is none, before torch is imported
    from fieldmark.runs.budgets import refuse_missed
    from fieldmark.runs.resume import resume_run

    options = {name: value for name, value in settings.items() if name in OPTIONS}
    named = {name: value for name, value in settings.items() if name not in OPTIONS}
    done = resume_run(path, read_given(named, options, None), Console(quiet=quiet))
    refuse_missed(done)
    return Run(done.path)


def call(data: str | None, given: dict[str, Any]) -> str:
    """The call that repeats this one: without the run's name, which is taken once."""
    words = [] if data is None else [repr(data)]
    words += [
        f"{name}={value!r}"
        for name, value in given.items()
        if name.isidentifier() and name != "name" and value is not None
    ]
    dotted = {n: v for n, v in given.items() if not n.isidentifier() and n != "run.name"}
    return f"fieldmark.train({', '.join([*words, *([f'**{dotted!r}'] if dotted else [])])})"
