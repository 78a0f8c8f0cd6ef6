import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from fieldmark import task
from fieldmark.judge import metrics
from fieldmark.judge.calibrate import bins_of
from fieldmark.judge.evidence import Evidence, class_areas, placements
from fieldmark.judge.metrics import each_epoch, metrics_of, of_task, overall, per_class
from fieldmark.task import likeliest, softmax

KINDS = ("precision", "recall", "f1")


def drawn(seed, n=300, classes=4, decimals=1, shares=None):
    """Logits rounded, so that scores tie, and targets that they know something of."""
    rng = np.random.default_rng(seed)
    targets = rng.choice(classes, size=n, p=shares)
    logits = rng.normal(size=(n, classes))
    logits[np.arange(n), targets] += 0.8
    return logits.round(decimals).astype(np.float32), targets


def precision_recall_f1(targets, found, **options):
    triple = reference.precision_recall_fscore_support(targets, found, zero_division=0, **options)
    return dict(zip(KINDS, triple[:3], strict=True))


@st.composite
def cases(draw):
    """Few or many images, ties or none, classes that may have no image or one."""
    seed, classes = draw(st.integers(0, 10**6)), draw(st.integers(1, 6))
    weights = np.array(draw(st.lists(st.integers(0, 9), min_size=classes, max_size=classes)))
    shares = (weights + (weights.sum() == 0)) / (weights + (weights.sum() == 0)).sum()
    n, decimals = draw(st.integers(1, 60)), draw(st.integers(0, 3))
    return drawn(seed, n, classes, decimals, shares)


@settings(max_examples=60, deadline=None, database=None)
@given(cases())
def test_figures_from_counts_are_those_of_scikit_learn(case):
    logits, targets = case
    found, ours = logits.argmax(axis=1), metrics_of(logits, targets)
    present = np.unique(targets)
    theirs = {
        "accuracy": reference.accuracy_score(targets, found),
        "balanced_accuracy": reference.recall_score(
            targets, found, labels=present, average="macro", zero_division=0
        ),
    }
    for average, labels in (("macro", present), ("micro", None), ("weighted", None)):
        values = precision_recall_f1(targets, found, average=average, labels=labels)
        theirs |= {f"{average}_{name}": value for name, value in values.items()}
    assert {name: ours[name] for name in theirs} == pytest.approx(theirs, abs=1e-12)


@settings(max_examples=60, deadline=None, database=None)
@given(cases())
def test_figures_of_each_class_are_those_of_scikit_learn(case):
    logits, targets = case
    ours, present = per_class(Evidence.of(logits, targets)), np.unique(targets)
    theirs = precision_recall_f1(targets, logits.argmax(axis=1), labels=present, average=None)
    for name in KINDS:
        np.testing.assert_allclose(ours[name][present], theirs[name], atol=1e-12)
        assert np.isnan(np.delete(ours[name], present)).all()
    assert ours["support"].tolist() == np.bincount(targets, minlength=logits.shape[1]).tolist()


def auc_of_pairs(scores, mine):
    won = [(a > b) + 0.5 * (a == b) for a in scores[mine] for b in scores[~mine]]
    return np.mean(won) if won else np.nan


@settings(max_examples=40, deadline=None, database=None)
@given(cases())
def test_roc_auc_is_the_share_of_pairs_won_and_a_tie_is_half(case):
    logits, targets = case
    scores = softmax(logits)
    pairs = [auc_of_pairs(column, targets == k) for k, column in enumerate(scores.T)]
    np.testing.assert_allclose(class_areas(scores, targets)[0], pairs, atol=1e-12)
    there = [value for value in pairs if not np.isnan(value)]
    expected = np.mean(there) if there else np.nan
    assert metrics_of(logits, targets)["roc_auc"] == pytest.approx(expected, nan_ok=True)


def test_a_placement_is_the_share_that_is_below_and_half_of_what_is_equal():
    values, others = np.array([0.5, 0.1, 0.9, 0.5]), np.array([0.5, 0.2, 0.95, 0.0])
    assert placements(values, others).tolist() == [0.625, 0.25, 0.75, 0.625]
    assert placements(values[:0], others).tolist() == []


