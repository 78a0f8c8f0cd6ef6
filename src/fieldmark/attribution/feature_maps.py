"""What the layers of a network make of one image, from the first to the last."""

from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fieldmark.errors import Mistake, UserError, listed, nearest, refuse
from fieldmark.insides import FeatureMaps
from fieldmark.models.bundle import Classifier
from fieldmark.models.infer import evaluating
from fieldmark.models.maps import MOST_BEFORE, Layout
from fieldmark.models.stages import HEAD, RESIZER, plain, stages

LAYERS = 6  # at most, where none is named
ROWS = (1, 2)  # of one image, and of it with its mirror image
NORMS = nn.modules.batchnorm._BatchNorm
Outputs = dict[str, tuple[nn.Module, tuple[int, ...]]]  # what runs, with the shape of what it gives


def feature_maps(
    classifier: Classifier, image: Tensor, layers: Sequence[str] | None = None, most: int = 16
) -> list[FeatureMaps]:
    """The layers in the order in which they run, with at most `most` channels each.

    image: (1, 3, H, W) uint8. layers: their names, or patterns with * and ? that stand for a part
    of a name between dots; None is the network's stages, at most LAYERS of them, evenly from the
    first to the last. Those channels are shown whose values vary most from place to place; one
    that has a single value everywhere is none of them. Of a layer that runs more than once, the
    last run counts. Computed in float32.

    Nothing of the classifier changes. Raises SettingsError for names that fit no layer or whose
    output has no places, and UserError where no stage of the network has any.
    """
    outputs = _passed(classifier, image)
    layouts = _layouts(classifier.network, outputs, (image.shape[2], image.shape[3]))
    there = [part.name for part in stages(classifier.network) if part.name in layouts]
    if layers is None:
        wanted = _evenly(classifier.network, there)
    else:
        wanted = _named(layers, list(outputs), layouts, there)
    found: dict[str, FeatureMaps] = {}

    def note(name: str, _: nn.Module, given: Any) -> None:
        if name in wanted:
            maps = layouts[name].maps(_tensor(given))[0].float().cpu()
            found[name] = _record(name, maps, most)

    with _noting(classifier.network, note):
        _show(classifier, image)
    return [found[name] for name in layouts if name in found]


def _show(classifier: Classifier, image: Tensor) -> None:
    with evaluating(classifier), torch.no_grad():
        classifier.network(classifier.prepare(image.to(classifier.mean.device)))


