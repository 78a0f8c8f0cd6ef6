"""Weights from a file into a network; nothing that is read here can run code."""

import io
import pickle
import pickletools
import re
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from fieldmark.errors import WeightsError, nearest_path
from fieldmark.models.bundle_info import refuse_damaged
from fieldmark.models.heads import head_of, is_inside
from fieldmark.models.memory import available, refuse_large_file
from fieldmark.rundir import WEIGHTS

PICKLES = (".pth", ".pt", ".bin")
TABLES = ("state_dict", "model_state_dict", "model")  # where checkpoints keep their tensors
PREFIXES = ("module.", "model.", "_orig_mod.", "network.")  # what wrappers put before each name
RENAMED = (  # torchvision's own files of densenet and of vision transformers bear older names
    (re.compile(r"(^|\.)_(?=[a-z])"), r"\1"),  # those of EfficientNet-PyTorch hide each name
    (re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12])\."), r"\1\2."),
    (re.compile(r"\.mlp\.linear_1\."), ".mlp.0."),
    (re.compile(r"\.mlp\.linear_2\."), ".mlp.3."),
)
IDF, OF_JOINED = "words.idf", ("words.", "head.")  # of a network that reads captions (`Joined`)
SIDE_HEADS = ("aux1.", "aux2.", "AuxLogits.")  # of googlenet and inception_v3, which come and go
CODE = {"GLOBAL", "STACK_GLOBAL", "INST", "OBJ", "REDUCE", "NEWOBJ", "NEWOBJ_EX", "BUILD"}


@dataclass(frozen=True)
class WeightsReport:
    """What became of each tensor. loaded, skipped and missing are the network's names.

    skipped: in both, but not used, since the shape differs or the rest of the head does not fit.
    missing: only in the network, which keeps what it had. unexpected: only in the file.
    """

    loaded: tuple[str, ...]
    skipped: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a .safetensors file, or of a .pth, .pt or .bin file that holds only tensors.

    A table inside a checkpoint is found, wrappers' prefixes are taken off the names, half
    precision becomes float32, integers stay. Raises WeightsError where the file is missing,
    damaged (which the model.json of a bundle tells, too), no table of tensors, too large for the
    memory, or could run code.
    """
    if not path.is_file():
        hint = nearest_path(path, Path.is_file) or "; check the path"
        raise WeightsError(f"{path}: there is no such file{hint}")
    suffix = path.suffix.lower()
    if suffix not in (".safetensors", *PICKLES):
        raise WeightsError(
            f"{path}: is no weights file by its name; give a .safetensors, .pth, .pt or .bin file"
        )
    refuse_large_file(path, path.stat().st_size, available())
    table = read_safetensors(path) if suffix == ".safetensors" else _read_pickle(path)
    if path.name == WEIGHTS:
        refuse_damaged(path)
    while inner := _inner_table(table):
        table = inner
    pairs = list(table.items()) if isinstance(table, Mapping) else []
    if not pairs or not all(isinstance(k, str) and isinstance(v, Tensor) for k, v in pairs):
        raise WeightsError(
            f"{path}: holds no table of tensors; save the network's state_dict() and give that"
        )
    if any(name == IDF for name, _ in pairs):  # what reads captions is made anew, and its head
        pairs = [(name, tensor) for name, tensor in pairs if not name.startswith(OF_JOINED)]
    tensors = {plain_name(name): _widened(tensor.detach()) for name, tensor in pairs}
    if len(tensors) < len(pairs):
        raise WeightsError(
            f"{path}: holds more than one network, told apart only by what stands before the "
            "names; save the state_dict() of one of them and give that"
        )
    return tensors


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a .safetensors file as they are; raises WeightsError if it is damaged."""
    try:
        tensors: dict[str, Tensor] = load_file(path)
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{path}: {_unreadable(error)}") from error
    return tensors


def plain_name(name: str) -> str:
    """A tensor's name without wrappers' prefixes, and as the networks have it today."""
    while name.startswith(PREFIXES):
        name = name.partition(".")[2]
    for old, new in RENAMED:
        name = old.sub(new, name)
    return name


def load_into(
    network: nn.Module, tensors: Mapping[str, Tensor], *, partial: bool = False
) -> WeightsReport:
    """Copy tensors into the network by name, and say what became of each.

    The head may be of another number of classes; it is then left as it is, whole. Anything
    else that does not fit means weights of another network: WeightsError, unless partial is
    true and something before the head fits. Where it raises, the network is unchanged.
    """
    own = network.state_dict()
    head, _ = head_of(network)
    report = _compare(own, tensors, head)
    _refuse_strangers(network, report, head, partial)
    given = {plain_name(name): tensor for name, tensor in tensors.items()}
    fill(network, {name: given[plain_name(name)] for name in report.loaded})
    return report


