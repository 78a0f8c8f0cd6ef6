import numpy as np
import pytest

from fieldmark.judge import intervals as module
from fieldmark.judge.intervals import intervals, percentiles, trials_of_mean, wilson
from fieldmark.judge.metrics import METRICS, Evidence, measure, overall, per_class

PLAIN = {"accuracy", "micro_precision", "micro_recall", "micro_f1", "weighted_recall"}


def drawn(seed, n=200, shares=(0.6, 0.3, 0.1), signal=1.0):
    rng = np.random.default_rng(seed)
    targets = rng.choice(len(shares), size=n, p=shares)
    logits = rng.normal(size=(n, len(shares)))
    logits[np.arange(n), targets] += signal
    return logits.astype(np.float32), targets


def perfect(counts):
    """Images of each class, each guessed right, with a score that no other class reaches."""
    targets = np.repeat(np.arange(len(counts)), counts)
    logits = np.random.default_rng(0).normal(size=(len(targets), len(counts))) * 0.1
    logits[np.arange(len(targets)), targets] += 5
    return Evidence.of(logits, targets)


def test_intervals_are_those_of_drawing_the_images_themselves():
    logits, targets = drawn(1, n=60, shares=(0.6, 0.35, 0.05))
    rng = np.random.default_rng(2)
    rows = rng.integers(60, size=(1500, 60))
    brute = [measure(logits[row], targets[row]) for row in rows]
    ours = intervals(Evidence.of(logits, targets), draws=2000, seed=3)
    for name in METRICS.keys() - PLAIN:
        values = [figures[name] for figures in brute]
        expected = np.nanpercentile(values, [2.5, 97.5])
        # By chance alone the two percentiles differ by some 0.09 of a standard deviation.
        assert ours.overall[name] == pytest.approx(expected, abs=0.25 * np.nanstd(values)), name
    f1 = [per_class(Evidence.of(logits[row], targets[row]))["f1"] for row in rows]
    expected = np.nanpercentile(f1, [2.5, 97.5], axis=0).T
    assert np.abs(ours.per_class["f1"] - expected).max() < 0.25 * np.nanstd(f1, axis=0).max()


def test_the_first_order_of_roc_auc_agrees_with_every_pair(monkeypatch):
    evidence = Evidence.of(*drawn(4, n=600))
    quick = intervals(evidence).overall["roc_auc"]
    monkeypatch.setattr(module, "PAIRS_UP_TO", 600)
    exact = intervals(evidence).overall["roc_auc"]
    assert exact != quick
    assert quick == pytest.approx(exact, abs=0.02 * (exact[1] - exact[0]))


def test_the_first_order_leaves_out_of_a_mean_a_class_that_was_not_drawn(monkeypatch):
    logits, targets = drawn(5, n=40)
    targets[targets == 2] = 0
    targets[0] = 2
    evidence = Evidence.of(logits, targets)
    exact = intervals(evidence).overall["roc_auc"]
    monkeypatch.setattr(module, "PAIRS_UP_TO", 0)
    quick = intervals(evidence).overall["roc_auc"]
    assert quick == pytest.approx(exact, abs=0.1 * (exact[1] - exact[0]))


def test_the_same_seed_gives_the_same_intervals_and_another_seed_others():
    evidence = Evidence.of(*drawn(6))
    first, again, other = (intervals(evidence, draws=200, seed=seed) for seed in (1, 1, 2))
    assert first.overall == again.overall
    np.testing.assert_array_equal(first.per_class["f1"], again.per_class["f1"])
    assert first.overall["macro_f1"] != other.overall["macro_f1"]
    assert first.overall["roc_auc"] != other.overall["roc_auc"]
    assert first.overall["accuracy"] == other.overall["accuracy"]


@pytest.mark.parametrize("n", [100, 700])
def test_intervals_do_not_depend_on_how_many_draws_are_held_at_once(monkeypatch, n):
    evidence = Evidence.of(*drawn(7, n=n))
    whole = intervals(evidence, draws=100).overall
    monkeypatch.setattr(module, "CHUNK", 7 * n)
    parts = intervals(evidence, draws=100).overall
    for name in METRICS:
        assert parts[name] == pytest.approx(whole[name], abs=1e-6)


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


