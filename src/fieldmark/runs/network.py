"""The network of a run: built, given its weights, and another kind of head where that is best."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from fieldmark.data.images import centre_crop
from fieldmark.data.intake import Dataset
from fieldmark.data.sources import read_pixels
from fieldmark.data.words import counted, told_of_captions
from fieldmark.errors import UserError, WeightsError, listed, refuse
from fieldmark.fit.logistic import log_odds
from fieldmark.fit.losses import counts_of
from fieldmark.machine import versions
from fieldmark.models import published
from fieldmark.models.assemble import INITS, KEPT, Design, assemble, with_weights
from fieldmark.models.bundle import BundleInfo, Classifier
from fieldmark.models.catalog import BESIDE, is_foreign, outline
from fieldmark.models.heads import bias_of, drawn_from, head_of, is_inside, redrawn
from fieldmark.models.joined import BUCKETS, Joined
from fieldmark.models.memory import (
    available,
    file_bytes,
    large_batch,
    on_meta,
    refuse_large_network,
)
from fieldmark.models.recognise import recognise
from fieldmark.models.side_by_side import PLACES
from fieldmark.models.stages import chosen, set_trained
from fieldmark.models.weights import WeightsReport, fill, read_weights
from fieldmark.records import InputSpec, Samples
from fieldmark.runs.budgets import against_size
from fieldmark.runs.checks import check_network, settle
from fieldmark.runs.sight import input_spec
from fieldmark.settings.layers import Resolved
from fieldmark.settings.tree import Settings
from fieldmark.streams import Stream
from fieldmark.task import SEVERAL_LABELS

LOOKED_AT = 5000  # images that a first layer is made from, at the most
READS_CAPTIONS = (
    "this model reads captions, and needs them to predict, too: worth it where they come with the "
    "images, for whoever writes one by hand could as well write the labels"
)
PIXELS = 20_000_000  # of them all together: 240 MB as float32


@dataclass
class Prepared:
    """A run that is ready to start: settings without `auto`, data, network.

    Where another kind of head than the settings' turns out the best, `adopt` changes the
    network inside `model`, and `info`. seconds: that it took to come here.
    """

    settings: Settings
    origins: dict[str, str]
    data: Dataset
    spec: InputSpec
    model: Classifier
    info: BundleInfo
    device: torch.device
    seconds: float = 0.0

    @property
    def samples(self) -> Samples:
        """The images with their splits."""
        return self.data.samples

    @property
    def classes(self) -> tuple[str, ...]:
        """What the network tells apart, in order."""
        return self.data.classes

    def held_out(self) -> "Prepared":
        """The same run, the first fold's images held out for validation where it has folds."""
        if self.samples.folds is None:
            return self
        return replace(self, data=replace(self.data, samples=self.samples.held_out(0)))


def build(concrete: Resolved, data: Dataset, *, load: bool = True) -> Prepared:
    """The network with its weights, beside its settings and data.

    load: False leaves random weights, for a run whose checkpoint brings its own. Raises
    SettingsError for what does not go with the network, WeightsError.
    """
    settings, spec = concrete.settings, input_spec(concrete.settings)
    refuse_large(settings, data)
    with drawn_from(Stream.WEIGHTS, settings.run.seed):
        if settings.model.weights != "none" and load:
            network, notes = with_trained_weights(settings, data.classes)
        else:
            network, notes = assemble(design(settings), len(data.classes)), []
            INITS.build(settings.model.init, {}, network)
    check_network(settings, network)
    model = Classifier(network, spec)
    if settings.model.weights == "none" and load:
        learn_from_images(model, data.samples)
    if isinstance(network, Joined):
        captions = data.samples.frame["caption"].to_list()
        notes += [READS_CAPTIONS, *told_of_captions(captions, settings.data.source)]
        if load:
            weigh_words(network, data.samples)
    if data.samples.task.several and load:
        begin_at_log_odds(network, data.samples, drawn=settings.model.weights == "none")
    return Prepared(
        settings,
        concrete.origins,
        replace(data, notes=tuple(dict.fromkeys([*data.notes, *notes]))),
        spec,
        model,
        bundle_info(settings, data.samples, spec),
        torch.device(settings.run.device),
    )


