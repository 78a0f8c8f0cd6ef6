"""What a sweep varies, as settings: every value is looked at before any work."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from fieldmark.console import Console
from fieldmark.data.intake import Dataset
from fieldmark.errors import Mistake, SettingsError, refuse
from fieldmark.runs.concrete import make_concrete
from fieldmark.settings.aliases import Aliases
from fieldmark.settings.layers import TYPED, Layer, Resolved
from fieldmark.study.names import (
    Names,
    figure_of,
    more_is_better,
    names_of,
    refuse_beside,
)
from fieldmark.study.propose import check_optuna, count_of
from fieldmark.study.prune import Rule
from fieldmark.study.space import Parameter
from fieldmark.study.trials import Point
from fieldmark.study.wandb_file import SweepFile

MONITOR = "train.monitor"
MOST = 300  # points that are looked at before any work
At = Callable[..., Resolved]


@dataclass(frozen=True)
class Space:
    """What a sweep varies. at: layers of settings over all others -> the settings.

    figure: of validation, by which is chosen.
    """

    file: SweepFile
    names: Names
    at: At
    figure: str = "auto"

    @property
    def parameters(self) -> dict[str, Parameter]:
        """By the sweep's names."""
        return self.file.parameters

    @property
    def fixed(self) -> Point:
        """The values that all trials have."""
        return {
            name: each.numbers["value"]
            for name, each in self.parameters.items()
            if each.is_constant
        }

    @property
    def varied(self) -> dict[str, Parameter]:
        """The parameters that there is a choice of; a trial's point has these."""
        return {name: each for name, each in self.parameters.items() if not each.is_constant}

    def settings(self, point: Point) -> Resolved:
        """The settings of a trial. Raises SettingsError."""
        layers = [self.names.layer({**self.fixed, **point})]
        if figure_of(self.file):
            layers.append(Layer(TYPED, {MONITOR: self.figure}))
        return self.at(*layers)


def read_space(file: SweepFile, aliases: Aliases, at: At) -> Space:
    """The sweep as settings. Raises SettingsError with all that can be told without images."""
    names = names_of(file, aliases)
    plain = at()
    refuse_beside(file, names, plain)
    figure = figure_of(file) or plain.settings.train.monitor
    if plain.origins.get(MONITOR) == TYPED and plain.settings.train.monitor != figure:
        refuse([Mistake(MONITOR, f"{file.path} has its own metric, {figure}; leave one out")])
    if plain.settings.data.predict is not None:
        what = "would be done by every trial; leave it out, and let fieldmark predict STUDY do it"
        refuse([Mistake("--predict", what)])
    if file.method == "bayes":
        check_optuna()
    space = Space(file, names, at, figure)
    if not space.varied:
        what = "every parameter has one value, so there is nothing to try; give one several"
        refuse([Mistake(f"{file.path}: parameters", what)])
    refuse(dict.fromkeys(m for point in points_to_look_at(space) for m in wrong_with(space, point)))
    return space


def trials_wanted(file: SweepFile, trials: int | None) -> int:
    """How many trials there are to be in all. Raises SettingsError where nobody has said."""
    count = count_of(file.parameters)
    said = [each for each in (trials, file.run_cap) if each is not None]
    if not said and (file.method != "grid" or count is None):
        what = f"say how many, as in --trials 20: {file.path} has no run_cap, and {file.method} "
        refuse([Mistake("--trials", f"{what}never ends by itself")])
    return min([*said, *([count] if count is not None else [])])


def with_images(space: Space, data: Dataset) -> Space:
    """The sweep with its figure known, and looked at with the images. Raises SettingsError."""
    first = next(points_to_look_at(space))  # what varies may have no other value
    concrete = make_concrete(space.settings(first), data, Console(quiet=True))
    by = concrete.settings.data.val
    if not (by == "cross" or (by == "hold" and len(data.samples.rows("val")))):
        what = "a sweep chooses by validation, and these settings leave no image for it"
        raise SettingsError([Mistake("data.val", f"{what}; give it some")])
    mistakes = dict[Mistake, None]()
    if space.settings(first).settings.input.normalize != "dataset":  # a pass over the images
        for point in points_to_look_at(space):
            mistakes |= dict.fromkeys(wrong_with(space, point, data))
    refuse(mistakes)
    return replace(space, figure=str(concrete.settings.train.monitor))


def points_to_look_at(space: Space) -> Iterator[Point]:
    """Points that show what is wrong with any value, under each choice that others belong to."""
    tried = {name: each.tried() for name, each in space.varied.items()}
    names = space.names.targets
    choices = [name for name in tried if names[name][0].endswith(".name")]

    def every() -> Iterator[Point]:
        for chosen in itertools.product(*(tried[name] for name in choices)):
            first = {name: values[0] for name, values in tried.items()}
            first |= dict(zip(choices, chosen, strict=True))
            yield first
            for name in tried:
                if name not in choices:
                    yield from ({**first, name: value} for value in tried[name][1:])

    return itertools.islice(every(), MOST)


def wrong_with(space: Space, point: Point, data: Dataset | None = None) -> list[Mistake]:
    """What stands against a point; with the images, also what only they can tell."""
    try:
        resolved = space.settings(point)
        if data is not None:
            make_concrete(resolved, data, Console(quiet=True))
        return []
    except SettingsError as error:
        if data is None:
            return list(error.mistakes)
        words = ", ".join(f"{name} {value}" for name, value in point.items())
        return [Mistake(f"{space.file.path}: {words}", str(each)) for each in error.mistakes]


def rule_of(space: Space, pruner: str | None) -> Rule | None:
    """How trials are pruned: as the file says, else as the pruner is called."""
    if pruner is None:
        return None
    better, early = more_is_better(space.figure), dict(space.file.early)
    if early:
        return Rule(early.pop("type"), space.figure, better, **early)
    return Rule(pruner, space.figure, better)