def test_plain_proportions_have_wilsons_interval():
    evidence = Evidence.of(*drawn(8))
    figures, ours = overall(evidence), intervals(evidence, draws=10)
    for name in PLAIN:
        assert ours.overall[name] == pytest.approx(wilson(figures[name], 200))
    hits, support, guessed = evidence.margins
    for name, trials in (("recall", support), ("precision", guessed)):
        expected = np.stack(wilson(hits / trials, trials), axis=1)
        np.testing.assert_allclose(ours.per_class[name], expected)


def test_where_all_is_right_no_interval_claims_to_be_certain():
    ours, (low, _) = intervals(perfect([50, 30, 20])), wilson(np.array(1.0), np.array(100))
    for name in METRICS.keys() - {"log_loss"}:
        assert ours.overall[name][1] == 1
        assert 0.9 < ours.overall[name][0] <= low
    for name, trials in (("recall", 20), ("precision", 20), ("f1", 20)):
        expected = wilson(np.array(1.0), np.array(trials))
        assert ours.per_class[name][2] == pytest.approx(expected)


def test_where_all_is_wrong_no_interval_claims_to_be_certain():
    evidence = Evidence.of(np.eye(2)[[1] * 10 + [0] * 10], np.repeat([0, 1], 10))
    expected = wilson(np.array(0.0), np.array(20))
    assert intervals(evidence).overall["macro_f1"] == pytest.approx(expected)


def test_an_f1_of_zero_has_as_many_trials_as_the_mean_of_its_images_and_guesses():
    evidence = Evidence.of(np.eye(2)[[1] * 9 + [0] * 3], np.repeat([0, 1], [9, 3]))
    expected = wilson(np.array(0.0), np.array((9 + 3) / 2))
    assert intervals(evidence, draws=50).per_class["f1"][0] == pytest.approx(expected)


def test_a_small_class_makes_a_perfect_macro_figure_less_sure_than_a_perfect_accuracy():
    ours = intervals(perfect([99, 1])).overall
    assert ours["accuracy"][0] > 0.96
    assert ours["macro_f1"][0] == ours["balanced_accuracy"][0] < 0.52
    assert ours["roc_auc"][0] == pytest.approx(wilson(np.array(1.0), np.array(1))[0])


def test_trials_of_a_mean_are_the_images_of_classes_that_are_equally_large():
    assert trials_of_mean(np.array([25, 25, 0, 25, 25])) == 100
    rng = np.random.default_rng(0)
    means = rng.binomial([80, 20], 0.7, size=(100_000, 2)) / [80, 20]
    expected = 0.7 * 0.3 / means.mean(axis=1).var()
    assert trials_of_mean(np.array([80, 20])) == pytest.approx(expected, rel=0.03)
    assert trials_of_mean(np.array([0, 0])) == 0


def test_a_class_that_is_never_guessed_may_have_any_precision():
    evidence = Evidence.of(np.eye(2)[[0, 0, 0]], np.array([0, 0, 1]))
    assert intervals(evidence, draws=50).per_class["precision"][1].tolist() == [0, 1]


def test_a_class_without_images_has_no_interval_and_the_means_have_one():
    logits, targets = drawn(9)
    ours = intervals(Evidence.of(logits, np.where(targets == 2, 0, targets)), draws=100)
    assert all(np.isnan(bounds[2]).all() for bounds in ours.per_class.values())
    assert np.isfinite(list(ours.overall.values())).all()


@pytest.mark.parametrize("n", [30, 600])
def test_one_class_alone_has_no_interval_of_roc_auc(n):
    logits, targets = drawn(10, n=n)
    ours = intervals(Evidence.of(logits, np.zeros_like(targets)), draws=50).overall
    assert np.isnan(ours["roc_auc"]).all()
    assert np.isfinite(ours["log_loss"]).all()


