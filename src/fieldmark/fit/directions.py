"""Features made ready for a search: scaled, and turned into their principal directions."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

Kind = Literal["plain", "standard", "length"]
SHRUNK = 20  # images that the mean variance counts as, in the variance of a feature
RANK = 1e-12  # of the largest, under which an eigenvalue counts as 0
ROWS = 8192  # that are worked on at once where there are many


@dataclass(frozen=True, eq=False)
class Scaling:
    """(features, divided by their length where that is asked) less `mean`, over `by`."""

    length: bool
    mean: Tensor  # (D,) float64
    by: Tensor  # (D,) float64
    size: Tensor  # (D,) float64, by what features as they are would be divided

    def __call__(self, features: Tensor) -> Tensor:
        """(n, D) -> (n, D) float64"""
        own = by_length(features) if self.length else features.double()
        return (own - self.mean) / self.by


def by_length(features: Tensor) -> Tensor:
    """Each row divided by its length; one of zeros stays. (n, D) -> (n, D) float64"""
    return torch.nn.functional.normalize(features.double(), dim=1)


def scaling_of(features: Tensor, trained: np.ndarray, kind: Kind, words: int) -> Scaling:
    """Of the images (n,) that are trained on; afterwards their mean square length is about 1.

    So a penalty means the same for each network. Standardised features are divided by their
    deviation, whose square is drawn towards the mean of all as if SHRUNK images more had had
    that: of few images some features hardly differ, and would drown all others. The last `words`
    features are of captions; they are divided by their length alone, or rare words would drown
    the others, and weigh as much as all other features do.
    """
    rows = torch.from_numpy(np.flatnonzero(trained))
    count, width = len(rows), features.shape[1]
    total, squares = torch.zeros(2, width, dtype=torch.float64)
    lengths = torch.zeros((), dtype=torch.float64)
    for part in torch.split(rows, ROWS):
        own = features[part].double()
        if kind == "length":
            lengths += own.square().sum()
            own = by_length(own)
        total += own.sum(dim=0)
        squares += own.square().sum(dim=0)
    mean = total / count
    variance = (squares / count - mean.square()).clamp(min=0)
    if kind == "standard":
        own = variance[: width - words]
        own = (count * own + SHRUNK * own.mean()) / (count + SHRUNK)
        length = (squares[width - words :].sum() / count).sqrt()
        by = torch.cat([(own * len(own)).sqrt(), length.expand(words)])
    else:
        by = (squares.sum() / count).sqrt().expand(width)
    by = torch.where(by > 0, by, 1)  # 0: all are alike
    size = by * (lengths / count).sqrt() if kind == "length" and lengths > 0 else by
    return Scaling(kind == "length", mean, by, size)


@dataclass(frozen=True, eq=False)
class Turned:
    """Scaled features along their principal directions. rows: (n, r + 1), the last column ones.

    A head on them is (C, r + 1), its bias the last. basis: (D, r), the directions; or where there
    are fewer images than features (n, r), of which sum of `images` (n, D), the scaled features,
    each is.
    """

    rows: Tensor
    basis: Tensor
    scaling: Scaling
    images: Tensor | None = None

    def undone(self, heads: Tensor) -> tuple[Tensor, Tensor]:
        """Heads (P, C, r + 1) -> (P, C, D) and (P, C), with the scaling folded in"""
        weights = self._scaled(heads) / self.scaling.by
        return weights, heads[..., -1] - weights @ self.scaling.mean

    def taken(self, heads: Tensor, other: "Turned") -> Tensor:
        """Heads on another's rows as heads on these: the same, or if scaled otherwise about so.

        (P, C, s + 1) -> (P, C, r + 1)
        """
        weights = other._scaled(heads) * (self.scaling.size / other.scaling.size)
        along = weights if self.images is None else weights @ self.images.T
        return torch.cat([along @ self.basis, heads[..., -1:]], dim=2)

    def _scaled(self, heads: Tensor) -> Tensor:
        """The weights of scaled features. (P, C, r + 1) -> (P, C, D)"""
        along = heads[..., :-1] @ self.basis.T
        return along if self.images is None else along @ self.images


def turn(features: Tensor, scaling: Scaling) -> Turned:
    """So turned, the penalised loss is nearly as steep in each direction after one division.

    A weight has a part in directions that no image has only by the penalty, which makes it 0:
    of n images no more than n directions count.
    """
    images, width = features.shape
    if images <= width:
        scaled = scaling(features)
        values, vectors = torch.linalg.eigh(scaled @ scaled.T)
        kept = values > RANK * values[-1]
        lengths, vectors = values[kept].sqrt(), vectors[:, kept]
        rows = torch.cat([vectors * lengths, vectors.new_ones(images, 1)], dim=1)
        return Turned(rows, vectors / lengths, scaling, scaled)
    product = torch.zeros(width, width, dtype=torch.float64)
    for part in torch.split(features, ROWS):
        scaled = scaling(part)
        product.addmm_(scaled.T, scaled)
    values, vectors = torch.linalg.eigh(product)
    basis = vectors[:, values > RANK * values[-1]]
    rows = torch.ones(images, basis.shape[1] + 1, dtype=torch.float64)
    for part, place in zip(torch.split(features, ROWS), torch.split(rows, ROWS), strict=True):
        place[:, :-1] = scaling(part) @ basis
    return Turned(rows, basis, scaling)
