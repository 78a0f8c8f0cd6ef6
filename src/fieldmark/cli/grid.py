"""`fieldmark grid`: every combination of some settings, trained and compared."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from fieldmark.cli.trained import (
    gathered,
    refuse_without_torch,
    set_by_user,
    with_training_options,
)
from fieldmark.cli.typed import Jobs, command_line

if TYPE_CHECKING:
    from fieldmark.settings.layers import Resolved

OVER = "Once for each setting; an optimizer may be NAME:RATE:SCHEDULE."
Over = Annotated[list[str], typer.Option("--over", metavar="KEY=V1,V2,...", help=OVER)]


@with_training_options
def command(over: Over, jobs: Jobs = 1, *, training: dict[str, Any]) -> int:
    """Train on DATA with every combination of the settings that --over gives, and compare.

    Each begins with a fresh model. Where an optimizer names a schedule, those that name none
    have none; else all have the one of the other settings. Stopped or killed, the same command
    goes on.
    """
    refuse_unknown(over, training)
    from fieldmark.console import Console
    from fieldmark.settings.layers import TYPED, layer
    from fieldmark.study.axes import axes_of, cells_of
    from fieldmark.study.grid import grid, tell

    axes = axes_of(over)

    def cell(values: dict[str, str]) -> "Resolved":
        """The settings of one combination."""
        return gathered(training, layer(TYPED, values))

    cells = cells_of(axes, set_by_user(training), cell)
    console = Console()
    return tell(grid(axes, cells, console, command_line(), jobs=jobs), console)


def refuse_unknown(over: list[str], training: dict[str, Any]) -> None:
    """Raise SettingsError for what --over calls a setting and is none, before torch is imported."""
    from fieldmark.settings.layers import TYPED, is_known, layer, setting_of

    typed = [text.partition("=")[0] for text in over if "=" in text]
    keys = dict.fromkeys(setting_of(key) for key in typed if key)
    refuse_without_torch(training, *(layer(TYPED, {k: ""}) for k in keys if not is_known(k)))
