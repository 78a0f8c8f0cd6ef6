"""Changes of a whole batch of images, each by parameters of its own: data.changes at once.

Images are (n, 3, H, W), uint8, or float32 on the same scale of 0 to 255, on any device;
parameters are numpy arrays with a row an image. Each image's result is that of data.changes at
its parameters, whatever else the batch holds, so there is no matrix product here: those of
batches of other lengths differ in the last bits.
"""

import numpy as np
import torch
from torch.nn import functional

from fieldmark.data.changes import Padding


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
        down, across = (_to(images, _outside(*pair)) for pair in ((rows, height), (columns, width)))
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


def _outside(places: np.ndarray, side: int) -> np.ndarray:
    return (places < 0) | (places >= side)


def _to(images: torch.Tensor, array: np.ndarray) -> torch.Tensor:
    """An array where the images are."""
    return sent(array, images.device)