@contextmanager
def _noting(network: nn.Module, note: Callable[[str, nn.Module, Any], None]) -> Iterator[None]:
    """Inside, `note` is called with each module that runs, its name, and what it gives."""

    def call(name: str, module: nn.Module, _: Any, given: Any) -> None:
        note(name, module, given)

    handles = [
        module.register_forward_hook(partial(call, plain(name)))
        for name, module in network.named_modules()
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _tensor(given: Any) -> Any:
    """What a module gives, or the first of it."""
    return given[0] if isinstance(given, tuple | list) and given else given


def _passed(classifier: Classifier, image: Tensor) -> Outputs:
    found: Outputs = {}

    def note(name: str, module: nn.Module, given: Any) -> None:
        tensor = _tensor(given)
        found.pop(name, None)
        found[name] = module, tuple(tensor.shape) if isinstance(tensor, Tensor) else ()

    with _noting(classifier.network, note):
        _show(classifier, image)
    return found


def _layouts(network: nn.Module, outputs: Outputs, image: tuple[int, int]) -> dict[str, Layout]:
    """How the places lie in what these modules give; left out where there are not several."""
    possible = {name: _grids(shape, image) for name, (_, shape) in outputs.items()}
    of_stages = [possible[part.name] for part in stages(network) if part.name in possible]
    clear = [kind for each in of_stages if len(each) == 1 for kind in each]
    usual = "channels last" if 2 * clear.count("channels last") > len(clear) else "maps"
    grids = dict.fromkeys(sides for each in possible.values() for sides in each.values())
    found = {}
    for name, (module, shape) in outputs.items():
        if len(each := possible[name]) > 1:
            kind = _kind(module, usual)
            found[name] = Layout(kind, each[kind])
        elif each:
            found[name] = Layout(*next(iter(each.items())))
        elif len(shape) == 3 and shape[0] in ROWS and (layout := _of_tokens(shape[1], grids)):
            found[name] = layout
    return found


def _grids(shape: tuple[int, ...], image: tuple[int, int]) -> dict[str, tuple[int, int]]:
    """The sides that the places in a tensor of four dimensions may have, by the kind of layout.

    They have the proportions of the image.
    """
    if len(shape) != 4 or shape[0] not in ROWS:
        return {}
    _, one, two, three = shape
    (height, width), sides = image, {"maps": (two, three), "channels last": (one, two)}
    return {
        kind: (h, w)
        for kind, (h, w) in sides.items()
        if h * w > 1 and abs(h * width - w * height) < max(image)
    }


def _kind(module: nn.Module, usual: str) -> str:
    """Of a cube, which may be either."""
    if isinstance(module, nn.Linear) or type(module) is nn.LayerNorm:
        return "channels last"
    return "maps" if isinstance(module, nn.Conv2d | NORMS) else usual


def _of_tokens(count: int, grids: Iterable[tuple[int, int]]) -> Layout | None:
    for before in range(MOST_BEFORE + 1):
        for sides in grids:
            if count - before == sides[0] * sides[1]:
                return Layout("tokens", sides, before)
    return None


def _evenly(network: nn.Module, names: Sequence[str]) -> list[str]:
    """At most LAYERS of the stages. Raises UserError where there is none."""
    there = [name for name in names if name not in (RESIZER, HEAD)]
    if not there:
        kind = type(network).__name__
        raise UserError(f"{kind} has no stage whose output has places, so no maps to show")
    places = np.linspace(0, len(there) - 1, min(LAYERS, len(there))).round()
    return [there[int(place)] for place in places]


def _named(
    words: Sequence[str], known: Sequence[str], layouts: Container[str], parts: Sequence[str]
) -> list[str]:
    """The layers that the words mean. Raises SettingsError with what is wrong of all of them."""
    found, mistakes = [], []
    for word in words:
        fitting = [name for name in known if _fits(name, word)]
        found += [name for name in fitting if name in layouts]
        if any(name in layouts for name in fitting):
            continue
        what = f"what '{word}' gives has no places" if fitting else f"there is no layer '{word}'"
        hint = "" if fitting else nearest(word, parts) or nearest(word, known)
        mistakes.append(Mistake("--features", what + (hint or f"; there are {listed(parts, 30)}")))
    refuse(mistakes)
    return list(dict.fromkeys(found))


def _fits(name: str, word: str) -> bool:
    """Whether a name fits a pattern, part for part."""
    parts, wanted = name.split("."), word.split(".")
    return len(parts) == len(wanted) and all(map(fnmatchcase, parts, wanted))


def _record(name: str, maps: Tensor, most: int) -> FeatureMaps:
    """maps: (C, h, w) float32"""
    if not maps.isfinite().all():
        raise UserError(f"what '{name}' gives is not finite, so it has no maps to show")
    order = maps.flatten(1).var(dim=1, correction=0).argsort(descending=True, stable=True)
    kept = [int(k) for k in order[:most] if maps[k].min() < maps[k].max()]
    channels, height, width = maps.shape
    shown = np.stack([_scaled(maps[k].numpy()) for k in kept]) if kept else maps[:0].numpy()
    mean = _scaled(maps.abs().mean(dim=0).numpy())
    return FeatureMaps(name, (channels, height, width), tuple(kept), shown, mean)


def _scaled(values: np.ndarray) -> np.ndarray:
    """(h, w) -> the same between 0 and 1; zeros where there is one value only."""
    least, largest = values.min(), values.max()
    return (values - least) / (largest - least) if largest > least else np.zeros_like(values)
