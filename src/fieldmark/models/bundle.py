"""A bundle: model.safetensors and model.json, enough to predict anywhere."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import save as serialised
from torch import Tensor, nn

from fieldmark.captioned import Captioned, Seen
from fieldmark.errors import WeightsError
from fieldmark.files import write_json, write_whole
from fieldmark.models.assemble import KEPT, Design, assemble, kept_outputs
from fieldmark.models.bundle_info import BundleInfo, read_info, refuse_damaged
from fieldmark.models.catalog import MODELS, is_foreign
from fieldmark.models.heads import HEADS
from fieldmark.models.weights import fill, plain_name, read_safetensors
from fieldmark.records import InputSpec
from fieldmark.rundir import INFO, WEIGHTS
from fieldmark.task import TASKS

__all__ = ["BundleInfo", "Classifier", "load", "read_info", "save"]


class Classifier(nn.Module):
    """A network together with how images are made ready for it."""

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, spec: InputSpec):
        super().__init__()
        self.network = network
        self.spec = spec
        # not persistent: they belong to model.json, not to the weights
        self.register_buffer("mean", torch.tensor(spec.mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(spec.std).view(3, 1, 1), persistent=False)

    def prepare(self, batch: Tensor) -> Tensor:
        """(N, 3, H, W) on a scale of 0 to 255 -> float32: (x / 255 - mean) / std, layout kept.

        uint8 as a rule; float32 where an augmentation leaves values beside whole numbers.
        """
        return (batch.to(torch.float32) / 255 - self.mean) / self.std

    def forward(self, batch: Seen) -> Tensor:
        """Logits (N, C) of images as `prepare` takes them, with words where the network reads them.

        Raises TypeError where a batch has no words for a network that does, or the reverse.
        """
        if isinstance(batch, Captioned) is not bool(self.spec.words):
            raise TypeError("the network reads captions, or it does not; so must its batches")
        if isinstance(batch, Captioned):
            logits: Tensor = self.network(self.prepare(batch.images), batch.words)
        else:
            logits = self.network(self.prepare(batch))
        return logits


def save(folder: Path, network_state: Mapping[str, Tensor], info: BundleInfo) -> None:
    """Write the two files into `folder`, model.json last, with the hash of the weights.

    A kill leaves the old pair, no model.json, or the new pair: never half of each. network_state:
    of the bare network, not of a Classifier. Raises DiskError where there is no room or no
    permission.
    """
    # a copy each: safetensors takes neither views of one memory nor channels_last
    tensors = {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, tensor in network_state.items()
    }
    content = serialised(tensors)

    def write_weights(draft: Path) -> None:
        with draft.open("wb") as stream:
            stream.write(content)
            os.fsync(stream.fileno())
        (folder / INFO).unlink(missing_ok=True)  # it is not of the weights that come now

    write_whole(folder / WEIGHTS, write_weights)
    written = replace(info, weights_sha256=hashlib.sha256(content).hexdigest())
    write_json(folder / INFO, written.to_json())


def write_info(folder: Path, info: BundleInfo) -> None:
    """Write model.json alone, over the one that is there, beside the same weights."""
    written = replace(info, weights_sha256=read_info(folder / INFO).weights_sha256)
    write_json(folder / INFO, written.to_json())


def load(folder: Path) -> tuple[Classifier, BundleInfo]:
    """The classifier in eval mode on the processor, and what it is for.

    Raises WeightsError, naming the file, where one is missing, damaged, written by a newer
    Fieldmark, or where the two do not belong together.
    """
    info = read_info(folder / INFO)
    design = _design(info, folder / INFO)
    path = folder / WEIGHTS
    if not path.is_file():
        raise WeightsError(f"{path}: there is no such file; copy the bundle again, both files")
    tensors = read_safetensors(path)
    refuse_damaged(path)
    plain = {plain_name(name): tensor for name, tensor in tensors.items()}
    network = assemble(design, len(info.classes), kept=kept_outputs(design, plain) or KEPT)
    own = {name: tensor.shape for name, tensor in network.state_dict().items()}
    given = {name: tensor.shape for name, tensor in tensors.items()}
    wrong = [name for name in own | given if own.get(name) != given.get(name)]
    if wrong:
        raise WeightsError(
            f"{path}: does not belong to the {INFO} beside it: {len(wrong)} tensors do not fit "
            f"(such as '{wrong[0]}'); copy the bundle again, both files"
        )
    fill(network, tensors)
    return Classifier(network, info.spec).eval(), info


def _design(info: BundleInfo, path: Path) -> Design:
    """What the network is made of. Raises WeightsError where this version cannot make it."""
    for name, catalog in ((info.model, MODELS), (info.head, HEADS)):
        if is_foreign(name) and name not in catalog:
            raise WeightsError(f"{path}: {catalog.unknown(name)}")
    options, mistakes = MODELS.read(info.model, info.options)
    head_options, more = HEADS.read(info.head, info.head_options)
    for mistake in (*mistakes, *more):
        raise WeightsError(f"{path}: {mistake.what}; it may need another version of fieldmark")
    return Design(
        *(info.model, options, info.head, head_options, info.resizer, info.pool, info.mirror),
        several=TASKS[info.task].several,
        words=info.spec.words,
    )
