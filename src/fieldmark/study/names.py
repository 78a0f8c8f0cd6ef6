"""What a sweep's names mean: settings, by their own names, short names or a recipe's aliases."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fieldmark.errors import Mistake, listed, nearest, refuse
from fieldmark.judge.metrics import METRICS
from fieldmark.runs.checks import CATALOGS
from fieldmark.settings.aliases import Aliases
from fieldmark.settings.layers import TYPED, Layer, Resolved, is_known, setting_of
from fieldmark.settings.options import FLAGS, OPTIONS
from fieldmark.settings.tree import known_keys
from fieldmark.study.wandb_file import SweepFile

SIDE = ("val_", "val/", "val.", "validation_", "valid_")  # what figures of validation begin with
OTHERS = ("train_", "train/", "train.", "test_", "test/", "test.")
SAME_FOR_ALL = {  # sections that change no figure of validation, or what it is of
    "data": "says which images there are, so scores would be of different ones",
    "budget": "says when a run ends, not how it is trained",
    "track": "changes no figure",
    "run": "changes no figure",
}
OF_RUN = ("run.seed", "run.precision")  # which do
NOT_SEEN = (
    *("train.figures", "train.test_flip", "train.checkpoint_minutes", "train.steps_every"),
    "train.monitor",
)


@dataclass(frozen=True)
class Names:
    """What each of a sweep's names sets: a setting, and with an alias of several more words."""

    path: str
    targets: dict[str, tuple[str, ...]]

    def layer(self, point: Mapping[str, Any]) -> Layer:
        """Values by a sweep's names as a layer of settings, told under these names."""
        values: dict[str, Any] = {}
        where: dict[str, str] = {}
        for name, value in point.items():
            first, *fixed = self.targets[name]
            values[first], where[first] = value, f"{self.path}: parameters, {name}"
            for word in fixed:
                key, _, own = word.partition("=")
                values[key], where[key] = own, where[first]
        return Layer(TYPED, values, where)


def names_of(file: SweepFile, aliases: Aliases) -> Names:
    """What every parameter's name sets. Raises SettingsError with all that set nothing."""
    targets, mistakes = {}, []
    for name in file.parameters:
        found = _target(name, aliases)
        if found is None:
            what = f"there is no such setting{_near(name, aliases)}"
            mistakes.append(Mistake(_at(file, name), what))
        else:
            targets[name] = found
    by_key: dict[str, str] = {}
    for name, (key, *_) in targets.items():
        if key in by_key:
            what = f"sets {key}, and so does {by_key[key]}; leave one out"
            mistakes.append(Mistake(_at(file, name), what))
        by_key[key] = name
    refuse(mistakes)
    return Names(file.path, targets)


def refuse_beside(file: SweepFile, names: Names, resolved: Resolved) -> None:
    """What varies and changes nothing to be seen, or is typed as well. Raises SettingsError."""
    refuse([*_inert(file, names), *_typed_too(file, names, resolved)])


def _inert(file: SweepFile, names: Names) -> Iterator[Mistake]:
    for name, parameter in file.parameters.items():
        key = names.targets[name][0]
        section = key.partition(".")[0]
        if parameter.is_constant or key in OF_RUN:
            continue
        if section in SAME_FOR_ALL:
            yield Mistake(_at(file, name), f"{key} {SAME_FOR_ALL[section]}; give it one value")
        elif key in NOT_SEEN:
            yield Mistake(_at(file, name), f"{key} changes no weights; give it one value")


def _typed_too(file: SweepFile, names: Names, resolved: Resolved) -> Iterator[Mistake]:
    for name in file.parameters:
        key = names.targets[name][0]
        if resolved.origins.get(key) == TYPED:
            what = f"is set by {file.path} too, as {name}; leave one out"
            yield Mistake(FLAGS.get(key, key), what)


def figure_of(file: SweepFile) -> str | None:
    """The validation figure that the file asks for; None where it names none.

    Raises SettingsError for one that there is not, of another side, or sought the wrong way.
    """
    if not file.metric:
        return None
    named, where = str(file.metric["name"]), f"{file.path}: metric, name"
    if named.startswith(OTHERS):
        what = f"'{named}' is not of validation, by which a sweep chooses; take val_accuracy"
        refuse([Mistake(where, what)])
    name = next((named.removeprefix(side) for side in SIDE if named.startswith(side)), named)
    if name not in (*METRICS, "loss"):
        known = {f"val_{each}": each for each in (*METRICS, "loss")}
        hint = nearest(f"val_{name}", known) or f"; there are {listed(known, 20)}"
        refuse([Mistake(where, f"there is no figure '{named}'{hint}")])
    wanted = "maximize" if more_is_better(name) else "minimize"
    goal = file.metric.get("goal")
    if goal != wanted and not (goal is None and wanted == "minimize"):
        said = f"{goal} looks" if goal else "without one Weights & Biases minimizes, which looks"
        what = f"{said} for the worst {name}; write goal: {wanted}"
        refuse([Mistake(f"{file.path}: metric, goal", what)])
    return name


def more_is_better(figure: str) -> bool:
    """Whether more of a figure is better; less is of a loss."""
    return figure in METRICS and METRICS[figure].better == "max"


def _target(name: str, aliases: Aliases) -> tuple[str, ...] | None:
    """What a name sets; None where it is no alias, short name or setting."""
    spelt = (name, name.replace("_", "-"))
    for alias in (f"{dashes}{each}" for each in spelt for dashes in ("--", "-", "")):
        if alias in aliases:
            return aliases[alias]
    key = setting_of(name)
    return (key,) if is_known(key) else None


def _near(name: str, aliases: Aliases) -> str:
    bare = [each.lstrip("-") for each in aliases]
    last = name.rpartition(".")[2]
    known = [*bare, *OPTIONS, *known_keys()]
    if whole := _ending_in(last):
        return f"; did you mean {' or '.join(map(repr, whole))}?"
    return (
        nearest(name, known)
        or nearest(last, known)
        or ("; write a setting as `fieldmark options train` lists them")
    )


def _ending_in(option: str) -> list[str]:
    """The settings that end in this name: of weight_decay, optimizer.weight_decay."""
    fixed = [key for key in known_keys() if key.rpartition(".")[2] == option]
    choices = {name: each for name, each in CATALOGS.items() if name != "model"}
    return fixed + [
        f"{section}.{option}"
        for section, catalog in choices.items()
        if any(option in catalog[name].options() for name in catalog)
    ]


def _at(file: SweepFile, name: str) -> str:
    return f"{file.path}: parameters, {name}"
