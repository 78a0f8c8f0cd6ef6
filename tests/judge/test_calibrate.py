import numpy as np
import pytest
from scipy.optimize import minimize, minimize_scalar
from sklearn.calibration import calibration_curve
from sklearn.metrics import log_loss

from fieldmark.judge.calibrate import (
    answer_curve,
    before_and_after,
    curve_of,
    fit_affine,
    fit_temperature,
    reliability,
    threshold_for,
)
from fieldmark.judge.evidence import Evidence
from fieldmark.judge.metrics import overall
from fieldmark.metrics_json import Change
from fieldmark.records import Predictions, Samples
from fieldmark.task import SEVERAL_LABELS, likeliest, softmax

CLASSES = ("auk", "bat", "cat")


def simulated(seed, n=4000, classes=5, factor=1.0, spread=2.0):
    """Logits and truth drawn from their softmax; the logits are then made `factor` times."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(scale=spread, size=(n, classes))
    scores = softmax(logits)
    targets = (rng.random(n)[:, None] > scores.cumsum(axis=1)).sum(axis=1).clip(max=classes - 1)
    return (factor * logits).astype(np.float32), targets


def of(logits, targets):
    names = [CLASSES[k] if k >= 0 else "yeti" for k in targets]
    columns = {"path": [str(k) for k in range(len(names))], "labels": [[name] for name in names]}
    samples = Samples.from_columns(columns)
    return Predictions.of(samples, np.arange(len(names)), logits, classes=CLASSES)


@pytest.mark.parametrize("factor", [0.1, 0.5, 1.0, 3.0, 20.0])
@pytest.mark.parametrize("classes", [2, 5, 40])
def test_the_temperature_is_what_logits_were_multiplied_by(factor, classes):
    found = fit_temperature(*simulated(1, classes=classes, factor=factor))
    assert found == pytest.approx(factor, rel=0.08)


def test_the_temperature_is_the_best_of_a_grid():
    logits, targets = simulated(2, n=60, factor=4.0)

    def loss(temperature):
        likelihood = np.log(softmax(logits, temperature)[np.arange(60), targets]).sum()
        return 3 * (1 / temperature + np.log(temperature)) - likelihood

    found = fit_temperature(logits, targets)
    assert loss(found) <= min(loss(each) for each in np.geomspace(0.1, 100, 2000)) + 1e-7
    exact = minimize_scalar(loss, bounds=(found / 2, found * 2), method="bounded").x
    assert found == pytest.approx(exact, rel=1e-4)


@pytest.mark.parametrize("n", [2, 5, 30, 300])
@pytest.mark.parametrize("factor", [0.3, 1.0, 5.0])
def test_log_loss_on_validation_is_never_worse(n, factor):
    for seed in range(10):
        logits, targets = simulated(seed, n=n, factor=factor, spread=4.0)
        found = fit_temperature(logits, targets)
        chances = [softmax(logits, t)[np.arange(n), targets] for t in (1.0, found)]
        before, after = (-np.log(each).mean() for each in chances)
        assert after <= before + 1e-9


@pytest.mark.parametrize("n", [20, 90])
def test_few_images_do_not_spoil_scores_that_were_good(n):
    others, truths = simulated(99, classes=10, spread=8.0)
    best = log_loss(truths, softmax(others))
    lost = []
    for seed in range(30):
        found = fit_temperature(*simulated(seed, n=n, classes=10, spread=8.0))
        lost.append(log_loss(truths, softmax(others, found)) - best)
    assert np.mean(lost) < 0.02


def test_a_validation_that_is_all_right_does_not_drive_the_temperature_to_0():
    rng = np.random.default_rng(3)
    targets = rng.integers(3, size=50)
    logits = 2 * np.eye(3)[targets] + rng.normal(scale=0.1, size=(50, 3))
    assert (logits.argmax(axis=1) == targets).all()
    found = fit_temperature(logits, targets)
    more = fit_temperature(np.repeat(logits, 20, 0), np.repeat(targets, 20))
    assert 0.1 < more < found < 1
    assert 0.95 < softmax(logits, found).max(axis=1).mean() < 0.999


def test_guesses_that_are_worse_than_chance_have_no_sureness_left():
    logits, _ = simulated(4, n=200)
    found = fit_temperature(logits, logits.argmin(axis=1))
    assert softmax(logits, found).max() < 0.21  # five classes


@pytest.mark.parametrize(
    ("logits", "targets"),
    [
        (np.zeros((0, 3)), np.zeros(0, int)),
        (np.array([[5.0, 0.0, 1.0]]), np.array([1])),
        (np.full((9, 3), 2.5), np.arange(9) % 3),
        (np.linspace(0, 9, 9)[:, None], np.zeros(9, int)),
        (np.eye(3), np.array([-1, -1, 2])),
        (np.array([[np.nan, 0, 1], [np.inf, 0, 1], [0, -np.inf, 1]]), np.array([0, 1, 2])),
    ],
    ids=["no image", "one image", "equal logits", "one class", "truth unknown", "not finite"],
)
def test_the_temperature_is_1_where_there_is_nothing_to_fit(logits, targets):
    assert fit_temperature(logits.astype(np.float32), targets) == 1.0


def test_rows_that_are_not_finite_or_of_no_class_are_left_out():
    logits, targets = simulated(5, n=80, factor=2.0)
    expected = fit_temperature(logits[20:], targets[20:])
    logits[:10, 2], targets[10:20] = np.nan, -1
    assert fit_temperature(logits, targets) == expected != 1.0


def test_the_order_of_the_images_does_not_matter_and_the_same_gives_the_same():
    logits, targets = simulated(6, n=500, factor=3.0)
    order = np.random.default_rng(0).permutation(500)
    found = fit_temperature(logits, targets)
    assert found == fit_temperature(logits.copy(), targets.copy())
    assert fit_temperature(logits[order], targets[order]) == pytest.approx(found, rel=1e-5)


def test_what_is_added_to_a_row_of_logits_does_not_matter():
    logits, targets = simulated(7, n=300, factor=2.0)
    raised = logits.astype(np.float64) + 1e4
    assert fit_temperature(raised, targets) == pytest.approx(fit_temperature(logits, targets))


def test_temperature_changes_no_guess_and_no_figure_of_guesses():
    logits, targets = simulated(8, n=300, factor=5.0)
    found = fit_temperature(logits, targets)
    cooled = Evidence.of(logits, targets, temperature=found)
    assert cooled.guesses.tolist() == likeliest(logits).tolist()
    assert (cooled.scores.argmax(axis=1) == likeliest(logits)).all()
    assert cooled.in_top5.tolist() == Evidence.of(logits, targets).in_top5.tolist()


def test_before_and_after_are_the_measures_at_both_temperatures():
    logits, targets = simulated(9, classes=3, n=400, factor=6.0)
    targets[:7] = -1
    found = before_and_after(of(logits, targets), 6.0)
    for side, temperature in (("before", 1.0), ("after", 6.0)):
        expected = overall(Evidence.of(logits[7:], targets[7:], temperature=temperature))
        assert getattr(found, side) == {name: expected[name] for name in ("log_loss", "ece")}
    assert found.after["ece"] < found.before["ece"]


@pytest.mark.parametrize("logits", [np.zeros((0, 3)), np.full((2, 3), np.nan)])
def test_before_and_after_are_none_where_they_do_not_exist(logits):
    nothing = {"log_loss": None, "ece": None}
    targets = np.zeros(len(logits), int)
    assert before_and_after(of(logits, targets), 2.0) == Change(nothing, nothing)


def test_reliability_is_scikit_learns_curve_and_what_ece_is_made_of():
    logits, targets = simulated(10, n=500, factor=2.0)
    evidence = Evidence.of(logits, targets)
    rows = reliability(evidence)
    share, sure = calibration_curve(evidence.right, evidence.confidence, n_bins=15)
    np.testing.assert_allclose([row.accuracy for row in rows], share)
    np.testing.assert_allclose([row.confidence for row in rows], sure)
    assert sum(row.n for row in rows) == 500
    assert all(row.low < row.confidence <= row.high for row in rows)
    ece = sum(row.n * abs(row.confidence - row.accuracy) for row in rows) / 500
    assert ece == pytest.approx(overall(evidence)["ece"])


def test_images_without_a_guess_are_in_no_bin():
    logits = np.array([[5.0, 0.0], [np.nan, 0.0]])
    rows = reliability(Evidence.of(logits, np.array([0, 0])))
    assert [(row.n, row.accuracy) for row in rows] == [(1, 1.0)]
    assert reliability(Evidence.of(np.zeros((0, 2)), np.zeros(0, int))) == ()


def evidence_of(scores, right):
    """Two classes; each image's guess is class 0 with this score, and its truth as told."""
    scores = np.asarray(scores, float)
    logits = np.stack([np.log(scores), np.log1p(-scores)], axis=1)
    return Evidence.of(logits, np.where(right, 0, 1))


