"""`fieldmark models`: which networks there are, and how one is built."""

from typing import Annotated

import typer

from fieldmark.errors import Mistake, SettingsError


def command(
    pattern: Annotated[str, typer.Argument(help="Only names that hold this.")] = "",
    summary: Annotated[
        str | None, typer.Option(metavar="NAME", help="The layers of one network.")
    ] = None,
    num_classes: Annotated[int, typer.Option(help="Classes, for --summary.", min=1)] = 1000,
    image_size: Annotated[int, typer.Option(help="Pixels a side, for --summary.", min=1)] = 224,
) -> int:
    """List the networks, or show one layer by layer."""
    from fieldmark.models.catalog import rows

    if summary is not None:
        print_summary(summary, num_classes, image_size)
        return 0
    found = rows(pattern)
    if not found:
        raise SettingsError([Mistake(pattern, "no network's name holds this; leave it out")])
    print(f"{'name':<22}{'parameters':>13}{'MB':>8}{'GMACs':>8}  {'year':<6}about")
    for row in found:
        work = "" if row.multiply_adds is None else f"{row.multiply_adds / 1e9:.2f}"
        print(
            f"{row.name:<22}{row.parameters:>13,}{row.megabytes:>8.1f}{work:>8}  "
            f"{row.year or '':<6}{row.about}"
        )
    return 0


def print_summary(name: str, num_classes: int, image_size: int) -> None:
    """The layers of one network, which is never given memory. Raises SettingsError."""
    from fieldmark.models.catalog import MODELS, side_mistake

    _, mistakes = MODELS.read(name, {})
    if mistakes:
        raise SettingsError([Mistake("--summary", mistakes[0].what)])
    what = side_mistake(name, {}, image_size)
    if what is not None:
        raise SettingsError([Mistake("--image-size", what)])
    from fieldmark.models.outline import outline
    from fieldmark.models.summary import summarise, text

    print(text(summarise(outline(name, num_classes), image_size)))
