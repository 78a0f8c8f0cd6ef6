"""A figure between 0 and 1 as a proportion in so many trials, and the 95 % interval of that.

Wilson's interval of a proportion stays within 0 and 1, is longer towards the middle, and claims
no certainty where all is right. For a figure between 0 and 1 that is not plainly a proportion, its
error tells as how many trials the images count, p (1 - p) / error^2: E. L. Korn and B. I. Graubard,
Confidence intervals for proportions with small expected number of positive counts estimated from
survey data, 1998; N. Dean and M. Pagano, Evaluating confidence interval methods for binomial
proportions in clustered surveys, 2015.
"""

import numpy as np

from fieldmark.judge.jackknife import Spread

NORMAL_QUANTILE = 1.959963984540054  # 97.5 % of a standard normal distribution lies below
# The same of Student's distribution, by degrees of freedom.
STUDENT = (
    (1, 12.7062), (2, 4.3027), (3, 3.1824), (4, 2.7764), (5, 2.5706), (6, 2.4469), (8, 2.3060),
    (10, 2.2281), (15, 2.1314), (25, 2.0595), (60, 2.0003), (np.inf, NORMAL_QUANTILE),
)  # fmt: skip


def wilson(share: np.ndarray, trials: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The 95 % score interval of a proportion, low and high. (...) twice -> two of (...)

    Without trials nothing is known: (0, 1). nan where the share or the trials are nan.
    E. B. Wilson, Probable inference, the law of succession, and statistical inference, 1927.
    """
    square = NORMAL_QUANTILE**2
    centre = (share * trials + square / 2) / (trials + square)
    spread = np.sqrt(share * (1 - share) * trials + square / 4)
    width = NORMAL_QUANTILE * spread / (trials + square)
    # At 0 and at 1 rounding would leave the bound a hair off the share.
    return np.minimum(centre - width, share).clip(0), np.maximum(centre + width, share).clip(max=1)


def student_quantile(freedom: float) -> float:
    """Below which 97.5 % of Student's distribution lies, from 1 degree of freedom on.

    Between the degrees of STUDENT its logarithm is taken as linear in 1 / freedom, which is right
    to 1 % from 2 degrees on, and to 4 % below.
    """
    inverse = [1 / degrees for degrees, _ in STUDENT]
    logarithms = [np.log(value) for _, value in STUDENT]
    return float(np.exp(np.interp(1 / freedom, inverse[::-1], logarithms[::-1])))


def effective_trials(share: float, spread: Spread, otherwise: float) -> float:
    """As how many trials the images count, for a share of this spread.

    `otherwise` where there is no error to go by: all is right, all is wrong, or there is only
    one unit. Student's quantile in place of the normal one makes the trials fewer.
    """
    if not spread.error > 1e-12 or not 1e-12 < share < 1 - 1e-12:
        return otherwise
    longer = student_quantile(spread.freedom) / NORMAL_QUANTILE
    return share * (1 - share) / (spread.error * longer) ** 2


def trials_of_mean(trials: np.ndarray) -> float:
    """In how many trials one proportion is as uncertain as a mean over classes. (C,) -> number

    C squared over the sum of 1 / trials, over the classes present: for proportions of one size
    p, the mean's variance is p (1 - p) times the inverse of this. As many as there are images
    where classes are equally large, fewer where some are small. 0 without a class.
    """
    trials = trials[trials > 0]
    return float(len(trials) ** 2 / (1 / trials).sum()) if len(trials) else 0.0
