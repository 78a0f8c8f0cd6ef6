"""Verbs that train many runs: what they take beside their own options is what `train` takes."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from fieldmark.cli import train
from fieldmark.cli.typed import data_and_rest

if TYPE_CHECKING:
    from fieldmark.settings.layers import Layer, Resolved

OF_ONE_RUN = ("resume", "find_lr", "profile", "dry_run", "summary")  # options of `train` alone
Command = Callable[..., int]


def with_training_options(command: Command) -> Command:
    """The command with `train`'s words and options too, which it gets as its last, `training`.

    What the command has itself keeps its own meaning.
    """
    own = inspect.signature(command, eval_str=True).parameters
    taken = inspect.signature(train.command, eval_str=True).parameters
    shared = {k: v for k, v in taken.items() if k not in own and k not in OF_ONE_RUN}
    mine = [each for name, each in own.items() if name != "training"]

    def call(**given: Any) -> int:
        training = {name: given.pop(name) for name in shared}
        return command(**given, training=training)

    words, *options = shared.values()
    parameters = [words, *mine, *options]
    call.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in parameters]
    )
    call.__annotations__ = {each.name: each.annotation for each in parameters} | {"return": int}
    call.__doc__, call.__name__ = command.__doc__, command.__name__
    return call


def gathered(training: Mapping[str, Any], *more: "Layer") -> "Resolved":
    """The settings of all runs, from what `with_training_options` gives. Raises SettingsError.

    more: typed beside those, and stronger.
    """
    refuse_without_torch(training, *more)
    from fieldmark.runs.concrete import gather

    data, rest = data_and_rest(training["words"])
    return gather(data, rest, _options(training), **_taken(training, more))


def refuse_without_torch(training: Mapping[str, Any], *more: "Layer") -> None:
    """Raise SettingsError for what can be told of the same settings before torch is imported."""
    from fieldmark.runs.asked import layers_of, refuse_early

    data, rest = data_and_rest(training["words"])
    layers = layers_of(data, rest, _options(training), **_taken(training, more))
    refuse_early(layers, new=False)


def _taken(training: Mapping[str, Any], more: Iterable["Layer"]) -> dict[str, Any]:
    """What `gather` takes by name."""
    named = {key: training[key] for key in ("recipe", "config")}
    return {**named, "new": False, "more": tuple(more)}


def set_by_user(training: Mapping[str, Any]) -> set[str]:
    """The settings that options, DATA and `key=value` words set, by dotted name."""
    from fieldmark.settings.texts import read_given

    data, rest = data_and_rest(training["words"])
    return set(read_given(rest, _options(training), data).values)


def _options(training: Mapping[str, Any]) -> dict[str, Any]:
    from fieldmark.settings.options import OPTIONS

    return {key: training[key] for key in OPTIONS if training.get(key) is not None}
