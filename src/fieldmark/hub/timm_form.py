"""A bundle as timm has it: the same weights by timm's names, and the config.json that it reads.

timm, transformers (its TimmWrapper) and the hub's widget load a folder by config.json and
model.safetensors. Where torchvision's network, or one of ours, is timm's but for the names of its
tensors, the bundle is told as timm's network, so that one file of weights is for all of them.
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from fieldmark.data.images import made_up
from fieldmark.models import timm_networks
from fieldmark.models.bare import own_parts
from fieldmark.models.bundle import Classifier
from fieldmark.models.bundle_info import BundleInfo
from fieldmark.models.timm_networks import PREFIX
from fieldmark.records import InputSpec
from fieldmark.task import TASKS

NEAR = 2e-5  # of the largest logit; the same network on the same pixels differs by rounding alone
NAMES = {  # networks that timm has under another name, their tensors in the same order
    "mobilenet_v2": "mobilenetv2_100",
    "mnasnet0_5": "mnasnet_050",
    "mnasnet0_75": "mnasnet_075",
    "mnasnet1_0": "mnasnet_100",
    **{f"efficientnet_lite{n}": f"tf_efficientnet_lite{n}" for n in range(3)},
}


@dataclass(frozen=True)
class TimmForm:
    """A bundle's weights, by timm's names where it has them, and its facts with these names.

    architecture: timm's name of the network. config: what config.json holds, which timm,
    transformers and the hub read. why_not: in words after "timm cannot load it, for "; then both
    are None.
    """

    state: dict[str, Tensor]
    info: BundleInfo
    architecture: str | None = None
    config: dict[str, Any] | None = None
    why_not: str = ""


def timm_form(classifier: Classifier, info: BundleInfo) -> TimmForm:
    """The bundle as timm has it, or as it is, with why timm has it not.

    That timm's network gives the same logits is tried on drawn pixels, not believed.
    """
    given = classifier.network.state_dict()
    as_it_is = partial(TimmForm, given, info)
    architecture = named_by_timm(info.model)
    if architecture is None:
        return as_it_is(why_not=f"timm has no network '{info.model}'")
    if parts := own_parts(classifier.network, info):
        return as_it_is(why_not=f"the network has {parts}")
    is_timms = info.model.startswith(PREFIX)
    options = info.options if is_timms else {}
    network = timm_networks.create(architecture, len(info.classes), **options).eval()
    own = network.state_dict()
    if [each.shape for each in own.values()] != [each.shape for each in given.values()]:
        why_not = f"timm's '{architecture}' is another network than '{info.model}'"
        return as_it_is(why_not=why_not)
    same_names = own.keys() == given.keys()
    state = dict(given) if same_names else dict(zip(own, given.values(), strict=True))
    network.load_state_dict(state)
    if not answers_alike(classifier.network, network, info.spec.size):
        why_not = f"timm's '{architecture}' gives other logits than '{info.model}'"
        return as_it_is(why_not=why_not)
    told = info if same_names else replace(info, model=PREFIX + architecture, options={})
    return TimmForm(state, told, architecture, timm_config(architecture, network, info))


def named_by_timm(model: str) -> str | None:
    """timm's name of a network of the catalog; None where timm has none like it."""
    bare = NAMES.get(model, model.removeprefix(PREFIX))
    return bare if bare in timm_networks.names() else None


@torch.inference_mode()
def answers_alike(one: nn.Module, other: nn.Module, side: int) -> bool:
    """Whether two networks in eval mode give the same logits on two made-up images."""
    images = torch.from_numpy(made_up(2, 3, side, side)).float() / 64 - 2
    first, second = one(images), other(images)
    return bool((first - second).abs().max() <= NEAR * max(1.0, float(first.abs().max())))


def timm_config(architecture: str, network: nn.Module, info: BundleInfo) -> dict[str, Any]:
    """config.json in the form of timm's `save_config_for_hf`.

    problem_type is for transformers, whose pipeline takes a softmax without it.
    """
    known = timm_networks.own_config(architecture)
    about = {name: known[name] for name in ("first_conv", "classifier") if name in known}
    options = info.options if info.model.startswith(PREFIX) else {}
    side = options.get("img_size")
    several = TASKS[info.task].several
    return {
        "architecture": architecture,
        "num_classes": len(info.classes),
        "num_features": getattr(network, "num_features", None),
        "label_names": list(info.classes),
        **({"problem_type": "multi_label_classification"} if several else {}),
        **({"model_args": {"img_size": side}} if side else {}),
        "pretrained_cfg": {
            "custom_load": False,
            "num_classes": len(info.classes),
            "fixed_input_size": bool(known.get("fixed_input_size")),
            "pool_size": None,
            **about,
            **input_config(info.spec),
        },
    }


def input_config(spec: InputSpec) -> dict[str, Any]:
    """How an image becomes the input, in timm's words."""
    word, side, smooth = [*spec.evaluated_form, "bilinear"][:3]
    return {
        "input_size": [3, spec.size, spec.size],
        "interpolation": smooth,
        "crop_pct": crop_share(spec.size, int(side)),
        "crop_mode": "squash" if word == "square" else "center",
        "mean": list(spec.mean),
        "std": list(spec.std),
    }


def crop_share(size: int, stored: int) -> float:
    """The share of the stored side that the crop takes: timm's floor(size / share) is that side."""
    share = size / stored
    return share if int(size / share) == stored else size / (stored + 0.5)
