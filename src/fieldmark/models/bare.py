"""Whether a bundle's network is its library's own, with no part that the library has not."""

from torch import nn

from fieldmark.models.bundle_info import BundleInfo
from fieldmark.models.catalog import outline


def own_parts(network: nn.Module, info: BundleInfo) -> str:
    """The parts that the library's network has not: "model.mirror and ..."; "" where none."""
    own = {name: tensor.shape for name, tensor in network.state_dict().items()}
    library = outline(info.model, len(info.classes), info.options)
    if own == {name: tensor.shape for name, tensor in library.state_dict().items()}:
        return ""
    parts = {
        _head_words(info): info.head != "linear" or bool(_own_options(info)),
        f"head.pool={info.pool}": info.pool != "mean",
        "model.mirror": info.mirror,
        "model.resizer": info.resizer is not None,
        "model.captions": bool(info.spec.words),
    }
    return " and ".join(name for name, there in parts.items() if there) or "layers of its own"


def _head_words(info: BundleInfo) -> str:
    """ "the head 'linear' with length=true" """
    return " with ".join(
        filter(None, [f"the head '{info.head}'", " and ".join(_own_options(info))])
    )


def _own_options(info: BundleInfo) -> list[str]:
    """The options of the head that make it another one than the bare head."""
    given = info.head_options.items()
    return [f"{k}={str(v).lower()}" for k, v in given if v is not None and v is not False]