def test_one_image_leaves_shares_wide_and_log_loss_unknown():
    ours = intervals(Evidence.of(np.eye(2)[[0]], np.array([0])), draws=20).overall
    assert ours["accuracy"] == ours["macro_f1"] == pytest.approx((0.2065, 1), abs=1e-4)
    assert np.isnan(ours["log_loss"]).all()


def test_without_images_there_is_no_interval():
    ours = intervals(Evidence.of(np.empty((0, 3)), np.empty(0, int)), draws=20)
    assert list(ours.overall) == list(METRICS)
    assert np.isnan(list(ours.overall.values())).all()
    assert all(np.isnan(bounds).all() for bounds in ours.per_class.values())


def test_images_without_a_guess_are_trials_of_accuracy_and_not_of_micro_precision():
    logits = np.eye(2)[[0] * 8 + [1] * 4]
    logits[:2] = np.nan
    ours = intervals(Evidence.of(logits, np.zeros(12, int)), draws=50).overall
    for name in ("accuracy", "micro_recall", "weighted_recall"):
        assert ours[name] == pytest.approx(wilson(np.array(6 / 12), np.array(12)))
    assert ours["micro_precision"] == pytest.approx(wilson(np.array(6 / 10), np.array(10)))
    assert ours["micro_f1"] == pytest.approx(wilson(np.array(6 / 11), np.array(11)))


def test_nan_scores_leave_the_figures_from_counts_their_intervals():
    logits, targets = drawn(11)
    logits[0] = np.nan
    ours = intervals(Evidence.of(logits, targets), draws=100).overall
    absent = {name for name, bounds in ours.items() if np.isnan(bounds).any()}
    assert absent == {"roc_auc", "log_loss"}


@pytest.mark.parametrize("n", [2, 3, 5, 9, 30])
def test_an_interval_takes_in_its_figure(n):
    for seed in range(8):
        evidence = Evidence.of(*drawn(seed, n=n))
        figures = overall(evidence)
        for name, (low, high) in intervals(evidence, draws=50, seed=seed).overall.items():
            if not np.isnan([figures[name], low]).any():
                assert low <= figures[name] <= high
                assert name == "log_loss" or 0 <= low < high <= 1


def test_an_interval_takes_in_its_figure_where_the_draws_lean_to_one_side():
    rng, targets = np.random.default_rng(2), np.arange(1600) % 800
    logits = rng.normal(size=(1600, 800))
    logits[np.arange(1600), targets] += 3
    evidence = Evidence.of(logits, targets)
    low, high = intervals(evidence, draws=100).overall["macro_precision"]
    assert low < high == overall(evidence)["macro_precision"]


def test_percentiles_are_numpys_and_pass_over_nan():
    values = np.random.default_rng(0).normal(size=(101, 3, 2))
    values[np.random.default_rng(1).random(values.shape) < 0.3] = np.nan
    expected = np.nanpercentile(values, [2.5, 97.5], axis=0)
    np.testing.assert_allclose(percentiles(values), expected, rtol=1e-12)
    values[:, 0] = np.nan
    assert np.isnan(percentiles(values)[:, 0]).all()


def test_of_two_hundred_images_the_interval_of_accuracy_covers_the_truth_95_times_in_100():
    shares = np.random.default_rng(0).binomial(200, 0.9, size=5000) / 200
    low, high = wilson(shares, np.full(5000, 200))
    assert 0.93 < np.mean((low <= 0.9) & (high >= 0.9)) < 0.97


def test_of_two_hundred_images_the_bootstrap_covers_the_truth_about_as_often():
    names, covered = ("macro_f1", "roc_auc", "log_loss"), []
    truth = measure(*drawn(0, n=200_000))
    for seed in range(1, 81):
        ours = intervals(Evidence.of(*drawn(seed)), draws=200, seed=seed).overall
        covered.append([ours[name][0] <= truth[name] <= ours[name][1] for name in names])
    assert np.mean(covered, axis=0).min() > 0.88
    assert np.mean(covered, axis=0).max() < 1
