"""Heads of one build, trained side by side as one batched computation.

K small matrix products cost nearly as much as one: so several rates or seeds are tried in the
time of one. The heads stay modules of their own, with parameters, gradients and buffers that
are slices of the stacked ones: an optimiser, an average or a state_dict() takes them as they are.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from fieldmark import streams
from fieldmark.models.heads import UnitLength
from fieldmark.streams import Stream

AT_ONCE = 2**25  # numbers that pass the heads at once in a prediction: 128 MB
# each head's, shared by equal seeds; None: not in training
Draws = Sequence[torch.Generator] | None
# (k, n, ...) -> (k, n, ...) by these k of the K heads
Layer = Callable[[Tensor, Draws, slice], Tensor]

# They treat each number, or each image's features, by themselves: K heads need no loop.
ELEMENTWISE = (
    UnitLength,
    nn.Identity,
    nn.ReLU,
    nn.ReLU6,
    nn.LeakyReLU,
    nn.GELU,
    nn.SiLU,
    nn.Hardswish,
    nn.Sigmoid,
    nn.Tanh,
)


class StackedHeads:
    """K heads as one function, in float32.

    `heads` become part of the stack: its slices, trained in place. `seeds`: of each head's
    dropout, whose masks are those that `fit.loop` would draw for it on a processor.

    The order matters. First the stack is made, and each parameter is from then on a slice of a
    stacked one, its gradient too; who holds the parameter (an optimiser, an average) goes on
    holding it. Then, for each step: `zero_grad`, forward, backward on the stacked ones, and each
    head's optimiser finds its slice of the gradient in place. A gradient set to None instead
    would part the slices from the whole.
    """

    def __init__(self, heads: Sequence[nn.Module], seeds: Sequence[int]):
        """Raises ValueError where the heads are not of one build."""
        if len({repr(head) for head in heads}) != 1:
            raise ValueError("stacked heads must be of one build")
        self._seeds = tuple(seeds)
        self._stacks: list[Tensor] = []
        self._loose: list[nn.Parameter] = []
        columns = zip(*(_layers_of(head) for head in heads), strict=True)
        self._layers = [self._layer(column) for column in columns]

    def __call__(
        self, features: Tensor, place: tuple[int, int] | None = None, heads: slice | None = None
    ) -> Tensor:
        """(k, n, ...) -> (k, n, C) float32.

        place: epoch and step of training, whose dropout is drawn; None: as in eval. heads: which
        of the K the features are for; None: for all.
        """
        heads = heads or slice(0, len(self._seeds))
        draws = None if place is None else self._draws(place, heads)
        found = features.float()
        for layer in self._layers:
            found = layer(found, draws, heads)
        return found

    def predict(self, features: Tensor, heads: slice | None = None) -> Tensor:
        """Logits that each of `heads` gives the same features, as in eval. (n, ...) -> (k, n, C)"""
        count = len(self._seeds[heads or slice(None)])
        width = count * max(1, features[:1].numel())
        rows_at_once = max(1, AT_ONCE // width)
        with torch.no_grad():
            parts = [
                self(part.unsqueeze(0).expand(count, *part.shape), heads=heads)
                for part in torch.split(features, rows_at_once)
            ]
        return torch.cat(parts, dim=1)

    def _draws(self, place: tuple[int, int], heads: slice) -> list[torch.Generator]:
        """The generators of the heads' step, seeded as `fit.loop.seed_step` seeds torch's own."""
        seeds = self._seeds[heads]
        words = {seed: streams.word(Stream.STEP, seed, *place) for seed in set(seeds)}
        made = {seed: torch.Generator().manual_seed(word) for seed, word in words.items()}
        return [made[seed] for seed in seeds]

    def zero_grad(self) -> None:
        """Clear the gradients in place: the heads' own are slices of them."""
        for stack in self._stacks:
            if stack.grad is not None:
                stack.grad.zero_()
        for parameter in self._loose:
            parameter.grad = None

    def _layer(self, layers: Sequence[nn.Module]) -> Layer:
        """The same layer of each head as one."""
        first: Any = layers[0]
        if isinstance(first, nn.Linear):
            return self._linear(layers)
        if type(first) is nn.BatchNorm1d and first.running_mean is not None and first.momentum:
            return self._norm(layers)
        if type(first) is nn.Dropout:
            return _dropout(first.p)
        if isinstance(first, ELEMENTWISE):
            return lambda found, *_: first(found)
        for layer in layers:
            self._loose += layer.requires_grad_(True).parameters()
        return _one_by_one(layers)

    def _linear(self, layers: Sequence[Any]) -> Layer:
        weight = self._stack([layer.weight for layer in layers])
        bias = None if layers[0].bias is None else self._stack([layer.bias for layer in layers])

        def linear(found: Tensor, _: Draws, heads: slice) -> Tensor:
            rows, weights = found.flatten(1, -2), _of(weight, heads).mT
            if bias is None:
                made = torch.bmm(rows, weights)
            else:
                made = torch.baddbmm(_of(bias, heads).unsqueeze(1), rows, weights)
            return made.reshape(*found.shape[:-1], made.shape[-1])

        return linear

    def _norm(self, layers: Sequence[Any]) -> Layer:
        """Batch norm of K * D channels: the channels of one head are no other's."""
        first, affine = layers[0], layers[0].affine
        weight = self._stack([layer.weight for layer in layers]) if affine else None
        bias = self._stack([layer.bias for layer in layers]) if affine else None
        mean, var = (_stacked_buffers(layers, name) for name in ("running_mean", "running_var"))

        def norm(found: Tensor, draws: Draws, heads: slice) -> Tensor:
            count, rows, channels = found.shape
            joined = functional.batch_norm(
                found.transpose(0, 1).reshape(rows, count * channels),
                mean[heads].view(-1),  # the statistics move in place, of these heads alone
                var[heads].view(-1),
                None if weight is None else _of(weight, heads).view(-1),
                None if bias is None else _of(bias, heads).view(-1),
                training=draws is not None,
                momentum=first.momentum,
                eps=first.eps,
            )
            if draws is not None:
                for layer in layers[heads]:
                    layer.num_batches_tracked.add_(1)
            return joined.view(rows, count, channels).transpose(0, 1)

        return norm

    def _stack(self, parameters: Sequence[nn.Parameter]) -> Tensor:
        """Their values as one leaf (K, ...), of which each is a slice from now on."""
        whole = torch.stack([parameter.detach() for parameter in parameters]).requires_grad_()
        whole.grad = torch.zeros_like(whole)
        slices = zip(parameters, whole.detach(), whole.grad, strict=True)
        for parameter, value, gradient in slices:
            parameter.requires_grad_(True)
            parameter.data, parameter.grad = value, gradient
        self._stacks.append(whole)
        return whole


