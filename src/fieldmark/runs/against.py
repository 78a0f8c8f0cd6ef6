"""What stands against settings: in themselves, with these images, with this network.

First what plain values tell before they are settings, as lists of mistakes; then what settings
tell, raised. `checks` has what can be told before any image is known.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from fieldmark.data.augment import AUGMENTS
from fieldmark.data.batch_augment import BATCH_AUGMENTS
from fieldmark.data.in_memory import fits_in_memory
from fieldmark.data.intake import Dataset
from fieldmark.data.loader import step_sizes
from fieldmark.errors import Mistake, SettingsError, UserError, counted, listed
from fieldmark.fit.losses import LOSSES
from fieldmark.fit.optimizers import OPTIMIZERS
from fieldmark.judge.metrics import TOP
from fieldmark.models.catalog import side_mistake
from fieldmark.models.heads import head_of
from fieldmark.models.stages import chosen
from fieldmark.models.tail import split
from fieldmark.records import InputSpec, Samples
from fieldmark.runs.stages import HEAD
from fieldmark.settings.tree import Settings

NO_RESIZE = (  # augmentations that take the stored form as it is
    "none",
    "light",
    "crop",
    "cifar",
    "contrast",
    "cifar-albumentations",
    "contrast-albumentations",
)


def against_batches(values: Mapping[str, Mapping[str, Any]], count: int) -> str | None:
    """Why these images cannot be changed a batch at a time; None where they can."""
    name, spec = values["augment"]["name"], values["input"]
    if name not in BATCH_AUGMENTS:
        return f"'{name}' works on one image at a time; take image or {listed(BATCH_AUGMENTS)}"
    if not fits_in_memory(InputSpec(spec["stored"], int(spec["size"])), count):
        return "only small square images that fit in memory can be changed so; take image"
    if all(stage["train"] == HEAD for stage in values["train"]["stages"]):
        return "a head alone is trained on features; leave it out"
    return None


def check_by(values: Mapping[str, Mapping[str, Any]], count: int) -> list[Mistake]:
    """What stands against changing images a batch at a time."""
    reason = against_batches(values, count) if values["augment"]["by"] == "batch" else None
    return [Mistake("augment.by", reason)] if reason else []


def check_input(values: dict[str, dict[str, Any]]) -> list[Mistake]:
    """What stands against the stored form with this size and this augmentation."""
    size, stored = values["input"]["size"], values["input"]["stored"]
    word, side = [*stored.split(":"), ""][:2]
    if side and int(side) < size:
        return [Mistake("input.stored", f"{stored} is smaller than the {size} px the network sees")]
    name = values["augment"]["name"]
    if word == "original" and name in NO_RESIZE:
        return [
            Mistake(
                "input.stored",
                f"original needs an augmentation that resizes, which '{name}' does not; "
                f"take shorter:{size}, or --augment standard",
            )
        ]
    return []


def check_features(values: dict[str, dict[str, Any]], data: Dataset) -> list[Mistake]:
    """What stands against training a head on features with these settings."""
    mistakes, features = [], values["features"]
    several = any(len(features[name] or ()) > 1 for name in ("rates", "seeds", "heads"))
    if several and not len(data.samples.rows("val")):
        what = (
            "to choose among several heads needs validation images; "
            "leave data.val=none out, or name one rate, seed and head"
        )
        mistakes.append(Mistake("features", what))
    trained = [stage["train"] for stage in values["train"]["stages"]]
    only_head = all(names == HEAD for names in trained)
    if only_head and values["model"]["resizer"]:
        what = "a resizer has to be trained, and --freeze does not; leave one of them out"
        mistakes.append(Mistake("model.resizer", what))
    plain = values["augment"]["name"] == "none"
    if only_head and features["views"] == 1 and not plain:
        what = (
            "changes nothing where each image is seen once, as evaluation sees it; "
            "give features.views=10, or leave --freeze or this out"
        )
        mistakes.append(Mistake("augment.name", what))
    if features["views"] > 1 and plain:
        what = "all views of an image are the same without augmentation; give --augment standard"
        mistakes.append(Mistake("features.views", what))
    if values["mix"]["name"] != "none" and only_head:
        what = (
            "mixes pictures, and a head alone is trained on features; "
            "leave it out, or leave --freeze out"
        )
        mistakes.append(Mistake("mix.name", what))
    if only_head:
        mistakes += check_head_alone(values)
    asked = [
        name for name in ("views", "rates", "seeds", "heads") if features[name] not in (None, 1)
    ]
    if asked and HEAD not in trained:
        what = "speaks of a head that is trained alone, and no stage does that; take --freeze"
        mistakes.append(Mistake(f"features.{asked[0]}", what))
    return mistakes


def check_head_alone(values: Mapping[str, Mapping[str, Any]]) -> list[Mistake]:
    """What is of training on images, and would change nothing for a head alone."""
    quiet = {
        "train.bias_factor": 1,
        "train.decay_on": "all",
    }
    found = {key: values[key.partition(".")[0]][key.partition(".")[2]] for key in quiet}
    what = "is for training on images, and a head alone is trained on features; leave it out"
    return [Mistake(key, what) for key, value in quiet.items() if found[key] != value]


def check_optimizer(settings: Settings) -> None:
    """Let the optimiser itself refuse options that do not go together. Raises SettingsError."""
    chosen = settings.optimizer
    try:
        OPTIMIZERS.build(chosen.name, chosen.options, [torch.nn.Parameter(torch.zeros(1))])
    except ValueError as error:
        raise SettingsError([Mistake(f"optimizer {chosen.name}", str(error))]) from error


def check_augmenting(settings: Settings, spec: InputSpec) -> None:
    """Let the augmentation refuse what it cannot do, or lacks. Raises SettingsError."""
    augment = settings.augment
    if augment.by == "image" or settings.features.views > 1:
        AUGMENTS.build(augment.name, augment.options, spec)
    if augment.by == "batch":
        BATCH_AUGMENTS[augment.name](spec, **augment.options)


def check_batch(settings: Settings, model: torch.nn.Module) -> None:
    """Batch norm that is trained has no variance over one image. Raises SettingsError."""
    norms = (torch.nn.BatchNorm1d, torch.nn.BatchNorm2d)
    train = settings.train
    if train.batch_size > 1:
        return
    head = head_of(model)[1]
    only_new = train.norm_frozen or all(stage.train == HEAD for stage in train.stages)
    layers = list(head.modules()) if only_new else list(model.modules())
    if any(isinstance(module, norms) for module in layers):
        what = f"1 is too few for the batch norm of '{settings.model.name}'; take 2 or more"
        raise SettingsError([Mistake("--batch-size", what)])


def check_stages(settings: Settings, network: torch.nn.Module) -> None:
    """Let the network say which of the wanted layers it does not have. Raises SettingsError."""
    mistakes = []
    for stage in settings.train.stages:
        try:
            chosen(network, stage.train)
        except UserError as error:
            where = "--unfreeze" if settings.model.unfreeze else "train.stages"
            mistakes.append(Mistake(where, str(error)))
    if mistakes:
        raise SettingsError(mistakes)
    if any(stage.train == HEAD for stage in settings.train.stages):
        split(network, int(settings.input.size))


def check_loss(settings: Settings, samples: Samples) -> None:
    """Let the loss refuse options that do not go with these classes. Raises SettingsError."""
    LOSSES.build(settings.loss.name, settings.loss.options, np.ones(len(samples.classes)))


def check_figures(settings: Settings, samples: Samples) -> None:
    """Top-5 accuracy says nothing of so few classes. Raises SettingsError."""
    train = settings.train
    asked = {"train.monitor": (train.monitor,), "train.figures": train.figures}
    what = f"top5_accuracy is not defined for {len(samples.classes)} classes; take accuracy"
    mistakes = [Mistake(key, what) for key, names in asked.items() if "top5_accuracy" in names]
    if mistakes and len(samples.classes) <= TOP:
        raise SettingsError(mistakes)


def check_lookahead(settings: Settings, samples: Samples) -> None:
    """Slow weights that nothing moves stay what they were at first. Raises SettingsError.

    Of a head that other stages follow there are none.
    """
    train = settings.train
    batches = len(step_sizes(len(samples.rows("train")), train.batch_size))
    only_head = all(stage.train == HEAD for stage in train.stages)
    epochs = [
        stage.epochs or train.epochs for stage in train.stages if only_head or stage.train != HEAD
    ]
    steps = -(-batches // train.accumulate) * min(epochs)
    if train.lookahead and train.lookahead > steps:
        of_what = "the run" if len(train.stages) == 1 else "a stage"
        what = (
            f"{train.lookahead} is more than the {counted(steps, 'step')} of {of_what}, so nothing "
            "would be learned; take a smaller one, or a smaller --batch-size"
        )
        raise SettingsError([Mistake("train.lookahead", what)])


def try_size(settings: Settings, size: int) -> None:
    """Refuse an image size that the network cannot take, without computing anything."""
    what = side_mistake(settings.model.name, settings.model.options, size)
    if what is not None:
        raise SettingsError([Mistake("--image-size", what)])
