"""Which network weights are of, read off the names and shapes of their tensors.

The table, fingerprints.json, is made by `python -m fieldmark.models.recognise`: for each layer
that gives the classes, the networks by a hash of everything else. Networks that differ only in
what is not a tensor (padding, windows) share a hash: timm has some of those.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

from torch import Tensor, nn

from fieldmark.errors import UserError, WeightsError, listed
from fieldmark.models import timm_networks
from fieldmark.models.catalog import MODELS, outline
from fieldmark.models.heads import head_of
from fieldmark.models.timm_networks import PREFIX
from fieldmark.models.weights import SIDE_HEADS, plain_name

TABLE = Path(__file__).with_name("fingerprints.json")
OTHER_SIDES = {  # px; sides that torchvision publishes weights for, beside each network's own
    "vit_b_16": (384,),
    "vit_l_16": (512,),
    "vit_h_14": (518,),
}
# buffers that follow from the shapes: some files have them, some networks keep them to themselves
DERIVED = ("num_batches_tracked", "relative_position_index", "relative_coords_table", "attn_mask")
Table = dict[str, dict[str, list[str]]]  # {the head's names, joined by a blank: {hash: networks}}


def recognise(tensors: Mapping[str, Tensor]) -> str:
    """The catalog's name of the network that these tensors are of, whatever its classes.

    Where a torchvision network and timm's are the same, it is torchvision's. Raises
    WeightsError where no network or more than one has these names and shapes.
    """
    shapes = {plain_name(name): tuple(tensor.shape) for name, tensor in tensors.items()}
    found = {
        name
        for heads, networks in _table().items()
        for name in networks.get(fingerprint(shapes, heads.split()), ())
    }
    own = sorted(name for name in found if not name.startswith(PREFIX))
    names = own or sorted(found)
    if len(names) == 1:
        return names[0]
    if names:
        raise WeightsError(
            f"the weights fit {listed(names, most=6)} alike; say which it is with --model"
        )
    example = next(iter(tensors), "")
    raise WeightsError(
        f"the weights are of no network that is known by its tensors ({len(tensors)} of them, "
        f"such as '{example}'); say which it is with --model"
    )


def fingerprint(shapes: Mapping[str, tuple[int, ...]], heads: Iterable[str]) -> str:
    """A hash of names and shapes, but for those of the heads and of what files may leave out."""
    left = (*SIDE_HEADS, *(f"{head}." for head in heads))
    kept = sorted(
        f"{name} {list(shape)}"
        for name, shape in shapes.items()
        if not name.startswith(left) and not name.endswith(DERIVED)
    )
    return hashlib.blake2b("\n".join(kept).encode(), digest_size=8).hexdigest()


def identify(name: str, network: nn.Module) -> tuple[str, str]:
    """The two keys of a network in the table: its heads, and the hash of the rest."""
    heads = timm_networks.classifiers(name.removeprefix(PREFIX)) if name.startswith(PREFIX) else ()
    there = [head for head in heads if head in dict(network.named_modules())]
    there = [plain_name(head) for head in there or [head_of(network)[0]]]
    shapes = {plain_name(n): tuple(tensor.shape) for n, tensor in network.state_dict().items()}
    return " ".join(there), fingerprint(shapes, there)


def make(names: Iterable[str]) -> Table:
    """The table of these networks; those without any head are left out."""
    table: defaultdict[str, defaultdict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for name in names:
        options = [{"image_size": side} for side in OTHER_SIDES.get(name, ())]
        for given in ({}, *options):
            try:
                heads, key = identify(name, outline(name, 1000, given))
            except UserError:  # it has no head
                continue
            table[heads][key].append(name)
    return {heads: dict(sorted(networks.items())) for heads, networks in sorted(table.items())}


def write_table(path: Path = TABLE) -> None:
    """Write the table of every network of the catalog and of timm. Takes some minutes."""
    names = [*MODELS, *(f"{PREFIX}{name}" for name in timm_networks.names())]
    table = make(names)
    lines = ",\n".join(
        f"{json.dumps(heads)}: {{\n" + _lines(networks) + "\n}" for heads, networks in table.items()
    )
    path.write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")


def _lines(networks: dict[str, list[str]]) -> str:
    """A line a hash, so that a change of the table can be read."""
    return ",\n".join(f" {json.dumps(k)}: {json.dumps(names)}" for k, names in networks.items())


@cache
def _table() -> Table:
    table: Table = json.loads(TABLE.read_text(encoding="utf-8"))
    return table


if __name__ == "__main__":
    write_table()
