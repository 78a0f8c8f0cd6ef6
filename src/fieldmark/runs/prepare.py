"""Everything that comes before training: settings made concrete, images, split, network.

Nothing here writes a file, so that every mistake is found before a run folder exists.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from fieldmark.console import Console
from fieldmark.errors import Mistake, SettingsError, WeightsError, listed
from fieldmark.fit import precision
from fieldmark.fit.optimizers import OPTIMIZERS
from fieldmark.models.bundle import BundleInfo, Classifier
from fieldmark.models.catalog import MODELS, family, side_mistake
from fieldmark.models.heads import freeze
from fieldmark.models.weights import load_into, read_weights
from fieldmark.records import SPLITS, InputSpec, Samples
from fieldmark.rundir import refuse_taken
from fieldmark.runs.checks import CATALOGS, check, settle
from fieldmark.runs.intake import Intake, take_in
from fieldmark.runs.machine import versions
from fieldmark.settings.layers import Resolved
from fieldmark.settings.tree import Settings

THREADS = torch.get_num_threads()  # the machine's own, before any run sets another
SMALL = 64  # pixels: images up to here are small, and seen at their own size
TINY = 16  # pixels: up to here a second thread costs more than it gives
NORMALIZE = {
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "half": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
}


@dataclass(frozen=True)
class Prepared:
    """A run that is ready to start. `notes` are sentences that the reader must know."""

    settings: Settings
    origins: dict[str, str]
    samples: Samples
    classes: tuple[str, ...]
    spec: InputSpec
    model: Classifier
    info: BundleInfo
    device: torch.device
    notes: tuple[str, ...]


def prepare(
    resolved: Resolved,
    console: Console,
    samples: Samples | None = None,
    *,
    notes: tuple[str, ...] = (),
) -> Prepared:
    """From settings to a run that is ready to start.

    `samples` with their splits, and the `notes` on them, take the place of reading
    `data.source`: a run that goes on. Raises DataError, RunError, SettingsError, WeightsError.
    """
    settings = resolved.settings
    if samples is None:
        refuse_taken(settings.run.out, settings.run.name)
        intake = take_in(settings.data, console)
    else:
        intake = Intake(samples, notes)
    samples = intake.samples
    concrete, origins = make_concrete(resolved, intake)
    check_optimizer(concrete)
    spec = input_spec(concrete)
    device = torch.device(concrete.run.device)
    model, weight_notes = build(concrete, samples.classes, spec)
    check_batch(concrete, model)
    said = tuple(dict.fromkeys([*intake.notes, *lacking_notes(samples), *weight_notes]))
    info = bundle_info(concrete, samples, spec)
    return Prepared(concrete, origins, samples, samples.classes, spec, model, info, device, said)


def make_concrete(resolved: Resolved, intake: Intake) -> tuple[Settings, dict[str, str]]:
    """Settings without any `auto` and with every option explicit, and where each came from."""
    settings, origins = resolved.settings, dict(resolved.origins)
    values: dict[str, Any] = settings.model_dump()

    def fill(key: str, value: Any) -> None:
        section, _, name = key.partition(".")
        if values[section].get(name) in ("auto", None):
            values[section][name] = value
            origins[key] = "chosen for this data and machine"

    for key in ("source", "images", "data_dir"):
        if values["data"][key] is not None:
            values["data"][key] = made_absolute(values["data"][key])
    if values["data"]["test"] not in ("auto", "none"):
        values["data"]["test"] = made_absolute(values["data"]["test"])
    if settings.model.weights != "none":
        values["model"]["weights"] = os.path.realpath(settings.model.weights)
    side = int(intake.samples.frame.select("width", "height").max().to_numpy().max())
    small = side <= SMALL
    fill("input.size", side if small else 224)
    size = values["input"]["size"] = int(values["input"]["size"])
    fill("input.stored", f"square:{size}" if small else f"shorter:{round(size * 8 / 7)}")
    fill("model.name", "small_cnn" if size <= SMALL else "mobilenet_v2")
    fill("augment.name", "light" if size <= SMALL else "standard")
    if not intake.mirrored and "flip" in CATALOGS["augment"][values["augment"]["name"]].options():
        fill("augment.flip", False)
    device = precision.pick_device(settings.run.device)
    fill("run.device", str(device))
    fill("run.precision", precision.choose(device, family(values["model"]["name"])))
    fill("run.threads", 1 if size <= TINY else THREADS)
    fill("run.workers", 0 if intake.embedded else max(1, min(4, (os.cpu_count() or 2) - 1)))
    recheck(values)
    for section, catalog in CATALOGS.items():
        choice = type(getattr(settings, section)).model_validate(values[section])
        values[section] = settle(choice, catalog)
    return Settings.model_validate(values), origins


def check_input(values: dict[str, dict[str, Any]]) -> list[Mistake]:
    """What stands against the stored form with this size and this augmentation."""
    size, stored = values["input"]["size"], values["input"]["stored"]
    word, _, side = stored.partition(":")
    if side and int(side) < size:
        return [Mistake("input.stored", f"{stored} is smaller than the {size} px the network sees")]
    name = values["augment"]["name"]
    if word == "original" and name in ("none", "light"):
        return [
            Mistake(
                "input.stored",
                f"original needs an augmentation that resizes, which '{name}' does not; "
                f"take shorter:{size}, or --augment standard",
            )
        ]
    return []


def check_optimizer(settings: Settings) -> None:
    """Let the optimiser itself refuse options that do not go together. Raises SettingsError."""
    chosen = settings.optimizer
    try:
        OPTIMIZERS.build(chosen.name, chosen.options, [torch.nn.Parameter(torch.zeros(1))])
    except ValueError as error:
        raise SettingsError([Mistake(f"optimizer {chosen.name}", str(error))]) from error


def check_batch(settings: Settings, model: torch.nn.Module) -> None:
    """Batch norm that is trained has no variance over one image. Raises SettingsError."""
    norms = (torch.nn.BatchNorm1d, torch.nn.BatchNorm2d)
    if settings.train.batch_size > 1 or settings.model.freeze:
        return
    if any(isinstance(module, norms) for module in model.modules()):
        what = f"1 is too few for the batch norm of '{settings.model.name}'; take 2 or more"
        raise SettingsError([Mistake("--batch-size", what)])


def recheck(values: dict[str, dict[str, Any]]) -> None:
    """Check again, now that the names which the images decide are known."""
    mistakes = check(values) + check_input(values)
    if mistakes:
        raise SettingsError(mistakes)


def input_spec(settings: Settings) -> InputSpec:
    """What the network sees."""
    mean, std = NORMALIZE[settings.input.normalize]
    return InputSpec(settings.input.stored, int(settings.input.size), mean, std)


def build(
    settings: Settings, classes: Sequence[str], spec: InputSpec
) -> tuple[Classifier, list[str]]:
    """The network with its weights, and what is to be said of them."""
    chosen = settings.model
    try_size(settings, spec.size)
    torch.manual_seed(settings.run.seed)
    network = MODELS.build(chosen.name, chosen.options, len(classes))
    notes: list[str] = []
    if chosen.weights != "none":
        tensors = read_weights(Path(chosen.weights))
        try:
            report = load_into(network, tensors, partial=chosen.weights_partial)
        except WeightsError as error:
            raise WeightsError(f"{chosen.weights}: {error}") from error
        left = (*report.skipped, *report.missing, *report.unexpected)
        notes.append(f"weights: {len(report.loaded)} tensors taken from {chosen.weights}")
        if left:
            notes.append(f"weights that did not fit, left as they were: {listed(left)}")
    elif chosen.freeze:
        raise SettingsError(
            [Mistake("--freeze", "needs --weights FILE: random weights that stay learn little")]
        )
    if chosen.freeze:
        freeze(network)
    return Classifier(network, spec), notes


def try_size(settings: Settings, size: int) -> None:
    """Refuse an image size that the network cannot take, without computing anything."""
    what = side_mistake(settings.model.name, settings.model.options, size)
    if what is not None:
        raise SettingsError([Mistake("--image-size", what)])


def bundle_info(settings: Settings, samples: Samples, spec: InputSpec) -> BundleInfo:
    """What is kept beside the weights."""
    return BundleInfo(
        model=settings.model.name,
        options=settings.model.options,
        classes=samples.classes,
        spec=spec,
        weights="random weights" if settings.model.weights == "none" else settings.model.weights,
        versions=versions(),
        samples_hash=samples.hash(),
        precision=settings.run.precision,
    )


def lacking_notes(samples: Samples) -> list[str]:
    """Classes that a side has no image of."""
    notes = []
    counts = samples.counts()
    for side in SPLITS:
        lacking = [name for name, by_side in counts.items() if not by_side[side]]
        if lacking and len(lacking) < len(counts):
            words = "have no image" if len(lacking) > 1 else "has no image"
            notes.append(f"{listed(lacking)} {words} in {side}")
    return notes


def made_absolute(source: str) -> str:
    """A folder's full path, so that the run can go on from anywhere; a built-in name as it is."""
    return os.path.realpath(source) if Path(source).exists() else source
