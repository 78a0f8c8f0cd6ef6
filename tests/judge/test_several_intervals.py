"""How sure figures of several labels are, and differences of two models: by images, not labels."""

import numpy as np
import pytest

from fieldmark.judge.evidence import Evidence, class_areas
from fieldmark.judge.exchange import TwoModels
from fieldmark.judge.intervals import intervals
from fieldmark.judge.jackknife import Units, areas_without, spread, spreads_of_counts
from fieldmark.judge.metrics import CLASS_METRICS, OfCounts, averages, metrics_of, of_task, overall
from fieldmark.judge.paired import differences, mcnemar, paired_metrics, tango
from fieldmark.task import SEVERAL_LABELS

ROWS = of_task(SEVERAL_LABELS)
MICRO = ("micro_precision", "micro_recall", "micro_f1", "hamming_loss")


def drawn(seed, n=150, shares=(0.5, 0.3, 0.15, 0.1), ahead=0.0, truth=0):
    """Logits and labels (n, C) of the same truth whatever the seed."""
    targets = (np.random.default_rng(truth).random((n, len(shares))) < shares).astype(np.int64)
    logits = np.random.default_rng(seed).normal(size=targets.shape) - 0.8
    return (logits + (1.8 + ahead) * targets).astype(np.float32), targets


def evidence_of(logits, targets, **options):
    return Evidence.of(logits, targets, task=SEVERAL_LABELS, **options)


def grouped(seed, groups, each=4):
    """Images that come in groups of like ones."""
    logits, targets = drawn(seed, groups, truth=seed)
    of = np.repeat(np.arange(groups), each)
    more = np.random.default_rng(seed + 1).normal(size=(len(of), 4)) * 0.5
    return (logits[of] + more).astype(np.float32), targets[of], of


