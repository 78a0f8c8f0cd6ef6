"""What happens to images in training, a whole batch at a time, on whatever device they lie.

A preset takes the InputSpec and the options of data.augment's preset of the same name, and
gives a function (n, 3, H, W) uint8, Draws -> (n, 3, size, size), uint8, or float32 on the same
scale of 0 to 255. Each image is changed as data.augment would at the same parameters; only the
numbers that are drawn for it are others. There is no loop over images, so that small images
come as fast as an accelerator takes them.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from fieldmark import streams
from fieldmark.data.changes import Degrees, Padding, Pixels, Shift, Strength, centre_crop, means_of
from fieldmark.errors import Mistake, SettingsError
from fieldmark.records import InputSpec
from fieldmark.streams import Stream


def crop_beside_centre(
    images: torch.Tensor,
    size: int,
    moves: np.ndarray,
    *,
    mirrored: np.ndarray | None = None,
    padding: Padding = "edge",
) -> torch.Tensor:
    """The square of `size` whose centre lies `moves` (n, 2) down and right of the image's own.

    mirrored: (n,) bool, those whose left and right are then exchanged. What lies outside
    repeats the edge, mirrors the image (the edge itself not twice), or is 0.
    -> (n, 3, size, size), channels last in memory
    """
    count, channels, height, width = images.shape
    places = np.arange(size)
    rows = ((height - size) // 2 + moves[:, :1]) + places
    columns = ((width - size) // 2 + moves[:, 1:]) + places
    if mirrored is not None:
        columns = np.where(mirrored[:, None], columns[:, ::-1], columns)
    first = np.arange(count)[:, None] * height
    near_rows = _to(images, (first + _inside(rows, height, padding)) * width)
    near_columns = _to(images, _inside(columns, width, padding))
    taken = (near_rows[:, :, None] + near_columns[:, None, :]).reshape(-1)
    pixels = images.permute(0, 2, 3, 1).reshape(-1, channels).index_select(0, taken)
    pixels = pixels.reshape(count, size, size, channels)
    if padding == "zero":
        axes = (rows, height), (columns, width)
        down, across = (_to(images, (at < 0) | (at >= side)) for at, side in axes)
        pixels.masked_fill_((down[:, :, None] | across[:, None, :])[..., None], 0)
    return pixels.permute(0, 3, 1, 2)


def mirror(images: torch.Tensor, mirrored: np.ndarray) -> torch.Tensor:
    """Left and right exchanged in the images that are `mirrored` (n,)."""
    return torch.where(_to(images, mirrored)[:, None, None, None], images.flip(-1), images)


def rotate(images: torch.Tensor, degrees: np.ndarray) -> torch.Tensor:
    """uint8, each turned counter-clockwise by its `degrees` (n,); from outside comes 0.

    Bilinear, as torchvision's rotation, from which it differs by 1 at most. -> uint8
    """
    height, width = images.shape[-2:]
    turn = np.deg2rad(degrees)
    cos, sin = (
        _to(images, part.astype(np.float32))[:, None, None] for part in (np.cos(turn), np.sin(turn))
    )
    down = torch.arange(height, dtype=torch.float32, device=images.device)[:, None]
    across = torch.arange(width, dtype=torch.float32, device=images.device)
    down, across = down - (height - 1) / 2, across - (width - 1) / 2
    # where each pixel comes from; -1 and 1 are the outer sides of the first and last pixel
    from_across, from_down = cos * across - sin * down, sin * across + cos * down
    grid = torch.stack([from_across * (2 / width), from_down * (2 / height)], dim=-1)
    turned = functional.grid_sample(images.float(), grid, align_corners=False)
    return turned.round_().clamp_(0, 255).to(torch.uint8)


def shift_channels(images: torch.Tensor, shifts: np.ndarray) -> torch.Tensor:
    """uint8 with `shifts` (n, 3) added to the channels, rounded, kept in 0 to 255. -> uint8"""
    moved = images.float() + _to(images, shifts.astype(np.float32))[:, :, None, None]
    return moved.round_().clamp_(0, 255).to(torch.uint8)


def fill_holes(
    images: torch.Tensor, corners: np.ndarray, sides: np.ndarray, values: torch.Tensor
) -> torch.Tensor:
    """Squares of the channels' `values` (3,), with top and left `corners` (n, 2). -> float32

    sides: (n,) whole numbers; 0 leaves the image as it is.
    """
    ends = corners + sides[:, None]
    within = [
        _to(images, (corners[:, [axis]] <= places) & (places < ends[:, [axis]]))
        for axis, places in enumerate(map(np.arange, images.shape[-2:]))
    ]
    hole = within[0][:, None, :, None] & within[1][:, None, None, :]
    return torch.where(hole, _to(images, values.numpy())[:, None, None], images.float())


def sent(array: np.ndarray, device: torch.device) -> torch.Tensor:
    """An array on a device. A CUDA GPU is not waited for: it may be at the last step still."""
    tensor = torch.from_numpy(np.ascontiguousarray(array))
    if device.type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


def _inside(places: np.ndarray, side: int, padding: Padding) -> np.ndarray:
    """The place inside an axis of `side` pixels that each place, inside or not, is taken from."""
    if padding == "reflect":
        last = side - 1
        places = last - np.abs(places % max(1, 2 * last) - last)
    inside: np.ndarray = np.clip(places, 0, side - 1)
    return inside


def _to(images: torch.Tensor, array: np.ndarray) -> torch.Tensor:
    """An array where the images are."""
    return sent(array, images.device)


WIDTH = 16  # numbers that an image has at most in one stream
CHANCE = 0.5


@dataclass(frozen=True)
class Draws:
    """Random numbers of a batch's images: a function of (seed, epoch, row, draw) alone.

    rows, draws: (n,) int64, as data.loader.Keys gives them. Asked twice, the same numbers come.
    """

    seed: int
    epoch: int
    rows: np.ndarray
    draws: np.ndarray

    def uniform(self, count: int) -> np.ndarray:
        """The first `count` numbers of each image. -> (n, count) float64 in [0, 1)"""
        return self._numbers(streams.key(Stream.BATCH, self.seed, self.epoch), count)

    def fixed(self, count: int) -> np.ndarray:
        """Numbers of each image that are the same in every epoch. -> (n, count) float64"""
        return self._numbers(streams.key(Stream.FIXED, self.seed), count)

    def _numbers(self, address: np.random.SeedSequence, count: int) -> np.ndarray:
        if count > WIDTH:
            raise ValueError(f"an image has {WIDTH} numbers, not {count}")
        key = address.generate_state(1, np.uint64)
        first = (self.draws.astype(np.uint64) << 40) + self.rows.astype(np.uint64) * WIDTH
        places = first[:, None] + np.arange(count, dtype=np.uint64)
        return (split_mix(key, places) >> 11) * 2.0**-53


BatchAugment = Callable[[torch.Tensor, Draws], torch.Tensor]


def split_mix(key: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Outputs of SplitMix64 seeded with `key`, by their place in its stream, from 0. -> uint64

    Any place costs the same, so no generator is made for an image. Steele, Lea and Flood,
    "Fast Splittable Pseudorandom Number Generators", 2014.
    """
    state = key + (places + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> 30)) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> 27)) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> 31)  # type: ignore[no-any-return]


