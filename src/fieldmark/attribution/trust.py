"""Whether a heat map is true: does the score fall where it is hot, more than by chance?"""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from fieldmark import streams
from fieldmark.captioned import Captioned, Seen
from fieldmark.models.infer import infer
from fieldmark.models.precision import Autocast
from fieldmark.streams import Stream
from fieldmark.task import softmax

HOTTEST = 0.2  # share of an image that is blurred
MASKS = 20
BEATEN = 0.95  # share of the random masks that a map must beat
STEPS = 10  # of the curves
ATTEMPTS = 50  # at a mask that is elsewhere
BLUR = 8  # the blur's deviation is 1 / BLUR of the image's shorter side
AT_ONCE = 64  # images a pass

Scores = Callable[[np.ndarray], np.ndarray]


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
    classifier: nn.Module,
    images: Seen,
    classes: np.ndarray,
    heats: np.ndarray,
    *,
    masks: int = MASKS,
    steps: int = STEPS,
    seed: int = 0,
    scores: Scores = softmax,
    autocast: Autocast = nullcontext,
) -> list[Trust | None]:
    """Each map held against random ones; None where there is no map.

    images, classes, heats: as `heat` takes and gives them. A random mask is the map's own, moved
    round the image's edges by a random way and turned or mirrored at random, so that it covers as
    much in pieces of the same shape; one that covers more than half of the map's own is drawn
    anew. It is made of the seed, the row and its number alone. scores: of logits (n, C) -> (n, C),
    such as a task's at the bundle's temperature.

    steps: of the curves, of which 1 leaves the ends alone. An image takes
    3 + masks + 4 * (steps - 1) passes, 59 with 20 masks and 10 steps; with the blurring that was
    the time of 83 (as `heat` was measured, 4 photos).
    """
    found: list[Trust | None] = []
    for row, heat in enumerate(heats):
        if np.isnan(heat).any():
            found.append(None)
            continue
        own = _ranks(heat)
        moved = [_moved(own, streams.draw(Stream.HEAT, seed, row, n)) for n in range(max(masks, 1))]
        ranks = [own, *moved]
        blurred_parts = [rank < HOTTEST for rank in ranks[: masks + 1]]
        for rank in ranks[:2]:
            for step in range(1, steps):
                blurred_parts += [rank < step / steps, rank >= step / steps]
        blurred_parts += [np.zeros_like(ranks[0], bool), np.ones_like(ranks[0], bool)]
        seen = images[row : row + 1]
        got = _scores(classifier, seen, int(classes[row]), blurred_parts, scores, autocast)
        found.append(_told(got, masks, steps))
    return found


def _told(got: np.ndarray, masks: int, steps: int) -> Trust:
    """From the scores in the order in which `trusted` asks for them."""
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


def _moved(ranks: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """The ranks moved round the edges, turned and mirrored at random. (H, W) -> (H, W)"""
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
    reach = round(3 * deviation)
    places = torch.arange(-reach, reach + 1, device=images.device)
    kernel = torch.exp(-(places**2) / (2 * deviation**2))
    kernel = (kernel / kernel.sum()).view(1, 1, 1, -1)
    count, channels, height, width = images.shape
    flat = images.float().reshape(count * channels, 1, height, width)
    for weights, sides in ((kernel, (reach, reach, 0, 0)), (kernel.mT, (0, 0, reach, reach))):
        flat = functional.conv2d(functional.pad(flat, sides, mode="replicate"), weights)
    return flat.reshape(images.shape)


def _scores(
    classifier: nn.Module,
    seen: Seen,
    label: int,
    parts: list[np.ndarray],
    scores: Scores,
    autocast: Autocast,
) -> np.ndarray:
    """The class's score of one image, blurred in each of these parts. -> (parts,)"""
    device = next((each.device for each in classifier.parameters()), torch.device("cpu"))
    image = (seen.images if isinstance(seen, Captioned) else seen).float()
    smooth = blurred(image)

    def batches() -> Iterator[Seen]:
        for start in range(0, len(parts), AT_ONCE):
            masks = torch.from_numpy(np.stack(parts[start : start + AT_ONCE])).unsqueeze(1)
            shown = torch.where(masks.to(image.device), smooth, image)
            if isinstance(seen, Captioned):
                yield replace(seen, images=shown, words=seen.words.expand(len(shown), -1))
            else:
                yield shown

    logits = infer(classifier, batches(), device=device, autocast=autocast)
    return scores(logits)[:, label]
