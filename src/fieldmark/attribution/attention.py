"""Where a network's own attention looks, over the image that it was shown."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fieldmark.errors import UserError
from fieldmark.insides import NO_ATTENTION, AttentionMap
from fieldmark.models.bundle import Classifier
from fieldmark.models.infer import evaluating
from fieldmark.models.stages import plain


def has_attention(classifier: Classifier) -> bool:
    """Whether `attention_maps` has something to give."""
    return bool(_looking(classifier.network))


def attention_maps(classifier: Classifier, image: Tensor) -> list[AttentionMap]:
    """A map an attention, in the network's order. image: (1, 3, H, W) uint8

    Made by the network's own method, behind whatever it is wrapped in, on what it is given there.
    Nothing of the classifier changes. Raises UserError where it has no attention.
    """
    looking = _looking(classifier.network)
    if not looking:
        raise UserError(NO_ATTENTION)
    seen = _seen(classifier, image, looking)
    found = []
    for name, module in looking.items():
        method: Any = module.attention_maps
        for pooling, shares in method(seen[name]).items():
            path = f"{plain(name)}." if len(looking) > 1 else ""
            found.append(_over_image(path + pooling, shares[0], (image.shape[2], image.shape[3])))
    return found


def _looking(network: nn.Module) -> dict[str, nn.Module]:
    """The modules that say where they look, by name; those without an attention are left out."""
    return {
        name: module
        for name, module in network.named_modules()
        if callable(getattr(module, "attention_maps", None)) and getattr(module, "attention", True)
    }


def _seen(classifier: Classifier, image: Tensor, modules: dict[str, nn.Module]) -> dict[str, Any]:
    """What each of these modules is given where the classifier is shown the image."""
    seen: dict[str, Any] = {}
    handles = []
    for name, module in modules.items():

        def keep(_: nn.Module, given: tuple[Any, ...], name: str = name) -> None:
            seen[name] = given[0][:1]

        handles.append(module.register_forward_pre_hook(keep))
    try:
        with evaluating(classifier), torch.no_grad():
            classifier.network(classifier.prepare(image.to(classifier.mean.device)))
    finally:
        for handle in handles:
            handle.remove()
    return seen


def _over_image(pooling: str, counts: Tensor, sides: tuple[int, int]) -> AttentionMap:
    """counts: (h, w), at least 0. Bilinear, corners not aligned."""
    shares = counts.float().cpu() / counts.float().sum().cpu()
    heat = F.interpolate(shares[None, None], sides, mode="bilinear", align_corners=False)[0, 0]
    return AttentionMap(pooling, shares.numpy(), (heat / shares.max()).clamp(0, 1).numpy())
