"""What stands against concrete settings with these images, before the network is built."""

from collections.abc import Iterator

import numpy as np
import torch

from fieldmark.data.augment import AUGMENTS
from fieldmark.data.batch_augment import BATCH_AUGMENTS
from fieldmark.data.in_memory import fits_in_memory
from fieldmark.data.intake import Dataset
from fieldmark.data.loader import step_sizes
from fieldmark.data.opening import MOST_PIXELS
from fieldmark.errors import Mistake, SettingsError, counted, listed, refuse
from fieldmark.fit.losses import LOSSES
from fieldmark.fit.optimizers import OPTIMIZERS
from fieldmark.judge.metrics import METRICS
from fieldmark.models import engines
from fieldmark.models.catalog import side_mistake
from fieldmark.models.pooling import MEAN, pool_mistake
from fieldmark.records import InputSpec
from fieldmark.runs.budgets import against_targets
from fieldmark.runs.for_task import against_task, suits
from fieldmark.runs.stages import by_epochs
from fieldmark.settings.tree import Settings

NO_RESIZE = (  # augmentations that take the stored form as it is
    "none",
    "light",
    "crop",
    "cifar",
    "contrast",
    "scenes",
    "cifar-albumentations",
    "contrast-albumentations",
)


def check_images(settings: Settings, data: Dataset) -> None:
    """All that stands against concrete settings with these images. Raises SettingsError."""
    mistakes = [
        *_against_input(settings),
        *_against_features(settings, data),
        *_against_mirror(settings, data),
        *_against_captions(settings, data),
        *_against_figures(settings, data),
        *_against_lookahead(settings, data),
        *against_task(settings, data),
        *against_targets(settings, data),
    ]
    reason = against_batches(settings, len(data.samples)) if settings.augment.by == "batch" else ""
    mistakes += [Mistake("augment.by", reason)] if reason else []
    optimizer, loss = settings.optimizer, settings.loss
    if not settings.train.head_alone or by_epochs(settings):
        parameters = [torch.nn.Parameter(torch.zeros(1))]
        try:
            OPTIMIZERS.build(optimizer.name, optimizer.options, parameters)
        except ValueError as error:
            mistakes.append(Mistake(f"optimizer {optimizer.name}", str(error)))
    if suits(loss.name, data.samples.task):
        try:
            sides = (2,) if data.samples.task.several else ()
            LOSSES.build(loss.name, loss.options, np.ones((*sides, len(data.classes))))
        except SettingsError as error:
            mistakes += error.mistakes
    refuse(mistakes)


def check_augmenting(settings: Settings, spec: InputSpec) -> None:
    """Let the augmentation refuse what it cannot do, or lacks. Raises SettingsError."""
    augment = settings.augment
    if augment.by == "image" or settings.features.views > 1:
        AUGMENTS.build(augment.name, augment.options, spec)
    if augment.by == "batch":
        BATCH_AUGMENTS[augment.name](spec, **augment.options)


def against_batches(settings: Settings, count: int) -> str:
    """Why these images cannot be changed a batch at a time; "" where they can."""
    name, seen = settings.augment.name, settings.input
    if name not in BATCH_AUGMENTS:
        return f"'{name}' works on one image at a time; take image or {listed(BATCH_AUGMENTS)}"
    if not fits_in_memory(InputSpec(seen.stored, int(seen.size)), count):
        return "only small square images that fit in memory can be changed so; take image"
    if settings.model.captions:
        return "captions come with images one at a time; take image"
    if settings.train.head_alone:
        return "a head alone is trained on features; leave it out"
    return ""


def _against_input(settings: Settings) -> Iterator[Mistake]:
    """The stored form and the network with this size, and this augmentation."""
    model, seen, augment = settings.model, settings.input, settings.augment.name
    word, side = [*seen.stored.split(":"), ""][:2]
    if side and int(side) < int(seen.size):
        what = f"{seen.stored} is smaller than the {seen.size} px the network sees"
        yield Mistake("input.stored", what)
    elif word == "original" and augment in NO_RESIZE:
        yield Mistake(
            "input.stored",
            f"original needs an augmentation that resizes, which '{augment}' does not; "
            f"take shorter:{seen.size}, or --augment standard",
        )
    shorter = InputSpec(seen.stored, int(seen.size)).evaluated_form[1]
    if shorter**2 > MOST_PIXELS:
        fits = int(int(seen.size) * MOST_PIXELS**0.5 / shorter)
        what = f"photos of {shorter} x {shorter} px are more than is opened; take {fits} or less"
        yield Mistake("--image-size", what)
    seen_by_it = model.resizer or int(seen.size)
    unseen = side_mistake(model.name, model.options, seen_by_it)
    if unseen is not None:
        yield Mistake("--image-size", unseen)
    elif settings.head.pool != MEAN and settings.head.name == "after":
        what = "is for a layer in the place of the network's own, and 'after' keeps that; take mean"
        yield Mistake("head.pool", what)
    elif settings.head.pool != MEAN:
        unpooled = pool_mistake(model.name, model.options, seen_by_it)
        yield from [Mistake("head.pool", unpooled)] if unpooled else []