def fill(network: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Copy tensors of the right names and shapes into the network; others stay as they are."""
    # over the network's own table, not a plain one: mnasnet loads none without its version
    table = network.state_dict()
    table.update(tensors)
    network.load_state_dict(table)


def _compare(own: Mapping[str, Tensor], tensors: Mapping[str, Tensor], head: str) -> WeightsReport:
    # the network's names may have prefixes too: somebody's own class around a known network
    given = {plain_name(name): tensor for name, tensor in tensors.items()}
    there = [name for name in own if plain_name(name) in given]
    loaded = [name for name in there if own[name].shape == given[plain_name(name)].shape]
    absent = [name for name in own if plain_name(name) not in given and not _is_counter(name)]
    if any(is_inside(name, head) for name in own if name not in loaded):
        loaded = [name for name in loaded if not is_inside(name, head)]
    known = {plain_name(name) for name in own}
    return WeightsReport(
        loaded=tuple(loaded),
        skipped=tuple(name for name in there if name not in loaded),
        missing=tuple(absent),
        unexpected=tuple(name for name in tensors if plain_name(name) not in known),
    )


def _refuse_strangers(network: nn.Module, report: WeightsReport, head: str, partial: bool) -> None:
    loaded, skipped, missing, unexpected = (
        [n for n in names if not is_inside(plain_name(n), plain_name(head)) and not _is_aside(n)]
        for names in (report.loaded, report.skipped, report.missing, report.unexpected)
    )
    wrong = [*missing, *skipped, *unexpected]
    fits = any(not _is_counter(name) for name in loaded)
    if not wrong or (partial and fits):
        return
    kind, total = type(network).__name__, len(loaded) + len(skipped) + len(missing)
    advice = ", or model.weights_partial=true to load what fits" if fits else ""
    raise WeightsError(
        f"the weights are of another network: {len(loaded)} of the {total} tensors before the "
        f"head of {kind} fit, {len(missing)} are missing, {len(skipped)} are of another shape and "
        f"{len(unexpected)} unknown (such as '{wrong[0]}'); give weights of this network{advice}"
    )


def _is_aside(name: str) -> bool:
    return plain_name(name).startswith(SIDE_HEADS)


def _is_counter(name: str) -> bool:
    """Batch norm's count of batches: older files lack it, and it changes no result."""
    return name.endswith("num_batches_tracked")


def _widened(tensor: Tensor) -> Tensor:
    return tensor.float() if tensor.is_floating_point() and tensor.itemsize < 4 else tensor


def _inner_table(table: Any) -> Any:
    """The table of tensors inside a checkpoint, or None where there is none inside."""
    if not isinstance(table, Mapping):
        return None
    return next((table[key] for key in TABLES if isinstance(table.get(key), Mapping)), None)


def _unreadable(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"cannot be read ({error.strerror or error}); see to its permissions and its disk"
    if isinstance(error, pickle.UnpicklingError):  # torch's text speaks of its own options
        return "is damaged, or no file of torch's; fetch or copy it again"
    reason = " ".join(str(error).split())[:120] or type(error).__name__
    return f"is damaged or cut short ({reason}); fetch or copy it again"


def _read_pickle(path: Path) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on how the file was made
            return torch.load(path, weights_only=True, map_location="cpu")
    except Exception as error:  # whatever a damaged file makes the reader stumble over
        refused = isinstance(error, pickle.UnpicklingError) and _makes_objects(path)
        if refused or "TorchScript" in str(error):
            raise WeightsError(
                f"{path}: was refused, because loading it could run code (it holds more than "
                "tensors); save only the network's state_dict(), best as .safetensors"
            ) from error
        raise WeightsError(f"{path}: {_unreadable(error)}") from error


def _makes_objects(path: Path) -> bool:
    """Whether the file is a pickle that calls for more than plain values. Runs none of it."""
    found: set[str] = set()
    try:
        for stream in _pickles(path):
            while stream.tell() < len(stream.getbuffer()):  # torch's older form: several in a row
                found |= {opcode.name for opcode, _, _ in pickletools.genops(stream)}
    except (ValueError, zipfile.BadZipFile):  # the end of what is a pickle
        pass
    return bool(found & CODE)


def _pickles(path: Path) -> Iterator[io.BytesIO]:
    if not zipfile.is_zipfile(path):
        yield io.BytesIO(path.read_bytes())
        return
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if name.endswith(".pkl"):
                yield io.BytesIO(archive.read(name))
