"""Settings against the catalogs: every mistake at once, then every value made explicit."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from fieldmark.catalog import Catalog
from fieldmark.data.augment import AUGMENTS, is_pipeline_file, read_pipeline
from fieldmark.data.sources import BUILT_IN
from fieldmark.errors import Mistake, SettingsError, WeightsError, listed, nearest
from fieldmark.fit.losses import LOSSES
from fieldmark.fit.mixing import MIXES
from fieldmark.fit.optimizers import OPTIMIZERS
from fieldmark.fit.schedules import SCHEDULES
from fieldmark.judge.metrics import METRICS
from fieldmark.models import precision, published
from fieldmark.models.catalog import MODELS
from fieldmark.models.heads import HEADS
from fieldmark.models.initialise import INITS
from fieldmark.settings.tree import Choice, sections
from fieldmark.track.trackers import check_trackers

Sections = dict[str, dict[str, Any]]

CATALOGS: Mapping[str, Catalog] = {
    "model": MODELS,
    "head": HEADS,
    "augment": AUGMENTS,
    "optimizer": OPTIMIZERS,
    "schedule": SCHEDULES,
    "loss": LOSSES,
    "mix": MIXES,
}
AUTO = {"model": ("small_cnn", "mobilenet_v2"), "augment": ("light", "standard")}
NO_WEIGHTS = (
    "needs weights that were trained before; leave --weights none out, or give --weights FILE"
)
MONITORS = {**{name: way for name, (_, way) in METRICS.items()}, "loss": "min"}


def check(raw: Sections, *, weights: bool = True, trackers: bool = True) -> list[Mistake]:
    """What the catalogs, the disk and the machine say against raw settings, nothing read yet.

    weights: whether the weights to begin with must be there; a checkpoint has its own.
    trackers: whether they must be installed; a run that goes on does without, and says so.
    """
    mistakes = _check_source(raw["data"])
    mistakes += _check_weights(raw["model"]) if weights else []
    for section, catalog in CATALOGS.items():
        mistakes += _check_choice(section, catalog, raw[section])
    monitor = raw["train"].get("monitor", "macro_f1")
    if monitor not in MONITORS:
        hint = nearest(str(monitor), MONITORS) or f"; there are {listed(MONITORS, most=20)}"
        mistakes.append(Mistake("train.monitor", f"there is no figure '{monitor}'{hint}"))
    mistakes += _check_figures(raw["train"].get("figures", ())) + _check_init(raw["model"])
    if trackers:
        mistakes += check_trackers(_as_list(raw.get("track", {}).get("to", ())))
    return mistakes + _check_training(raw) + _check_device(raw["run"])


def settle(choice: Choice, catalog: Catalog) -> dict[str, Any]:
    """A section as plain values, each option of the chosen builder explicit and of its type."""
    values, _ = catalog.read(choice.name, choice.options)
    defaults = {
        option: parameter.default for option, parameter in catalog[choice.name].options().items()
    }
    fixed = {name: getattr(choice, name) for name in type(choice).model_fields}
    return {**fixed, **defaults, **values}


def _check_figures(wanted: Any) -> list[Mistake]:
    """Names that are no figure of an epoch."""
    names = _as_list(wanted)
    return [
        Mistake("train.figures", f"there is no figure '{name}'{hint}")
        for name in names
        if name not in METRICS
        for hint in (nearest(name, METRICS) or f"; there are {listed(METRICS, most=20)}",)
    ]


def _check_init(model: Mapping[str, Any]) -> list[Mistake]:
    """A way to draw weights that there is not, or that would draw over others."""
    name, weights = str(model.get("init", "pytorch")), str(model.get("weights", "auto"))
    _, mistakes = INITS.read(name, {})
    found = [Mistake("model.init", each.what) for each in mistakes]
    if not found and name != "pytorch" and weights not in ("auto", "none"):
        what = "draws random weights, and this run begins with others; add --weights none"
        found.append(Mistake("model.init", what))
    return found


def _as_list(value: Any) -> list[str]:
    """Names in a list, or in a text with commas between."""
    if isinstance(value, str):
        value = [part.strip() for part in value.strip("[]").split(",")]
    return [str(each) for each in value if each] if isinstance(value, (list, tuple)) else []


def _check_choice(section: str, catalog: Catalog, values: Mapping[str, Any]) -> list[Mistake]:
    fields = sections()[section].model_fields
    name = str(values.get("name", fields["name"].default))
    if section == "augment" and is_pipeline_file(name):
        return _check_pipeline(name)
    options = {key: value for key, value in values.items() if key not in fields}
    if name == "auto":  # known only when the images are: checked again then
        taken = {option for each in AUTO[section] for option in catalog[each].options()}
        return [
            Mistake(f"{section}.{key}", _never_chosen(section, catalog, key, taken))
            for key in options
            if key not in taken
        ]
    _, mistakes = catalog.read(name, options)
    return [Mistake(f"{section}.{each.where or 'name'}", each.what) for each in mistakes]


def _never_chosen(section: str, catalog: Catalog, option: str, taken: set[str]) -> str:
    """What to do about an option that none of the choices takes that "auto" has."""
    what = f"no {catalog.kind} that may be chosen takes this option"
    others = [name for name in catalog if option in catalog[name].options()]
    if not others:
        return what + nearest(option, taken)
    do = "does" if len(others) == 1 else "do"
    return f"{what}; {listed(others, most=4)} {do}: add --{section} {others[0]}"


def _check_pipeline(name: str) -> list[Mistake]:
    try:
        read_pipeline(Path(name))
    except SettingsError as error:
        return [Mistake("augment.name", each.what) for each in error.mistakes]
    return []


def _check_source(values: Mapping[str, Any]) -> list[Mistake]:
    source = values.get("source")
    if not isinstance(source, str) or source in BUILT_IN or Path(source).exists():
        return []
    there = f", and no built-in set of that name (there are {listed(BUILT_IN)})"
    hint = nearest(source, BUILT_IN) or there
    return [Mistake("data.source", f"there is no folder or file '{source}'{hint}")]


def _check_weights(values: Mapping[str, Any]) -> list[Mistake]:
    name, weights = str(values.get("name", "auto")), str(values.get("weights", "auto"))
    if weights in ("auto", "none", "default") or Path(weights).is_file():
        return []
    if name not in MODELS and name != "auto":
        return []  # the name's own mistake is told
    try:
        if published.version_of("mobilenet_v2" if name == "auto" else name, weights) is not None:
            return []
        what = f"there is no file '{weights}'; name a .safetensors or .pth file"
    except WeightsError as error:
        what = str(error)
    return [Mistake("model.weights", what)]


def _check_training(raw: Sections) -> list[Mistake]:
    """What does not go together."""
    model, features, train = raw["model"], raw.get("features", {}), raw["train"]
    mistakes = []
    without = (None, "none", "auto", "null")
    if train.get("lookahead") not in without and train.get("ema") not in without:
        what = "keeps slow weights, and train.ema an average; leave one of them out"
        mistakes.append(Mistake("train.lookahead", what))
    if model.get("freeze") in (True, "true") and model.get("unfreeze"):
        mistakes.append(Mistake("model.unfreeze", "does not go with --freeze; leave one out"))
    heads = _as_list(features.get("heads"))
    for head in heads:
        _, found = HEADS.read(str(head), {})
        mistakes += [Mistake("features.heads", each.what) for each in found]
    own = raw.get("head", {}).get("name", "linear")
    if heads and "after" in (*heads, own) and set(heads) != {own}:
        what = "'after' works on other features; train it by itself with --head after"
        mistakes.append(Mistake("features.heads", what))
    return mistakes


def _check_device(values: Mapping[str, Any]) -> list[Mistake]:
    wanted = str(values.get("device", "auto"))
    mistakes = precision.check_device(wanted)
    if mistakes:  # a device of no known form is told by the settings' own reading
        return [each for each in mistakes if not each.what.startswith("must be")]
    try:
        device = precision.pick_device(wanted)
    except RuntimeError:
        return []
    return precision.check(str(values.get("precision", "auto")), torch.device(device))
