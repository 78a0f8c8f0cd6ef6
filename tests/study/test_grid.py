"""Every combination is trained, measured and compared, and the best is told by validation."""

import json
import shutil

import polars as pl
import pytest
from smallruns import QUIET, SMALL, pages

from fieldmark.cli.main import run
from fieldmark.console import Console
from fieldmark.errors import SettingsError, WorkError
from fieldmark.reviews.compared import read_runs
from fieldmark.runs.concrete import gather
from fieldmark.study import grid as module
from fieldmark.study.axes import axes_of, cells_of
from fieldmark.study.grid import grid, tell
from fieldmark.study.one_model import one_model
from fieldmark.study.work import work

OVER = ("optimizer=adam:0.02,sgd:1e-9:plateau", "model.width=4,6")
RATES = [word for word in SMALL if not word.startswith(("model.width", "optimizer.lr"))]


def planned_grid(photos, out, *over, words=()):
    axes = axes_of(over)

    def gathered(values):
        given = dict(word.split("=", 1) for word in (*RATES, *words)) | values
        return gather(str(photos), given, {"out": str(out), "name": "g", "epochs": "3"}, new=False)

    return grid(axes, cells_of(axes, (), gathered), QUIET, "fieldmark grid photos")


@pytest.fixture
def planned_only(monkeypatch):
    monkeypatch.setattr(module, "run_all", lambda *_, **__: None)


@pytest.fixture(scope="module")
def finished(photos, tmp_path_factory):
    """Four cells, of which one has failed."""
    out = tmp_path_factory.mktemp("out")

    def run_all(study, console, **_):
        study.note_end(study.plans()[3].name, "failed", "the disk was full")
        work(study, console, alone=True)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "run_all", run_all)
        with pages(False):
            study = planned_grid(photos, out, *OVER)
    assert tell(study, QUIET) == 1
    return study


@pytest.fixture(scope="module")
def results(finished):
    return json.loads(finished.results.read_text())


def test_cells_are_planned_in_order_on_the_same_images(photos, tmp_path, planned_only):
    study = planned_grid(photos, tmp_path, *OVER)
    plans = study.plans()
    assert [each.label for each in plans] == [
        f"optimizer {optimizer}, width {width}"
        for optimizer in ("adam:0.02", "sgd:1e-9:plateau")
        for width in (4, 6)
    ]
    assert len({each.data for each in plans}) == 1
    assert len({each.name for each in plans}) == 4
    assert [each.resolved.settings.schedule.name for each in plans] == ["none"] * 2 + [
        "plateau"
    ] * 2


def test_an_axis_of_the_images_has_images_of_its_own_for_each_value(photos, tmp_path, planned_only):
    study = planned_grid(photos, tmp_path, "data.test_fraction=0.2,0.4", "seed=0,1")
    plans = study.plans()
    assert [each.data for each in plans] == [plans[0].data] * 2 + [plans[2].data] * 2
    sizes = [len(study.read_data(each.data).samples.rows("test")) for each in plans]
    assert sizes[0] < sizes[2]


def test_what_only_the_images_tell_against_a_cell_is_told_before_anything_is_planned(
    photos, tmp_path, planned_only
):
    with pytest.raises(SettingsError) as told:
        planned_grid(photos, tmp_path, "loss=cross_entropy,bce", "head=linear,mlp")
    assert str(told.value).startswith("--over loss=bce: ")
    assert list((tmp_path / "g" / "plans").iterdir()) == []
    assert len(planned_grid(photos, tmp_path, "head=linear,mlp").plans()) == 2  # the same name


def test_the_same_command_finds_its_study_again(photos, tmp_path, planned_only):
    first, again = (planned_grid(photos, tmp_path, *OVER) for _ in range(2))
    assert first.path == again.path
    assert len(again.plans()) == 4


def test_each_cell_has_a_row_with_what_it_came_to(finished, results):
    table = pl.read_csv(finished.table)
    assert table["optimizer"].to_list() == ["adam:0.02"] * 2 + ["sgd:1e-9:plateau"] * 2
    assert table["state"].to_list() == ["done"] * 3 + ["failed"]
    assert table["reason"].to_list() == [None] * 3 + ["the disk was full"]
    for row, (planned, folder) in zip(results["cells"], finished.runs(), strict=False):
        metrics = folder.read_metrics()
        assert row["run"] == planned.name
        assert row["test_accuracy"] == metrics.sides["test"]["accuracy"]
        assert [row["low"], row["high"]] == list(metrics.sides["test"].intervals["accuracy"])
        assert row["val_macro_f1"] == metrics.sides["val"]["macro_f1"]
        assert row["parameters"] == metrics.about.parameters
        assert row["megabytes"] == (folder.path / "model.safetensors").stat().st_size / 1e6
        history = folder.read_history()
        assert row["epochs"] == len(history) == 3
        assert row["hours"] == pytest.approx(metrics.about.seconds / 3600)
        best = history[metrics.about.best_epoch - 1]
        assert row["gap"] == pytest.approx(best["train_macro_f1"] - best["val_macro_f1"])
        sides = metrics.sides
        taken = metrics.about.times["predicting"]
        assert row["images_a_second"] == pytest.approx((sides["val"].n + sides["test"].n) / taken)


