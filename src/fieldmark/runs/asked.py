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
from fieldmark.data.columns import Reading, named
from fieldmark.data.formats.recognised import bring
from fieldmark.data.inside import is_there
from fieldmark.data.sources import BUILT_IN, STREAM, address
from fieldmark.errors import Mistake, listed, nearest, nearest_path
from fieldmark.judge.metrics import METRICS
from fieldmark.models.catalog import BESIDE, MODELS
from fieldmark.models.published import no_file
from fieldmark.rundir import refuse_taken
from fieldmark.settings.data import DataSettings
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
NONE = ("none", "null")
MOST_BYTES = 20_000_000  # of a table whose columns are looked at before torch comes
Sections = dict[str, dict[str, Any]]
MADE_BY = {
    "label_names": "as `fieldmark inspect` writes it",
    "corrections": "as the page of `fieldmark suspects` saves it",
}


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
        yield Mistake("model.weights", no_file(weights))
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


def check_source(source: Any) -> list[Mistake]:
    """Whether the images are there, or are a built-in set."""
    if not isinstance(source, str) or source in BUILT_IN or is_there(Path(source)):
        return []
    if what := address(source):
        return [Mistake("data.source", f"{source} {what}")]
    if source == STREAM:
        what = "'-' is a list that comes in, for predict; write it into a .txt file, a path a line"
        return [Mistake("data.source", what)]
    there = f", and no built-in set of that name (there are {listed(BUILT_IN)})"
    hint = nearest(source, BUILT_IN) or nearest_path(source, Path.exists) or there
    return [Mistake("data.source", f"there is no folder or file '{source}'{hint}")]


def refuse_columns(data: DataSettings) -> None:
    """Raise DataError for a named column that a table of texts has not.

    Only where the table is small enough to be read twice; else its reading says it.
    """
    table = Path(data.source or "")
    given = {role: getattr(data, f"{role}_column") for role in ("image", "label", "group", "split")}
    wanted = {role: name for role, name in given.items() if name and "," not in name}
    is_text = table.suffix.lower() in (".csv", ".tsv") and table.is_file()
    if not wanted or not is_text or table.stat().st_size > MOST_BYTES or data.pattern:
        return
    brought = bring(table, Reading(task=data.task))
    if brought.plain:
        for role, name in wanted.items():
            named(str(table), brought.table.frame.columns, role, name)


def check_names(raw: Sections) -> list[Mistake]:
    """Whether files of names and corrections, and the images' folder, are there.

    A run that goes on has kept the files, and says itself where its photos are gone.
    """
    given = {key: raw["data"].get(key) for key in MADE_BY}
    images = raw["data"].get("images")
    mistakes = []
    if isinstance(images, str) and images.casefold() not in NONE and not is_there(Path(images)):
        hint = nearest_path(images, Path.exists) or "; name the one that the images lie in"
        mistakes = [Mistake("data.images", f"there is no folder or file '{images}'{hint}")]
    return mistakes + [
        Mistake(f"data.{key}", f"there is no file '{path}'{hint}")
        for key, path in given.items()
        if isinstance(path, str) and path.casefold() not in NONE and not Path(path).is_file()
        for hint in (nearest_path(path, Path.is_file) or f"; name one {MADE_BY[key]}",)
    ]
