"""The next point follows from the sweep, its seed, its place and the trials before it."""

import pytest
from sweeps import parameter, trial

from fieldmark.study.propose import count_of, drawn, points_of_grid, proposed
from fieldmark.study.trials import same

TWO = {"a": parameter("a", values=[1, 2, 3]), "b": parameter("b", value="x")}
LR = {
    "lr": parameter("lr", distribution="log_uniform_values", min=1e-4, max=0.1),
    "kind": parameter("kind", values=["good", "bad"]),
    "width": parameter("width", min=1, max=64),
    "share": parameter("share", distribution="q_uniform", min=0, max=1, q=0.25),
}


def score(point):
    return (point["kind"] == "good") - abs(point["width"] - 40) / 64


def swept(count, *, seed=0, better=True, kept=()):
    trials = list(kept)
    while len(trials) < count:
        point = proposed(LR, trials, seed, more_is_better=better)
        value = score(point) if better else -score(point)
        trials.append(trial(len(trials) + 1, point, value))
    return trials


def test_a_grid_is_a_product_the_last_the_fastest():
    found = points_of_grid({**TWO, "c": parameter("c", min=0, max=1)})
    assert [tuple(each.values()) for each in found] == [
        (1, "x", 0), (1, "x", 1), (2, "x", 0), (2, "x", 1), (3, "x", 0), (3, "x", 1)
    ]  # fmt: skip


def test_points_are_counted_where_they_end():
    assert count_of(TWO) == 3
    assert count_of({"x": parameter("x", min=0.0, max=1.0)}) is None


def test_a_drawn_point_follows_from_seed_and_number_alone():
    first = [drawn(LR, 5, n, set()) for n in range(4)]
    assert [drawn(LR, 5, n, set()) for n in (3, 1)] == [first[3], first[1]]
    assert len({same(each) for each in first}) == 4
    assert drawn(LR, 6, 0, set()) != first[0]


def test_drawn_points_are_each_there_once_until_none_is_left():
    taken = set()
    for number in range(3):
        taken.add(same(drawn(TWO, 0, number, taken)))
    assert taken == {same({"a": a, "b": "x"}) for a in (1, 2, 3)}
    assert drawn(TWO, 0, 3, taken) is None


def test_the_last_of_few_points_are_drawn_too():
    wide = {"a": parameter("a", min=1, max=5000)}
    taken = {same({"a": a}) for a in range(1, 5001) if a not in (7, 211)}
    last = []
    for number in (4998, 4999):
        last.append(drawn(wide, 0, number, taken))
        taken.add(same(last[-1]))
    assert sorted(each["a"] for each in last) == [7, 211]
    assert drawn(wide, 0, 5000, taken) is None


def test_a_value_without_a_chance_is_no_point_that_is_left():
    sure = {"a": parameter("a", values=["x", "y"], probabilities=[1.0, 0.0])}
    assert drawn(sure, 0, 0, set()) == {"a": "x"}
    assert drawn(sure, 0, 1, {same({"a": "x"})}) is None


@pytest.mark.parametrize(
    ("low", "high", "q", "values"),
    [(0.7, 0.9, 0.1, [0.7, 0.8, 0.9]), (0.3, 0.6, 0.15, [0.3, 0.45, 0.6])],
)
def test_every_step_of_a_range_is_proposed_and_told_again(low, high, q, values):
    pytest.importorskip("optuna")
    space = {"x": parameter("x", distribution="q_uniform", min=low, max=high, q=q)}
    trials = []
    for number in range(1, 4):
        point = proposed(space, trials, 0, more_is_better=True)
        trials.append(trial(number, point, point["x"]))
    assert sorted(each.point["x"] for each in trials) == values
    assert proposed(space, trials, 0, more_is_better=True) is None


def test_proposals_are_those_of_the_sweep_that_was_never_stopped():
    pytest.importorskip("optuna")
    whole = [each.point for each in swept(14)]
    again = [each.point for each in swept(14, kept=swept(12))]
    assert again == whole
    assert [each.point for each in swept(3, seed=1)] != whole[:3]


@pytest.mark.parametrize("better", [True, False])
def test_proposals_learn_from_the_scores(better):
    pytest.importorskip("optuna")
    trials = swept(30, better=better)
    late = trials[15:]
    assert sum(each.point["kind"] == "good" for each in late) > 0.8 * len(late)


def test_proposals_lie_where_the_parameters_say():
    pytest.importorskip("optuna")
    for each in swept(12):
        point = each.point
        assert 1e-4 <= point["lr"] <= 0.1
        assert point["share"] in (0.0, 0.25, 0.5, 0.75, 1.0)
        assert type(point["width"]) is int
        assert list(point) == list(LR)


def test_a_point_is_proposed_once_also_beside_running_pruned_and_failed_trials():
    pytest.importorskip("optuna")
    states = ["planned", "pruned", "failed", "done"]
    trials = []
    space = {"a": parameter("a", values=[1, 2, 3, 4]), "b": parameter("b", values=[True, False])}
    for number in range(8):
        point = proposed(space, trials, 0, more_is_better=True)
        state = states[number % 4]
        value = 0.5 if state == "done" else None
        trials.append(trial(number + 1, point, value, state=state, by_epoch=(0.1, 0.2)))
    assert len({same(each.point) for each in trials}) == 8
    assert proposed(space, trials, 0, more_is_better=True) is None
