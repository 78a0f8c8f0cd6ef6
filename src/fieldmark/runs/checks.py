"""What stands against settings, each asked once and before any work: with the catalogs, the disk
and the machine (`check`), with the network (`check_network`). `checks_of_images` has the rest.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from fieldmark.catalog import OWN, Catalog, lost
from fieldmark.data.augment import AUGMENTS, is_pipeline_file, read_pipeline
from fieldmark.errors import (
    Mistake,
    SettingsError,
    UserError,
    WeightsError,
    listed,
    nearest,
    refuse,
)
from fieldmark.fit.boosted import PACKAGE
from fieldmark.fit.losses import LOSSES
from fieldmark.fit.mixing import MIXES
from fieldmark.fit.optimizers import OPTIMIZERS
from fieldmark.fit.schedules import SCHEDULES
from fieldmark.judge.metrics import METRICS
from fieldmark.machine import INSTALL, is_installed
from fieldmark.models import engines, published
from fieldmark.models import precision as precisions
from fieldmark.models.assemble import INITS
from fieldmark.models.body import body_and_head
from fieldmark.models.catalog import BESIDE, FOR_PHOTOS, FOR_SMALL, MODELS
from fieldmark.models.heads import HEADS, head_of
from fieldmark.models.stages import chosen
from fieldmark.runs.asked import (
    Sections,
    as_list,
    check_epoch_figures,
    check_source,
    check_targets,
)
from fieldmark.runs.stages import BOOSTED
from fieldmark.settings.tree import Settings, sections
from fieldmark.task import TASKS
from fieldmark.track.trackers import check_trackers

CATALOGS: Mapping[str, Catalog] = {
    "model": MODELS,
    "head": HEADS,
    "augment": AUGMENTS,
    "optimizer": OPTIMIZERS,
    "schedule": SCHEDULES,
    "loss": LOSSES,
    "mix": MIXES,
}
AUTO = {
    "model": (FOR_SMALL, FOR_PHOTOS),
    "augment": ("light", "standard"),
    "loss": tuple(task.loss for task in TASKS.values()),
}
NO_WEIGHTS = (
    "needs weights that were trained before; leave --weights none out, or give --weights FILE"
)


def check(
    raw: Sections, *, photos: bool = True, weights: bool = True, trackers: bool = True
) -> Iterator[Mistake]:
    """What the catalogs, the disk and the machine say against raw settings, nothing read yet.

    photos: whether the source must be there; a run that is done has no need of it.
    weights: whether the weights to begin with must be there; a checkpoint has its own.
    trackers: whether they must be installed; a run that goes on does without, and says so.
    """
    whole = {
        name: {key: field.default for key, field in part.model_fields.items()} | raw.get(name, {})
        for name, part in sections().items()
    }
    model, run = whole["model"], whole["run"]
    if photos:
        yield from check_source(raw["data"].get("source"))
    if weights:
        yield from check_weights(str(model["name"]), str(model["weights"]))
    for section, catalog in CATALOGS.items():
        yield from _check_choice(section, catalog, whole[section])
    yield from check_epoch_figures(whole)
    for each in as_list(whole["train"]["own_figures"]):  # where lost, it is told here alone
        if each.partition("@")[0] not in METRICS:
            yield Mistake("train.own_figures", lost(f"{OWN}{each}", "figure"))
    yield from check_targets(whole["budget"]["target"])
    yield from _check_init(str(model["init"]), str(model["weights"]))
    if trackers:
        yield from check_trackers(as_list(whole["track"]["to"]))
    yield from _check_training(whole)
    yield from _check_device(*(str(run[key]) for key in ("device", "precision", "engine")))


def check_weights(name: str, weights: str) -> list[Mistake]:
    """Whether the weights to begin with are there, or are published."""
    if weights in ("auto", "none", "default") or Path(weights).is_file():
        return []
    if name not in MODELS and name != "auto":
        return []  # the name's own mistake is told
    try:
        if published.chosen(FOR_PHOTOS if name == "auto" else name, weights) is not None:
            return []
        what = published.no_file(weights)
    except WeightsError as error:
        what = str(error)
    return [Mistake("model.weights", what)]


def settle(values: Mapping[str, Mapping[str, Any]]) -> Settings:
    """The tree, each option of a chosen builder explicit and of its type.

    Raises SettingsError with what stands against options of a choice that was only made now.
    """
    settled, mistakes = {}, []
    for section, catalog in CATALOGS.items():
        name, own = values[section]["name"], sections()[section].model_fields
        options = {key: value for key, value in values[section].items() if key not in own}
        read, found = catalog.read(name, options)
        mistakes += [Mistake(f"{section}.{each.where or 'name'}", each.what) for each in found]
        if not found:
            defaults = {key: each.default for key, each in catalog[name].options().items()}
            settled[section] = {**values[section], **defaults, **read}
    refuse(mistakes)
    return Settings.model_validate({**values, **settled})


def check_network(settings: Settings, network: torch.nn.Module) -> None:
    """What stands against settings with this network. Raises SettingsError."""
    mistakes, train = [], settings.train
    for stage in train.stages:
        try:
            chosen(network, stage.train)
        except UserError as error:
            where = "--unfreeze" if settings.model.unfreeze else "train.stages"
            mistakes.append(Mistake(where, str(error)))
    norms = (torch.nn.BatchNorm1d, torch.nn.BatchNorm2d)
    part = head_of(network)[1] if train.norm_frozen or train.head_alone else network
    if train.batch_size == 1 and any(isinstance(module, norms) for module in part.modules()):
        what = f"1 is too few for the batch norm of '{settings.model.name}'; take 2 or more"
        mistakes.append(Mistake("--batch-size", what))
    refuse(mistakes)
    if any(stage.head_alone for stage in train.stages) or settings.model.captions:
        body_and_head(network, int(settings.input.size))


def _check_init(init: str, weights: str) -> list[Mistake]:
    """A way to draw weights that there is not, or that would draw over others."""
    _, mistakes = INITS.read(init, {})
    found = [Mistake("model.init", each.what) for each in mistakes]
    if not found and init != "pytorch" and weights not in ("auto", "none"):
        what = "draws random weights, and this run begins with others; add --weights none"
        found.append(Mistake("model.init", what))
    return found


def _check_choice(section: str, catalog: Catalog, values: Mapping[str, Any]) -> list[Mistake]:
    name = str(values["name"])
    if section == "augment" and is_pipeline_file(name):
        try:
            read_pipeline(Path(name))
        except SettingsError as error:
            return [Mistake("augment.name", each.what) for each in error.mistakes]
        return []
    own = sections()[section].model_fields
    options = {key: value for key, value in values.items() if key not in own}
    if name == "auto":  # known only when the images are; `settle` refuses what it does not take
        taken = {option for each in AUTO[section] for option in catalog[each].options()}
        return [
            Mistake(f"{section}.{key}", _never_chosen(section, catalog, key, {*taken, *own}))
            for key in options
            if key not in taken
        ]
    _, mistakes = catalog.read(name, options)
    return [Mistake(f"{section}.{each.where or 'name'}", each.what) for each in mistakes]


def _never_chosen(section: str, catalog: Catalog, option: str, known: set[str]) -> str:
    """What to do about an option that none of the choices takes that "auto" has."""
    what = f"no {catalog.kind} that may be chosen takes this option"
    others = [name for name in catalog if option in catalog[name].options()]
    if not others:
        return what + nearest(option, known)
    do = "does" if len(others) == 1 else "do"
    return f"{what}; {listed(others, most=4)} {do}: add --{section} {others[0]}"


def _check_training(whole: Sections) -> Iterator[Mistake]:
    """What does not go together."""
    model, train = whole["model"], whole["train"]
    without = (None, "none", "auto", "null")
    if train["lookahead"] not in without and train["ema"] not in without:
        what = "keeps slow weights, and train.ema an average; leave one of them out"
        yield Mistake("train.lookahead", what)
    if model["freeze"] in (True, "true") and model["unfreeze"]:
        yield Mistake("model.unfreeze", "does not go with --freeze; leave one out")
    if BESIDE in str(model["name"]) and model["freeze"] not in (True, "true"):
        what = f"'{model['name']}' are two networks, which stay as they are; add --freeze"
        yield Mistake("--model", what)
    scalings = whole["features"]["scalings"]
    if isinstance(scalings, str) and scalings.strip().casefold() in ("none", "null"):
        what = "must be a list of plain, standard and length; plain takes features as they are"
        yield Mistake("features.scalings", what)
    heads, own = as_list(whole["features"]["heads"]), whole["head"]["name"]
    for head in heads:
        for each in HEADS.read(head, {})[1]:
            yield Mistake("features.heads", each.what)
    if BOOSTED in (heads or [own]) and not is_installed(PACKAGE):
        what = f"'{BOOSTED}' needs '{PACKAGE}', which is not installed; install it with: "
        where = "features.heads" if heads else "--head"
        yield Mistake(where, f"{what}{INSTALL} 'fieldmark[{BOOSTED}]'")
    if heads and "after" in (*heads, own) and set(heads) != {own}:
        what = "'after' works on other features; take fieldmark grid --over head=linear,after"
        yield Mistake("features.heads", what)


def _check_device(device: str, precision: str, engine: str) -> list[Mistake]:
    mistakes = precisions.check_device(device)
    if mistakes:  # a device of no known form is told by the settings' own reading
        return [each for each in mistakes if not each.what.startswith("must be")]
    try:
        found = torch.device(precisions.pick_device(device))
    except RuntimeError:
        return []
    return precisions.check(precision, found, engine) + engines.check(engine, found)
