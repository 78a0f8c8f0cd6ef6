"""Where a network still knows places: the maps that its body hands over to the head's pooling.

No table of layers: one image passes, and from what enters the head the way is followed back to the
last tensors with places. Where one token is taken out of many instead, such as a class token, it
is followed back to what the last attention looks at: the output of the last block's first norm.
"""

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace

from torch import Tensor, nn

from fieldmark.captioned import Seen
from fieldmark.errors import Mistake, SettingsError, UserError, listed, nearest
from fieldmark.models.bundle import Classifier
from fieldmark.models.precision import Autocast
from fieldmark.models.stages import HEAD, plain, stages
from fieldmark.models.traced import Trace, trace

TAKEN_OUT = ("__getitem__", "select", "narrow", "unbind", "split", "chunk", "index_select")
ATTENTIONS = ("scaled_dot_product_attention", "multi_head_attention_forward", "softmax")
MOST_BEFORE = 9  # tokens of no place: those of class and teacher, and registers


@dataclass(frozen=True)
class Layout:
    """How h x w places lie in a tensor.

    kind: "maps" (N, C, h, w), "channels last" (N, h, w, C), "tokens" (N, before + h * w, C), of
    which the first ones stand for no place, or "flat" (N, C, h * w).
    """

    kind: str
    sides: tuple[int, int]
    before: int = 0

    def maps(self, tensor: Tensor) -> Tensor:
        """-> (N, C, h, w)"""
        if self.kind == "channels last":
            return tensor.permute(0, 3, 1, 2)
        if self.kind == "tokens":
            tensor = tensor[:, self.before :].transpose(1, 2)
        return tensor.reshape(len(tensor), -1, *self.sides)


@dataclass(frozen=True)
class Place:
    """A tensor with places: the `part`th that the `call`th of torch's functions gives in a pass.

    layer: the module that gives it, the outermost if several do, or from whose output it is
    computed. The calls are counted in one pass of the classifier in eval mode. attended: whether a
    place counts by the attention that it gets from what the head is given, such as a class token.
    """

    call: int
    part: int
    layer: str
    layout: Layout
    attended: bool = False


def handovers(
    classifier: nn.Module,
    image: Seen,
    *,
    layer: str | None = None,
    autocast: Autocast = nullcontext,
) -> tuple[Place, ...]:
    """The maps that the head's features are made of; as a rule one, of networks side by side two.

    image: one, as the classifier takes it, (1, 3, H, W); both may be on the meta device. layer: the
    name of a module whose output is taken instead. Takes one pass; the classifier stays as it is.

    Raises UserError where the network has no such map, SettingsError where the layer has none.
    """
    network = classifier.network if isinstance(classifier, Classifier) else classifier
    passed = trace(classifier, network, image, autocast)
    layouts = _Layouts(passed)
    last, found = [*_last_with_places(passed, layouts)], {}
    attended = any(each for *_, each in last)  # HiResCAM is Grad-CAM for a network at its side
    if layer is not None:
        return (replace(_of_layer(passed, layouts, layer, _parts(network)), attended=attended),)
    for tensor, before, _ in last:
        call = passed.made(tensor, before)
        if call is not None and call >= passed.begun:  # else it is the image itself
            place = _place(passed, tensor, call, layouts.of(tensor))
            found[call, id(tensor)] = replace(place, attended=attended)
    if not found:
        raise UserError(
            f"{type(network).__name__} has no layer whose output still has places, other than the "
            "image; take --method occlusion, which needs none"
        )
    return tuple(found.values())


