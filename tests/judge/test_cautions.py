"""What a test says of when not to answer, from tables alone."""

import numpy as np
import pytest

from fieldmark.judge.cautions import set_figures, unlike_figures, with_cautions
from fieldmark.judge.figures import figures
from fieldmark.judge.intervals import wilson
from fieldmark.judge.unlike import entropy
from fieldmark.models.bundle_info import BundleInfo, SetRow, Sets, Unlike
from fieldmark.records import InputSpec, Predictions, Samples

ROWS = (SetRow(0.5, 0.2, 1.0), SetRow(0.9, 0.8, 1.4))
LIMITS = Unlike(0.5, 1.5, 20, 1, "0" * 64)


def info(**about):
    return BundleInfo("m", ("a", "b", "c"), InputSpec("square:8", 8), temperature=2.0, **about)


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    names = [["a"], ["b"], ["c"]] * 10
    samples = Samples.from_columns({"path": [str(n) for n in range(30)], "labels": names})
    samples = samples.with_splits(["test"] * 30)
    logits = rng.normal(size=(30, 3)).astype(np.float32) * 3
    far = rng.uniform(0, 0.7, 30).astype(np.float32)
    return Predictions.of(samples, np.arange(30), logits, classes=("a", "b", "c"), distances=far)


def test_unlike_counts_what_either_sign_says(table):
    found = unlike_figures(table, info(unlike=LIMITS))
    by_scores = entropy(table.scores(2.0)) > 1.5
    by_distance = table.distances > 0.5
    either = (by_scores | by_distance).mean()
    assert found.n == 30
    assert found.flagged.value == either
    assert found.flagged.interval == pytest.approx(wilson(either, 30))
    assert {name: each.value for name, each in found.by.items()} == {
        "distance": by_distance.mean(),
        "scores": by_scores.mean(),
    }


def test_sets_are_counted_by_hand(table):
    (found,) = set_figures(table, info(sets=Sets(ROWS, 20)), (0.8,))
    scores, targets = table.scores(2.0), table.targets
    inside = [{*np.flatnonzero(1 - row <= 0.8), row.argmax()} for row in scores]
    held = np.mean([truth in each for truth, each in zip(targets, inside, strict=True)])
    assert found.held.value == held
    assert found.size == np.mean([len(each) for each in inside])
    assert found.held.interval == pytest.approx(wilson(held, 30))


def test_what_validation_cannot_promise_is_not_measured(table):
    assert [row.level for row in set_figures(table, info(sets=Sets(ROWS, 20)))] == [0.9]
    assert set_figures(table, info()) is None
    assert unlike_figures(table, info()) is None
    older = Predictions(table.frame.drop("distance"))
    assert unlike_figures(older, info(unlike=LIMITS)) is None


def test_only_the_test_says_what_it_is_worth(table):
    plain = figures(table, temperature=2.0)
    bundle = info(unlike=LIMITS, sets=Sets(ROWS, 20))
    found = with_cautions({"val": plain, "test": plain}, {"val": table, "test": table}, bundle)
    assert found["val"] == plain
    assert found["test"].unlike == unlike_figures(table, bundle)
    assert found["test"].sets == set_figures(table, bundle)
