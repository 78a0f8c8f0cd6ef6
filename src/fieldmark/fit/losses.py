"""What training makes small: logits (n, C) and targets -> a scalar, the mean over the images.

Targets are classes, (n,) int64, or float shares of the classes, (n, C), as mixed images have
them; a class and a share of 1 of it give the same. Of several labels an image they are (n, C) of
0 and 1, or what lies between. A loss is made from the training images a class, `counts` (C,), of
several labels (2, C), without and with each, which only weights and the logit adjustment look at.
It computes in float32 whatever the network computed in.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import Field, PlainValidator
from torch.nn import functional

from fieldmark.catalog import Catalog
from fieldmark.errors import Mistake, SettingsError


@dataclass(frozen=True)
class Loss:
    """mean: (logits, targets) -> (). weights: (C,) of classes in that mean; None: all the same.

    shares: of a cross-entropy, which is convex in the logits: targets -> (n, C) float64, what
    each class's -log score counts in the sum over the images, of which `mean` is the mean.
    shift: (C,), added to the logits before that. several: whether it is of several labels an
    image. against: of those, targets -> (n, C), what each class's -log (1 - score) counts.
    """

    mean: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    weights: torch.Tensor | None = None
    shares: Callable[[torch.Tensor], torch.Tensor] | None = None
    shift: torch.Tensor | None = None
    several: bool = False
    against: Callable[[torch.Tensor], torch.Tensor] | None = None

    def __call__(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """The mean."""
        return self.mean(logits, targets)

    def weight(self, targets: torch.Tensor) -> torch.Tensor | int:
        """What the mean of these images is divided by: their number, or the sum of weights ()."""
        if self.weights is None:
            return len(targets)
        return _weight(targets, self.weights.to(targets.device))


def _read_weights(value: Any) -> Any:
    """The option `class_weights` as it may be; ValueError for anything else."""
    if value is None or (isinstance(value, str) and value == "balanced"):
        return value
    if isinstance(value, (list, tuple)) and value and all(map(_is_weight, value)):
        return tuple(map(float, value))
    raise ValueError(
        f"must be none, balanced, or a list of positive numbers, one a class, not {value}"
    )


def _is_weight(value: Any) -> bool:
    return isinstance(value, int | float) and 0 < value < math.inf


Smoothing = Annotated[float, Field(ge=0, lt=1)]
Exponent = Annotated[float, Field(ge=0, allow_inf_nan=False)]
ClassWeights = Annotated[
    Literal["balanced"] | tuple[float, ...] | None, PlainValidator(_read_weights)
]


Weight = Annotated[float, Field(gt=0, allow_inf_nan=False)]
PosWeight = Literal["balanced"] | Weight | None


def cross_entropy(
    counts: np.ndarray,
    *,
    label_smoothing: Smoothing = 0.0,
    class_weights: ClassWeights = None,
    logit_adjustment: Exponent = 0.0,
) -> Loss:
    """-log of the true class's score.

    class_weights: what an image of each class weighs in the batch's mean; see `weights_of`.
    logit_adjustment: tau of Menon et al., "Long-tail learning via logit adjustment", 2021:
    tau * log(share of the training images) is added to each logit before the loss, so that
    the bare logits, which predict, serve rare classes as well as common ones; 1 is theirs. A
    class without an image counts as if it had one.

    Raises SettingsError where there is not one weight a class.
    """
    weights, smooth = weights_of(class_weights, counts), label_smoothing
    prior = np.maximum(counts, 1)
    shift = torch.tensor(logit_adjustment * np.log(prior / prior.sum()), dtype=torch.float32)

    def loss(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        logits = logits.float()
        if logit_adjustment:
            logits = logits + shift.to(logits.device)
        if weights is None:
            return functional.cross_entropy(logits, targets, label_smoothing=smooth)
        each = weights.to(logits.device)
        losses = functional.cross_entropy(
            logits, targets, weight=each, reduction="none", label_smoothing=smooth
        )
        return losses.sum() / _weight(targets, each)

    def shares(targets: torch.Tensor) -> torch.Tensor:
        true = functional.one_hot(targets, len(counts)).double()
        smoothed = true * (1 - smooth) + smooth / len(counts)
        return smoothed if weights is None else smoothed * weights

    return Loss(loss, weights, shares, shift)


def focal(
    counts: np.ndarray,
    *,
    gamma: Exponent = 2.0,
    label_smoothing: Smoothing = 0.0,
    class_weights: ClassWeights = None,
) -> Loss:
    """Cross-entropy in which each class's term counts (1 - its score) ** gamma.

    What is right already matters less (Lin et al., "Focal Loss for Dense Object Detection",
    2017, for a softmax; `class_weights` are their alpha). gamma 0 is cross-entropy.

    Raises SettingsError where there is not one weight a class.
    """
    weights = weights_of(class_weights, counts)

    def loss(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        logs = functional.log_softmax(logits.float(), dim=1)
        shares = targets
        if not targets.is_floating_point():
            shares = functional.one_hot(targets, logs.shape[1]).to(logs.dtype)
        smooth = shares * (1 - label_smoothing) + label_smoothing / logs.shape[1]
        # 1 - score; kept from 0, where the power's slope is infinite for a gamma under 1
        missing = (-torch.expm1(logs)).clamp(min=torch.finfo(logs.dtype).eps)
        terms = smooth * missing**gamma * -logs
        if weights is None:
            return terms.sum(dim=1).mean()
        each = weights.to(logs.device)
        return (terms * each).sum() / _weight(shares, each)

    return Loss(loss, weights)


def bce(
    counts: np.ndarray,
    *,
    pos_weight: PosWeight = None,
    label_smoothing: Smoothing = 0.0,
) -> Loss:
    """The binary cross-entropy of each label by itself, the mean over labels.

    pos_weight: what an image with a label weighs for it, beside 1 for one without; a number for
    all labels, or balanced: images without over images with it (1 where it has none).
    label_smoothing: 0 and 1 are drawn towards a half by this share.
    """
    weights = pos_weights_of(pos_weight, counts)

    def smoothed(targets: torch.Tensor) -> torch.Tensor:
        return targets.float() * (1 - label_smoothing) + label_smoothing / 2

    def loss(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        own = None if weights is None else weights.to(logits.device)
        return functional.binary_cross_entropy_with_logits(
            logits.float(), smoothed(targets), pos_weight=own
        )

    def shares(targets: torch.Tensor) -> torch.Tensor:
        present = smoothed(targets).double() / targets.shape[1]
        return present if weights is None else present * weights

    def against(targets: torch.Tensor) -> torch.Tensor:
        return (1 - smoothed(targets).double()) / targets.shape[1]

    shift = torch.zeros(counts.shape[1])
    return Loss(loss, shares=shares, shift=shift, several=True, against=against)


def asymmetric(
    counts: np.ndarray,
    *,
    gamma_present: Exponent = 0.0,
    gamma_absent: Exponent = 4.0,
    margin: Smoothing = 0.05,
    pos_weight: PosWeight = None,
) -> Loss:
    """`bce` in which what is right already counts less, and labels that are absent least.

    A label's term counts (1 - score) ** gamma_present where it is present, else
    score ** gamma_absent, of a score that is `margin` less, or 0 (Ridnik et al., "Asymmetric
    Loss For Multi-Label Classification", 2021). With both gammas the same and no margin it is
    the focal loss of Lin et al., 2017. Its scores want thresholds of their own.
    """
    weights = pos_weights_of(pos_weight, counts)

    def loss(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        score, wanted = torch.sigmoid(logits.float()), targets.float()
        least = torch.finfo(score.dtype).eps  # where a power's or a logarithm's slope is infinite
        lowered = (score - margin).clamp(min=0)
        missing = (1 - score).clamp(min=least) ** gamma_present
        present = wanted * missing * -functional.logsigmoid(logits.float())
        if weights is not None:
            present = present * weights.to(logits.device)
        risen = lowered.clamp(min=least) ** gamma_absent
        absent = (1 - wanted) * risen * -torch.log1p(-lowered.clamp(max=1 - least))
        return (present + absent).mean()

    return Loss(loss, several=True)


def binary_focal(
    counts: np.ndarray, *, gamma: Exponent = 2.0, pos_weight: PosWeight = None
) -> Loss:
    """`bce` in which each label's term counts (1 - the score of what is true) ** gamma.

    Lin et al., "Focal Loss for Dense Object Detection", 2017; gamma 0 is bce.
    """
    options = {"gamma_present": gamma, "gamma_absent": gamma, "margin": 0.0}
    return asymmetric(counts, **options, pos_weight=pos_weight)


LOSSES = Catalog(
    "loss",
    {
        "cross_entropy": (cross_entropy, "one label an image"),
        "focal": (focal, "cross-entropy that looks past what is right already"),
        "bce": (bce, "several labels an image, each a question of its own"),
        "binary_focal": (binary_focal, "bce that looks past what is right already"),
        "asymmetric": (asymmetric, "bce in which absent labels count little"),
    },
    group="fieldmark.losses",
)


def own_loss(given: Callable[..., Any]) -> Callable[[np.ndarray], Loss]:
    """A builder of a caller's own loss: (logits (n, C) float32, targets) -> ().

    Targets are as at the top of this file: (n,) classes, shares (n, C) of mixed images, or of
    several labels (n, C) of 0 and 1, float32. Raises SettingsError, at the first batch, where it
    gives no single number.
    """

    def build(counts: np.ndarray) -> Loss:
        several = counts.ndim == 2

        def mean(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
            value: torch.Tensor = given(logits.float(), targets.float() if several else targets)
            if not isinstance(value, torch.Tensor) or value.numel() != 1:
                what = "must give one number, a tensor with its gradient: the mean over the images"
                raise SettingsError([Mistake("loss", what)])
            return value.reshape(())

        return Loss(mean, several=several)

    return build


def pos_weights_of(
    pos_weight: Literal["balanced"] | float | None, counts: np.ndarray
) -> torch.Tensor | None:
    """What an image with each label weighs. counts (2, C) -> (C,) float32; None: 1 each."""
    if pos_weight is None:
        return None
    without, having = counts
    if pos_weight == "balanced":
        ratio = without / np.maximum(having, 1)
        return torch.tensor(np.where((having > 0) & (without > 0), ratio, 1), dtype=torch.float32)
    return torch.full((len(having),), float(pos_weight))


def counts_of(targets: np.ndarray, classes: int) -> np.ndarray:
    """Training images a class, as a loss is made from them. (n,) -> (C,); (n, C) -> (2, C)"""
    if targets.ndim == 1:
        return np.bincount(targets, minlength=classes)
    having = targets.sum(axis=0)
    return np.stack([len(targets) - having, having])


def weights_of(
    class_weights: Literal["balanced"] | tuple[float, ...] | None, counts: np.ndarray
) -> torch.Tensor | None:
    """What an image of each class weighs. -> (C,) float32; None where all weigh the same.

    "balanced": n / (classes * images of the class), over the classes that have images, as
    scikit-learn's compute_class_weight, so that a training image weighs 1 on average; a class
    without a training image weighs 1. Raises SettingsError where numbers and classes differ.
    """
    if class_weights is None:
        return None
    if class_weights == "balanced":
        there = counts > 0
        balanced = np.ones(len(counts))
        balanced[there] = counts.sum() / (there.sum() * counts[there])
        return torch.tensor(balanced, dtype=torch.float32)
    if len(class_weights) != len(counts):
        what = (
            f"there are {len(class_weights)} numbers for {len(counts)} classes; "
            "give one a class, in the order of the classes"
        )
        raise SettingsError([Mistake("loss.class_weights", what)])
    return torch.tensor(class_weights, dtype=torch.float32)


def _weight(targets: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """The weight of a whole batch: of classes (n,), or of shares (n, C)."""
    return (targets @ weights if targets.is_floating_point() else weights[targets]).sum()
