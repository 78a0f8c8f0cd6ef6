"""`fieldmark sweep`: many settings tried, the best by validation kept, its test measured once."""

from typing import Annotated, Any

import typer

from fieldmark.cli.trained import gathered, with_training_options
from fieldmark.cli.typed import Jobs, command_line, named
from fieldmark.errors import Mistake, SettingsError, refuse

SWEEP = "A sweep file, as Weights & Biases has them."
TRIALS = "Trials in all; as many again go on with the same command."
PRUNE = "How trials that are behind end early: median (default), hyperband."
PRUNERS = ("median", "hyperband")


@with_training_options
def command(
    sweep: Annotated[str | None, named("FILE", SWEEP)] = None,
    trials: Annotated[int | None, named("N", TRIALS, min=1)] = None,
    prune: Annotated[str | None, named("NAME", PRUNE)] = None,
    no_prune: Annotated[bool, typer.Option("--no-prune", help="Let every trial end.")] = False,
    jobs: Jobs = 1,
    *,
    training: dict[str, Any],
) -> int:
    """Try settings on DATA as a file of parameters says, and keep what validates best.

    Trials see no test image; the winner's test is measured once. Stopped or killed, the same
    command goes on. best.yaml in the study's folder is ready for `fieldmark train --config`.
    """
    if sweep is None:
        what = "name a file with method and parameters, such as {method: random, parameters: "
        raise SettingsError([Mistake("--sweep", f"{what}{{lr: {{values: [0.001, 0.0001]}}}}}}")])
    if prune is not None and prune not in PRUNERS:
        refuse([Mistake("--prune", f"must be median or hyperband, not {prune}")])
    if prune is not None and no_prune:
        refuse([Mistake("--prune", "does not go with --no-prune; leave one out")])
    from fieldmark.console import Console
    from fieldmark.settings.aliases import of_config, of_recipe
    from fieldmark.study.sweep import sweep as begin
    from fieldmark.study.sweep import tell
    from fieldmark.study.varied import read_space
    from fieldmark.study.wandb_file import read_sweep

    aliases = of_recipe(training["recipe"]) if training["recipe"] else {}
    aliases |= of_config(training["config"]) if training["config"] else {}
    file, console = read_sweep(sweep), Console()
    if prune is not None and file.early:
        refuse([Mistake("--prune", f"{sweep} has its own early_terminate; leave one out")])
    space = read_space(file, aliases, lambda *layers: gathered(training, *layers))
    pruner = None if no_prune else prune or PRUNERS[0]
    study = begin(space, console, command_line(), trials=trials, pruner=pruner, jobs=jobs)
    return tell(study, console)
