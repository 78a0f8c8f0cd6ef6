import numpy as np
import pytest

from fieldmark.judge import jackknife as module
from fieldmark.judge.evidence import Evidence, class_areas
from fieldmark.judge.jackknife import (
    Units,
    areas_without,
    mean_without,
    spread,
    spreads_of_counts,
)
from fieldmark.judge.metrics import averages


def drawn(seed, n=80, shares=(0.5, 0.3, 0.15, 0.05), tied=False):
    rng = np.random.default_rng(seed)
    targets = rng.choice(len(shares), size=n, p=shares)
    logits = rng.normal(size=(n, len(shares)))
    logits[np.arange(n), targets] += 1
    evidence = Evidence.of(logits, targets)
    if not tied:
        return evidence
    scores = np.round(evidence.scores, 1)
    return Evidence.of(logits, targets, scores=scores)


def kept(evidence, rows):
    """The same evidence of some images."""
    known = {name: getattr(evidence, name)[rows] for name in ("scores", "guesses", "in_top5")}
    return Evidence(evidence.targets[rows], evidence.classes, known=known)


def areas_by_leaving_out(evidence, units):
    """roc_auc and average precision of each class without each unit. -> (2, U, C)"""
    rests = [kept(evidence, units.of != unit) for unit in range(units.count)]
    return np.stack([class_areas(rest.scores, rest.targets) for rest in rests], axis=1)


@pytest.mark.parametrize("tied", [False, True])
def test_areas_without_an_image_are_those_of_all_other_images(tied):
    evidence, units = drawn(0, tied=tied), Units.by(80, None)
    expected = areas_by_leaving_out(evidence, units)
    for index in range(4):
        for found, brute in zip(areas_without(evidence, units, index), expected, strict=True):
            np.testing.assert_allclose(found, brute[:, index], atol=1e-12)


def test_a_class_of_one_image_has_no_area_without_it():
    evidence, units = drawn(0, n=12, shares=(0.9, 0.1)), Units.by(12, None)
    evidence.targets[:] = [1] + [0] * 11
    expected = areas_by_leaving_out(evidence, units)
    for index in range(2):
        for found, brute in zip(areas_without(evidence, units, index), expected, strict=True):
            np.testing.assert_allclose(found, brute[:, index], atol=1e-12)  # nan where nan
    assert np.isnan(areas_without(evidence, units, 1).average_precision[0])


def test_areas_without_a_group_are_nearly_those_of_all_other_images():
    evidence = drawn(1, n=300)
    units = Units.by(300, np.random.default_rng(0).integers(30, size=300) * 7)
    assert units.count == 30
    expected = areas_by_leaving_out(evidence, units)
    for index in range(4):
        for found, brute in zip(areas_without(evidence, units, index), expected, strict=True):
            assert spread(found).error == pytest.approx(spread(brute[:, index]).error, rel=0.05)


@pytest.mark.parametrize("chunk", [1_000_000, 12])
@pytest.mark.parametrize("groups", [None, np.arange(80) % 11])
def test_spreads_of_counts_are_those_of_leaving_each_unit_out(monkeypatch, groups, chunk):
    monkeypatch.setattr(module, "CHUNK", chunk)
    evidence = drawn(3)
    evidence.guesses[:5] = -1
    units = Units.by(80, groups)
    brute = [averages(kept(evidence, units.of != unit).margins) for unit in range(units.count)]
    for name, found in spreads_of_counts(evidence, units).items():
        expected = spread(np.array([figures[name] for figures in brute]))
        assert found == pytest.approx(expected, rel=1e-6), name


def test_a_group_of_nearly_all_images_is_left_out_as_any_other():
    evidence = drawn(4, n=60)
    units = Units.by(60, np.array([0] * 50 + [1] * 6 + [2] * 3 + [3]))
    brute = [averages(kept(evidence, units.of != unit).margins) for unit in range(4)]
    found = spreads_of_counts(evidence, units)
    for name in ("accuracy", "macro_f1", "mcc"):
        assert found[name] == pytest.approx(spread(np.array([each[name] for each in brute])))
    of_most = mean_without(units.sums(np.arange(60), evidence.losses), units.sums(np.arange(60)))
    means = [evidence.losses[units.of != unit].mean() for unit in range(4)]
    np.testing.assert_allclose(of_most, means)


def test_the_spread_of_a_mean_is_its_standard_error():
    values = np.random.default_rng(0).normal(size=50)
    units = Units.by(50, None)
    found = spread(mean_without(units.sums(np.arange(50), values), units.sums(np.arange(50))))
    assert found.error == pytest.approx(values.std(ddof=1) / np.sqrt(50))


def test_units_that_are_alike_may_be_counted():
    values, many = np.array([0.3, 0.5, 0.9]), np.array([4, 1, 2])
    assert spread(values, many) == pytest.approx(spread(np.repeat(values, many)))


def test_degrees_of_freedom_are_the_units_of_normal_values_and_few_where_few_make_the_error():
    rng = np.random.default_rng(0)
    found = [spread(rng.normal(size=4000)).freedom for _ in range(5)]
    assert np.mean(found) == pytest.approx(4000, rel=0.05)
    assert spread(np.array([1.0] + [0.0] * 99)).freedom == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize("values", [[], [0.5], [0.5, np.nan]])
def test_one_unit_tells_no_error(values):
    assert np.isnan(spread(np.array(values)).error)


def test_a_mean_without_its_only_unit_does_not_exist_and_units_without_an_image_do_not_count():
    found = mean_without(np.array([3.0, 0.0]), np.array([4, 0]))
    np.testing.assert_array_equal(found, [np.nan])


def test_trials_are_the_images_or_the_groups_where_these_are_equally_large():
    assert Units.by(12, None).trials(np.arange(7)) == 7
    assert Units.by(12, np.arange(12) % 4).trials(np.arange(12)) == 4
    assert Units.by(12, np.array([0] * 11 + [1])).trials(np.arange(12)) == pytest.approx(144 / 122)
    assert Units.by(12, np.arange(12) % 4).trials(np.arange(0)) == 0
