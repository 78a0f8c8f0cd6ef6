"""From words to a run: what the command line and Python both call."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from fieldmark import recipes
from fieldmark.console import Console
from fieldmark.machine import threads
from fieldmark.rundir import RunDir, refuse_taken
from fieldmark.runs.checks import check
from fieldmark.runs.preview import show
from fieldmark.runs.rates import find_rates
from fieldmark.runs.resume import resume_run
from fieldmark.runs.run import prepare
from fieldmark.settings.layers import Resolved, layer, read
from fieldmark.settings.texts import pairs_of, read_file, read_given, read_words, read_yaml


def gather(
    data: str | None,
    given: Iterable[str] | Mapping[str, Any],
    options: Mapping[str, Any],
    *,
    recipe: str | None = None,
    config: str | None = None,
) -> Resolved:
    """Defaults < recipe < config < options and what is given by name. Raises SettingsError, and
    RunError where the run folder is taken.

    given: `key=value` words, or a table of values by dotted name.
    """
    layers = []
    if recipe is not None:
        values = read_yaml(recipes.text(recipe), f"recipe {recipe}")
        layers.append(layer(f"recipe {recipe}", values, prefix=f"recipe {recipe}: "))
    if config is not None:
        layers.append(read_file(config))
    named = given if isinstance(given, Mapping) else pairs_of(given)
    layers.append(read_given(named, options, data))
    resolved = read(layers, [check])
    refuse_taken(resolved.settings.run.out, resolved.settings.run.name)
    return resolved


def go_on(path: str, words: Iterable[str], options: Mapping[str, Any], console: Console) -> RunDir:
    """Go on with a run, with the options that may change. -> its folder"""
    return resume_run(path, read_words(words, options, None), console)


def try_rates(resolved: Resolved, console: Console) -> Path:
    """Try rising learning rates for the last stage. -> the folder of the table and the chart"""
    prepared = prepare(resolved, console)
    with threads(int(prepared.settings.run.threads)):
        return find_rates(prepared, console)


def preview(resolved: Resolved, console: Console) -> None:
    """Show what a run would be, and train nothing."""
    prepared = prepare(resolved, console)
    with threads(int(prepared.settings.run.threads)):
        show(prepared, console)
