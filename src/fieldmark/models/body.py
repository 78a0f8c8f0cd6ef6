"""A network in two: the body, from images to features, and the head, from these to logits."""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from fieldmark import streams
from fieldmark.errors import UserError
from fieldmark.models.heads import head_dropouts, head_of
from fieldmark.models.infer import evaluating
from fieldmark.models.joined import Joined
from fieldmark.streams import Stream

CLOSE = 1e-3  # of the largest logit, by which body and head may differ from the network


class Body(nn.Module):
    """Images in, the features that enter the head out, always as in eval mode.

    It shares the network's layers and parameters but not its head, whose weights are not in
    its state_dict() either, and it leaves the network's own modes as they are.
    """

    def __init__(self, network: nn.Module, head: nn.Sequential):
        super().__init__()
        path = head_of(network)[0]
        kept = _Kept()
        self.network = _with_other(network, path.split("."), kept)
        self._kept = (kept,)  # in a tuple: as a module it is inside the network already
        self._whole: tuple[nn.Module, nn.Sequential] | None = (network, head)

    def forward(self, images: Tensor) -> Tensor:
        """(n, 3, H, W) float -> (n, ...) features; raises UserError where they are not the head's.

        The first call compares, on its first image, the head's logits with the network's.
        """
        if self._whole is not None:
            self._compare(*self._whole, images[:1])
            self._whole = None
        return self._features(images)

    def _features(self, images: Tensor) -> Tensor:
        (kept,) = self._kept
        with evaluating(self.network):
            self.network(images)
        if kept.features is None:
            raise UserError(_not_parted(type(self.network).__name__))
        features: Tensor = kept.features
        kept.features = None
        return features

    def _compare(self, network: nn.Module, head: nn.Sequential, images: Tensor) -> None:
        with evaluating(network), evaluating(head), torch.no_grad():
            wanted = network(images)
            try:
                found = head(self._features(images))
            except RuntimeError as error:  # shapes that do not fit: it has more than one head
                raise UserError(_not_parted(type(network).__name__)) from error
        same = isinstance(wanted, Tensor) and wanted.shape == found.shape
        if same and not wanted.is_meta:
            far = (wanted.float() - found.float()).abs().max()
            same = (
                not far > CLOSE * wanted.float().abs().max()
            )  # where all is nan, it is so in both
        if not same:
            raise UserError(_not_parted(type(network).__name__))


class BodyOfJoined(nn.Module):
    """The same of a network that reads captions: images in, their features out, without words."""

    def __init__(self, network: Joined):
        super().__init__()
        self.network = network.network

    def forward(self, images: Tensor) -> Tensor:
        """(n, 3, H, W) float -> (n, ...) features"""
        with evaluating(self.network):
            features: Tensor = self.network(images)
        return features


class _Kept(nn.Module):
    """Stands where the head stood, and keeps what comes in."""

    features: Tensor | None = None

    def forward(self, features: Tensor) -> Tensor:
        self.features = features
        return features


def body_and_head(network: nn.Module, size: int | None = None) -> tuple[nn.Module, nn.Sequential]:
    """-> body: (n, 3, H, W) float images -> features; head: features -> (n, classes) logits.

    The head is that of `head_of` behind the dropout just before it, the network's own modules:
    training it trains the network. Where its layer is a convolution (squeezenet), what follows
    in the container belongs to the head, and the features are maps. A network on the meta device
    has both there.

    Of a network that reads captions the head takes features that `words` joined theirs to.

    Raises UserError where head(body(images)) is not network(images): at once on a random image
    of `size` x `size` pixels, or without a size on the first image that the body is shown.
    """
    head = _whole_head(network)
    body = BodyOfJoined(network) if isinstance(network, Joined) else Body(network, head)
    if size is not None:
        weight = next(head.parameters())
        drawn = torch.Generator().manual_seed(streams.word(Stream.PROBE, 0))
        image = torch.rand(1, 3, size, size, generator=drawn).to(weight.device, weight.dtype)
        with torch.no_grad(), evaluating(network):
            body(image) if isinstance(body, Body) else _try(network, image)
    return body, head


def _try(network: nn.Module, image: Tensor) -> None:
    """Raise UserError where a network that reads captions does not pass as a whole."""
    try:
        network(image)
    except (RuntimeError, AttributeError) as error:  # features that its one head does not take
        kind = type(network.network).__name__
        raise UserError(
            f"{kind} does not end in one head that could take words beside its features; take "
            "another --model, or leave model.captions out"
        ) from error


def _whole_head(network: nn.Module) -> nn.Sequential:
    name, last = head_of(network)
    if not name:
        raise UserError(_not_parted(type(network).__name__))
    layers = [*head_dropouts(network), last]
    if isinstance(last, nn.Conv2d):
        above = network.get_submodule(name.rpartition(".")[0])
        if isinstance(above, nn.Sequential):
            inside = list(above.children())
            layers += inside[inside.index(last) + 1 :]
        layers.append(nn.Flatten(1))
    return nn.Sequential(*layers)


def _with_other(module: nn.Module, path: Sequence[str], other: nn.Module) -> nn.Module:
    """The module with `other` at the path; only what lies on the way there is copied."""
    if not path:
        return other
    child, *rest = path
    copied = copy.copy(module)
    inner = _with_other(module.get_submodule(child), rest, other)
    copied._modules = {**module._modules, child: inner}
    return copied


def _not_parted(kind: str) -> str:
    return (
        f"{kind} does not end in one head, so its head cannot be trained on features; train all "
        "of it at once (train.stages='[{train: all}]')"
    )
