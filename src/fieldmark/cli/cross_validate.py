"""`fieldmark cross-validate`: k folds, and figures of images that no model was trained on."""

from typing import Annotated, Any

from fieldmark.cli.trained import gathered, with_training_options
from fieldmark.cli.typed import Jobs, command_line, named


@with_training_options
def command(
    folds: Annotated[int, named("K", "Parts of the images.", min=2)] = 5,
    repeats: Annotated[int, named("N", "Times, each other folds.", min=1)] = 1,
    jobs: Jobs = 1,
    *,
    training: dict[str, Any],
) -> int:
    """Train on all folds of DATA but one and test on that, for each in turn.

    Every image is answered once, by a model that was trained without it and without its copies
    and its group. Stopped or killed, the same command goes on. `fieldmark predict` takes the
    study's folder as the mean of its models.
    """
    resolved = gathered(training)
    from fieldmark.console import Console
    from fieldmark.study.cross_validate import cross_validate, tell

    console = Console()
    study = cross_validate(resolved, console, command_line(), k=folds, repeats=repeats, jobs=jobs)
    return tell(study, console)
