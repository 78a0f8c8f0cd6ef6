"""Settings of a run: gathered from words, then made concrete, so that no `auto` is left."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Unpack

import torch

from fieldmark.console import Console
from fieldmark.data.augment import is_pipeline_file, read_pipeline
from fieldmark.data.augment_albumentations import normalised_by
from fieldmark.data.inside import is_there
from fieldmark.data.intake import Dataset
from fieldmark.data.seen_part import learned_sizes
from fieldmark.errors import Mistake, SettingsError, WeightsError, counted
from fieldmark.machine import loaders
from fieldmark.models import precision, published
from fieldmark.models.catalog import (
    BESIDE,
    FOR_PHOTOS,
    FOR_SMALL,
    family,
    is_foreign,
    outline,
)
from fieldmark.models.recognise import recognise
from fieldmark.models.stages import stages
from fieldmark.models.weights import read_weights
from fieldmark.rundir import refuse_taken
from fieldmark.runs.asked import Beside, check_names, layers_of
from fieldmark.runs.checks import CATALOGS, NO_WEIGHTS, check, settle
from fieldmark.runs.checks_of_images import against_batches, check_augmenting, check_images
from fieldmark.runs.filling import Filling
from fieldmark.runs.for_task import fill_whole
from fieldmark.runs.sight import (
    SMALL,
    fill_input,
    fill_own_size,
    fill_second,
    input_spec,
    longest_side,
    own_channels,
)
from fieldmark.runs.solver import fill_solver
from fieldmark.runs.stages import OF_EPOCHS, plan, wanted_stages
from fieldmark.runs.unlabelled import check_predict
from fieldmark.settings.layers import Resolved, read
from fieldmark.settings.tree import Settings, TrainSettings

THREADS = torch.get_num_threads()  # the machine's own, before any run sets another
TINY = 16  # pixels: up to here a second thread costs more than it gives
PATHS = {  # or these words
    **dict.fromkeys(
        ("source", "images", "data_dir", "label_names", "predict", "corrections", "crops"), ()
    ),
    "test": ("auto", "none"),
}
EXPLAINED = 64  # pixels that a network sees, from which its report has heat maps unasked
LEAST_MISTAKES = 5  # of fewer, chance alone takes off half


def gather(
    data: str | None,
    given: Iterable[str] | Mapping[str, Any],
    options: Mapping[str, Any],
    **beside: Unpack[Beside],
) -> Resolved:
    """Defaults < recipe < config < options and what is given by name, as `layers_of` takes them.

    Raises SettingsError, and RunError where the folder of a new run is taken.
    """
    layers = layers_of(data, given, options, **beside)
    resolved = read(layers, [check, check_names, check_predict])
    if beside.get("new", True):
        refuse_taken(resolved.settings.run.out, resolved.settings.run.name)
    return resolved


def make_concrete(resolved: Resolved, data: Dataset, console: Console) -> Resolved:
    """Settings without any `auto` and with every option explicit, and where each came from.

    Raises SettingsError with what only the images and the names that they decide can tell, and
    WeightsError for a file that has to say which network it is of and cannot.
    """
    given = resolved.settings
    filling = Filling(given.model_dump(), dict(resolved.origins))
    make_paths_absolute(filling.values)
    filling.put("data.task", data.samples.task.name)
    if data.separator != "auto":
        filling.put("data.label_separator", data.separator)
    longest = longest_side(data.samples)
    fill_model(
        filling, small=(longest if given.input.size == "auto" else given.input.size) <= SMALL
    )
    fill_pipeline(filling)
    filling.fill("loss.name", data.samples.task.loss)
    filling.fill("train.monitor", data.samples.task.monitor)
    fill_whole(filling, data.samples.task, longest)
    fill_input(filling, longest, learned_sizes(data.samples))
    fill_second(filling)
    fill_own_size(filling)
    fill_training(filling, given)
    data = data.validated(fill_validation(filling, data))
    no_mirror = data.exchanged or not data.mirrored
    if no_mirror and "flip" in CATALOGS["augment"][filling.get("augment.name")].options():
        filling.fill("augment.flip", False)
    settings = settle(filling.values)
    if settings.augment.by == "auto":
        reason = against_batches(settings, len(data.samples))
        filling.fill("augment.by", "image" if reason else "batch")
    fill_machine(filling, data)
    settings = settle(filling.values)
    check_images(settings, data)
    if settings.input.normalize == "dataset":
        with console.bar("measuring channels", len(data.samples.rows("train"))) as bar:
            filling.put("input.normalize", own_channels(settings, data.samples, bar.advance))
        images = counted(len(data.samples.rows("train")), "training image")
        filling.origins["input.normalize"] = f"the channels of the {images}"
        settings = settle(filling.values)
    check_augmenting(settings, input_spec(settings))
    return Resolved(settings, filling.origins)


def make_paths_absolute(values: Mapping[str, dict[str, Any]]) -> None:
    """In a tree's plain values, so that the run can go on from any folder."""
    data, augment, model = values["data"], values["augment"], values["model"]
    for key, words in PATHS.items():
        if data[key] not in (None, *words) and is_there(Path(data[key])):
            data[key] = os.path.realpath(data[key])
    if is_pipeline_file(augment["name"]) and Path(augment["name"]).is_file():
        augment["name"] = os.path.realpath(augment["name"])
    weights = str(model["weights"])
    parts = [weights] if is_file(weights) else weights.split(BESIDE)
    whole = [os.path.realpath(each) if is_file(each) else each for each in parts]
    model["weights"] = BESIDE.join(whole)