def drawn(seed, n=400, decimals=1, classes=4):
    rng = np.random.default_rng(seed)
    targets = rng.integers(classes, size=n)
    logits = rng.normal(size=(n, classes)).round(decimals)
    logits[np.arange(n), targets] += 1
    return logits, targets


def test_a_row_counts_the_images_of_at_least_its_score():
    evidence = Evidence.of(*drawn(0))
    curve = answer_curve(evidence, most=10**6)
    scores = [score for score, _, _ in curve]
    assert scores == sorted(set(evidence.confidence.tolist()), reverse=True)
    for score, answered, right in curve:
        sure = evidence.confidence >= score
        assert (answered, right) == (sure.sum(), (sure & evidence.right).sum())


def test_images_of_one_score_come_together():
    curve = answer_curve(evidence_of([0.9, 0.75, 0.75, 0.6], [True, False, True, True]))
    assert [(answered, right) for _, answered, right in curve] == [(1, 1), (3, 2), (4, 3)]
    assert [score for score, _, _ in curve] == pytest.approx([0.9, 0.75, 0.6])


def test_the_order_of_the_images_does_not_matter():
    logits, targets = drawn(1)
    order = np.random.default_rng(0).permutation(len(targets))
    assert answer_curve(Evidence.of(logits, targets)) == answer_curve(
        Evidence.of(logits[order], targets[order])
    )


