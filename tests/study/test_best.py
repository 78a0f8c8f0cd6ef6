"""Which cell is best for what, on predictions that are made up."""

from types import SimpleNamespace

import polars as pl
import pytest
from comparedruns import CLASSES, table_of, write_run

from fieldmark.judge.figures import figures
from fieldmark.metrics_json import About, Metrics
from fieldmark.records import Predictions
from fieldmark.study.best import Found, best_of
from fieldmark.study.cells import Finished, chosen_by
from fieldmark.study.grid_page import crossed
from fieldmark.study.grid_words import best_lines, traded


@pytest.fixture
def cell(tmp_path):
    """A finished cell: how often it is right in validation and in the test, seconds, bytes."""
    made = []

    def make(val, test, *, seconds=1.0, size=1000, about=None, **settings):
        name = f"c{len(made)}"
        sides = {"val": table_of(150, seed=len(made), right=val, split="val")} if val else {}
        sides["test"] = table_of(150, seed=50 + len(made), right=test)
        settings = {"train__monitor": "macro_f1", **settings}
        run = write_run(tmp_path / name, pl.concat(sides.values()), **settings)
        (run.path / "model.safetensors").write_bytes(bytes([len(made)]) * size)
        found = {
            side: figures(Predictions(frame), with_intervals=side == "test")
            for side, frame in sides.items()
        }
        told = About(seconds=seconds, best_epoch=1)
        Metrics(classes=CLASSES, sides=found, about=told).write(run.metrics)
        planned = SimpleNamespace(name=name, about=about or {"model": name})
        made.append(Finished(planned, run, len(made), 0))
        return made[-1]

    return make


def test_validation_decides_and_the_test_has_no_part_in_it(cell):
    cells = [cell(0.6, 0.99), cell(0.95, 0.6)]
    best = best_of(cells)
    assert best.score is cells[1]
    assert best.metric == "macro_f1"


def test_for_time_and_size_it_is_the_least_of_those_that_cannot_be_told_from_the_best(cell):
    cells = [
        cell(0.95, 0.9, seconds=100.0, size=900),
        cell(0.93, 0.9, seconds=10.0, size=800),
        cell(0.93, 0.9, seconds=50.0, size=700),
        cell(0.40, 0.9, seconds=1.0, size=100),  # clearly worse
    ]
    best = best_of(cells)
    assert best.score is cells[0]
    assert best.level == (cells[0], cells[1], cells[2])
    assert (best.time, best.size) == (cells[1], cells[2])
    assert [line.partition(": ")[2].partition(" ")[0] for line in best_lines(of(cells, best))] == [
        "c0",
        "c1",
        "c2",
    ]


def test_without_validation_no_cell_is_called_the_best(cell):
    cells = [cell(None, 0.9), cell(None, 0.6)]
    assert best_of(cells) is None
    assert best_lines(of(cells, None)) == [
        "there are no validation images to tell by, so no cell is called the best"
    ]


def test_where_the_loss_is_monitored_it_is_the_log_loss_that_decides(cell):
    cells = [cell(0.6, 0.9, train__monitor="loss"), cell(0.95, 0.6, train__monitor="loss")]
    assert chosen_by(cells) == "log_loss"
    assert best_of(cells).score is cells[1]


def test_the_gap_is_by_how_much_training_is_ahead_whichever_way_the_figure_runs(cell):
    found = cell(0.9, 0.9)  # its history: training 1.0 and 0.5, validation 1.1 and 0.4
    assert found.gap("log_loss") == pytest.approx(0.1)
    assert found.gap("accuracy") == pytest.approx(0.1)
    assert found.gap("macro_f1") is None  # not in the history


def test_a_precision_is_told_by_what_it_saves_and_costs(cell):
    cells = [
        cell(0.9, 0.9, seconds=100.0, about={"model": "a", "precision": "float32"}),
        cell(0.9, 0.5, seconds=40.0, about={"model": "a", "precision": "bf16"}),
    ]
    (told,) = traded(of(cells, best_of(cells)))
    assert told.startswith("a, precision bf16 beside float32: 60 % of the training time saved, ")
    assert "points of accuracy less" in told


def test_further_axes_stand_down_with_the_first(cell):
    cells = [
        cell(0.9, 0.9, about={"model": model, "lr": lr, "seed": seed})
        for model, lr, seed in (("a", "1", "0"), ("a", "2", "0"), ("a", "1", "1"), ("b", "2", "1"))
    ]
    rows = crossed(of(cells, best_of(cells)))
    assert [label for label, _ in rows] == ["a, seed 0", "a, seed 1", "b, seed 0", "b, seed 1"]
    values = [[each.value is not None for each in line] for _, line in rows]
    assert values == [[True, True], [True, False], [False, False], [False, True]]
    assert rows[1][1][1].text == "not done"


def of(cells, best):
    study = SimpleNamespace(plans=lambda: [each.planned for each in cells])
    return Found(study, cells, [], best, None)