def _against_features(settings: Settings, data: Dataset) -> Iterator[Mistake]:
    """Training a head on features."""
    features, train = settings.features, settings.train
    tried = {"rates": features.rates, "seeds": features.seeds, "heads": features.heads}
    several = any(len(values or ()) > 1 for values in tried.values())
    validated = data.samples.folds is not None or len(data.samples.rows("val"))
    if several and not validated:
        what = (
            "to choose among several heads needs validation images; "
            "leave data.val=none out, or name one rate, seed and head"
        )
        yield Mistake("features", what)
    plain = settings.augment.name == "none"
    if features.views > 1 and plain:
        what = "all views of an image are the same without augmentation; give --augment standard"
        yield Mistake("features.views", what)
    asked = [name for name, values in tried.items() if values is not None]
    asked = ["views", *asked] if features.views > 1 else asked
    if asked and not any(stage.head_alone for stage in train.stages):
        what = "speaks of a head that is trained alone, and no stage does that; take --freeze"
        yield Mistake(f"features.{asked[0]}", what)
    if settings.run.engine != engines.TORCH and not any(each.head_alone for each in train.stages):
        what = "is for a network that stays as it is, and no stage trains the head alone"
        yield Mistake("--engine", f"{what}; take --freeze, or leave it out")
    if train.head_alone:
        yield from _against_head_alone(settings)


def _against_mirror(settings: Settings, data: Dataset) -> Iterator[Mistake]:
    """Mirror images averaged in."""
    where = "model.mirror"
    if not settings.model.mirror:
        return
    if not settings.train.head_alone:
        what = "is for a network that stays as it is; take --freeze, or leave it out"
        yield Mistake(where, what)
    if not data.mirrored:
        what = "a mirror image means something else in these images; leave it out"
        yield Mistake(where, what)
    if settings.train.test_flip:
        what = "has mirror images in every figure already; leave train.test_flip out"
        yield Mistake(where, what)


def _against_captions(settings: Settings, data: Dataset) -> Iterator[Mistake]:
    """Captions that are not there."""
    captions = data.samples.frame["caption"]
    if settings.model.captions and not captions[data.samples.rows("train")].count():
        what = "no training image has a caption; name a table with a column 'Caption', or leave it"
        yield Mistake("model.captions", f"{what} out")


def _against_head_alone(settings: Settings) -> Iterator[Mistake]:
    """What is of training on images, and would change nothing where only a head is trained."""
    if settings.model.resizer:
        what = "a resizer has to be trained, and --freeze does not; leave one of them out"
        yield Mistake("model.resizer", what)
    if settings.features.views == 1 and settings.augment.name != "none":
        what = (
            "changes nothing where each image is seen once, as evaluation sees it; "
            "give features.views=10, or leave --freeze or this out"
        )
        yield Mistake("augment.name", what)
    if settings.mix.name != "none":
        what = (
            "mixes pictures, and a head alone is trained on features; "
            "leave it out, or leave --freeze out"
        )
        yield Mistake("mix.name", what)
    if settings.model.options.get("aux_logits"):
        what = "trains classifiers inside of a network that stays as it is"
        yield Mistake("model.aux_logits", f"{what}; leave it out, or leave --freeze out")
    for key in ("bias_factor", "decay_on", "validate_every"):
        if getattr(settings.train, key) != type(settings.train).model_fields[key].default:
            what = "is for training on images, and a head alone is trained on features"
            yield Mistake(f"train.{key}", f"{what}; leave it out")


def _against_figures(settings: Settings, data: Dataset) -> Iterator[Mistake]:
    """Top-5 accuracy says nothing of few classes."""
    asked = {"train.monitor": (settings.train.monitor,), "train.figures": settings.train.figures}
    for key, name in ((key, name) for key, names in asked.items() for name in names):
        if name in METRICS and len(data.classes) <= METRICS[name].among:
            what = f"{name} is not defined for {len(data.classes)} classes; take accuracy"
            yield Mistake(key, what)


def _against_lookahead(settings: Settings, data: Dataset) -> Iterator[Mistake]:
    """Slow weights that nothing moves stay what they were; a head that others follow has none."""
    train = settings.train
    batches = len(step_sizes(len(data.samples.rows("train")), train.batch_size))
    stages = [stage for stage in train.stages if train.head_alone or not stage.head_alone]
    epochs = min(stage.epochs or train.epochs for stage in stages)
    steps = -(-batches // train.accumulate) * epochs
    if train.lookahead and train.lookahead > steps:
        of_what = "the run" if len(train.stages) == 1 else "a stage"
        what = (
            f"{train.lookahead} is more than the {counted(steps, 'step')} of {of_what}, so nothing "
            "would be learned; take a smaller one, or a smaller --batch-size"
        )
        yield Mistake("train.lookahead", what)
