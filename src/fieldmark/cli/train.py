"""`fieldmark train`: images in, a measured classifier out."""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from fieldmark.cli.typed import command_line
from fieldmark.errors import Mistake, SettingsError

if TYPE_CHECKING:
    from fieldmark.console import Console
    from fieldmark.rundir import RunDir

Text = str | None  # values stay text: the settings read them, so that all mistakes come together


def command(
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="DATA [KEY=VALUE ...]", hidden=True),
    ] = None,
    images: Annotated[Text, typer.Option(metavar="DIR", help="Where a table's images lie.")] = None,
    data_dir: Annotated[
        Text, typer.Option(metavar="DIR", help="Where a built-in data set lies.")
    ] = None,
    model: Annotated[
        Text, typer.Option(metavar="NAME", help="Network; `fieldmark models` lists them.")
    ] = None,
    weights: Annotated[
        Text, typer.Option(metavar="FILE", help="A file, default, a version's name, or none.")
    ] = None,
    freeze: Annotated[
        bool | None, typer.Option("--freeze/--no-freeze", help="Train the head only, in seconds.")
    ] = None,
    unfreeze: Annotated[
        Text, typer.Option(metavar="LAYERS", help="Then also last:K, gradual, or names.")
    ] = None,
    head: Annotated[Text, typer.Option(metavar="NAME", help="linear, mlp, after.")] = None,
    epochs: Annotated[
        Text, typer.Option(metavar="N", help="Passes over the images, at the most.")
    ] = None,
    batch_size: Annotated[Text, typer.Option(metavar="N", help="Images a step.")] = None,
    lr: Annotated[Text, typer.Option(metavar="RATE", help="Learning rate.")] = None,
    optimizer: Annotated[
        Text,
        typer.Option(metavar="NAME", help="adamw, adam, sgd, adadelta, rmsprop, lion, timm/NAME."),
    ] = None,
    loss: Annotated[Text, typer.Option(metavar="NAME", help="cross_entropy, focal.")] = None,
    schedule: Annotated[
        Text, typer.Option(metavar="NAME", help="cosine, one-cycle, triangle, step, plateau, none.")
    ] = None,
    image_size: Annotated[
        Text, typer.Option(metavar="PX", help="Side of what the network sees, px.")
    ] = None,
    augment: Annotated[
        Text, typer.Option(metavar="NAME", help="none, light, standard, strong, ... or a file.")
    ] = None,
    seed: Annotated[
        Text, typer.Option(metavar="N", help="Decides weights, order, augmentation.")
    ] = None,
    precision: Annotated[
        Text, typer.Option(metavar="NAME", help="auto, float32, bf16, 16-mixed.")
    ] = None,
    compile: Annotated[
        bool | None, typer.Option("--compile/--no-compile", help="Compile the network first.")
    ] = None,
    track: Annotated[
        Text, typer.Option(metavar="NAMES", help="tensorboard, wandb, mlflow; commas between.")
    ] = None,
    workers: Annotated[Text, typer.Option(metavar="N", help="Processes that load images.")] = None,
    device: Annotated[Text, typer.Option(metavar="NAME", help="auto, cpu, cuda, mps.")] = None,
    out: Annotated[
        Text, typer.Option(metavar="DIR", help="Folder for run folders (default runs).")
    ] = None,
    name: Annotated[Text, typer.Option(metavar="NAME", help="The run folder's name.")] = None,
    recipe: Annotated[
        Text, typer.Option(metavar="NAME", help="`fieldmark recipes ls` lists them.")
    ] = None,
    config: Annotated[
        Text, typer.Option(metavar="FILE", help="A settings file, such as a run's.")
    ] = None,
    resume: Annotated[Text, typer.Option(metavar="RUN", help="A run folder to go on with.")] = None,
    find_lr: Annotated[
        bool, typer.Option("--find-lr", help="Try rising learning rates, draw them, train nothing.")
    ] = False,
    profile: Annotated[
        bool, typer.Option("--profile", help="Tell at the end where the time went.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check and show everything, train nothing.")
    ] = False,
) -> int:
    """Train on DATA: a folder of class folders, a table of labels, or digits.

    KEY=VALUE reaches every setting (--dry-run lists them): train.patience=none.
    """
    given = locals()
    from fieldmark.settings.options import OPTIONS

    options = {option: given[option] for option in OPTIONS if given[option] is not None}
    data, rest = split_words(words or [])
    if resume is not None:
        refuse_beside_resume(
            {
                "DATA": data,
                "--recipe": recipe,
                "--config": config,
                "--dry-run": dry_run or None,
                "--find-lr": find_lr or None,
            }
        )
    from fieldmark.console import Console
    from fieldmark.runs.begin import gather, go_on, preview, try_rates
    from fieldmark.runs.run import train_run

    console = Console()
    refuse_together({"--dry-run": dry_run, "--find-lr": find_lr, "--profile": profile})
    if resume is not None:
        run = go_on(resume, rest, options, console)
        tell_more(run, console, profile=profile)
        return 0
    resolved = gather(data, rest, options, recipe=recipe, config=config)
    if dry_run:
        preview(resolved, console)
    elif find_lr:
        try_rates(resolved, console)
    else:
        run = train_run(resolved, console, command_line())
        tell_more(run, console, profile=profile)
    return 0


def tell_more(run: "RunDir", console: "Console", *, profile: bool) -> None:
    """Where the run's time went, where that was asked for."""
    if profile:
        from fieldmark.runs.profile import tell_profile

        tell_profile(run, console)


def split_words(words: list[str]) -> tuple[str | None, list[str]]:
    """DATA and the settings: the first word that exists, or has no "=", is DATA."""
    for place, word in enumerate(words):
        if "=" not in word or os.path.exists(word):  # noqa: PTH110 - a long word is no path
            return word, words[:place] + words[place + 1 :]
    return None, words


def refuse_together(flags: Mapping[str, bool]) -> None:
    """Only one of these flags can be given."""
    first, *others = [name for name, given in flags.items() if given] or [""]
    if others:
        raise SettingsError([Mistake(others[0], f"does not go with {first}; leave one out")])


def refuse_beside_resume(others: Mapping[str, object]) -> None:
    """A run that goes on has its images and settings already."""
    mistakes = [
        Mistake(name, "does not go with --resume; leave it out")
        for name, value in others.items()
        if value is not None
    ]
    if mistakes:
        raise SettingsError(mistakes)
