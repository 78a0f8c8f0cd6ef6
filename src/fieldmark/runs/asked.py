"""What is given for a run: its layers of settings, and mistakes in them that are told at once.

Torch takes seconds to import, and most mistakes need none of it. Yet all mistakes are told
together: so where something that is given can only be judged with torch, nothing is told here.
"""

import ast
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypedDict, Unpack

from pydantic import TypeAdapter, ValidationError

import fieldmark
from fieldmark import recipes
from fieldmark.catalog import Catalog
from fieldmark.errors import Mistake, listed, nearest
from fieldmark.judge.metrics import METRICS
from fieldmark.models.catalog import BESIDE, MODELS
from fieldmark.rundir import refuse_taken
from fieldmark.runs.checks_of_files import Sections, check_names, check_source, refuse_columns
from fieldmark.settings.layers import Layer, layer, read
from fieldmark.settings.section import in_words
from fieldmark.settings.texts import read_file, read_given, read_yaml
from fieldmark.settings.tree import known_keys
from fieldmark.settings.values import PIPELINES, Rate

IN_SOURCE = {  # catalogs of functions that torch is imported for; their names are in the source
    "optimizer": "fit/optimizers.py",
    "loss": "fit/losses.py",
    "mix": "fit/mixing.py",
    "head": "models/heads.py",
    "schedule": "fit/schedules.py",
    "augment": "data/augment.py",
}
WITH_TORCH = (  # settings that are judged with torch, or beside others
    *("model.weights", "model.init", "model.unfreeze", "train.lookahead"),
    *("features.heads", "features.scalings", "run.device", "run.precision", "run.engine"),
    *("data.predict", "track.to"),
)
CHOSEN = ("optimizer", "schedule", "loss", "mix", "head", "model", "augment")
FILES = (".pth", ".pt", ".safetensors")


class Beside(TypedDict, total=False):
    """What may be given beside words and options: a recipe's name, and a file of settings.

    new: False where the folder may be there, as that of a study that goes on. more: typed beside
    what is given, and stronger; options that are given stay, whatever choice these name.
    """

    recipe: str | None
    config: str | None
    new: bool
    more: Iterable[Layer]


def layers_of(
    data: str | None,
    given: Iterable[str] | Mapping[str, Any],
    options: Mapping[str, Any],
    **beside: Unpack[Beside],
) -> list[Layer]:
    """The layers above the defaults, the weakest first and what was typed last.

    given: `key=value` words, or a table of values by dotted name. Raises SettingsError.
    """
    recipe, config = beside.get("recipe"), beside.get("config")
    new = beside.get("new", True)
    layers = [] if new else [Layer("study", {"run.explain": False})]  # its runs are many
    if recipe is not None:
        values = read_yaml(recipes.text(recipe), f"recipe {recipe}")
        layers.append(layer(f"recipe {recipe}", values, prefix=f"recipe {recipe}: "))
    if config is not None:
        layers.append(read_file(config))
    typed = read_given(given, options, data)
    for each in beside.get("more", ()):
        where = {**typed.where, **each.where}
        typed = Layer(typed.origin, {**typed.values, **each.values}, where)
    return [*layers, typed]


def refuse_early(layers: Iterable[Layer], *, new: bool = True) -> None:
    """Raise SettingsError or RunError for what can be told of the layers without torch."""
    layers = [*layers]
    users = [each for each in layers if not each.origin.startswith(("recipe ", "study"))]
    keys = {key: value for each in users for key, value in each.values.items()}
    if all(_is_told_here(key, value) for key, value in keys.items()):
        settings = read(layers, [check_words, check_names]).settings
        if new:
            refuse_taken(settings.run.out, settings.run.name)
        refuse_columns(settings.data)


