"""`fieldmark explain`: where a trained run looks."""

from pathlib import Path
from typing import Annotated

import typer

from fieldmark.cli.predict import COLUMN, said_by
from fieldmark.cli.typed import Device, Images, command_line, flag, named
from fieldmark.errors import refuse


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
    column, given = said_by(COLUMN, inputs or [])
    others = method != "auto" or layer is not None or out is not None
    refuse_early(run, given, [] if others else label or [])
    from fieldmark.console import Console
    from fieldmark.reviews.explain import explain
    from fieldmark.reviews.explain_asked import Asked
    from fieldmark.reviews.explain_inside import Wish, layers_of
    from fieldmark.use.explained import Way

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
    return explain(asked, Console())


def refuse_early(run: str, inputs: list[str], labels: list[str]) -> None:
    """What needs no network is told before torch is imported, which takes seconds.

    labels: [] where other options may be wrong too, all of which are then told together, later.
    Raises RunError, SettingsError, DataError.
    """
    from fieldmark.use.asked import class_mistakes, refuse_gone, refuse_several, refuse_swapped
    from fieldmark.use.info import info_of
    from fieldmark.use.inputs import refuse_missing

    refuse_swapped("explain", run, inputs)
    refuse_several(run)
    refuse(class_mistakes(labels, info_of(run)))
    refuse_missing(inputs) if inputs else refuse_gone(run)
