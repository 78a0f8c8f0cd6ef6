"""`fieldmark train`: images in, a measured classifier out."""

from pathlib import Path
from typing import Annotated

import typer

from fieldmark.cli.typed import command_line
from fieldmark.errors import Mistake, SettingsError

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
        Text, typer.Option(metavar="FILE", help="none, or a .safetensors or .pth file.")
    ] = None,
    freeze: Annotated[
        bool | None, typer.Option("--freeze/--no-freeze", help="Train the last layer only.")
    ] = None,
    epochs: Annotated[
        Text, typer.Option(metavar="N", help="Passes over the images, at the most.")
    ] = None,
    batch_size: Annotated[Text, typer.Option(metavar="N", help="Images a step.")] = None,
    lr: Annotated[Text, typer.Option(metavar="RATE", help="Learning rate.")] = None,
    optimizer: Annotated[
        Text, typer.Option(metavar="NAME", help="adamw, adam, sgd, adadelta, rmsprop.")
    ] = None,
    schedule: Annotated[
        Text, typer.Option(metavar="NAME", help="cosine, one-cycle, step, plateau, none.")
    ] = None,
    image_size: Annotated[
        Text, typer.Option(metavar="PX", help="Side of what the network sees, px.")
    ] = None,
    augment: Annotated[Text, typer.Option(metavar="NAME", help="none, light, standard.")] = None,
    seed: Annotated[
        Text, typer.Option(metavar="N", help="Decides weights, order, augmentation.")
    ] = None,
    precision: Annotated[
        Text, typer.Option(metavar="NAME", help="auto, float32, bf16, 16-mixed.")
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
        refuse_beside_resume(data, recipe, config, dry_run)
    from fieldmark.console import Console
    from fieldmark.runs.begin import gather, go_on, preview
    from fieldmark.runs.run import train_run

    console = Console()
    if resume is not None:
        go_on(resume, rest, options, console)
        return 0
    resolved = gather(data, rest, options, recipe=recipe, config=config)
    if dry_run:
        preview(resolved, console)
        return 0
    train_run(resolved, console, command_line())
    return 0


def split_words(words: list[str]) -> tuple[str | None, list[str]]:
    """DATA and the settings: the first word that exists, or has no "=", is DATA."""
    for place, word in enumerate(words):
        if "=" not in word or Path(word).exists():
            return word, words[:place] + words[place + 1 :]
    return None, words


def refuse_beside_resume(
    data: str | None, recipe: str | None, config: str | None, dry_run: bool
) -> None:
    """A run that goes on has its images and settings already."""
    others = {"DATA": data, "--recipe": recipe, "--config": config, "--dry-run": dry_run or None}
    mistakes = [
        Mistake(name, "does not go with --resume; leave it out")
        for name, value in others.items()
        if value is not None
    ]
    if mistakes:
        raise SettingsError(mistakes)
