"""Defaults < recipe < --config < options and key=value: layers of settings become one tree.

A layer is a flat table of dotted keys. Where a later layer names another choice (another
optimiser, say), the options that earlier layers gave to the old one go with it: a learning
rate that was right for AdamW is wrong for SGD.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from fieldmark.errors import Mistake, SettingsError, nearest
from fieldmark.settings import meant
from fieldmark.settings.options import OPTIONS
from fieldmark.settings.section import Choice, in_words
from fieldmark.settings.tree import Settings, known_keys, sections

TYPED = "command line"  # the origin of what the user says in words
LIST_THEM = "; `fieldmark options train` lists them all"
LISTS = {
    "input.normalize": "auto, imagenet, half, dataset, or six numbers [mean, mean, mean, std, "
    "std, std], each std above 0",
    "track.to": "tensorboard, wandb, mlflow, or several with commas between such as "
    "tensorboard,mlflow",
    "budget.target": "METRIC=VALUE with a value from 0 to 1 such as micro_f1=0.85, or several with "
    "commas between",
    "train.figures": "a list of figures such as [macro_recall, roc_auc]",
    "train.own_figures": "a list of NAME@HASH",
    "train.stages": "auto, or a list such as [{train: head, epochs: 10}, {train: all}]",
    "features.rates": "a list of rates above 0 such as [1e-3, 1e-2]",
    "features.seeds": "a list of whole numbers such as [0, 1, 2]",
    "features.heads": "a list of heads such as [linear, mlp]",
    "features.penalties": "a list of penalties above 0 such as [1e-4, 1e-2]",
    "features.scalings": "a list of plain, standard and length",
}
NORMALIZE = ("auto", "imagenet", "half", "dataset")
Check = Callable[[dict[str, dict[str, Any]]], Iterable[Mistake]]


@dataclass(frozen=True)
class Layer:
    """Settings from one place. `where` says for each key what an error text points at."""

    origin: str  # default, recipe NAME, file PATH, command line
    values: dict[str, Any]
    where: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Resolved:
    """The tree, and for each dotted key the origin of its value."""

    settings: Settings
    origins: dict[str, str]


def layer(origin: str, nested: Mapping[str, Any], prefix: str = "") -> Layer:
    """A layer from a nested table, as YAML gives it. A section given a value takes it as name."""
    values = dict(_flatten(nested))
    return Layer(origin, values, {key: f"{prefix}{key}" for key in values})


def setting_of(typed: str) -> str:
    """What a typed name sets, whether there is such a setting or not.

    epochs -> train.epochs, optimizer -> optimizer.name, train.ema -> train.ema
    """
    return next(iter(layer(TYPED, {OPTIONS.get(typed, typed): typed}).values))


def read(layers: Iterable[Layer], checks: Iterable[Check] = ()) -> Resolved:
    """Put layers together and read them, the first the weakest.

    `checks` look at the raw sections ({section: {key: value}}) and find mistakes that only
    they know of. Raises SettingsError with all mistakes, those of the types and the checks'.
    """
    values, where, origins = _merge(layers)
    mistakes = [Mistake(where[key], unknown(key)) for key in values if not is_known(key)]
    nested: dict[str, dict[str, Any]] = {name: {} for name in sections()}
    for key, value in values.items():
        if is_known(key):
            section, _, name = key.partition(".")
            nested[section][name] = value
    settings = None
    try:
        settings = Settings.model_validate(nested)
    except ValidationError as error:
        mistakes += _mistakes(error.errors(), where)
    for check in checks:
        mistakes += [Mistake(where.get(m.where, m.where), m.what) for m in check(nested)]
    if mistakes or settings is None:
        raise SettingsError(mistakes)
    return Resolved(settings, origins)


def _merge(layers: Iterable[Layer]) -> tuple[dict[str, Any], dict[str, str], dict[str, str]]:
    values: dict[str, Any] = {}
    where: dict[str, str] = {}
    origins: dict[str, str] = {}
    for each in layers:
        for key, value in each.values.items():
            section, _, name = key.partition(".")
            if name == "name" and _is_choice(section):
                default = sections()[section].model_fields["name"].default
                if value != values.get(key, default):
                    _forget_options(values, section)
        if "optimizer.lr" in each.values:  # one rate takes the place of a recipe's several
            values.pop("features.rates", None)
        values.update(each.values)
        where.update({**dict(zip(each.values, each.values, strict=True)), **each.where})
        origins.update(dict.fromkeys(each.values, each.origin))
    return values, where, {key: origins[key] for key in values}


def _forget_options(values: dict[str, Any], section: str) -> None:
    part = sections()[section]
    fixed = set(part.model_fields) - set(getattr(part, "with_choice", ()))
    kept = {f"{section}.{name}" for name in fixed}
    for key in [k for k in values if k.startswith(f"{section}.") and k not in kept]:
        del values[key]


def _flatten(nested: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    for key, value in nested.items():
        path = f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{path}.")
        elif path not in sections():
            yield path, value
        elif value is not None:  # a section with nothing under it says nothing
            yield f"{path}.{'source' if path == 'data' else 'name'}", value


def _is_choice(section: str) -> bool:
    return section in sections() and issubclass(sections()[section], Choice)


def is_known(key: str) -> bool:
    """Whether a dotted key is a setting, or may be an option of a choice."""
    section, _, name = key.partition(".")
    return key in known_keys() or (_is_choice(section) and bool(name) and "." not in name)


def unknown(key: str) -> str:
    """What to say of a setting that there is not."""
    section, _, name = key.partition(".")
    if key in OPTIONS:
        hint = f"; did you mean '{OPTIONS[key]}'?"
    elif hint := meant.of_setting(key):
        pass
    elif section in sections():
        beside = {field: f"{section}.{field}" for field in sections()[section].model_fields}
        near = nearest(name, beside)
        hint = near.replace("'", f"'{section}.", 1) if near else ""
    else:
        hint = nearest(key, known_keys()) or nearest(key, OPTIONS)
    return f"there is no such setting{hint or LIST_THEM}"


def _mistakes(problems: Iterable[Mapping[str, Any]], where: dict[str, str]) -> list[Mistake]:
    """Pydantic's findings in this project's words, one for each key.

    Where a setting takes one thing or another ("auto" or a number), pydantic tells of each.
    """
    found: dict[str, list[str]] = {}
    for problem in problems:
        key = ".".join(str(part) for part in problem["loc"][:2])
        found.setdefault(key, []).append(_in_list(key, problem) or in_words(problem))
    for key in set(found) & set(LISTS):  # the most exact of what is found is enough
        found[key] = [max(found[key], key=lambda words: words.startswith("stage"))]
    where = {"data.source": "DATA", **where}  # where nobody has set it, it is missing
    return [Mistake(where.get(key, key), _either(words)) for key, words in found.items()]


def _in_list(key: str, problem: Mapping[str, Any]) -> str | None:
    """What is wrong in a setting that is a list; None for other settings."""
    if key not in LISTS:
        return None
    inside = [part for part in problem["loc"][2:] if isinstance(part, int)]
    if key == "train.stages" and inside:
        field = str(problem["loc"][-1])
        if problem["type"] == "extra_forbidden":
            return f"stage {inside[0] + 1} has no '{field}'; it takes train, epochs and lr"
        if field in ("train", "epochs", "lr") and problem["type"] != "missing":
            return f"stage {inside[0] + 1}, {field}: {in_words(problem)}"
        return f"stage {inside[0] + 1}: say what it trains, as in {{train: head, epochs: 10}}"
    given = problem["input"]
    near = nearest(given, NORMALIZE) if key == "input.normalize" and type(given) is str else ""
    told = f", not {given}" if isinstance(given, str | int | float) and not near else ""
    return f"must be {LISTS[key]}{told}{near}"


def _either(words: list[str]) -> str:
    """ "must be a, not 2" and "must be at least 4, not 2" -> "must be a or at least 4, not 2"

    That a setting may be 'auto' is known to nobody who set it, and helps no one.
    """
    *others, last = [each for each in words if not each.startswith("must be 'auto', not")] or words
    starts = [each.rpartition(", not ")[0] or each for each in others]
    return " or ".join([*starts, last.removeprefix("must be ") if starts else last])
