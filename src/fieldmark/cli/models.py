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
    from fieldmark.models.catalog import MODELS, rows
    from fieldmark.models.summary import summarise, text

    if summary is not None:
        _, mistakes = MODELS.read(summary, {})
        if mistakes:
            raise SettingsError([Mistake("--summary", mistakes[0].what)])
        try:
            print(text(summarise(MODELS.build(summary, {}, num_classes), image_size)))
        except RuntimeError as error:
            what = f"'{summary}' does not work on {image_size} px; try --image-size 224"
            raise SettingsError([Mistake("--image-size", what)]) from error
        return 0
    found = rows(pattern)
    if not found:
        raise SettingsError([Mistake(pattern, "no network's name holds this; leave it out")])
    print(f"{'name':<22}{'parameters':>13}{'MB':>8}{'GMACs':>8}  {'year':<6}about")
    for row in found:
        work = "" if row.multiply_adds is None else f"{row.multiply_adds / 1e9:.2f}"
        print(
            f"{row.name:<22}{row.parameters:>13,}{row.megabytes:>8.1f}{work:>8}  "
            f"{row.year:<6}{row.about}"
        )
    return 0
