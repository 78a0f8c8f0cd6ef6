"""A bundle as others read it."""

import io
from dataclasses import replace
from pathlib import Path

import torch

from fieldmark.errors import RunError
from fieldmark.export.whole import Maker, Runner, Source, whole_runner
from fieldmark.files import write_whole
from fieldmark.models import bundle
from fieldmark.models.bare import own_parts
from fieldmark.models.catalog import MODELS

FILE = "model.pth"


def to_pth(path: str | Path, out: Path) -> str:
    """The weights as a plain state dict, by the names of the network's own library. -> what it is

    torch.load(out, weights_only=True) gives it, and load_state_dict(..., strict=True) of the
    network with as many classes takes it. The temperature, the classes and how an image becomes
    the network's input stay in model.json. Raises RunError where the network has parts that the
    library's has not, WeightsError for a damaged bundle, DiskError.
    """
    model, info = bundle.load(Path(path))
    if parts := own_parts(model.network, info):
        without = ", without model.captions" if info.spec.words else ""
        raise RunError(
            f"{path}: has {parts}, which '{info.model}' of its library has not, so that no plain "
            "state dict is the whole of it; train with head.name=linear, head.pool=mean and "
            f"features.scalings='[plain, standard]'{without}"
        )
    own = model.network.state_dict()
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in own.items()}
    content = io.BytesIO()  # torch does not say that a disk is full
    torch.save(tensors, content)
    write_whole(out, lambda draft: draft.write_bytes(content.getvalue()))
    size = sum(tensor.nbytes for tensor in tensors.values()) / 2**20
    return f"{info.model}, {len(info.classes)} classes, {size:.1f} MiB, as a plain state dict"


def _open(folder: Path, source: Source) -> Runner:
    """The library's own network with the file's weights; it takes images in the network's size."""
    info = source.info
    network = MODELS.build(info.model, info.options, len(info.classes))
    network.load_state_dict(torch.load(folder / FILE, weights_only=True), strict=True)
    return whole_runner(replace(source, members=((bundle.Classifier(network, info.spec), info),)))


PTH = Maker(
    lambda source, way, embedding: source,
    lambda source, about, folder: to_pth(source.path, folder / FILE),
    _open,
)
