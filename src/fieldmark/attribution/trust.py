"""Whether a heat map is true: does the score fall where it is hot, more than by chance?"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from fieldmark import streams
from fieldmark.captioned import Seen, pixels_of, with_pixels
from fieldmark.heats import HOTTEST
from fieldmark.streams import Stream

BEATEN = 0.95  # share of the random masks that a map must beat
ATTEMPTS = 50  # at a mask that is elsewhere
BLUR = 8  # the blur's deviation is 1 / BLUR of the image's shorter side
AT_ONCE = 16 * 224**2  # pixels that pass together, or one image's

Scores = Callable[[Iterable[Seen]], np.ndarray]


@dataclass(frozen=True)
class Trust:
    """What became of the score of an image's class as parts of the image were blurred.

    score: of the whole image. fall: by how much it falls when the hottest fifth is blurred, below
    0 where it rises. random_falls: (masks,), the same of random masks of the same shape. beats:
    whether the fall is above 0 and above those of 95 % of the random masks or more (19 of 20).
    Only the order of the scores counts for that, so that the falls of the log odds, which are
    larger where a score is near 1, would say the same.

    deletion, insertion: (11,), of 10 steps, the score with the hottest 0, 10, ..., 100 % blurred,
    and with all but these. random_deletion, random_insertion: the same in the order of the map as
    the first random mask moves it. A true map's deletion lies below the random one, its insertion
    above.
    """

    score: float
    fall: float
    random_falls: np.ndarray
    beats: bool
    deletion: np.ndarray
    insertion: np.ndarray
    random_deletion: np.ndarray
    random_insertion: np.ndarray


def trusted(
    scores: Scores,
    images: Seen,
    classes: np.ndarray,
    heats: np.ndarray,
    *,
    masks: int = 20,
    steps: int = 10,
) -> list[Trust | None]:
    """Each map held against random ones; None where there is no map.

    scores: of batches of images, -> (n, C). images, classes, heats: as `heat` takes and gives them.
    A random mask is the map's own, moved round the image's edges by a random way and turned or
    mirrored at random, so that it covers as much in pieces of the same shape; one that covers more
    than half of the map's own is drawn anew. It is made of the image's content and its number
    alone, so that an image is judged alone as it is among others.

    steps: of the curves, of which 1 leaves the ends alone. An image takes
    3 + masks + 4 * (steps - 1) passes, 59 with 20 masks and 10 steps.
    """
    found: list[Trust | None] = []
    for row, heat in enumerate(heats):
        if np.isnan(heat).any():
            found.append(None)
            continue
        seen = images[row : row + 1]
        parts = _parts(_ranks(heat), _words(seen), masks, steps)
        got = scores(_blurred_in(seen, parts))[:, int(classes[row])]
        found.append(_told(got, masks, steps))
    return found


def _parts(own: np.ndarray, image: tuple[int, int], masks: int, steps: int) -> Iterator[np.ndarray]:
    """What is blurred, by the ranks of a map (H, W), one part after the other. -> (H, W) bool"""
    first = _moved(own, image, 0)
    yield own < HOTTEST
    for number in range(masks):
        yield (_moved(own, image, number) if number else first) < HOTTEST
    for rank in (own, first):
        for step in range(1, steps):
            yield rank < step / steps
            yield rank >= step / steps
    yield np.zeros_like(own, bool)
    yield np.ones_like(own, bool)


def _told(got: np.ndarray, masks: int, steps: int) -> Trust:
    """From the scores of the parts in the order of `_parts`."""
    whole, nothing = got[-2], got[-1]
    falls = whole - got[: masks + 1]
    curves = got[masks + 1 : -2].reshape(2, steps - 1, 2)

    def deletion(curve: np.ndarray) -> np.ndarray:
        return np.concatenate([[whole], curve[:, 0], [nothing]])

    def insertion(curve: np.ndarray) -> np.ndarray:
        return np.concatenate([[nothing], curve[:, 1], [whole]])

    share = np.mean(falls[1:] < falls[0]) if masks else 0.0
    return Trust(
        score=float(whole),
        fall=float(falls[0]),
        random_falls=falls[1:],
        beats=bool(falls[0] > 0 and share >= BEATEN),
        deletion=deletion(curves[0]),
        insertion=insertion(curves[0]),
        random_deletion=deletion(curves[1]),
        random_insertion=insertion(curves[1]),
    )


def _words(seen: Seen) -> tuple[int, int]:
    """Two words of the hash of an image's pixels."""
    digest = hashlib.sha256(pixels_of(seen).cpu().numpy().tobytes()).digest()
    return int.from_bytes(digest[:4]), int.from_bytes(digest[4:8])


def _moved(ranks: np.ndarray, image: tuple[int, int], number: int) -> np.ndarray:
    """The ranks moved round the edges, turned and mirrored at random. (H, W) -> (H, W)"""
    draw = streams.draw(Stream.MASK, 0, *image, number)
    height, width = ranks.shape
    own = ranks < HOTTEST
    for _ in range(ATTEMPTS):
        down, right = draw.integers(0, (height, width)).tolist()
        turns = int(draw.integers(4) if height == width else 2 * draw.integers(2))
        moved = np.rot90(np.roll(ranks, (down, right), (0, 1)), turns)
        moved = moved[:, ::-1] if draw.integers(2) else moved
        if (own & (moved < HOTTEST)).sum() <= own.sum() / 2:
            break
    return moved


def _ranks(heat: np.ndarray) -> np.ndarray:
    """The share of the pixels that are hotter, 0 for the hottest. (H, W) -> (H, W)

    Of equal pixels, as all are that speak against a class, the one in the hotter neighbourhood is.
    """
    flat = heat.ravel()
    near = blurred(torch.tensor(heat[None, None].copy())).numpy().ravel()
    ranks = np.empty(flat.size)
    ranks[np.lexsort((-near, -flat))] = np.arange(flat.size) / flat.size
    return ranks.reshape(heat.shape)


def blurred(images: Tensor) -> Tensor:
    """By a Gaussian of an eighth of the shorter side. (N, C, H, W) -> (N, C, H, W) float32"""
    deviation = max(min(images.shape[-2:]) / BLUR, 1.0)
    down, across = (_smoothing(side, deviation, images.device) for side in images.shape[-2:])
    return down @ images.float() @ across.mT


def _smoothing(side: int, deviation: float, device: torch.device) -> Tensor:
    """What each of so many pixels in a row counts for each; beyond an end, as the last does."""
    reach = round(3 * deviation)
    places = torch.arange(-reach, reach + 1, device=device)
    kernel = torch.exp(-(places**2) / (2 * deviation**2))
    near = (torch.arange(side, device=device)[:, None] + places).clamp(0, side - 1)
    counts = torch.zeros(side, side, device=device)
    return counts.scatter_add_(1, near, (kernel / kernel.sum()).expand(side, -1))


def _blurred_in(seen: Seen, parts: Iterable[np.ndarray]) -> Iterator[Seen]:
    """One image, blurred in each of these parts, as batches."""
    image = pixels_of(seen).float()
    smooth = blurred(image)
    count, parts = max(1, AT_ONCE // image[0, 0].numel()), iter(parts)
    while some := [*islice(parts, count)]:
        masks = torch.from_numpy(np.stack(some)).unsqueeze(1)
        yield with_pixels(seen, torch.where(masks.to(image.device), smooth, image))