def is_file(weights: str) -> bool:
    """Whether the weights to begin with are those of a file; a word never is one."""
    return weights not in ("auto", "none", "default") and Path(weights).is_file()


def fill_model(filling: Filling, *, small: bool) -> None:
    """The network and the weights that it begins with."""
    weights, name = filling.get("model.weights"), filling.get("model.name")
    frozen = filling.get("model.freeze") or filling.get("model.unfreeze")
    if name == "auto" and is_file(weights):
        name = recognised(weights)
    elif name == "auto":
        random = weights in ("auto", "none") and not frozen
        name = FOR_SMALL if small and random else FOR_PHOTOS
    filling.fill("model.name", name)
    if weights == "auto":
        drawn = filling.get("model.init") != "pytorch"
        there = published.weights_of(name) and (frozen or not small) and not drawn
        filling.fill("model.weights", "default" if there else "none")
    weights = published.chosen(name, filling.get("model.weights"))
    if weights is not None:
        filling.put("model.weights", weights.version)
    if frozen and filling.get("model.weights") == "none" and not is_foreign(name):
        where = "--freeze" if filling.get("model.freeze") else "--unfreeze"
        raise SettingsError([Mistake(where, NO_WEIGHTS)])


def recognised(file: str) -> str:
    """The network that a file's weights are of. Raises WeightsError, naming the file."""
    tensors = read_weights(Path(file))
    try:
        return recognise(tensors)
    except WeightsError as error:
        raise WeightsError(f"{file}: {error}") from error


def fill_pipeline(filling: Filling) -> None:
    """A pipeline's file becomes a part of the settings, and says how images are normalised."""
    name = filling.get("augment.name")
    if not is_pipeline_file(name):
        return
    text = read_pipeline(Path(name))
    filling.put("augment.pipeline", text)
    filling.put("augment.name", "albumentations")
    own = normalised_by(text)
    if own is not None and filling.get("model.weights") == "none":
        filling.fill("input.normalize", (*own[0], *own[1]))


def fill_training(filling: Filling, given: Settings) -> None:
    """The stages, and what is otherwise where weights are tuned."""
    has_weights = filling.get("model.weights") != "none"
    layers = 0
    if given.model.unfreeze == "gradual":
        layers = len(stages(outline(filling.get("model.name"), 2))) - 1
    wanted = wanted_stages(given, has_weights=has_weights, layers=layers)
    exact = fill_solver(filling, given, wanted)
    planned = plan(given, wanted, has_weights=has_weights, exact=exact)
    stages_of = TrainSettings(stages=planned["stages"])
    once = given.features.views == 1 and stages_of.head_alone
    seen = "light" if filling.get("input.size") <= SMALL else "standard"
    filling.fill("augment.name", "none" if once else seen)
    filling.put("train.stages", planned["stages"])
    filling.fill("train.epochs", planned["epochs"])
    filling.fill("optimizer.lr", planned["lr"])
    tuned = has_weights and not stages_of.head_alone
    filling.fill("train.batch_size", 32 if tuned else 64)
    filling.fill("train.layer_decay", 0.9 if tuned else 1.0)
    filling.fill("train.norm_frozen", tuned)
    for key, value in (
        ("ema", 0.9 if tuned and not given.train.lookahead else None),
        ("patience", 2 if tuned else 10),
    ):
        if filling.get(f"train.{key}") == "auto":  # none is a value of theirs
            filling.put(f"train.{key}", value)


def fill_validation(filling: Filling, data: Dataset) -> str:
    """How training is validated: none, hold or cross. Raises SettingsError.

    Folds are for a head on the features of a network that has seen none of the images.
    """
    val = filling.get("data.val")
    first, *others = TrainSettings(stages=filling.get("train.stages")).stages
    suits = first.head_alone and not any(stage.head_alone for stage in others)
    if val == "auto":
        folds = data.in_folds is not None or data.samples.folds is not None
        only = data.in_folds is None and folds
        val = "cross" if folds and (suits or only) else "hold"
    if val == "cross" and not suits:
        what = (
            "is for a head that is trained on features before all else, and this run does not do "
            "that; take hold, with enough images that some can be put aside, or none"
        )
        raise SettingsError([Mistake("data.val", what)])
    filling.put("data.val", val)
    validated = val == "cross" or (val == "hold" and len(data.samples.rows("val")) > 0)
    sections = {key.partition(".")[0] for key in filling.given()}
    of_tuning = {*OF_EPOCHS, "train.stages", "model.unfreeze", "model.resizer"}
    said = of_tuning & filling.given() or {"augment", "mix", "optimizer", "schedule"} & sections
    follows = first.head_alone and bool(others)
    filling.fill("train.least_mistakes", LEAST_MISTAKES if follows and not said else 0)
    if filling.get("train.wise") is True and not (validated and follows):
        what = "is of what is trained after a head, and validated; leave it out"
        raise SettingsError([Mistake("train.wise", what)])
    filling.fill("train.wise", validated and follows)
    return str(val)


def fill_machine(filling: Filling, data: Dataset) -> None:
    """What the machine decides: none of it changes what is trained, but for the last bits."""
    device = precision.pick_device(filling.get("run.device"))
    filling.fill("run.device", str(device))
    name, engine = filling.get("model.name"), filling.get("run.engine")
    filling.fill("run.precision", precision.choose(device, family(name), engine))
    filling.fill("run.threads", 1 if filling.get("input.size") <= TINY else THREADS)
    in_memory = data.embedded or filling.get("augment.by") == "batch"
    filling.fill("run.workers", 0 if in_memory else loaders())
    filling.fill("run.explain", filling.get("input.size") >= EXPLAINED)