def _is_told_here(key: str, value: Any) -> bool:
    """Whether all that can be wrong with a setting is found by `check_words` or by its type."""
    if key == "model.weights":
        return str(value).endswith(FILES)
    if key.endswith(".name") and key.startswith(CHOSEN):
        return not (str(value).endswith(PIPELINES) or {"/", BESIDE} & set(str(value)))
    is_option = (
        key.startswith(tuple(f"{section}." for section in CHOSEN)) and key not in known_keys()
    )
    return key == "optimizer.lr" or not (is_option or key in WITH_TORCH)


def check_words(raw: Sections) -> Iterator[Mistake]:
    """What is wrong with names and numbers, as far as no torch is needed to know it."""
    yield from check_source(raw["data"].get("source"))
    weights = str(raw["model"].get("weights", "auto"))
    if weights.endswith(FILES) and not Path(weights).is_file():
        what = f"there is no file '{weights}'; name a .safetensors or .pth file"
        yield Mistake("model.weights", what)
    yield from _check_choices(raw)
    yield from _check_rate(raw["optimizer"].get("lr", 1.0))
    yield from check_epoch_figures(raw)
    yield from check_targets(raw["budget"].get("target"))


def _check_choices(raw: Sections) -> Iterator[Mistake]:
    """Names that no catalog has; of those with a slash, other packages are asked later."""
    catalogs = {"model": MODELS, **{section: in_source(section) for section in IN_SOURCE}}
    for section, catalog in catalogs.items():
        name = str(raw[section].get("name", "auto"))
        elsewhere = "/" in name or name.endswith(PIPELINES)
        if name != "auto" and not elsewhere and name not in catalog:
            _, mistakes = catalog.read(name, {})
            yield from (Mistake(f"{section}.name", each.what) for each in mistakes)


@cache
def in_source(section: str) -> Catalog:
    """A catalog with the names that its source has, and nothing behind them."""
    source = Path(fieldmark.__file__).parent / IN_SOURCE[section]
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and len(node.args) == 2:
            kind, lines = node.args
            if isinstance(lines, ast.Dict) and isinstance(kind, ast.Constant):
                names = [ast.literal_eval(key) for key in lines.keys if key is not None]
                more = {each.arg: ast.literal_eval(each.value) for each in node.keywords}
                return Catalog(
                    str(kind.value), dict.fromkeys(names, ("", "")), also=more.get("also", "")
                )
    raise LookupError(f"{source} has no catalog")


def _check_rate(given: Any) -> Iterator[Mistake]:
    """The rate, which every optimizer takes; a text is read as YAML reads it."""
    try:
        TypeAdapter(Rate).validate_python(given)
    except ValidationError as error:
        yield Mistake("optimizer.lr", in_words(error.errors()[0]))


def check_epoch_figures(raw: Sections) -> Iterator[Mistake]:
    """Figures that are to be told of each epoch, and the one that chooses it."""
    train = raw["train"]
    known = (*METRICS, *(each.partition("@")[0] for each in as_list(train.get("own_figures"))))
    yield from check_figures("train.monitor", train.get("monitor"), ("auto", "loss", *known))
    yield from check_figures("train.figures", train.get("figures"), known)


def check_figures(key: str, wanted: Any, known: Collection[str]) -> list[Mistake]:
    """Names that are no figure of an epoch."""
    return [
        Mistake(key, f"there is no figure '{name}'{hint}")
        for name in as_list(wanted)
        if name not in known
        for hint in (nearest(name, known) or f"; there are {listed(known, most=20)}",)
    ]


def check_targets(target: Any) -> list[Mistake]:
    """Targets of no metric, and of one metric twice."""
    names = [
        name for name, equals, _ in (each.partition("=") for each in as_list(target)) if equals
    ]
    twice = [name for place, name in enumerate(names) if name in names[:place]]
    return check_figures("budget.target", list(dict.fromkeys(names)), METRICS) + [
        Mistake("budget.target", f"{name} stands twice; leave one out") for name in twice
    ]


def as_list(value: Any) -> list[str]:
    """Names in a list, or in a text with commas between."""
    if isinstance(value, str):
        value = [part.strip() for part in value.strip("[]").split(",")]
    return [str(each) for each in value if each] if isinstance(value, (list, tuple)) else []
