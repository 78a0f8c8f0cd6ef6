"""What the command line's parser has against words, as a sentence that says what to do."""

import contextlib
import re
from collections.abc import Collection, Mapping
from typing import Any

import typer
from pydantic import ValidationError

from fieldmark.cli.examples import EXAMPLES
from fieldmark.errors import nearest
from fieldmark.settings import aliases, meant
from fieldmark.settings.section import in_words as value_in_words


def in_words(
    error: typer.TyperException,
    words: list[str],
    verbs: Mapping[str, Any],
    training: Collection[str],
) -> str:
    """The sentence. verbs: the commands by name; training: those that take settings."""
    verb = words[0] if words and words[0] in verbs else ""
    message, its = error.format_message(), f"fieldmark {verb}".rstrip()
    if found := re.match(r"No such command '([^']+)'", message):
        if words[0] == found[1]:
            hint = meant.of_verb(found[1], verbs)
            return f"there is no verb '{found[1]}'{hint or '; `fieldmark --help` lists them'}"
    elif found := re.match(r"No such option: (\S+)", message):
        return _no_option(found[1], words, verb, _options_of(verbs.get(verb)), verb in training)
    elif isinstance(error.__cause__, ValidationError):
        return f"{_name_of(error)}: {_no_value(error.__cause__)}"
    elif (found := re.match(r"Missing \w+ '([^']+)'", message)) and verb in EXAMPLES:
        return f"{found[1]} is missing; write for example `fieldmark {EXAMPLES[verb][0]}`"
    elif found := re.match(r"Option '([^']+)' requires an argument", message):
        return f"{found[1]}: has no value behind it; `{its} --help` shows which"
    elif found := re.match(r"Option '([^']+)' does not take a value", message):
        return f"{found[1]}: takes no value; write {found[1]} alone, or leave it out"
    what = message.rstrip(".").replace("'. Did you mean", "'; did you mean")
    return f"{what}{' ' if what.endswith('?') else '; '}`{its} --help` shows how"


def _name_of(error: Any) -> str:
    """The option or argument that a value was for, as it is typed."""
    option = max(error.param.opts, key=len)
    return option if option.startswith("-") else str(error.param.metavar or option.upper())


def _no_value(cause: ValidationError) -> str:
    """What is wrong with a value; a percentage is told as the share that was meant."""
    problem = cause.errors()[0]
    told, given = value_in_words(problem), str(problem["input"])
    with contextlib.suppress(ValueError):
        if problem["type"] == "float_parsing" and given.endswith("%"):
            return f"{told}; did you mean {float(given[:-1]) / 100:g}?"
    return told


def _no_option(flag: str, words: list[str], verb: str, alike: list[str], trains: bool) -> str:
    """Of an option that a verb has not. alike: those that it has."""
    if trains:
        flag = aliases.unknown(words, flag)
    if hint := meant.of_option(verb, flag, alike, _value_after(words, flag), trains):
        return f"there is no option {flag}{hint}"
    if trains:
        if hint := aliases.hint(words, flag, alike):
            return f"there is no option {flag}; {hint}"
        recipe = aliases.recipe_with(flag)
        if recipe and flag.replace("_", "-") not in alike:
            return f"there is no option {flag} except with --recipe {recipe}"
    near = nearest(flag.lstrip("-"), [each.lstrip("-") for each in alike])
    hint = near.replace("'", "--", 1).replace("'", "")
    its = f"fieldmark {verb}".rstrip()
    return f"there is no option {flag}{hint or f'; `{its} --help` lists them'}"


def _options_of(command: Any) -> list[str]:
    """The options of a verb, as "--batch-size"."""
    params = getattr(command, "params", ())
    return [name for each in params for name in each.opts if name[0] == "-"]


def _value_after(words: list[str], flag: str) -> str | None:
    """What stands behind an option: "5" of "--patience 5" or of "--patience=5"."""
    for word, following in zip(words, [*words[1:], "-"], strict=True):
        name, equals, value = word.partition("=")
        if name == flag:
            return value if equals else None if following.startswith("-") else following
    return None