def _of(stack: Tensor, heads: slice) -> Tensor:
    """The part of a stack that is of these heads; of all, the stack itself, which is faster."""
    return stack if heads == slice(0, len(stack)) else stack[heads]


def _layers_of(module: nn.Module) -> list[nn.Module]:
    """The layers of a head in their order; what is no plain sequence is one layer."""
    if isinstance(module, nn.Sequential) and type(module).forward is nn.Sequential.forward:
        return [layer for child in module for layer in _layers_of(child)]
    if getattr(module, "inplace", False) is True:
        setattr(module, "inplace", False)  # noqa: B010 (features stay as they are)
    return [module]


def _stacked_buffers(layers: Sequence[Any], name: str) -> Tensor:
    """(K, D), of which each layer's buffer is a slice from now on."""
    whole = torch.stack([getattr(layer, name) for layer in layers])
    for layer, value in zip(layers, whole, strict=True):
        setattr(layer, name, value)
    return whole


def _dropout(share: float) -> Layer:
    def dropout(found: Tensor, draws: Draws, _: slice) -> Tensor:
        if draws is None or share == 0:
            return found
        if share == 1:
            return found * 0
        # drawn on the processor, so that every device has the same masks; once for equal seeds
        masks = {
            g: torch.empty(found.shape[1:]).bernoulli_(1 - share, generator=g) for g in {*draws}
        }
        if len(masks) == 1:
            return found * masks[draws[0]].div_(1 - share).to(found.device)
        kept = torch.stack([masks[g] for g in draws]).div_(1 - share)
        return found * kept.to(found.device)

    return dropout


def _one_by_one(layers: Sequence[nn.Module]) -> Layer:
    """Layers of any other kind, each on its own head's features."""

    def each(found: Tensor, draws: Draws, heads: slice) -> Tensor:
        own = layers[heads]
        if draws is None:
            return torch.stack([layer.eval()(mine) for layer, mine in zip(own, found, strict=True)])
        made = []
        starts = {generator: generator.get_state() for generator in {*draws}}
        for layer, mine, generator in zip(own, found, draws, strict=True):
            generator.set_state(starts[generator])
            with _drawing_from(generator, found.device):
                made.append(layer.train()(mine))
        return torch.stack(made)

    return each


@contextmanager
def _drawing_from(generator: torch.Generator, device: torch.device) -> Iterator[None]:
    """Inside, torch draws what `generator` would; afterwards it goes on as before."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.set_rng_state(generator.get_state())
        if device.type == "cuda":
            with torch.cuda.device(device):
                torch.cuda.manual_seed(generator.initial_seed())
        yield
        generator.set_state(torch.get_rng_state())