@pytest.mark.parametrize("decimals", [0, 1, 6])
@pytest.mark.parametrize("shares", [None, [0.9, 0.05, 0.03, 0.02]])
def test_roc_auc_and_log_loss_are_those_of_scikit_learn(decimals, shares):
    logits, targets = drawn(3, n=2000, decimals=decimals, shares=shares)
    scores, ours = softmax(logits), metrics_of(logits, targets)
    theirs = reference.roc_auc_score(targets, scores, multi_class="ovr", average="macro")
    assert ours["roc_auc"] == pytest.approx(theirs, abs=1e-12)
    assert ours["log_loss"] == pytest.approx(reference.log_loss(targets, scores), abs=1e-12)


def test_two_classes_have_scikit_learns_binary_roc_auc():
    logits, targets = drawn(4, classes=2)
    theirs = reference.roc_auc_score(targets, softmax(logits)[:, 1])
    assert metrics_of(logits, targets)["roc_auc"] == pytest.approx(theirs, abs=1e-12)


def test_a_score_of_zero_has_a_log_loss_clipped_as_scikit_learns():
    logits, targets = np.array([[900.0, 0.0], [0.0, 900.0]]), np.array([1, 1])
    theirs = reference.log_loss(targets, softmax(logits), labels=[0, 1])
    assert metrics_of(logits, targets)["log_loss"] == pytest.approx(theirs)
    assert 18 < theirs < 19


def test_a_class_without_images_has_no_figures_and_no_part_in_the_means():
    logits = np.eye(3)[[0, 1, 2, 1]]
    targets = np.array([0, 1, 0, 1])  # class 2 is guessed once and is never true
    ours, classes = metrics_of(logits, targets), per_class(Evidence.of(logits, targets))
    assert np.isnan([classes[name][2] for name in (*KINDS, "roc_auc")]).all()
    assert ours["macro_recall"] == ours["balanced_accuracy"] == 0.75
    assert ours["macro_precision"] == 1.0
    counted_as_zero = reference.precision_score(targets, [0, 1, 2, 1], average="macro")
    assert counted_as_zero == pytest.approx(2 / 3)


def test_a_class_that_is_never_guessed_has_precision_and_f1_of_zero():
    classes = per_class(Evidence.of(np.eye(2)[[0, 0]], np.array([0, 1])))
    assert classes["precision"].tolist() == [0.5, 0.0]
    assert classes["f1"].tolist() == [pytest.approx(2 / 3), 0.0]


def test_one_class_alone_has_no_roc_auc():
    logits, targets = drawn(5, n=20)
    ours = metrics_of(logits, np.full_like(targets, 2))
    assert np.isnan(ours["roc_auc"])
    alone = per_class(Evidence.of(logits, np.full_like(targets, 2)))
    assert np.isnan(alone["roc_auc"]).all()
    assert alone["average_precision"][2] == ours["mean_average_precision"] == 1.0
    assert ours["macro_recall"] == ours["accuracy"] == np.mean(logits.argmax(axis=1) == 2)


def test_a_model_of_one_class_is_always_right():
    ours = metrics_of(np.zeros((3, 1)), np.zeros(3, int))
    assert ours["accuracy"] == ours["macro_f1"] == 1.0
    assert ours["log_loss"] == reference.log_loss([1], [[0.0, 1.0]], labels=[0, 1])


def test_one_image_is_measured():
    ours = metrics_of(np.array([[2.0, 0.0, 1.0]]), np.array([0]))
    assert ours["accuracy"] == ours["macro_f1"] == ours["weighted_precision"] == 1.0
    assert ours["log_loss"] == pytest.approx(np.log(1 + np.exp(-2) + np.exp(-1)))


def test_without_images_every_figure_is_nan():
    ours = metrics_of(np.empty((0, 3), np.float32), np.empty(0, np.int64))
    assert list(ours) == list(of_task())
    assert np.isnan(list(ours.values())).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_row_that_is_not_finite_is_no_guess_and_counts_as_wrong(bad):
    logits, targets = drawn(6)
    logits[:30, 1] = bad
    found = likeliest(logits)
    ours = metrics_of(logits, targets)
    assert (found[:30] == -1).all()
    assert (found[30:] == logits[30:].argmax(axis=1)).all()
    assert ours["accuracy"] == np.mean(found == targets)
    of_scores = ("roc_auc", "mean_average_precision", "log_loss", "ece")
    assert np.isnan([ours[name] for name in of_scores]).all()
    micro = precision_recall_f1(targets, found, labels=range(4), average="micro")
    assert {name: ours[f"micro_{name}"] for name in KINDS} == pytest.approx(micro)
    macro = precision_recall_f1(targets, found, labels=range(4), average="macro")
    assert {name: ours[f"macro_{name}"] for name in KINDS} == pytest.approx(macro)


