"""The command `fieldmark`: verbs, and how an error reaches the user."""

import io
import os
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

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
    serve,
    study,
    suspects,
    sweep,
    train,
)
from fieldmark.cli.examples import shown
from fieldmark.cli.typed import WORDS, flag
from fieldmark.errors import FieldmarkError, SettingsError

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
    "serve": serve.command,
    "models": models.command,
    "options": options.command,
}
LINE = 300  # letters of that sentence, at the most
HELP = ["-h", "--help"]
# verbs that take settings, recipes and their aliases
TRAINING = ("train", "cross-validate", "one-vs-rest", "grid", "sweep")


class Verbs(TyperGroup):
    """The verbs of --help, each with the whole first sentence of what it does."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """A line a verb, wrapped and not cut."""
        rows = [(name, verb.get_short_help_str(LINE)) for name, verb in self.commands.items()]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


app = typer.Typer(
    name="fieldmark",
    cls=Verbs,
    help="Pictures you have become an image classifier that is honestly measured.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=True,
    context_settings={"help_option_names": HELP},
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
        from fieldmark.cli.mistyped import in_words

        verbs = getattr(typer.main.get_command(app), "commands", {})
        return _tell(in_words(error, words, verbs, TRAINING), 2)
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
    if words[0] not in TRAINING or not has_aliases or {*HELP} & {*words}:
        return int(app(words, prog_name="fieldmark", standalone_mode=False) or 0)
    from fieldmark.settings.aliases import rewrite

    rewritten = rewrite(words)
    try:
        return int(app(rewritten.words, prog_name="fieldmark", standalone_mode=False) or 0)
    except SettingsError as error:
        raise rewritten.as_typed(error) from error


def _tell(text: str, code: int) -> int:
    for line in text.splitlines():
        print(f"fieldmark: {line}", file=sys.stderr)
    return code
