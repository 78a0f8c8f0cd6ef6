"""The mean of the weights before and after the tuning, its share chosen on validation.

Wortsman et al., "Robust fine-tuning of zero-shot models", 2022 (WiSE-FT): of a network whose head
was trained first, the mean is as a rule better than either end, and costs a few validations.
"""

import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from fieldmark.fit.plan import Judged, Parts, Plan

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)


def mean_of(
    before: Mapping[str, Tensor], after: Mapping[str, Tensor], share: float
) -> dict[str, Tensor]:
    """Weights between two of one network; share: of `after`. Whole numbers are those of `after`."""
    return {
        name: torch.lerp(before[name], tensor.to(before[name].device), share)
        if tensor.is_floating_point()
        else tensor
        for name, tensor in after.items()
    }


def moved(
    start: Mapping[str, Tensor], before: Mapping[str, Tensor], after: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """`start` with what changed from `before` to `after`, wherever those two are computed.

    Whole numbers are those of `after`.
    """
    return {
        name: start[name] + (tensor - before[name]).to(start[name].device)
        if tensor.is_floating_point()
        else tensor
        for name, tensor in after.items()
    }


def judged_shares(
    judge: Callable[[float], Judged], plan: Plan, parts: Parts
) -> list[dict[str, float]]:
    """A row a share: share, val_loss and the monitored figure, signed so that more is better.

    judge: a share -> logits (n, C) and targets (n,) of validation by the mean of this share.
    """
    rows = []
    for share in SHARES:
        logits, targets = judge(share)
        loss = parts.loss(torch.from_numpy(logits), torch.from_numpy(targets)).item()
        gain = plan.sign * parts.measure(logits, targets)[plan.monitor]
        rows.append({"share": share, "val_loss": loss, "gain": gain})
    return rows


def best_share(rows: Sequence[Mapping[str, float]]) -> float:
    """The share with the least loss; of equals the smallest, which is nearest to the start."""
    finite = [row for row in rows if math.isfinite(row["val_loss"])]
    return min(finite, key=lambda row: row["val_loss"])["share"] if finite else 0.0
