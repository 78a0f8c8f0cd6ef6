"""From words to the settings under `data`, for verbs that need no network and no torch."""

from collections.abc import Iterable, Mapping
from typing import Any

from fieldmark.settings.layers import read
from fieldmark.settings.texts import read_words
from fieldmark.settings.tree import DataSettings


def data_settings(
    data: str | None, words: Iterable[str], options: Mapping[str, Any]
) -> DataSettings:
    """The settings under `data`. Raises SettingsError."""
    return read([read_words(words, options, data)]).settings.data
