import math
from itertools import product

import numpy as np
import pytest

from fieldmark.judge.mcnemar import mcnemar, tango


def test_tango_agrees_with_a_published_example():
    # Airway hyper-responsiveness before and after a transplantation, 1, 1, 7, 12 of 21 children:
    # M. W. Fagerland, S. Lydersen, P. Laake, Statistics in Medicine 33, 2014, table V.
    assert tango(1, 7, 21) == pytest.approx((-0.517, -0.026), abs=0.0005)


@pytest.mark.parametrize("images", [1, 10, 200])
def test_images_that_are_all_alike_for_both_leave_what_tango_says_in_closed_form(images):
    square = 1.959963984540054**2
    width = square / (images + square)
    assert tango(0, 0, images) == pytest.approx((-width, width), abs=1e-12)


@pytest.mark.parametrize(("gained", "lost", "images"), [(3, 1, 20), (12, 5, 40), (0, 6, 30)])
def test_tango_bounds_are_where_the_likeliest_table_lies_the_quantile_away(gained, lost, images):
    for bound in tango(gained, lost, images):
        # the likeliest share lost, given the difference, by trying very many
        shares = np.linspace(max(0, -bound), (1 - bound) / 2, 400_001)[1:-1]
        chances = (gained, shares + bound), (lost, shares)
        likelihood = (images - gained - lost) * np.log(1 - 2 * shares - bound)
        with np.errstate(divide="ignore"):
            likelihood += sum(n * np.log(share) for n, share in chances if n)
        share = shares[likelihood.argmax()]
        deviation = math.sqrt(images * (2 * share + bound - bound**2))
        apart = abs(gained - lost - images * bound)
        assert apart / deviation == pytest.approx(1.95996, abs=1e-3)


def test_the_other_way_round_tango_turns_its_sign():
    low, high = tango(9, 4, 120)
    assert tango(4, 9, 120) == pytest.approx((-high, -low), abs=1e-12)
    assert low < 5 / 120 < high


def test_tango_stays_within_minus_one_and_one():
    low, high = tango(5, 0, 5)
    assert -1 < low < 1
    assert high == 1
    assert tango(0, 0, 0) == (-1, 1)


@pytest.mark.parametrize(("gained", "lost"), [(0.05, 0.05), (0.1, 0.02), (0.15, 0.15)])
def test_tango_holds_the_truth_in_about_95_of_100_cases(gained, lost):
    images = 80
    log_choose = [math.lgamma(images + 1) - math.lgamma(k + 1) for k in range(images + 1)]
    held = total = 0.0
    for more, fewer in product(range(31), repeat=2):
        same = images - more - fewer
        chance = math.exp(
            log_choose[more]
            - math.lgamma(fewer + 1)
            - math.lgamma(same + 1)
            + more * math.log(gained)
            + fewer * math.log(lost)
            + same * math.log(1 - gained - lost)
        )
        if chance < 1e-7:
            continue
        low, high = tango(more, fewer, images)
        total += chance
        held += chance * (low <= gained - lost <= high)
    assert total > 0.999
    assert 0.93 < held < 0.97


@pytest.mark.parametrize(
    ("gained", "lost", "chance"), [(0, 0, 1), (5, 0, 2 / 32), (6, 0, 2 / 64), (1, 3, 10 / 16)]
)
def test_mcnemar_counts_how_coins_may_fall(gained, lost, chance):
    assert mcnemar(gained, lost) == pytest.approx(chance)
    assert mcnemar(lost, gained) == pytest.approx(chance)


def test_mcnemar_of_as_many_on_both_sides_is_certain():
    assert mcnemar(7, 7) == 1


def test_mcnemar_of_many_images_is_that_of_the_normal_distribution():
    apart = (5_100 - 4_900 - 1) / math.sqrt(10_000)
    assert mcnemar(5_100, 4_900) == pytest.approx(math.erfc(apart / math.sqrt(2)), rel=1e-3)
