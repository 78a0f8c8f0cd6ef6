"""Settings as text: YAML in and out, and key=value words."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from fieldmark.errors import Mistake, SettingsError, nearest_path, refuse
from fieldmark.settings.layers import TYPED, Layer, Resolved, layer
from fieldmark.settings.options import OPTIONS, flag
from fieldmark.settings.tree import Settings


class _Loader(yaml.SafeLoader):
    """Safe YAML that refuses a key written twice, which would hide the first value.

    YAML takes `on` for true; as a key it is a name here.
    """

    def compose_mapping_node(self, anchor: Any) -> Any:
        node = super().compose_mapping_node(anchor)
        seen = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.tag == "tag:yaml.org,2002:bool":
                key.tag = "tag:yaml.org,2002:str"  # a key is a name, also "on"
            if key.value in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"'{key.value}' stands twice", problem_mark=key.start_mark
                )
            seen.add(key.value)
        return node


def read_yaml(text: str, name: str) -> dict[str, Any]:
    """A YAML text's settings; `name` is what an error text calls it. Raises SettingsError.

    `aliases:` stand beside the settings and are none: `settings.aliases` reads them.
    """
    return {key: value for key, value in read_table(text, name).items() if key != "aliases"}


def read_table(text: str, name: str) -> dict[str, Any]:
    """All that a YAML text holds, aliases too. Raises SettingsError."""
    try:
        values = yaml.load(text, Loader=_Loader)
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date that there is not
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        reason = getattr(error, "problem", None) or str(error).partition("\n")[0]
        raise SettingsError(
            [Mistake(f"{name}{line}", f"cannot be read as YAML: {reason}")]
        ) from error
    if not isinstance(values, dict):
        raise SettingsError([Mistake(name, "holds no settings; write 'section:' and its keys")])
    return values


def read_file(path: str | Path) -> Layer:
    """The layer of a settings file that `--config` names. Raises SettingsError."""
    return layer(f"file {path}", read_yaml(config_text(path), str(path)), prefix=f"{path}: ")


def config_text(path: str | Path, option: str = "--config") -> str:
    """A file that an option names, as it is written. Raises SettingsError."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        what = f"cannot be read: {reason}{nearest_path(path, Path.is_file) or '; check the path'}"
        raise SettingsError([Mistake(f"{option} {path}", what)]) from error


def pairs_of(words: Iterable[str]) -> dict[str, str]:
    """`key=value` words as a table. Values stay text. Raises SettingsError for other words."""
    pairs = [(word, *word.partition("=")) for word in words]
    lost = "is not key=value, nor images that exist; write for example lr=0.01"
    second = "comes after the images, which are one folder or table; leave it out, or write "
    mistakes = [
        Mistake(word, f"{second}data.test={word} for a test" if is_there else lost)
        for word, key, equals, _ in pairs
        if not (key and equals)
        for is_there in (os.path.exists(word),)  # noqa: PTH110 - a long word is no path
    ]
    empty = "is empty; write for example lr=0.01"
    mistakes += [Mistake(key, empty) for _, key, equals, value in pairs if equals and not value]
    refuse(mistakes)
    return {key: value for _, key, _, value in pairs}


def read_given(
    given: Iterable[str] | Mapping[str, Any], options: Mapping[str, Any], data: str | None
) -> Layer:
    """The user's own layer: settings by dotted name over options, and the data's name.

    given: `key=value` words, or a table. Raises SettingsError for words without "=", and where
    the images are named both ways.
    """
    table = given if isinstance(given, Mapping) else pairs_of(given)
    values: dict[str, Any] = {} if data is None else {"data.source": data}
    where = dict.fromkeys(values, "DATA")
    for option, value in options.items():
        if value is not None:
            values[OPTIONS[option]] = value
            where[OPTIONS[option]] = flag(option)
    named = layer(TYPED, {OPTIONS.get(key, key): each for key, each in table.items()})
    if data is not None and "data.source" in named.values:
        what = "names the images, and so does DATA; leave one out"
        raise SettingsError([Mistake("data.source", what)])
    return Layer(TYPED, {**values, **named.values}, {**where, **named.where})


def to_yaml(settings: Settings) -> str:
    """The whole tree as YAML; `read_file` reads it back to the same settings."""
    return yaml.safe_dump(settings.model_dump(), sort_keys=False, allow_unicode=True)


def with_origins(resolved: Resolved) -> list[tuple[str, str, str]]:
    """Rows (key, value, origin) of every setting, in order, for a person to read."""
    rows = []
    for section, values in resolved.settings.model_dump().items():
        for name, value in values.items():
            key = f"{section}.{name}"
            shown = [value]
            if name == "stages" and not isinstance(value, str):  # a line each
                shown = [{k: v for k, v in stage.items() if v is not None} for stage in value]
            origin = resolved.origins.get(key, "default")
            rows += [(key, as_typed(each), origin) for each in shown]
    return rows


def as_typed(value: Any) -> str:
    """A value as the command line has it: none, true, [1,2], {train: head}."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {as_typed(each)}" for key, each in value.items()) + "}"
    if isinstance(value, (tuple, list)):
        return f"[{','.join(map(as_typed, value))}]"
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)
