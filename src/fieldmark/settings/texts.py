"""Settings as text: YAML in and out, and key=value words."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from fieldmark.errors import Mistake, SettingsError
from fieldmark.settings.layers import Layer, Resolved, layer
from fieldmark.settings.options import OPTIONS, flag
from fieldmark.settings.tree import Settings


class _Loader(yaml.SafeLoader):
    """Safe YAML that refuses a key written twice, which would hide the first value."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = next((key for key in keys if keys.count(key) > 1), None)
        if twice is not None:
            raise yaml.MarkedYAMLError(
                problem=f"'{twice}' stands twice", problem_mark=node.start_mark
            )
        return super().construct_mapping(node, deep)


def read_yaml(text: str, name: str) -> dict[str, Any]:
    """A YAML text's table; `name` is what an error text calls it. Raises SettingsError."""
    try:
        values = yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        reason = getattr(error, "problem", None) or str(error)
        raise SettingsError([Mistake(f"{name}{line}", f"is not YAML: {reason}")]) from error
    if not isinstance(values, dict):
        raise SettingsError([Mistake(name, "holds no settings; write 'section:' and its keys")])
    return values


def read_file(path: str | Path) -> Layer:
    """The layer of a settings file that `--config` names. Raises SettingsError."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise SettingsError([Mistake(f"--config {path}", f"cannot be read: {reason}")]) from error
    return layer(f"file {path}", read_yaml(text, str(path)), prefix=f"{path}: ")


def read_words(words: Iterable[str], options: Mapping[str, Any], data: str | None) -> Layer:
    """The command line's layer: `key=value` words over options over the data's name.

    Values stay text: the settings read them. Raises SettingsError for a word without "=".
    """
    values: dict[str, Any] = {} if data is None else {"data.source": data}
    where = {"data.source": "DATA"}
    for option, value in options.items():
        if value is not None:
            values[OPTIONS[option]] = value
            where[OPTIONS[option]] = flag(option)
    given: dict[str, Any] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            raise SettingsError(
                [
                    Mistake(
                        word, "is not key=value, nor images that exist; write for example lr=0.01"
                    )
                ]
            )
        given[OPTIONS.get(key, key)] = value
    named = layer("command line", given)
    return Layer("command line", {**values, **named.values}, {**where, **named.where})


def to_yaml(settings: Settings) -> str:
    """The whole tree as YAML; `read_file` reads it back to the same settings."""
    return yaml.safe_dump(_plain(settings.model_dump()), sort_keys=False, allow_unicode=True)


def with_origins(resolved: Resolved) -> list[tuple[str, str, str]]:
    """Rows (key, value, origin) of every setting, in order, for a person to read."""
    rows = []
    for section, values in resolved.settings.model_dump().items():
        for name, value in values.items():
            key = f"{section}.{name}"
            rows.append((key, str(value), resolved.origins.get(key, "default")))
    return rows


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return value
