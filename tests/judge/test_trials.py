import numpy as np
import pytest
from scipy.special import stdtrit

from fieldmark.judge.intervals import effective_trials, student_quantile, trials_of_mean, wilson
from fieldmark.judge.jackknife import Spread

KNOWN_WELL = 1e9  # degrees of freedom


def test_wilson_solves_the_score_equation():
    hits, trials = np.array([1, 8, 37, 99]), np.array([10, 10, 50, 100])
    for bound in wilson(hits / trials, trials):
        z = (hits / trials - bound) / np.sqrt(bound * (1 - bound) / trials)
        np.testing.assert_allclose(np.abs(z), 1.959963984540054, rtol=1e-9)


def test_wilson_has_its_known_values():
    # 81 of 263: Newcombe, Two-sided confidence intervals for the single proportion, 1998.
    assert np.round(wilson(np.array(81 / 263), np.array(263)), 4).tolist() == [0.2553, 0.3662]
    low, high = wilson(np.array([0.0, 1.0]), np.array([20, 20]))
    assert (low[0], high[1]) == (0.0, 1.0)
    assert high[0] == pytest.approx(1 - low[1]) == pytest.approx(0.1611, abs=1e-4)


def test_without_trials_a_proportion_may_be_anything_and_nan_stays_nan():
    assert wilson(np.array(0.0), np.array(0)) == (0.0, 1.0)
    assert np.isnan(wilson(np.array(np.nan), np.array(0))).all()


def test_of_two_hundred_images_the_interval_of_accuracy_covers_the_truth_95_times_in_100():
    shares = np.random.default_rng(0).binomial(200, 0.9, size=5000) / 200
    low, high = wilson(shares, np.full(5000, 200))
    assert 0.93 < np.mean((low <= 0.9) & (high >= 0.9)) < 0.97


@pytest.mark.parametrize("freedom", [1, 1.5, 2.7, 3, 7, 12, 40, 200, 1e6])
def test_students_quantile_is_scipys_to_a_hundredth_from_two_degrees_of_freedom_on(freedom):
    expected = stdtrit(freedom, 0.975)
    assert student_quantile(freedom) == pytest.approx(expected, rel=0.01 if freedom >= 2 else 0.04)


def test_the_error_of_a_proportion_tells_its_trials():
    error = np.sqrt(0.8 * 0.2 / 57)
    assert effective_trials(0.8, Spread(error, KNOWN_WELL), 1.0) == pytest.approx(57)
    assert effective_trials(0.8, Spread(error, 4), 1.0) == pytest.approx(
        57 * (1.96 / 2.7764) ** 2, 1e-3
    )


@pytest.mark.parametrize("error", [0.0, np.nan])
def test_without_an_error_the_trials_are_those_it_is_told(error):
    assert effective_trials(0.8, Spread(error, 5), 12.0) == 12


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_at_an_end_the_trials_are_those_it_is_told(share):
    assert effective_trials(share, Spread(0.1, 5), 12.0) == 12


def test_trials_of_a_mean_are_the_images_of_classes_that_are_equally_large():
    assert trials_of_mean(np.array([25, 25, 0, 25, 25])) == 100
    rng = np.random.default_rng(0)
    means = rng.binomial([80, 20], 0.7, size=(100_000, 2)) / [80, 20]
    expected = 0.7 * 0.3 / means.mean(axis=1).var()
    assert trials_of_mean(np.array([80, 20])) == pytest.approx(expected, rel=0.03)
    assert trials_of_mean(np.array([0, 0])) == 0