@pytest.mark.parametrize("n", [199, 200, 201, 5000])
def test_a_curve_has_at_most_200_rows_and_keeps_its_ends(n):
    evidence = Evidence.of(*drawn(2, n=n, decimals=9))
    whole, curve = answer_curve(evidence, most=10**6), answer_curve(evidence)
    assert len(whole) == n
    assert len(curve) == min(n, 200)
    assert (curve[0], curve[-1]) == (whole[0], whole[-1])
    assert set(curve) <= set(whole)
    assert len(set(curve)) == len(curve)


@pytest.mark.parametrize("n", [201, 3000])
@pytest.mark.parametrize("seed", range(3))
def test_a_curve_that_is_cut_short_loses_no_row_of_the_usual_shares(n, seed):
    evidence = Evidence.of(*drawn(seed, n=n, decimals=9))
    whole, curve = answer_curve(evidence, most=10**6), answer_curve(evidence)
    asked = (0.5, 0.66, 0.8, 0.9, 0.925, 0.95, 0.975, 0.98, 0.99, 0.995, 0.999, 1.0)
    found = [threshold_for(whole, share) for share in asked]
    assert len(set(found)) >= 3
    assert [threshold_for(curve, share) for share in asked] == found


def test_of_any_other_share_a_curve_that_is_cut_short_loses_few_images():
    evidence = Evidence.of(*drawn(4, n=3000, decimals=9))
    whole, curve = answer_curve(evidence, most=10**6), answer_curve(evidence)
    for share in np.linspace(0.61, 0.9, 80):
        best, found = threshold_for(whole, share), threshold_for(curve, share)
        assert best[1] - 3000 / 50 < found[1] <= best[1]


def test_images_without_a_guess_are_never_answered():
    logits, targets = drawn(3, n=20)
    logits[::4] = np.nan
    assert answer_curve(Evidence.of(logits, targets))[-1][1] == 15


@pytest.mark.parametrize("logits", [np.zeros((0, 3)), np.full((2, 3), np.nan)])
def test_without_a_guess_there_is_no_curve_and_no_threshold(logits):
    curve = answer_curve(Evidence.of(logits, np.zeros(len(logits), int)))
    assert curve == []
    assert threshold_for(curve, 0.5) is None


def test_one_image_is_one_row():
    assert [row[1:] for row in answer_curve(evidence_of([0.8], [False]))] == [(1, 0)]


@pytest.mark.parametrize("accuracy", [0.3, 0.55, 0.6, 0.8, 0.95, 1.0])
@pytest.mark.parametrize("seed", range(4))
def test_the_threshold_answers_the_most_that_are_right_often_enough(accuracy, seed):
    evidence = Evidence.of(*drawn(seed))
    best = None
    for score in np.unique(evidence.confidence):
        sure = evidence.confidence >= score
        if evidence.right[sure].mean() >= accuracy and (best is None or sure.sum() > best[1]):
            best = (score, sure.sum(), evidence.right[sure].sum())
    assert threshold_for(answer_curve(evidence, most=10**6), accuracy) == best