def test_multiply_adds_are_those_of_the_network(results):
    from fieldmark.models.catalog import outline
    from fieldmark.models.summary import summarise

    found = [row["multiply_adds"] for row in results["cells"][:2]]
    made = [summarise(outline("small_cnn", 3, {"width": width}), 16) for width in (4, 6)]
    assert found == [each.multiply_adds for each in made]


def test_the_best_is_the_best_of_validation(results, finished):
    assert one_model(finished) == finished.run(results["best"]["score"])
    by_val = {row["run"]: row["val_macro_f1"] for row in results["cells"] if row["state"] == "done"}
    assert results["decided_by"] == "val_macro_f1"
    assert by_val[results["best"]["score"]] == max(by_val.values())


def test_a_cell_that_is_no_better_than_one_answer_for_all_did_not_learn(finished, results):
    learned = [row["learned"] for row in results["cells"]]
    assert (learned[0], learned[2]) == (True, False)
    assert "did not learn" in finished.report.read_text()


def test_the_page_has_every_cell_and_why_one_failed(finished):
    page = finished.report.read_text()
    for planned, _ in finished.runs():
        assert f'href="runs/{planned.name}/report.html"' in page
    assert "1 of 4 runs failed." in page
    assert "Sgd:1e-9:plateau, width 6: the disk was full." in page
    # three cells by size, and by time where that differs
    assert page.count("<figcaption>Loss in validation</figcaption>") == 1


def test_the_terminal_is_told_what_is_best_for_what(finished, capsys):
    assert tell(finished, Console()) == 1
    told = capsys.readouterr().out
    for begin in (
        "best score: ",
        "best for training time: ",
        "best for size:",
    ):
        assert f"\n{begin}" in told
    assert "sgd:1e-9:plateau, width 6 failed: the disk was full" in told


def test_notes_that_hold_for_all_cells_are_on_screen_and_page_once(finished, times_told):
    assert times_told(finished, tell) == (1, 1, 0)


def test_a_studys_folder_stands_for_its_finished_runs(finished):
    found = read_runs([str(finished.path)])
    assert sorted(each.name for each in found) == sorted(p.name for p, _ in finished.runs())


def test_a_grid_whose_runs_all_failed_says_so(photos, tmp_path, planned_only):
    study = planned_grid(photos, tmp_path, *OVER)
    for each in study.plans():
        study.note_end(each.name, "failed", "no")
    with pytest.raises(WorkError) as told:
        tell(study, QUIET)
    assert str(told.value) == f"{study.path}: no run came to its end; the notes above say why"


@pytest.mark.slow
def test_the_command_trains_in_processes_of_its_own_and_goes_on_where_it_was(
    photos, tmp_path, capsys
):
    words = ["grid", str(photos), "--over", "model.width=4,6", "--over", "seed=0,1", *RATES]
    words += ["model.name=small_cnn", "--epochs", "1", "--out", str(tmp_path), "--name", "g"]
    assert run([*words, "--jobs", "2"]) == 0
    study = tmp_path / "g"
    made = {path: path.stat().st_mtime_ns for path in study.glob("runs/*/manifest.json")}
    assert len(made) == 4
    assert pl.read_csv(study / "runs.csv")["state"].to_list() == ["done"] * 4
    shutil.rmtree(next(iter(made)).parent)
    assert run(words) == 0
    assert "3 of 4 runs done before" in capsys.readouterr().out
    again = {path: path.stat().st_mtime_ns for path in study.glob("runs/*/manifest.json")}
    assert len(again) == 4
    assert len(made.items() & again.items()) == 3
    table = tmp_path / "all.csv"
    page = ["--page", str(tmp_path / "compare.html")]
    assert run(["compare", str(study), "--out", str(table), *page]) == 0
    epochs = pl.read_csv(table).filter(split="train", metric="loss")
    assert len(epochs) == 4