def none(seen: InputSpec) -> BatchAugment:
    """The images as evaluation sees them."""
    return lambda images, _: centre_crop(images, seen.size)


def light(seen: InputSpec, *, shift: Strength = 0.1, flip: bool = True) -> BatchAugment:
    """Moved by up to `shift` of the side (at least a pixel), edges repeated; mirrored by half."""
    most = max(1, round(shift * seen.size)) if shift else 0

    def change(images: torch.Tensor, draws: Draws) -> torch.Tensor:
        drawn = draws.uniform(3)
        mirrored = drawn[:, 2] < CHANCE if flip else None
        moves = _whole(drawn[:, :2], -most, most)
        return crop_beside_centre(images, seen.size, moves, mirrored=mirrored)

    return change


def crop(
    seen: InputSpec,
    *,
    pad: Pixels = 4,
    padding: Padding = "reflect",
    flip: bool = True,
    alternate: bool = False,
    hole: Pixels = 0,
) -> BatchAugment:
    """A square of the image padded by `pad`, mirrored by half; a hole in it.

    alternate: in the first epoch a half of the images is mirrored, then all change sides each
    epoch, so that two epochs show each image both ways (Jordan, arXiv 2404.00498). Raises
    SettingsError where nothing is to be mirrored.
    """
    values = means_of(seen)
    if alternate and not flip:
        what = "mirrors every second epoch, and augment.flip=false never does; leave one out"
        raise SettingsError([Mistake("augment.alternate", what)])

    def change(images: torch.Tensor, draws: Draws) -> torch.Tensor:
        drawn = draws.uniform(5)
        mirrored = drawn[:, 2] < CHANCE if flip else None
        if alternate:
            mirrored = (draws.fixed(1)[:, 0] < CHANCE) ^ (draws.epoch % 2 == 1)
        moves = _whole(drawn[:, :2], -pad, pad)
        images = crop_beside_centre(images, seen.size, moves, mirrored=mirrored, padding=padding)
        return _cut(images, drawn[:, 3:], np.full(len(images), hole), values) if hole else images

    return change


def cifar(
    seen: InputSpec,
    *,
    angle: Degrees = 10.0,
    shift: Shift = 20.0,
    hole: Pixels = 16,
    flip: bool = True,
) -> BatchAugment:
    """Turned, mirrored, channels shifted, a hole cut: each with a chance of one half."""
    values = means_of(seen)

    def change(images: torch.Tensor, draws: Draws) -> torch.Tensor:
        images, drawn = centre_crop(images, seen.size), draws.uniform(10)
        turned, mirrored, moved, holed = (drawn[:, at] < CHANCE for at in (0, 2, 3, 7))
        if angle:
            images = rotate(images, _between(drawn[:, 1], angle) * turned)
        if flip:
            images = mirror(images, mirrored)
        if shift:
            shifts = _between(drawn[:, 4:7], shift) * moved[:, None]
            images = shift_channels(images, shifts)
        return _cut(images, drawn[:, 8:], hole * holed, values) if hole else images

    return change


BATCH_AUGMENTS: dict[str, Callable[..., BatchAugment]] = {
    "none": none,
    "light": light,
    "crop": crop,
    "cifar": cifar,
}


def _whole(drawn: np.ndarray, low: int, high: int | np.ndarray) -> np.ndarray:
    """Numbers in [0, 1) as whole ones from `low` to `high`, both included. -> int64"""
    steps: np.ndarray = np.floor(drawn * (high - low + 1)).astype(np.int64)
    return low + steps


def _between(drawn: np.ndarray, most: float) -> np.ndarray:
    """Numbers in [0, 1) as ones from -most to most."""
    return most * (2 * drawn - 1)


def _cut(
    images: torch.Tensor, drawn: np.ndarray, holes: np.ndarray, values: torch.Tensor
) -> torch.Tensor:
    """A hole of side `holes` (n,) in each image, anywhere that all of it lies inside. -> float32

    One that is larger than the image covers all of it; 0 is none.
    """
    lengths = np.array(images.shape[-2:])
    sides = np.minimum(holes, lengths.min())
    return fill_holes(images, _whole(drawn, 0, lengths - sides[:, None]), sides, values)