def test_a_share_that_is_met_exactly_is_reached():
    assert threshold_for([(0.9, 20, 11)], 0.55) == (0.9, 20, 11)  # 0.55 * 20 is above 11 in floats
    assert threshold_for([(0.9, 20, 11)], 0.56) is None


def test_a_later_row_counts_though_one_before_it_falls_short():
    curve = [(0.9, 2, 1), (0.8, 10, 9), (0.7, 20, 12)]
    assert threshold_for(curve, 0.9) == (0.8, 10, 9)


def labels_drawn(seed, n, temperature=1.0, shift=0.0, labels=5):
    """Logits (n, labels) whose scores are sigmoid(logits / temperature + shift), and the truth."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(-2, 2, size=(n, labels)) * temperature
    chances = 1 / (1 + np.exp(-logits / temperature - shift))
    return logits, (rng.random(logits.shape) < chances).astype(np.int64)


def negative_log_posterior(coldness, shift, logits, targets, prior):
    powers = coldness * logits + shift
    likelihood = (targets * powers - np.logaddexp(0, powers)).sum()
    priors = coldness - np.log(coldness) + np.logaddexp(0, shift) - shift / 2
    return prior * logits.shape[1] * priors - likelihood


@pytest.mark.parametrize(("temperature", "shift"), [(1.0, 0.0), (2.5, -1.0), (0.4, 2.0)])
def test_temperature_and_shift_are_found_again(temperature, shift):
    logits, targets = labels_drawn(0, 20_000, temperature, shift)
    found = fit_affine(logits, targets)
    assert found == pytest.approx((temperature, shift), rel=0.03, abs=0.03)


@pytest.mark.parametrize("prior", [0.1, 3.0, 50.0])
@pytest.mark.parametrize("scale", [0.01, 1.0, 30.0])
def test_the_affine_fit_is_the_one_minimum(prior, scale):
    logits, targets = labels_drawn(1, 40, 1.5, -0.5)
    logits *= scale
    temperature, shift = fit_affine(logits, targets, prior=prior)
    best = minimize(
        lambda at: negative_log_posterior(np.exp(at[0]), at[1], logits, targets, prior),
        [0.0, 0.0],
        method="Nelder-Mead",
        options={"xatol": 1e-7, "fatol": 1e-9, "maxiter": 4000},
    )
    assert temperature == pytest.approx(np.exp(-best.x[0]), rel=1e-4)
    assert shift == pytest.approx(best.x[1], abs=1e-4)


def test_where_all_is_right_the_prior_holds_the_affine_fit():
    targets = np.tile([[1, 0, 0]], (10, 1))
    temperature, shift = fit_affine(np.where(targets == 1, 3.0, -3.0), targets)
    assert 0.5 < temperature < 1
    assert abs(shift) < 0.2
    everywhere = fit_affine(np.full((10, 3), 100.0), np.ones((10, 3), int))
    assert everywhere == pytest.approx((1.0, 0.0), abs=1e-6)
    nowhere = fit_affine(np.full((500, 3), 8e4), np.zeros((500, 3), int))
    assert nowhere[0] == 1000  # as far as a temperature goes


def test_what_is_not_known_is_left_out_of_the_affine_fit_and_too_little_is_as_it_was():
    logits, targets = labels_drawn(2, 30)
    odd = np.concatenate([logits, np.full((1, 5), np.nan), np.full((1, 5), 7.0)])
    more = np.concatenate([targets, np.zeros((1, 5), int), np.full((1, 5), -1)])
    assert fit_affine(odd, more) == fit_affine(logits, targets)
    assert fit_affine(logits[:1], targets[:1]) == (1.0, 0.0)
    assert fit_affine(logits[:0], targets[:0]) == (1.0, 0.0)


def test_of_several_labels_before_and_after_and_no_curve():
    logits, targets = labels_drawn(3, 500, 3.0)
    labels = [[name for name, has in zip("abcde", row, strict=True) if has] for row in targets]
    columns = {"path": [str(row) for row in range(500)], "labels": labels}
    samples = Samples(Samples.from_columns(columns).frame, task=SEVERAL_LABELS)
    table = Predictions.of(
        samples, np.arange(500), logits.astype(np.float32), classes=tuple("abcde")
    )
    temperature, _ = fit_affine(logits, targets)
    change = before_and_after(table, temperature)
    assert change.after["log_loss"] < change.before["log_loss"]
    assert change.after["ece"] < change.before["ece"]
    assert curve_of(table, temperature) == ()
