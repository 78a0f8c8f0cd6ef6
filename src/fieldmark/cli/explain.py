"""`fieldmark explain`: where a trained run looks."""

from pathlib import Path
from typing import Annotated

import typer

from fieldmark.cli.typed import COLUMN, Device, Images, command_line, flag, named, said_by


def command(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run's folder, or a bundle.")],
    inputs: Annotated[
        list[str] | None,
        typer.Argument(metavar="[INPUTS...]", help="Images, folders, tables; else the run's own."),
    ] = None,
    images: Images = None,
    label: Annotated[
        list[str] | None,
        typer.Option("--class", metavar="NAME", help="Look for this; may stand repeatedly."),
    ] = None,
    method: Annotated[
        str, named("NAME", "auto, grad-cam, hires-cam, layer-cam, occlusion, integrated-gradients.")
    ] = "auto",
    layer: Annotated[
        str | None, named("NAME", "A layer that `summary` lists, not the last.")
    ] = None,
    trust: Annotated[
        bool, flag("--trust/--no-trust", "Hold each map against blurred random parts.")
    ] = True,
    attention: Annotated[
        bool | None,
        flag("--attention/--no-attention", "Where its own attention looks, if it has one."),
    ] = None,
    features: Annotated[
        str | None, named("LAYERS", "Feature maps of: stages, or names, such as conv1,layer*.")
    ] = None,
    filters: Annotated[bool, flag("--filters", "The first layer's filters.")] = False,
    out: Annotated[
        Path | None, named("DIR", "A new folder (default RUN/explanations/NAME-N).")
    ] = None,
    device: Device = "auto",
) -> int:
    """Heat maps of images: what the model looks at, and whether that can be believed.

    A page, the maps as pictures, and a table. A map that does no better than random parts of the
    image is told and not drawn. Exit code 1 where an image could not be read.
    """
    from fieldmark.heats import Way
    from fieldmark.reviews.explain_asked import Asked, Wish, layers_of, refuse_before_work

    column, given = said_by(COLUMN, inputs or [])
    asked = Asked(
        run=run,
        inputs=tuple(given),
        images=images,
        column=column,
        labels=tuple(dict.fromkeys(label or ())),
        way=Way(method, layer) if trust else Way(method, layer, masks=0),
        inside=Wish(layers_of(features), filters, attention),
        out=out,
        device=device,
        command=command_line(),
    )
    refuse_before_work(asked)
    from fieldmark.console import Console
    from fieldmark.reviews.explain import explain

    return explain(asked, Console())
