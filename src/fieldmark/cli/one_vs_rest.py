"""`fieldmark one-vs-rest`: a model for every class, that knows it from all others."""

from typing import Annotated, Any

import typer

from fieldmark.cli.trained import gathered, with_training_options
from fieldmark.cli.typed import Jobs, command_line, flag, named
from fieldmark.errors import Mistake, refuse

Take = Annotated[float, named("SHARE", "Of the others' images, those trained on.", max=1.0)]
OneClass = Annotated[str | None, typer.Option("--class", metavar="NAME", help="This class alone.")]
Softmax = Annotated[
    bool, flag("--softmax/--no-softmax", "Also one model of all classes, to hold them against.")
]
Twin = Annotated[
    str | None,
    named("KEY=VALUE", "Also the same models with this, to hold against."),
]


@with_training_options
def command(
    folds: Annotated[int, named("K", "Parts of the images.", min=2)] = 3,
    take: Take = 0.1,
    one_class: OneClass = None,
    softmax: Softmax = True,
    twin: Twin = None,
    jobs: Jobs = 1,
    *,
    training: dict[str, Any],
) -> int:
    """For every class of DATA, models that know it from a share of the images of all others.

    Each is tested on the whole of a fold that it was trained without. Stopped or killed, the
    same command goes on. `fieldmark predict` takes the study's folder as one model that answers
    with one class. With --freeze all heads are solved over one pass of the images.
    """

    refuse([Mistake("--take", f"must be above 0, not {take:g}")] if take <= 0 else [])
    resolved, other = gathered(training), twin and gathered(_with(training, twin))
    from fieldmark.console import Console
    from fieldmark.study.one_vs_rest import one_vs_rest, tell
    from fieldmark.study.ovr_answers import Asked

    console, wanted = Console(), Asked(folds, take, one_class, softmax, twin)
    study = one_vs_rest(resolved, console, command_line(), wanted, twin=other or None, jobs=jobs)
    return tell(study, console)


def _with(training: dict[str, Any], setting: str) -> dict[str, Any]:
    """The same words and options with another value of a setting. Raises SettingsError."""
    key, equals, _ = setting.partition("=")
    refuse([] if equals else [Mistake("--twin", f"'{setting}' is not KEY=VALUE")])
    words = [each for each in training["words"] or () if not each.startswith(f"{key}=")]
    return {**training, "words": [*words, setting]}
