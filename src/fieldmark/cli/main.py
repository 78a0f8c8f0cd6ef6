"""The command `fieldmark`: verbs, and how an error reaches the user."""

import os
import sys
from typing import Annotated

import typer

from fieldmark.cli import evaluate, models, predict, recipes, train
from fieldmark.errors import FieldmarkError

app = typer.Typer(
    name="fieldmark",
    help="Pictures you have become an image classifier that is honestly measured.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=True,
)
app.command("train")(train.command)
app.command("evaluate")(evaluate.command)
app.command("predict")(predict.command)
app.command("models")(models.command)
app.add_typer(recipes.app, name="recipes")


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        print(f"fieldmark {version('fieldmark')}")
        raise typer.Exit


@app.callback()
def _everywhere(
    debug: Annotated[bool, typer.Option("--debug", help="Show where an error arose.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    if debug:
        os.environ["FIELDMARK_DEBUG"] = "1"


def main(words: list[str] | None = None) -> None:
    """Run the command line; ends the process with the exit code of law 7 (see errors.py)."""
    words = sys.argv[1:] if words is None else words
    sys.exit(run(words))


def run(words: list[str]) -> int:
    """Run the command line on these words. -> exit code"""
    if "--debug" in words:  # it may stand anywhere
        os.environ["FIELDMARK_DEBUG"] = "1"
        words = [word for word in words if word != "--debug"]
    try:
        code = int(app(words, prog_name="fieldmark", standalone_mode=False) or 0)
        return _tell("stopped", 130) if code == 130 else code  # Typer's word for Ctrl-C
    except typer.Exit as ending:
        return ending.exit_code
    except typer.TyperException as error:
        return _tell(f"{error.format_message()} (`fieldmark --help` shows how)", 2)
    except (KeyboardInterrupt, typer.Abort):
        return _tell("stopped", 130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except FieldmarkError as error:
        if os.environ.get("FIELDMARK_DEBUG"):
            raise
        return _tell(str(error), error.exit_code)
    except Exception as error:
        if os.environ.get("FIELDMARK_DEBUG"):
            raise
        reason = str(error).strip().splitlines()
        what = f"{type(error).__name__}: {reason[0]}" if reason else type(error).__name__
        return _tell(f"unexpected: {what}; run it again with --debug and report what it shows", 1)


def _tell(text: str, code: int) -> int:
    for line in text.splitlines():
        print(f"fieldmark: {line}", file=sys.stderr)
    return code
