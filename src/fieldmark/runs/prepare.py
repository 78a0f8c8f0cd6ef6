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
from fieldmark.data.images import centre_crop
from fieldmark.data.intake import Dataset, take_in
from fieldmark.data.sources import read_pixels
from fieldmark.errors import (
    WeightsError,
    listed,
)
from fieldmark.machine import versions
from fieldmark.models import published
from fieldmark.models.assemble import INITS, Design, assemble, with_weights
from fieldmark.models.bundle import BundleInfo, Classifier
from fieldmark.models.heads import head_of
from fieldmark.models.memory import available, refuse_large_network
from fieldmark.models.recognise import recognise
from fieldmark.models.weights import read_weights
from fieldmark.records import InputSpec, Samples
from fieldmark.runs.checks import check_network
from fieldmark.runs.concrete import input_spec, make_concrete
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
    concrete = make_concrete(resolved, data, console)
    settings = concrete.settings
    spec = input_spec(settings)
    model, weight_notes = build(settings, data.classes, spec, load=load)
    if load and settings.model.weights == "none":
        learn_from_images(model, data.samples)
    data = replace(data, notes=tuple(dict.fromkeys([*data.notes, *weight_notes])))
    info = bundle_info(settings, data.samples, spec)
    device = torch.device(settings.run.device)
    return Prepared(settings, concrete.origins, data, spec, model, info, device)


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
    refuse_large_network(model.name, model.options, available())
    torch.manual_seed(streams.word(Stream.WEIGHTS, settings.run.seed))
    if model.weights == "none" or not load:
        network = assemble(design(settings), len(classes))
        INITS.build(model.init, {})(network)
        check_network(settings, network)
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
    check_network(settings, network)
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
