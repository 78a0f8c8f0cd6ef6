"""`fieldmark evaluate`: the figures of a run."""

from typing import Annotated

import typer


def command(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run's folder.")],
    data: Annotated[
        str | None, typer.Argument(metavar="[DATA]", help="Other labelled images.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> int:
    """Print a run's figures on its own splits, or on DATA, labelled images it has not seen."""
    import json
    import sys

    from fieldmark.console import Console

    console = Console(stream=sys.stderr if as_json else None)
    if data is None:
        from fieldmark.runs.stored import evaluate_stored

        found = evaluate_stored(run, console)
    else:
        from fieldmark.runs.evaluate import evaluate_new

        found = evaluate_new(run, data, console)
    if as_json:
        print(json.dumps(found, indent=2, ensure_ascii=False))
    return 0