def test_a_model_that_guesses_nothing_has_nothing_right():
    ours = metrics_of(np.full((3, 7), np.nan), np.array([0, 1, 1]))
    of_scores = ("roc_auc", "mean_average_precision", "log_loss", "ece")
    assert np.isnan([ours[name] for name in of_scores]).all()
    assert {ours[name] for name in of_task() if name not in of_scores} == {0.0}


def test_minus_infinity_rules_a_class_out_and_leaves_a_guess():
    logits = np.array([[-np.inf, 1.0, 0.0]])
    assert likeliest(logits).tolist() == [1]
    assert metrics_of(logits, np.array([1]))["log_loss"] == pytest.approx(np.log(1 + np.exp(-1)))


def test_the_confusion_table_is_scikit_learns():
    logits, targets = drawn(7)
    theirs = reference.confusion_matrix(targets, logits.argmax(axis=1))
    counts = Evidence.of(logits, targets).counts
    assert counts[:, :-1].tolist() == theirs.tolist()
    assert counts[:, -1].tolist() == [0] * 4


def test_an_image_without_a_guess_is_in_the_last_column_of_the_confusion_table():
    logits = np.array([[np.nan, 0.0], [1.0, 0.0], [0.0, 1.0]])
    counts = Evidence.of(logits, np.array([0, 0, 1])).counts
    assert counts.tolist() == [[1, 0, 1], [0, 1, 0]]


@pytest.mark.parametrize("truth", [-1, 2])
def test_a_class_that_does_not_exist_is_refused(truth):
    with pytest.raises(ValueError, match=rf"row 1: truth {truth} is outside 0\.\.1"):
        Evidence.of(np.zeros((2, 2)), np.array([0, truth]))


@settings(max_examples=60, deadline=None, database=None)
@given(cases())
def test_average_precision_is_that_of_scikit_learn_also_where_scores_tie(case):
    logits, targets = case
    scores, present = softmax(logits).round(2), np.unique(targets)
    theirs = [reference.average_precision_score(targets == k, scores[:, k]) for k in present]
    ours = class_areas(scores, targets)[1]
    np.testing.assert_allclose(ours[present], theirs, atol=1e-12)
    assert np.isnan(np.delete(ours, present)).all()
    found = overall(Evidence.of(logits, targets, scores=scores))["mean_average_precision"]
    assert found == pytest.approx(np.mean(theirs))


@settings(max_examples=60, deadline=None, database=None)
@given(cases())
def test_mcc_is_that_of_scikit_learn_where_two_classes_are_true(case):
    logits, targets = case
    found = metrics_of(logits, targets)["mcc"]
    if len(np.unique(targets)) == 1:
        assert np.isnan(found)
    else:
        theirs = reference.matthews_corrcoef(targets, logits.argmax(axis=1))
        assert found == pytest.approx(theirs, abs=1e-12)


def test_mcc_of_one_true_class_is_nan_of_one_guessed_class_0_and_of_no_mistake_1():
    logits = np.eye(2)[[0, 0, 1]]
    assert np.isnan(metrics_of(logits, np.array([0, 0, 0]))["mcc"])
    assert metrics_of(logits, np.array([0, 0, 1]))["mcc"] == 1.0
    assert metrics_of(logits, np.array([1, 1, 0]))["mcc"] == -1.0
    assert metrics_of(np.eye(2)[[0, 0, 0]], np.array([0, 1, 1]))["mcc"] == 0.0


def test_mcc_takes_images_without_a_guess_for_one_more_class():
    logits, targets = drawn(12)
    logits[::5, 0] = np.nan
    theirs = reference.matthews_corrcoef(targets, likeliest(logits))
    assert metrics_of(logits, targets)["mcc"] == pytest.approx(theirs, abs=1e-12)


def test_top5_accuracy_is_that_of_scikit_learn_where_nothing_ties():
    logits, targets = drawn(10, classes=9, decimals=6)
    theirs = reference.top_k_accuracy_score(targets, logits, k=5, labels=range(9))
    assert metrics_of(logits, targets)["top5_accuracy"] == pytest.approx(theirs)
    assert 0.5 < theirs < 0.95


@pytest.mark.parametrize("decimals", [0, 1])
def test_a_tie_at_the_border_of_the_five_goes_to_the_first_of_equals(decimals):
    logits, targets = drawn(11, classes=8, decimals=decimals)
    likeliest = np.argsort(-logits, axis=1, kind="stable")[:, :5]
    expected = [truth in five for truth, five in zip(targets, likeliest, strict=True)]
    assert Evidence.of(logits, targets).in_top5.tolist() == expected