def with_trained_weights(
    settings: Settings, classes: Sequence[str]
) -> tuple[torch.nn.Module, list[str]]:
    """The network with published weights or a file's, and what is to be said of them."""
    model = settings.model
    if BESIDE in model.name and not Path(model.weights).is_file():
        tensors, place = tensors_of_both(settings), model.weights
    else:
        place = str(weights_file(settings, model.name, model.weights))
        tensors = read_weights(Path(place))
    network, report = filled(settings, design(settings), len(classes), tensors, place)
    head = f"{head_of(outline(model.name, len(classes), model.options))[0]}."  # its own
    left = [*report.skipped, *report.missing, *report.unexpected]
    other = [name for name in left if not name.startswith(head)]
    new = ", the head is new" if len(other) < len(left) else ""
    notes = [f"weights: {len(report.loaded)} tensors taken from {model.weights}{new}"]
    if other:
        notes.append(f"weights that did not fit, left as they were: {listed(other)}")
    return network, notes


def weights_file(settings: Settings, name: str, weights: str) -> Path:
    """The file of a network's weights, fetched where it is published and not at hand."""
    path, model = Path(weights), settings.model
    found = None if path.is_file() else published.chosen(name, weights)
    if found is None:
        return path
    return published.fetch(found, needed=bool(model.freeze or model.unfreeze))


def filled(
    settings: Settings,
    wanted: Design,
    classes: int,
    tensors: Mapping[str, torch.Tensor],
    place: str,
) -> tuple[torch.nn.Module, WeightsReport]:
    """`with_weights`, whose WeightsError names the file and what it is of."""
    seed, partial = settings.run.seed, settings.model.weights_partial
    try:
        return with_weights(wanted, classes, tensors, seed=seed, partial=partial)
    except WeightsError as error:
        what = other_network(tensors, wanted.model) or error
        raise WeightsError(f"{place}: {what}") from error


def tensors_of_both(settings: Settings) -> dict[str, torch.Tensor]:
    """Those of two networks side by side, by the names that they have there, without the heads."""
    found: dict[str, torch.Tensor] = {}
    both = published.parts(settings.model.name, settings.model.weights)
    for side, (name, weights) in zip(PLACES, both, strict=True):
        path = weights_file(settings, name, weights)
        network, _ = filled(settings, Design(name), KEPT, read_weights(path), str(path))
        head = head_of(network)[0]
        own = network.state_dict()
        found |= {f"{side}.{key}": own[key] for key in own if not is_inside(key, head)}
    return found


def other_network(tensors: Mapping[str, torch.Tensor], name: str) -> str | None:
    """What to say where weights are of a known network that is not `name`; None otherwise."""
    try:
        found = recognise(tensors)
    except WeightsError:
        return None
    if found == name:
        return None
    return f"these are weights of {found}, not of {name}; take --model {found}, or leave it out"


def refuse_large(settings: Settings, data: Dataset) -> None:
    """Refuse a network, and a batch of it, that this machine has too little memory for, or that
    the budget has.

    Raises WeightsError, SettingsError.
    """
    networks, train = outlines(settings, len(data.classes)), settings.train
    network = networks[settings.head.name]
    refuse_large_network(settings.model.name, network, available())
    sizes = {head: file_bytes(each.state_dict()) for head, each in networks.items()}
    refuse(against_size(settings, sizes))
    try:
        parts = [chosen(network, stage.train) for stage in train.stages if not stage.head_alone]
    except UserError:  # `check_network` will say
        return
    set_trained(network, max(parts, key=len, default=()))
    count = min(train.batch_size, len(data.samples.rows("train")))
    free, size = available(settings.run.device), int(settings.input.size)
    refuse(large_batch(network, size, count, free, training=bool(parts)))


