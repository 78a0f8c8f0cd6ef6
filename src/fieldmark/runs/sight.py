"""What the network sees of images: their size, their stored form and their normalisation."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from fieldmark.data.intake import Dataset
from fieldmark.data.seen_part import learned_sizes, seen_notes, squeezed
from fieldmark.data.stored import Three, channels_of
from fieldmark.errors import Mistake, SettingsError
from fieldmark.models import published
from fieldmark.models.catalog import BESIDE
from fieldmark.models.joined import BUCKETS
from fieldmark.records import InputSpec, Samples
from fieldmark.runs.checks import CATALOGS
from fieldmark.runs.filling import CHOSEN, Filling
from fieldmark.settings.tree import Settings
from fieldmark.settings.values import Channels

SMALL = 64  # pixels: images up to here are small, and seen at their own size
LARGE = 512  # pixels a side that a learned resizer takes
NORMALIZE = {
    "imagenet": (InputSpec.mean, InputSpec.std),
    "half": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
}


def channels(given: str | Channels) -> tuple[Three, Three]:
    """The mean and the deviation that `input.normalize` says."""
    return NORMALIZE[given] if isinstance(given, str) else (given[:3], given[3:])


def longest_side(samples: Samples) -> int:
    """The largest width or height of all images, px."""
    return int(samples.frame.select("width", "height").max().to_numpy().max())


def input_spec(settings: Settings) -> InputSpec:
    """What the network sees."""
    mean, std = channels(settings.input.normalize)
    words = BUCKETS if settings.model.captions else 0
    return InputSpec(settings.input.stored, int(settings.input.size), mean, std, words)


def own_channels(
    settings: Settings, samples: Samples, advance: Callable[[int], None]
) -> tuple[float, ...]:
    """The mean and standard deviation of the training images' channels, six numbers.

    They are numbers in the settings from here on, so that a run that goes on has the same.
    """
    spec = InputSpec(settings.input.stored, int(settings.input.size))  # as they are before that
    mean, std = channels_of(samples, samples.rows("train"), spec, advance)
    numbers = tuple(float(f"{value:.6g}") for value in (*mean, *std))
    if min(numbers[3:]) <= 0:
        what = "the training images are of one colour in a channel; take half or imagenet"
        raise SettingsError([Mistake("input.normalize", what)])
    return numbers


def fill_input(filling: Filling, longest: int, sizes: np.ndarray) -> None:
    """Size, stored form and normalisation: the weights' own, where there are weights.

    sizes: of the training images. Where too little of them would be seen, they are made square.
    """
    name, weights = filling.get("model.name"), filling.get("model.weights")
    rule = None if weights == "none" else published.rule_of(name, weights)
    resized = filling.get("model.resizer") is not None
    own = rule.size if rule else longest if longest <= SMALL else 224
    filling.fill("input.size", LARGE if resized else own)
    size = filling.values["input"]["size"] = int(filling.get("input.size"))
    if filling.get("input.stored") == "square":
        filling.values["input"]["stored"] = f"square:{size}"
    stored = usual_form(size, rule, longest, resized=resized)
    filling.fill("input.stored", squeezed(sizes, InputSpec(stored, size)).stored)
    mean, std = (rule.mean, rule.std) if rule else NORMALIZE["imagenet"]
    known = [name for name, each in NORMALIZE.items() if each == (mean, std)]
    filling.fill("input.normalize", known[0] if known else (*mean, *std))


def usual_form(size: int, rule: published.Rule | None, longest: int, *, resized: bool) -> str:
    """The stored form for a size, before the images' own shapes are looked at.

    longest: side of the images; resized: whether a learned resizer takes them.
    """
    if resized:
        return f"shorter:{size}"
    if rule:
        word, side, *smooth = rule.stored.split(":")
        return ":".join([word, str(round(int(side) * size / rule.size)), *smooth])
    is_small = max(size, longest) <= SMALL
    return f"square:{size}" if is_small else f"shorter:{InputSpec('original', size).around}"


def notes_of_sight(settings: Settings, origins: Mapping[str, str], data: Dataset) -> list[str]:
    """How much of the training images is seen, where that is worth a word."""
    spec, sizes = input_spec(settings), learned_sizes(data.samples)
    weights, size = settings.model.weights, spec.size
    rule = None if weights == "none" else published.rule_of(settings.model.name, weights)
    resized = settings.model.resizer is not None
    small = small_note(size, rule.size) if rule and not resized else []
    if data.samples.task.several or not len(sizes):
        return small
    given = origins.get("input.stored", CHOSEN) != CHOSEN
    usual = usual_form(size, rule, longest_side(data.samples), resized=resized)
    cut = replace(spec, stored=usual)
    turned = spec.stored.startswith("square") and not usual.startswith("square")
    return [*small, *seen_notes(sizes, spec, cut if turned and not given else None)]


def small_note(size: int, learned: int) -> list[str]:
    """What to say where images are shown much smaller than the weights have learned them."""
    if 3 * size > learned:
        return []
    return [
        f"the network sees {size} x {size} px, and its weights have learned from {learned} x "
        f"{learned} px: at so small a size they know little; --image-size {learned} costs more "
        "time, and is mostly more exact"
    ]


def fill_second(filling: Filling) -> None:
    """How the second of two networks is shown what the first one sees. Raises SettingsError."""
    name, weights = filling.get("model.name"), filling.get("model.weights")
    if BESIDE not in name:
        return
    rule = published.rule_of(*published.parts(name, weights)[1])
    given = filling.get("input.normalize")
    if given == "dataset":
        what = "dataset is for one network, and these are two with their own; leave it out"
        raise SettingsError([Mistake("input.normalize", what)])
    if rule is None:  # nobody says how it wants images: it sees them as the first does
        return
    both = list(zip(*channels(given), rule.mean, rule.std, strict=True))
    if rule.size != filling.get("input.size"):
        filling.fill("model.second_size", rule.size)
    filling.fill("model.second_scale", tuple(s / own for _, s, _, own in both))
    filling.fill("model.second_shift", tuple((m - at) / own for m, _, at, own in both))


def fill_own_size(filling: Filling) -> None:
    """A network that is built for one size is built for the size of the images."""
    name = filling.get("model.name")
    if filling.get("model.weights") == "none" and "image_size" in CATALOGS["model"][name].options():
        seen = filling.get("model.resizer") or filling.get("input.size")
        filling.fill("model.image_size", int(seen))
