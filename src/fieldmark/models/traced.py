"""One image's pass through a network, noted: what each of torch's functions takes and gives."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from fieldmark.captioned import Seen, pixels_of
from fieldmark.errors import UserError
from fieldmark.models.heads import head_of
from fieldmark.models.infer import evaluating
from fieldmark.models.precision import Autocast


@dataclass(frozen=True, eq=False)
class Call:
    """A function of torch, with the tensors that it took and gave."""

    name: str
    taken: Sequence[Tensor]
    given: Sequence[Tensor]


@dataclass(frozen=True, eq=False)
class Output:
    """What a module gave last, and how many calls had been made by then."""

    module: nn.Module
    tensors: Sequence[Tensor]
    calls: int


class Trace:
    """A pass of one image. All its tensors are kept, so that no two have one identity.

    images: what was shown, (1, 3, H, W). outputs: of each module that ran, by its name.
    begun: the calls before the network began, which made the image ready for it. entered: what
    entered the head, or without one the logits.
    """

    def __init__(
        self,
        images: Tensor,
        calls: Sequence[Call],
        outputs: dict[str, Output],
        begun: int,
        entered: Tensor,
    ):
        self.images, self.calls, self.outputs = images, calls, outputs
        self.begun, self.entered = begun, entered
        self._made: dict[int, list[int]] = defaultdict(list)
        self._derived = {id(images)}
        for number, call in enumerate(calls):
            seen = any(id(tensor) in self._derived for tensor in call.taken)
            for tensor in call.given:
                self._made[id(tensor)].append(number)
                if seen:
                    self._derived.add(id(tensor))

    def made(self, tensor: Tensor, before: int) -> int | None:
        """The last call before this one that gave the tensor; None where there is none.

        What changes a tensor in place gives it, too.
        """
        numbers = [number for number in self._made[id(tensor)] if number < before]
        return numbers[-1] if numbers else None

    def sources(self, number: int) -> list[Tensor]:
        """What a call took that comes from the image."""
        return [tensor for tensor in self.calls[number].taken if id(tensor) in self._derived]


class Calls(TorchFunctionMode):
    """Notes every call while it is on."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[Call] = []

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        taken = [*tensors_in(args), *tensors_in(kwargs.values())]
        given = function(*args, **kwargs)
        name = getattr(function, "__name__", "")
        self.found.append(Call(name, taken, [*tensors_in([given])]))
        return given


def tensors_in(values: Any) -> Iterator[Tensor]:
    """The tensors among values, and in lists and tuples of them, in order."""
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from tensors_in(value)


def trace(classifier: nn.Module, network: nn.Module, image: Seen, autocast: Autocast) -> Trace:
    """The pass of one image through `classifier`, which holds the network; without gradients.

    Modes and hooks are afterwards as they were.
    """
    calls, outputs = Calls(), dict[str, Output]()
    entered, begun = list[Tensor](), list[int]()

    def note(name: str, module: nn.Module, _: Any, given: Any) -> None:
        outputs[name] = Output(module, [*tensors_in([given])], len(calls.found))

    def note_head(_: nn.Module, given: Any) -> None:
        entered.extend(tensors_in(given))

    def note_begin(*_: Any) -> None:
        begun.append(len(calls.found))

    with ExitStack() as hooks:
        for name, module in network.named_modules():
            hooks.enter_context(module.register_forward_hook(partial(note, name)))
        hooks.enter_context(network.register_forward_pre_hook(note_begin))
        with suppress(UserError):  # without a head, the way back begins at the logits
            hooks.enter_context(head_of(network)[1].register_forward_pre_hook(note_head))
        with evaluating(classifier), torch.no_grad(), autocast(), calls:
            logits = classifier(image)
    last = entered[-1] if entered else next(tensors_in([logits]))
    return Trace(pixels_of(image), calls.found, outputs, begun[0], last)