def test_top5_accuracy_needs_more_than_five_classes_and_a_guess():
    logits, targets = drawn(13, classes=5)
    assert np.isnan(metrics_of(logits, targets)["top5_accuracy"])
    logits = np.zeros((2, 6))
    logits[1, 5] = np.nan
    assert metrics_of(logits, np.array([0, 0]))["top5_accuracy"] == 0.5


def ece_by_hand(confidence, right):
    found = 0
    for low, high in zip(np.linspace(0, 1, 16)[:-1], np.linspace(0, 1, 16)[1:], strict=True):
        here = (confidence > low) & (confidence <= high)
        if here.any():
            found += here.mean() * abs(right[here].mean() - confidence[here].mean())
    return found


@settings(max_examples=40, deadline=None, database=None)
@given(cases())
def test_ece_is_the_mean_gap_over_bins(case):
    logits, targets = case
    scores = softmax(logits)
    expected = ece_by_hand(scores.max(axis=1), logits.argmax(axis=1) == targets)
    assert metrics_of(logits, targets)["ece"] == pytest.approx(expected, abs=1e-12)


def test_a_bin_of_ece_holds_its_upper_edge():
    edges = np.linspace(0, 1, 16)
    assert bins_of(edges).tolist() == [0, *range(15)]
    assert bins_of(np.nextafter(edges[1:-1], 2)).tolist() == list(range(1, 15))


def test_confidence_is_the_score_of_the_guess():
    logits, targets = drawn(14)
    logits[4] = np.inf
    evidence = Evidence.of(logits, targets, temperature=2.0)
    expected = softmax(logits, 2.0).max(axis=1)
    assert np.isnan(expected[4])
    np.testing.assert_array_equal(evidence.confidence, expected)
    assert evidence.right.tolist() == (likeliest(logits) == targets).tolist()


def test_scores_at_hand_are_used():
    logits, targets = drawn(8)
    ours = overall(Evidence.of(logits, targets, scores=softmax(logits, 3.0)))
    assert ours["log_loss"] == pytest.approx(
        reference.log_loss(targets, softmax(logits, 3.0)), abs=1e-12
    )
    assert ours["accuracy"] == metrics_of(logits, targets)["accuracy"]


def test_only_what_is_asked_for_is_measured():
    logits, targets = drawn(9)
    every = metrics_of(logits, targets)
    found = metrics_of(logits, targets, ["log_loss", "accuracy", "loss"])
    assert found == {name: every[name] for name in ("accuracy", "log_loss")}
    evidence = Evidence.of(logits, targets)
    overall(evidence, ["macro_f1", "log_loss", "ece"])
    assert "scores" not in vars(evidence)  # no table of them


def test_of_many_logits_an_epoch_has_the_metrics_of_counts_and_those_asked_for(monkeypatch):
    logits, targets = drawn(9)
    every, tell = metrics_of(logits, targets), each_epoch(["roc_auc", "loss"])
    assert tell(logits, targets) == every
    monkeypatch.setattr(metrics, "EVERY", logits.size - 1)
    costly = {"top5_accuracy", "mean_average_precision", "log_loss", "ece"}
    assert tell(logits, targets) == {n: every[n] for n in of_task() if n not in costly}


def test_scores_do_not_depend_on_how_many_rows_are_worked_on_at_once(monkeypatch):
    logits = np.random.default_rng(0).normal(size=(101, 37)).astype(np.float32)
    for table in (logits, np.asfortranarray(logits)):
        whole = Evidence.of(table, np.arange(101) % 37)
        parts = (whole.scores, whole.losses, whole.confidence, whole.in_top5)
        monkeypatch.setattr(task, "TOGETHER", 100)
        alone = Evidence.of(table, np.arange(101) % 37)
        for part, found in zip(
            parts[1:], (alone.losses, alone.confidence, alone.in_top5), strict=True
        ):
            np.testing.assert_array_equal(found, part)
        np.testing.assert_array_equal(alone.scores, parts[0])
        monkeypatch.undo()


def test_every_figure_of_the_table_is_measured_and_only_two_are_better_when_small():
    assert list(metrics_of(*drawn(9))) == list(of_task())
    assert [n for n, row in of_task().items() if row.better == "min"] == ["log_loss", "ece"]
    assert all(row.meaning for row in of_task().values())
