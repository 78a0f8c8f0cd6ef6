"""Everything that comes before training: settings made concrete, images, split, network.

Nothing here writes a file, so that every mistake is found before a run folder exists.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from fieldmark import streams
from fieldmark.console import Console
from fieldmark.data.channels import channels_of
from fieldmark.data.images import centre_crop
from fieldmark.data.intake import Dataset, take_in
from fieldmark.data.sources import read_pixels
from fieldmark.errors import (
    Mistake,
    SettingsError,
    WeightsError,
    counted,
    listed,
)
from fieldmark.machine import versions
from fieldmark.models import published
from fieldmark.models.assemble import assemble, with_weights
from fieldmark.models.bundle import BundleInfo, Classifier
from fieldmark.models.design import Design
from fieldmark.models.heads import head_of
from fieldmark.models.initialise import INITS
from fieldmark.models.memory import available, refuse_large_network
from fieldmark.models.recognise import recognise
from fieldmark.models.weights import read_weights
from fieldmark.records import InputSpec, Samples
from fieldmark.runs.against import (
    check_augmenting,
    check_batch,
    check_figures,
    check_lookahead,
    check_loss,
    check_optimizer,
    check_stages,
    try_size,
)
from fieldmark.runs.concrete import NORMALIZE, make_concrete
from fieldmark.settings.layers import Resolved
from fieldmark.settings.tree import Settings
from fieldmark.streams import Stream

LOOKED_AT = 5000  # images that a first layer is made from, at the most
PIXELS = 20_000_000  # of them all together: 240 MB as float32
Three = tuple[float, float, float]


@dataclass(frozen=True)
class Prepared:
    """A run that is ready to start, and what is told of its images and weights."""

    settings: Settings
    origins: dict[str, str]
    data: Dataset
    spec: InputSpec
    model: Classifier
    info: BundleInfo
    device: torch.device

    @property
    def samples(self) -> Samples:
        """The images with their splits."""
        return self.data.samples

    @property
    def classes(self) -> tuple[str, ...]:
        """What the network tells apart, in order."""
        return self.data.classes


def prepare(
    resolved: Resolved,
    console: Console,
    data: Dataset | None = None,
    *,
    load: bool = True,
) -> Prepared:
    """From settings to a run that is ready to start.

    data: taken in already, in place of reading `data.source`. load: whether the weights to
    begin with are read; a checkpoint has its own. Raises DataError, SettingsError, WeightsError.
    """
    if data is None:
        data = take_in(resolved.settings.data, console)
    samples = data.samples
    concrete, origins = make_concrete(resolved, data, load=load)
    check_optimizer(concrete)
    if concrete.input.normalize == "dataset":
        concrete, origins = with_own_channels(concrete, origins, samples, console)
    spec = input_spec(concrete)
    check_augmenting(concrete, spec)
    device = torch.device(concrete.run.device)
    model, weight_notes = build(concrete, samples.classes, spec, load=load)
    if load and concrete.model.weights == "none":
        learn_from_images(model, samples)
    check_stages(concrete, model.network)
    check_batch(concrete, model)
    check_loss(concrete, samples)
    check_figures(concrete, samples)
    check_lookahead(concrete, samples)
    data = replace(data, notes=tuple(dict.fromkeys([*data.notes, *weight_notes])))
    info = bundle_info(concrete, samples, spec)
    return Prepared(concrete, origins, data, spec, model, info, device)


def input_spec(settings: Settings) -> InputSpec:
    """What the network sees."""
    given = settings.input.normalize
    mean, std = NORMALIZE[given] if isinstance(given, str) else (given[:3], given[3:])
    return InputSpec(settings.input.stored, int(settings.input.size), mean, std)


def with_own_channels(
    settings: Settings, origins: dict[str, str], samples: Samples, console: Console
) -> tuple[Settings, dict[str, str]]:
    """The settings with the mean and standard deviation of the training images' channels.

    They are numbers in the settings from here on, so that a run that goes on has the same.
    """
    rows = samples.rows("train")
    spec = InputSpec(settings.input.stored, int(settings.input.size))  # as they are before that
    with console.bar("measuring channels", len(rows)) as bar:
        mean, std = channels_of(samples, rows, spec, bar.advance)
    numbers = tuple(float(f"{value:.6g}") for value in (*mean, *std))
    if min(numbers[3:]) <= 0:
        what = "the training images are of one colour in a channel; take half or imagenet"
        raise SettingsError([Mistake("input.normalize", what)])
    read = settings.input.model_copy(update={"normalize": numbers})
    where = {"input.normalize": f"the channels of the {counted(len(rows), 'training image')}"}
    return settings.model_copy(update={"input": read}), {**origins, **where}


def learn_from_images(model: Classifier, samples: Samples) -> None:
    """Let a network whose first layer is made from images, and not trained, see training images.

    At most LOOKED_AT of them, fewer of large ones, evenly over the training rows; no other
    split's.
    """
    layers: list[Any] = list(model.network.modules())
    learn = next((layer.learn_from for layer in layers if hasattr(layer, "learn_from")), None)
    if learn is None:
        return
    rows, places, spec = samples.rows("train"), samples.places(), model.spec
    most = min(LOOKED_AT, max(1, PIXELS // spec.size**2))
    seen = [places[row] for row in rows[:: -(-len(rows) // most)].tolist()]
    pixels = (read_pixels(samples.root, path, at, spec.evaluated_form) for path, at in seen)
    crops = [torch.from_numpy(centre_crop(image, spec.size).copy()) for image in pixels]
    batch = torch.stack([crop.permute(2, 0, 1) for crop in crops])
    learn(model.prepare(batch))


def design(settings: Settings) -> Design:
    """What the network is made of."""
    model, head = settings.model, settings.head
    return Design(model.name, model.options, head.name, head.options, model.resizer)


def build(
    settings: Settings, classes: Sequence[str], spec: InputSpec, *, load: bool
) -> tuple[Classifier, list[str]]:
    """The network with its weights, and what is to be said of them.

    load: False leaves random weights, for a run whose checkpoint brings its own.
    """
    model = settings.model
    try_size(settings, model.resizer or spec.size)
    refuse_large_network(model.name, model.options, available())
    torch.manual_seed(streams.word(Stream.WEIGHTS, settings.run.seed))
    if model.weights == "none" or not load:
        network = assemble(design(settings), len(classes))
        INITS.build(model.init, {})(network)
        return Classifier(network, spec), []
    path = Path(model.weights)
    if not path.is_file():
        frozen = bool(model.freeze or model.unfreeze)
        path = published.fetch(model.name, model.weights, needed=frozen)
    tensors, seed = read_weights(path), settings.run.seed
    try:
        network, report = with_weights(
            design(settings), len(classes), tensors, seed=seed, partial=model.weights_partial
        )
    except WeightsError as error:
        raise WeightsError(f"{path}: {other_network(tensors, model.name) or error}") from error
    head = f"{head_of(network)[0]}."
    left = [*report.skipped, *report.missing, *report.unexpected]
    other = [name for name in left if not name.startswith(head)]
    new = ", the head is new" if len(other) < len(left) else ""
    notes = [f"weights: {len(report.loaded)} tensors taken from {model.weights}{new}"]
    if other:
        notes.append(f"weights that did not fit, left as they were: {listed(other)}")
    return Classifier(network, spec), notes


def other_network(tensors: Mapping[str, torch.Tensor], name: str) -> str | None:
    """What to say where weights are of a known network that is not `name`; None otherwise."""
    try:
        found = recognise(tensors)
    except WeightsError:
        return None
    if found == name:
        return None
    return f"these are weights of {found}, not of {name}; take --model {found}, or leave it out"


def bundle_info(settings: Settings, samples: Samples, spec: InputSpec) -> BundleInfo:
    """What is kept beside the weights."""
    model, random = settings.model, settings.model.weights == "none"
    return BundleInfo(
        model=model.name,
        options=model.options,
        head=settings.head.name,
        head_options=settings.head.options,
        resizer=model.resizer,
        classes=samples.classes,
        spec=spec,
        weights="random weights" if random else model.weights,
        licence=None if random else published.licence_of(model.name, model.weights),
        versions=versions(),
        samples_hash=samples.hash(),
        precision=settings.run.precision,
    )
