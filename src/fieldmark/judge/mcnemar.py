"""Two classifiers' right and wrong on the same images: what the images tell that differ.

`gained` images are right for the second classifier only, `lost` ones for the first only. All
others, right or wrong for both, say nothing about which is better.
"""

import math

from fieldmark.judge.trials import NORMAL_QUANTILE

HALVINGS = 60  # of an interval of length 2: to the last bit of a double


def tango(gained: int, lost: int, images: int) -> tuple[float, float]:
    """The 95 % score interval of the difference of two accuracies, (gained - lost) / images.

    It has width where no image differs, and stays within -1..1. Without images (-1, 1).
    T. Tango, Equivalence test and confidence interval for the difference in proportions for the
    paired-sample design, 1998.
    """
    if not images:
        return -1.0, 1.0
    return _lower(gained, lost, images), -_lower(lost, gained, images)


def mcnemar(gained: int, lost: int) -> float:
    """The chance that equal classifiers differ by so much or more, either way: McNemar's, exact.

    Of equal classifiers each image that differs is gained or lost as a coin falls.
    """
    trials, fewer = gained + lost, min(gained, lost)
    whole = math.lgamma(trials + 1) - trials * math.log(2)
    tail = math.fsum(
        math.exp(whole - math.lgamma(k + 1) - math.lgamma(trials - k + 1)) for k in range(fewer + 1)
    )
    return min(1.0, 2 * tail)


def _lower(gained: int, lost: int, images: int) -> float:
    """The difference below the observed one that lies NORMAL_QUANTILE deviations from it."""
    low, high = -1.0, (gained - lost) / images
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        apart = gained - lost - images * middle
        if apart > NORMAL_QUANTILE * _deviation(middle, gained, lost, images):
            low = middle
        else:
            high = middle
    return low


def _deviation(difference: float, gained: int, lost: int, images: int) -> float:
    """The standard deviation of gained - lost, were the true difference this one.

    The share that is lost is then the likeliest one: the root of a quadratic.
    """
    linear = (2 * images - gained + lost) * difference - gained - lost
    constant = -lost * difference * (1 - difference)
    share = (math.sqrt(max(linear**2 - 8 * images * constant, 0)) - linear) / (4 * images)
    return math.sqrt(images * max(2 * share + difference * (1 - difference), 0))