class _Layouts:
    """Which of a pass's tensors have places, and how these lie."""

    def __init__(self, passed: Trace):
        self._sides = passed.images.shape[-2:]
        self._rows = (len(passed.images), 2 * len(passed.images))  # of both mirror images
        self._cubes_are_maps = self._mostly_maps(passed)
        given = [tensor for call in passed.calls for tensor in call.given]
        maps = [layout for tensor in given if (layout := self._of_maps(tensor))]
        self._seen = [*dict.fromkeys(layout.sides for layout in reversed(maps))]
        # tokens may be pooled where they are no longer maps
        fewer = [(h // part, w // part) for part in (2, 4, 8, 16) for h, w in self._seen]
        self._fewer = [sides for sides in fewer if min(sides) > 1]

    def of(self, tensor: Tensor) -> Layout | None:
        """None where it has no places."""
        if tensor.dim() == 4:
            return self._of_maps(tensor)
        if tensor.dim() != 3 or len(tensor) not in self._rows:
            return None
        _, tokens, last = tensor.shape
        if (found := _tokens(tokens, self._seen)) is not None:
            return found
        for height, width in self._seen:
            if last == height * width:
                return Layout("flat", (height, width))
        return _tokens(tokens, self._fewer)

    def _of_maps(self, tensor: Tensor) -> Layout | None:
        if tensor.dim() != 4 or len(tensor) not in self._rows:
            return None
        possible = self._possible(tensor)
        if len(possible) > 1 and not self._cubes_are_maps:
            return possible[-1]
        return possible[0] if possible else None

    def _possible(self, tensor: Tensor) -> list[Layout]:
        """Of (N, a, b, c); two of a cube, such as (1, 96, 96, 96)."""
        _, first, second, third = tensor.shape
        both = Layout("maps", (second, third)), Layout("channels last", (first, second))
        return [layout for layout in both if self._is_grid(*layout.sides)]

    def _mostly_maps(self, passed: Trace) -> bool:
        """Whether the channels come first in most of what the network's outer modules give."""
        outer = [output for name, output in passed.outputs.items() if plain(name).count(".") <= 1]
        given = [tensor for output in outer for tensor in output.tensors if tensor.dim() == 4]
        clear = [each[0].kind for tensor in given if len(each := self._possible(tensor)) == 1]
        return 2 * clear.count("maps") >= len(clear)

    def _is_grid(self, height: int, width: int) -> bool:
        """Whether these are more places than one, in the image's proportions."""
        high, wide = self._sides
        return height * width > 1 and abs(height * wide / high - width) < min(high, wide, 2) / 2


def _tokens(count: int, grids: list[tuple[int, int]]) -> Layout | None:
    """The grid that so many tokens are of, with as few others before it as can be."""
    for before in range(MOST_BEFORE + 1):
        for height, width in grids:
            if count == before + height * width:
                return Layout("tokens", (height, width), before)
    return None


def _last_with_places(passed: Trace, layouts: _Layouts) -> Iterator[tuple[Tensor, int, bool]]:
    """What the features that enter the head are made of, each with the call that took it.

    And whether only attention, whose outcome has no places, takes it there.
    """
    end = len(passed.calls)
    if layouts.of(passed.entered):
        yield passed.entered, end, False
        return
    seen, waiting = set(), [(passed.entered, end, False)]
    while waiting:
        tensor, before, attended = waiting.pop()
        call = passed.made(tensor, before)
        if call is None or (call, id(tensor)) in seen:
            continue
        seen.add((call, id(tensor)))
        attended = attended or passed.calls[call].name in ATTENTIONS
        for source in passed.sources(call):
            layout = layouts.of(source)
            if layout is None:
                waiting.append((source, call, attended))
            elif "maps" not in layout.kind and passed.calls[call].name in TAKEN_OUT:
                for normed, taken in _before_attention(passed, layouts, call):
                    yield normed, taken, True
            else:
                yield source, call, attended


def _before_attention(passed: Trace, layouts: _Layouts, end: int) -> Iterator[tuple[Tensor, int]]:
    """The tokens that the last attention before this call looks at, as the last norm gave them."""
    names = [call.name for call in passed.calls[:end]]
    attentions = [number for number, name in enumerate(names) if name in ATTENTIONS]
    if not attentions:
        return
    normed = {
        id(tensor)
        for output in passed.outputs.values()
        if "Norm" in type(output.module).__name__
        for tensor in output.tensors
    }
    seen, waiting = set(), [(source, attentions[-1]) for source in passed.sources(attentions[-1])]
    while waiting:
        waiting.sort(key=lambda each: passed.made(*each) or -1)
        tensor, before = waiting.pop()  # the latest
        call = passed.made(tensor, before)
        if call is None or (call, id(tensor)) in seen:
            continue
        seen.add((call, id(tensor)))
        if id(tensor) in normed and tensor.dim() == 3 and layouts.of(tensor):
            yield tensor, before
            return
        waiting += [(source, call) for source in passed.sources(call)]


def _place(passed: Trace, tensor: Tensor, call: int, layout: Layout | None) -> Place:
    assert layout is not None
    part = [each is tensor for each in passed.calls[call].given].index(True)
    return Place(call, part, _layer(passed, tensor, call), layout)


def _layer(passed: Trace, tensor: Tensor, call: int) -> str:
    """The outermost module that gave the tensor, or what it was computed from; "" for none."""
    waiting = [(tensor, call)]
    while waiting:
        tensor, call = waiting.pop(0)
        names = [
            plain(name)
            for name, output in passed.outputs.items()
            if any(each is tensor for each in output.tensors)
            and passed.made(tensor, output.calls) == call
        ]
        if names := [name for name in names if name]:
            return min(names, key=lambda name: name.count("."))
        for source in passed.sources(call):
            made = passed.made(source, call)
            if made is not None:
                waiting.append((source, made))
    return ""


def _parts(network: nn.Module) -> list[str]:
    """The stages of the network, without its head."""
    return [part.name for part in stages(network) if part.name != HEAD]


def _of_layer(passed: Trace, layouts: _Layouts, layer: str, parts: list[str]) -> Place:
    """The place of a module's output; parts: what a mistake names. Raises SettingsError."""
    found: dict[str, tuple[Tensor, int]] = {}
    for name, output in passed.outputs.items():
        for tensor in output.tensors:
            call = passed.made(tensor, output.calls)
            is_map = call is not None and call >= passed.begun and layouts.of(tensor)
            if plain(name) and call is not None and is_map:
                found.setdefault(plain(name), (tensor, call))
    if layer in found:
        tensor, call = found[layer]
        return _place(passed, tensor, call, layouts.of(tensor))
    ran = {plain(name) for name in passed.outputs}
    alike = [name for name in found if name.count(".") == layer.count(".")]
    there = [name for name in parts if name in found] or [*found][::-1]
    hint = nearest(layer, alike) or nearest(layer, found) or f"; there are {listed(there, 30)}"
    what = f"what '{layer}' gives has no places" if layer in ran else f"there is no layer '{layer}'"
    raise SettingsError([Mistake("--layer", what + hint)])
