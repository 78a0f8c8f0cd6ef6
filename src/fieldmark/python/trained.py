"""Runs that are begun, or go on, from Python."""

import os
from pathlib import Path
from typing import Any

from fieldmark.console import Console
from fieldmark.data.given import is_given
from fieldmark.python.own import KINDS, METRICS, is_own, lending, lending_again
from fieldmark.python.run import Run
from fieldmark.python.sources import refuse_unknown, source_of
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
    with lending(settings) as named, source_of(data, labels, named, console) as (source, known):
        file = None if config is None else os.fspath(config)
        options, others = parted(known)
        resolved = gather(source, others, options, recipe=recipe, config=file)
        command = call(source, {"recipe": recipe, "config": file, **known})
        run = train_run(resolved, console, command)
    refuse_missed(run)
    return Run(run.path, model=own_model(settings))


def resume(run: str | os.PathLike[str], settings: dict[str, Any], *, quiet: bool) -> Run:
    """See `fieldmark.resume`."""
    from fieldmark.rundir import open_run

    folder = open_run(run)  # refused where it is none, before torch is imported
    from fieldmark.runs.budgets import refuse_missed
    from fieldmark.runs.resume import resume_run

    dotted = {kind: key for kind, key in KINDS.items() if is_own(settings.get(key))}
    settings = {n: v for n, v in settings.items() if n not in dotted.values()} | {
        kind: settings[key] for kind, key in dotted.items()
    }
    given = {name: settings[name] for name in (*KINDS, METRICS) if is_given(settings.get(name))}
    refuse_unknown({n: v for n, v in settings.items() if n not in given})
    options, others = parted({n: v for n, v in settings.items() if n not in given})
    changes = read_given(others, options, None)
    of_run = folder.read_settings()
    recorded = {kind: str(of_run.get(kind, {}).get("name")) for kind in KINDS}
    model = given.get("model") or (run.model if isinstance(run, Run) else None)
    figures = of_run.get("train", {}).get("own_figures") or ()
    code = {**given, "model": model}
    with lending_again(recorded, code, figures_then=figures, same=True):
        done = resume_run(str(folder.path), changes, Console(quiet=quiet))
    refuse_missed(done)
    return Run(done.path, model=model)


def parted(settings: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The short names, and the others."""
    options = {name: value for name, value in settings.items() if name in OPTIONS}
    return options, {name: value for name, value in settings.items() if name not in OPTIONS}


def own_model(settings: dict[str, Any]) -> Any:
    """The network of the caller's own; None where it is one of the catalog's."""
    model = settings.get("model", settings.get("model.name"))
    return model if is_own(model) else None


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