@pytest.mark.parametrize("groups", [None, np.arange(40) // 5])
def test_the_spread_of_counts_is_that_of_leaving_out_each_unit(groups):
    logits, targets = drawn(0, 40)
    evidence, units = evidence_of(logits, targets), Units.by(40, groups)
    rests = [units.of != unit for unit in range(units.count)]
    brute = [
        averages(evidence_of(logits[rest], targets[rest]).margins, SEVERAL_LABELS) for rest in rests
    ]
    found = spreads_of_counts(evidence, units)
    assert list(found) == [name for name, row in ROWS.items() if isinstance(row.of, OfCounts)]
    for name, known in found.items():
        wanted = spread(np.array([each[name] for each in brute]))
        assert known == pytest.approx(wanted, rel=1e-9), name


def test_areas_without_an_image_are_those_of_all_other_images():
    evidence, units = evidence_of(*drawn(1, 40)), Units.by(40, None)
    rests = [np.delete(np.arange(40), row) for row in range(40)]
    brute = [class_areas(evidence.scores[rest], evidence.targets[rest]) for rest in rests]
    for index in range(4):
        found = areas_without(evidence, units, index)
        np.testing.assert_allclose(found, np.array(brute)[:, :, index].T, atol=1e-12)


@pytest.mark.parametrize("by_group", [False, True])
def test_intervals_are_as_wide_as_figures_vary_among_draws(by_group):
    logits, targets, groups = grouped(2, groups=200)
    units = Units.by(len(targets), groups if by_group else None)
    rng, values = np.random.default_rng(2), []
    members = [np.flatnonzero(units.of == unit) for unit in range(units.count)]
    for _ in range(300):
        rows = np.concatenate([members[u] for u in rng.integers(units.count, size=units.count)])
        values.append(metrics_of(logits[rows], targets[rows], task=SEVERAL_LABELS))
    ours = intervals(evidence_of(logits, targets), groups=groups if by_group else None).overall
    for name in ROWS.keys() - {"ece"}:
        deviation = np.std([each[name] for each in values])
        low, high = ours[name]
        assert high - low == pytest.approx(2 * 1.96 * deviation, rel=0.2), name


def test_the_same_labels_twice_are_no_surer_than_once():
    logits, targets = drawn(3)
    once = intervals(evidence_of(logits, targets))
    twice = intervals(evidence_of(np.tile(logits, 2), np.tile(targets, 2)))
    for name in ROWS.keys() - {"ece"}:
        assert twice.overall[name] == pytest.approx(once.overall[name], abs=1e-9), name
    for name in CLASS_METRICS:
        np.testing.assert_allclose(twice.per_class[name], np.tile(once.per_class[name], (2, 1)))


def test_where_all_is_right_no_interval_claims_to_be_certain():
    targets = drawn(4, 60)[1]
    evidence = evidence_of(np.where(targets == 1, 4.0, -4.0), targets)
    figures, ours = overall(evidence), intervals(evidence)
    for name in ROWS.keys() - {"log_loss", "ece"}:
        low, high = ours.overall[name]
        best = 1.0 if ROWS[name].better == "max" else 0.0
        assert figures[name] == best
        assert (low < 0.97 and high == 1) if best else (low == 0 and high > 0.03), name
    assert np.isnan(ours.overall["log_loss"]).all()


def test_an_interval_holds_its_figure_and_lies_between_0_and_1():
    for seed, n in ((5, 3), (6, 12), (7, 300)):
        evidence = evidence_of(*drawn(seed, n, truth=seed))
        figures, ours = overall(evidence), intervals(evidence, draws=50)
        assert list(ours.overall) == list(ROWS)
        for name, (low, high) in ours.overall.items():
            if not np.isnan(low):
                assert 0 <= low <= figures[name] <= high
                assert high <= 1 or name == "log_loss"


def test_without_images_there_is_no_interval():
    ours = intervals(evidence_of(np.empty((0, 2)), np.empty((0, 2), int)))
    assert list(ours.overall) == list(ROWS)
    assert np.isnan(list(ours.overall.values())).all()


def test_intervals_hold_the_truth():
    """In 88 % of 150 sets at the least; in 95 % on average."""
    truth = metrics_of(*drawn(0, 100_000), task=SEVERAL_LABELS)
    held = dict.fromkeys(ROWS, 0)
    for seed in range(150):
        ours = intervals(evidence_of(*drawn(seed + 1, 200, truth=seed + 1)), draws=100)
        for name, (low, high) in ours.overall.items():
            held[name] += low <= truth[name] <= high
    assert min(held.values()) >= 0.88 * 150, held


def two(n=200, ahead=0.4):
    return evidence_of(*drawn(8, n)), evidence_of(*drawn(9, n, ahead=ahead))


def test_every_difference_is_the_second_less_the_first_and_agrees_with_a_bootstrap():
    first, second = two()
    rng, values = np.random.default_rng(9), []
    for _ in range(400):
        rows = rng.integers(200, size=200)
        ours, theirs = (
            metrics_of(each.logits[rows], each.targets[rows], task=SEVERAL_LABELS)
            for each in (first, second)
        )
        values.append([theirs[name] - ours[name] for name in ROWS])
    found = differences(first, second)
    assert list(found) == paired_metrics(SEVERAL_LABELS) == [name for name in ROWS if name != "ece"]
    for name, column in zip(ROWS, np.transpose(values), strict=True):
        if name in found:
            assert found[name].value == overall(second)[name] - overall(first)[name]
            low, high = np.percentile(column, [2.5, 97.5])
            bounds = (found[name].low, found[name].high)
            assert bounds == pytest.approx((low, high), abs=0.18 * (high - low)), name


def test_whole_sets_of_labels_are_compared_by_tango_and_mcnemar():
    first, second = two()
    gained = int((second.right & ~first.right).sum())
    lost = int((first.right & ~second.right).sum())
    found = differences(first, second)["subset_accuracy"]
    assert (found.low, found.high) == tango(gained, lost, 200)
    assert found.chance == mcnemar(gained, lost)


def test_a_model_against_itself_is_never_clear():
    first, _ = two(60)
    for name, found in differences(first, first).items():
        assert (found.value, found.is_clear, found.chance) == (0, False, 1), name


def test_equal_models_are_seldom_called_different():
    called = dict.fromkeys(MICRO, 0)
    for seed in range(60):
        pair = [evidence_of(*drawn(100 * seed + k, 80, truth=seed)) for k in (1, 2)]
        found = differences(*pair, draws=300)
        for name in MICRO:
            called[name] += found[name].is_clear
    assert max(called.values()) <= 8, called


def test_the_labels_of_an_image_are_exchanged_together():
    first, second = two(50)
    pair = TwoModels(first, second)
    assert pair.differ.tolist() == (first.guesses != second.guesses).any(axis=1).tolist()
    assert set(pair.gains) >= {"samples_f1", "hamming_loss", "log_loss", "subset_accuracy"}