def outlines(settings: Settings, classes: int) -> dict[str, torch.nn.Module]:
    """The network on the meta device, by every kind of head that it may end with."""
    heads = dict.fromkeys((settings.head.name, *(settings.features.heads or ())))
    tried = {head: settings_with_head(settings, head) for head in heads}
    return {head: on_meta(partial(assemble, design(each), classes)) for head, each in tried.items()}


def begin_at_log_odds(network: torch.nn.Module, samples: Samples, *, drawn: bool) -> None:
    """Give a new last layer's bias how common each label is in training: ln(with / without).

    drawn: the network has random weights; one with others has a new layer where its bias is 0.
    """
    bias = bias_of(network)
    if bias is None or not (drawn or not bias.any()):
        return
    targets = samples.targets(samples.classes)[samples.rows("train")]
    without, having = torch.from_numpy(counts_of(targets, len(samples.classes))).double()
    with torch.no_grad():
        bias.copy_(log_odds(having, without))


def weigh_words(network: Joined, samples: Samples) -> None:
    """Let a network that reads captions learn from those of training which words are rare."""
    rows, captions = samples.rows("train"), samples.frame["caption"].to_list()
    words = counted([captions[row] for row in rows.tolist()], len(network.words.idf))
    network.words.weigh(torch.from_numpy(words))


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
    return Design(
        model.name,
        model.options,
        head.name,
        head.options,
        model.resizer,
        head.pool,
        model.mirror,
        several=settings.data.task == SEVERAL_LABELS.name,
        words=BUCKETS if model.captions else 0,
    )


def bundle_info(settings: Settings, samples: Samples, spec: InputSpec) -> BundleInfo:
    """What is kept beside the weights."""
    model, random = settings.model, settings.model.weights == "none"
    weights = published.chosen(model.name, model.weights)
    drawn = "as its code gives them" if is_foreign(model.name) else "random weights"
    return BundleInfo(
        model=model.name,
        options=model.options,
        task=samples.task.name,
        head=settings.head.name,
        head_options=settings.head.options,
        resizer=model.resizer,
        pool=settings.head.pool,
        mirror=model.mirror,
        classes=samples.classes,
        spec=spec,
        weights=drawn if random else model.weights,
        licence=None if weights is None else weights.licence,
        versions=versions(),
        samples_hash=samples.hash(),
        precision=settings.run.precision,
        engine=settings.run.engine,
    )


def settings_with_head(
    settings: Settings, head: str, options: Mapping[str, Any] | None = None
) -> Settings:
    """The settings of a run with another kind of head, or with other options of its own."""
    given = settings.head
    own = given.options if head == given.name else {}
    chosen_head = {"name": head, "pool": given.pool, **own, **(options or {})}
    return settle({**settings.model_dump(), "head": chosen_head})


def with_head(
    prepared: Prepared, head: str, options: Mapping[str, Any] | None = None
) -> tuple[torch.nn.Module, BundleInfo]:
    """A network with another kind of head, new, on the same body, and what a bundle says of it.

    options: of the head, beside those that the settings give to their own.
    """
    settings = settings_with_head(prepared.settings, head, options)
    network = assemble(design(settings), len(prepared.classes), seed=settings.run.seed)
    place = head_of(prepared.model.network)[0]
    own_names = [name for name in network.state_dict() if not name.startswith(f"{place}.")]
    before = prepared.model.network.state_dict()
    fill(network, {name: before[name] for name in own_names})
    name, fresh = head_of(network)
    network.set_submodule(name, redrawn(fresh, settings.run.seed))
    if prepared.samples.task.several:
        begin_at_log_odds(network, prepared.samples, drawn=True)
    return network, bundle_info(settings, prepared.samples, prepared.spec)


def adopt(prepared: Prepared, head: str, options: Mapping[str, Any]) -> bool:
    """Give the network this kind of head, new; its other layers stay as they are.

    -> whether it had another one
    """
    info = prepared.info
    if head == info.head and {**info.head_options, **options} == info.head_options:
        return False
    # others hold the whole classifier
    prepared.model.network, prepared.info = with_head(prepared, head, options)
    prepared.model.to(prepared.device).to(memory_format=torch.channels_last)
    return True
