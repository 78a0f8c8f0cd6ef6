"""The command `fieldmark`: verbs, and how an error reaches the user."""

import io
import os
import re
import sys
from collections.abc import Callable
from typing import Annotated

import typer

from fieldmark.cli import (
    card,
    compare,
    cross_validate,
    evaluate,
    explain,
    export,
    grid,
    inspect,
    models,
    one_vs_rest,
    options,
    predict,
    recipes,
    report,
    study,
    suspects,
    sweep,
    train,
)
from fieldmark.cli.examples import shown
from fieldmark.cli.typed import WORDS, flag
from fieldmark.errors import FieldmarkError, SettingsError, nearest

COMMANDS: dict[str, Callable[..., int]] = {
    "inspect": inspect.command,
    "train": train.command,
    "cross-validate": cross_validate.command,
    "one-vs-rest": one_vs_rest.command,
    "grid": grid.command,
    "sweep": sweep.command,
    "report": report.command,
    "evaluate": evaluate.command,
    "compare": compare.command,
    "suspects": suspects.command,
    "predict": predict.command,
    "explain": explain.command,
    "export": export.command,
    "card": card.command,
    "models": models.command,
    "options": options.command,
}
# verbs that take settings, recipes and their aliases
TRAINING = ("train", "cross-validate", "one-vs-rest", "grid", "sweep")

app = typer.Typer(
    name="fieldmark",
    help="Pictures you have become an image classifier that is honestly measured.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=True,
)
for verb, command in COMMANDS.items():
    app.command(verb, epilog=shown(verb))(command)
app.add_typer(recipes.app, name="recipes")
app.add_typer(study.app, name="study")


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        print(f"fieldmark {version('fieldmark')}")
        raise typer.Exit


@app.callback()
def _everywhere(
    debug: Annotated[bool, flag("--debug", "Show where an error arose.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options of every verb; `run` looks for --debug itself."""


def main(words: list[str] | None = None) -> None:
    """Run the command line; ends the process with the exit code of law 7 (see errors.py)."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a name that it cannot show stops nothing
            stream.reconfigure(errors="backslashreplace")
    sys.exit(run(sys.argv[1:] if words is None else words))


def run(words: list[str]) -> int:
    """Run the command line on these words. -> exit code"""
    debug = "--debug" in words or bool(os.environ.get("FIELDMARK_DEBUG"))
    words = [word for word in words if word != "--debug"]  # it may stand anywhere
    if words in ([], ["recipes"]):  # nothing asked is the question what there is
        words = [*words, "--help"]
    WORDS.set(tuple(words))
    try:
        code = _call(words)
        sys.stdout.flush()  # here, where a full disk can still be told
        return _tell("stopped", 130) if code == 130 else code  # Typer's word for Ctrl-C
    except typer.TyperException as error:
        return _tell(_in_words(error.format_message(), words), 2)
    except (KeyboardInterrupt, typer.Abort):
        return _tell("stopped", 130)
    except BrokenPipeError:
        _drop_output()
        return 1
    except Exception as error:
        if debug:
            raise
        if isinstance(error, FieldmarkError):
            return _tell(str(error), error.exit_code)
        if isinstance(error, OSError) and error.filename is not None:
            return _tell(f"{error.filename}: {error.strerror}; check the path", 2)
        if isinstance(error, OSError) and error.errno is not None:
            _drop_output()
            advice = "free what it lacks, or see with --debug where it was lacking"
            return _tell(f"the system refused ({error.strerror}); {advice}", 1)
        return _tell(_unexpected(error), 1)


def _unexpected(error: Exception) -> str:
    reason = str(error).strip().splitlines()
    what = f"{type(error).__name__}: {reason[0]}" if reason else type(error).__name__
    return f"unexpected: {what}; run it again with --debug and report what it shows"


def _drop_output() -> None:
    """Let what could not be written go; else Python tries again, and complains, at its end."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _call(words: list[str]) -> int:
    """Call the verb, with a recipe's aliases rewritten. -> exit code"""
    has_aliases = any(word.startswith(("--recipe", "--config")) for word in words)
    if words[0] not in TRAINING or not has_aliases or "--help" in words:
        return int(app(words, prog_name="fieldmark", standalone_mode=False) or 0)
    from fieldmark.settings.aliases import rewrite

    rewritten = rewrite(words)
    try:
        return int(app(rewritten.words, prog_name="fieldmark", standalone_mode=False) or 0)
    except SettingsError as error:
        raise rewritten.as_typed(error) from error


def _in_words(message: str, words: list[str]) -> str:
    """The command line parser's message as a sentence that says what to do."""
    from fieldmark.settings import meant

    verb = f"{words[0]} " if words and words[0] in (*COMMANDS, "recipes") else ""
    found = re.match(r"No such option: (\S+)(?: \(Possible options: (.+)\))?", message)
    strange = re.match(r"No such command '([^']+)'", message)
    if strange is not None and words[0] == strange[1]:
        hint = meant.of_verb(strange[1], [*COMMANDS, "recipes", "study"])
        return f"there is no verb '{strange[1]}'{hint or '; `fieldmark --help` lists them'}"
    if found is None:
        what = message.rstrip(".").replace("'. Did you mean", "'; did you mean")
        return f"{what}{' ' if what.endswith('?') else '; '}`fieldmark {verb}--help` shows how"
    flag, alike = found[1], _options_of(verb.strip())
    trains = verb.strip() in TRAINING
    if trains:
        from fieldmark.settings import aliases

        flag = aliases.unknown(words, flag)
    value = _value_after(words, flag)
    if hint := meant.of_option(verb.strip(), flag, alike, value, trains):
        return f"there is no option {flag}{hint}"
    if trains:
        if hint := aliases.hint(words, flag, alike):
            return f"there is no option {flag}; {hint}"
        recipe = aliases.recipe_with(flag)
        if recipe and flag.replace("_", "-") not in alike:
            return f"there is no option {flag} except with --recipe {recipe}"
    near = nearest(flag.lstrip("-"), [each.lstrip("-") for each in alike])
    hint = near.replace("'", "--", 1).replace("'", "")
    return f"there is no option {flag}{hint or f'; `fieldmark {verb}--help` lists them'}"


def _options_of(verb: str) -> list[str]:
    """The options of a verb, as "--batch-size"."""
    found = getattr(typer.main.get_command(app), "commands", {}).get(verb)
    return [name for each in found.params for name in each.opts if name[0] == "-"] if found else []


def _value_after(words: list[str], flag: str) -> str | None:
    """What stands behind an option: "5" of "--patience 5" or of "--patience=5"."""
    for word, following in zip(words, [*words[1:], "-"], strict=True):
        name, equals, value = word.partition("=")
        if name == flag:
            return value if equals else None if following.startswith("-") else following
    return None


def _tell(text: str, code: int) -> int:
    for line in text.splitlines():
        print(f"fieldmark: {line}", file=sys.stderr)
    return code
