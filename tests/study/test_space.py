"""A parameter is drawn as its distribution says, and knows its values."""

import math

import numpy as np
import pytest
from scipy import stats
from sweeps import parameter

from fieldmark.study.space import same_as


def drawn(found, count=2000):
    numbers = np.random.default_rng(0)
    return [found.draw(numbers) for _ in range(count)]


LOG = stats.loguniform(1e-4, 1e-1)
INVERSE = stats.loguniform(math.exp(-3), math.exp(-1))


@pytest.mark.parametrize(
    ("given", "law"),
    [
        ({"min": 0.5, "max": 2.0}, stats.uniform(0.5, 1.5)),
        ({"distribution": "log_uniform_values", "min": 1e-4, "max": 0.1}, LOG),
        ({"distribution": "log_uniform", "min": math.log(1e-4), "max": math.log(0.1)}, LOG),
        ({"distribution": "inv_log_uniform_values", "min": 1e-4, "max": 0.1}, LOG),
        ({"distribution": "inv_log_uniform", "min": 1.0, "max": 3.0}, INVERSE),
        ({"mu": 1.0, "sigma": 2.0}, stats.norm(1, 2)),
        ({"distribution": "log_normal", "mu": 0.0, "sigma": 0.3}, stats.lognorm(0.3)),
        ({"distribution": "beta", "a": 2, "b": 5}, stats.beta(2, 5)),
    ],
)  # fmt: skip
def test_draws_follow_the_law(given, law):
    assert stats.kstest(drawn(parameter(**given)), law.cdf).pvalue > 0.01


def test_values_are_drawn_by_their_probabilities():
    found = drawn(parameter(values=["a", "b", "c"], probabilities=[0.7, 0.3, 0.0]))
    assert found.count("a") / len(found) == pytest.approx(0.7, abs=0.03)
    assert "c" not in found


def test_whole_numbers_reach_both_ends():
    assert set(drawn(parameter(min=3, max=6))) == {3, 4, 5, 6}


@pytest.mark.parametrize(
    ("given", "values"),
    [
        ({"distribution": "q_uniform", "min": 0, "max": 10, "q": 5}, [0, 5, 10]),
        ({"distribution": "q_uniform", "min": 0.1, "max": 0.3, "q": 0.1}, [0.1, 0.2, 0.3]),
        ({"min": 1, "max": 3}, [1, 2, 3]),
        ({"value": "x"}, ["x"]),
        ({"min": 0.0, "max": 1.0}, None),
        ({"mu": 0.0}, None),
    ],
)
def test_values_are_told_where_there_are_so_many(given, values):
    found = parameter(**given)
    assert found.values() == values
    if values:
        assert set(drawn(found, 200)) == set(values)
        assert [type(each) for each in found.values()] == [type(each) for each in values]


def test_what_shows_mistakes_is_every_value_or_the_ends():
    assert parameter(values=["a", "b"]).tried() == ["a", "b"]
    assert parameter(min=2, max=9).tried() == [2, 9]
    assert parameter(distribution="log_uniform", min=-2.0, max=0.0).tried() == [math.exp(-2), 1]
    assert parameter(mu=3.0).tried() == [3.0]


def test_exponents_are_told():
    found = parameter("lr", distribution="log_uniform", min=-9.21, max=-2.303)
    assert same_as(found) == (
        "lr: log_uniform takes exponents of e, so it is drawn from 0.0001 to 0.1; "
        "log_uniform_values takes the values themselves"
    )
    assert same_as(parameter(min=0.0, max=1.0)) == ""
