"""A sweep reaches the number of trials that was asked for, each point once, whatever was killed."""

import json
import shutil
from dataclasses import replace

import polars as pl
import pytest
import yaml
from smallruns import QUIET
from sweeps import PUBLISHED, in_turn, sweep_file

from fieldmark import rundir
from fieldmark.console import Console
from fieldmark.errors import PrunedError, RunError, StoppedError
from fieldmark.metrics_json import Budget
from fieldmark.records import Predictions
from fieldmark.report.page import report
from fieldmark.runs.concrete import gather
from fieldmark.runs.run import train_run
from fieldmark.settings.aliases import of_recipe
from fieldmark.settings.layers import Layer
from fieldmark.study import sweep as module
from fieldmark.study.folder import open_study
from fieldmark.study.sweep import sweep, tell
from fieldmark.study.trials import best_of, read_trials
from fieldmark.study.varied import read_space
from fieldmark.study.winner import measure_test
from fieldmark.study.work import do

pytestmark = pytest.mark.slow  # a sweep is several runs

WORDS = ("model.width=4", "train.batch_size=16", "run.workers=0", "train.epochs=3")
BAYES = """\
method: bayes
name: tiny
metric: {name: val_accuracy, goal: maximize}
parameters:
  lr: {values: [1e-5, 0.003, 0.01, 0.03]}
  dropout: {values: [0.0, 0.3]}
  seed: {value: 1}
"""
ALIASES = {"--dropout": ("model.dropout",)}


@pytest.fixture(autouse=True)
def _in_this_process(monkeypatch):
    monkeypatch.setattr(module, "run_all", in_turn)


def begin(photos, out, text=BAYES, *, trials=5, console=QUIET, **more):
    given = {"out": str(out), "name": "sweep"}

    def at(*layers):
        return gather(str(photos), WORDS, given, new=False, more=layers)

    space = read_space(sweep_file(out, text), ALIASES, at)
    return sweep(space, console, "a test", trials=trials, **more)


@pytest.fixture(scope="module")
def finished(photos, tmp_path_factory):
    """A whole sweep, told."""
    pytest.importorskip("optuna")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "run_all", in_turn)
        study = begin(photos, tmp_path_factory.mktemp("out"))
        assert tell(study, QUIET) == 0
    return study


def test_notes_that_hold_for_all_trials_are_on_screen_and_page_once(finished, times_told):
    assert times_told(finished, tell) == (1, 1, 0)


@pytest.fixture
def copied(finished, tmp_path):
    """The same sweep, to be spoilt."""
    shutil.copytree(finished.path.parent, tmp_path, dirs_exist_ok=True)
    return open_study(tmp_path / "sweep")


def states(study):
    return [study.state(each.name) for each in study.plans()]


def test_there_are_as_many_trials_as_were_asked_for_each_point_once(finished):
    trials = read_trials(finished, "accuracy")
    assert [each.number for each in trials] == [1, 2, 3, 4, 5]
    assert len({json.dumps(each.point) for each in trials}) == 5
    assert "pruned" in states(finished)
    assert set(states(finished)) == {"done", "pruned"}


def test_the_version_that_proposes_and_the_files_name_are_kept(finished):
    import optuna

    assert finished.question["optuna"] == optuna.__version__
    assert finished.question["sweep"] == {"name": "tiny"}


def test_trials_see_no_test_image_but_the_winner(finished):
    trials = read_trials(finished, "accuracy")
    best = best_of(trials, "accuracy")
    for trial in trials:
        sides = set(Predictions.read(trial.run.predictions).frame["split"])
        assert sides == ({"val", "test"} if trial is best else {"val"})
        assert ("test" in trial.run.read_metrics().sides) == (trial is best)


def test_the_winners_test_is_what_a_whole_run_of_its_settings_has(finished, tmp_path):
    best = best_of(read_trials(finished, "accuracy"), "accuracy")
    resolved = gather(None, [], {}, config=str(finished.path / "best.yaml"))
    assert resolved.settings.run.name is None
    place = Layer("command line", {"run.out": str(tmp_path), "run.name": "again"})
    resolved = gather(None, [], {}, config=str(finished.path / "best.yaml"), more=[place])
    again = train_run(resolved, QUIET, "a test")
    tables = [Predictions.read(run.predictions).frame.drop("model") for run in (best.run, again)]
    assert tables[0].equals(tables[1])
    assert best.run.read_metrics().sides == again.read_metrics().sides


def test_the_winners_settings_lie_beside_the_study_and_in_no_group_of_it(finished):
    settings = gather(None, [], {}, config=str(finished.path / "best.yaml")).settings
    assert settings.run.out == str(finished.path.parent)
    assert settings.track.group is None


def test_the_winners_test_is_measured_where_its_device_is_missing(copied, capsys):
    trials = read_trials(copied, "accuracy")
    run = next(
        each.run
        for each in trials
        if each.state == "done" and "test" not in each.run.read_metrics().sides
    )
    settings = run.read_settings()
    settings["run"]["device"] = "cuda:99"
    settings["budget"]["target"] = ["accuracy=0.99"]
    run.settings.write_text(yaml.safe_dump(settings))
    kept = run.read_metrics()
    of_val = (Budget("accuracy", 0.99, False, 0.5, "val"),)
    replace(kept, about=replace(kept.about, budgets=of_val)).write(run.metrics)
    found = measure_test(run, Console())
    note = capsys.readouterr().out.splitlines()[0]
    assert note.startswith(f"note: {run.name} was trained on cuda:99, not here; its test is")
    assert [each.side for each in found.about.budgets] == ["test"]
    assert found.about.budgets[0].reached == found.sides["test"]["accuracy"]
    assert run.read_manifest()["budgets"][0]["side"] == "test"


def test_drawn_points_are_planned_without_a_look_at_trials(photos, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "run_all", lambda *_, propose, **__: propose())
    monkeypatch.setattr(module, "read_trials", None)
    text = "method: random\nparameters: {lr: {values: [1e-5, 0.01, 0.03]}}\n"
    study = begin(photos, tmp_path, text, trials=3)
    assert states(study) == ["planned"] * 3


def test_results_and_page_say_what_was_found(finished):
    results = json.loads(finished.results.read_text())
    best = best_of(read_trials(finished, "accuracy"), "accuracy")
    assert results["best"] == best.planned.name
    assert results["val"]["accuracy"] == best.value
    assert results["test"]["interval"][0] < results["test"]["accuracy"]
    assert [each["state"] for each in results["trials"]] == states(finished)
    page = finished.report.read_text()
    assert "<title>tiny: The best of 5 trials: accuracy" in page
    assert f"trial {best.number}: accuracy" in page
    assert "so the figure of validation flatters; that of the test does not." in page


def test_a_trials_folder_is_an_ordinary_run(finished):
    for trial in read_trials(finished, "accuracy")[:2]:
        before = trial.run.report.read_text()
        report(rundir.open_run(trial.run.path))
        assert trial.run.report.read_text() == before


def test_a_pruned_trial_keeps_what_it_reached(finished):
    for planned, run in finished.runs("pruned"):
        rows = run.read_history()
        assert len(rows) < 3
        assert run.has_bundle
        assert not run.is_done
        end = finished.end(planned.name)
        assert end["epoch"] == len(rows)
        assert f"ended after {len(rows)} epoch" in end["reason"]


def test_the_same_command_does_nothing_twice(copied, photos):
    before = {path: path.stat().st_mtime_ns for path in (copied.path / "runs").rglob("*")}
    again = begin(photos, copied.path.parent)
    assert states(again) == states(copied)
    assert {p: p.stat().st_mtime_ns for p in (copied.path / "runs").rglob("*")} == before


@pytest.mark.slow
def test_more_trials_go_on_with_the_same_sweep(copied, photos):
    before = [each.name for each in copied.plans()]
    study = begin(photos, copied.path.parent, trials=7)
    assert [each.name for each in study.plans()][:5] == before
    assert len(study.plans()) == 7


@pytest.mark.slow
def test_a_sweep_that_lost_its_end_goes_on_to_the_same_trials(copied, finished, photos):
    """As after a kill in the fourth trial, whose folder had come to nothing."""
    for each in copied.plans()[3:]:
        (copied.path / "plans" / f"{each.name}.json").unlink()
        (copied.path / "ended" / f"{each.name}.json").unlink(missing_ok=True)
    killed = copied.plans()[2]
    shutil.rmtree(copied.run(killed.name).path)
    for each in list((copied.path / "runs").iterdir()):
        if each.name not in [planned.name for planned in copied.plans()[:2]]:
            shutil.rmtree(each)
    (copied.path / "ended" / f"{killed.name}.json").unlink(missing_ok=True)
    study = begin(photos, copied.path.parent)
    assert [each.name for each in study.plans()] == [each.name for each in finished.plans()]
    assert states(study) == states(finished)
    for each in study.plans():
        one, other = (part.run(each.name).read_history() for part in (study, finished))
        assert [row | {"seconds": 0} for row in one] == [row | {"seconds": 0} for row in other]


def test_a_trial_killed_before_its_ending_was_noted_is_pruned_at_the_same_epoch(copied):
    planned, run = copied.runs("pruned")[0]
    before = run.history.read_text()
    (copied.path / "ended" / f"{planned.name}.json").unlink()
    assert copied.state(planned.name) == "begun"
    assert do(copied, planned, QUIET)
    assert copied.state(planned.name) == "pruned"
    assert run.history.read_text() == before


def test_a_trial_that_goes_on_sees_no_test_image_either(copied, tmp_path):
    planned, run = copied.runs("done")[0]
    run.manifest.unlink()
    assert do(copied, planned, QUIET)
    assert copied.state(planned.name) == "done"
    assert set(Predictions.read(run.predictions).frame["split"]) == {"val"}


def test_another_question_under_the_name_is_refused(copied, photos):
    other = BAYES.replace("0.03", "0.02")
    with pytest.raises(RunError, match="asks something else"):
        begin(photos, copied.path.parent, other)


@pytest.mark.slow
def test_the_published_file_runs_as_it_is(photos, tmp_path):
    pytest.importorskip("optuna")
    words = ["input.size=96", "train.epochs=1", "run.workers=0", "train.batch_size=32"]
    given = {"out": str(tmp_path), "name": "sweep"}

    def at(*layers):
        taken = {"recipe": "nature-cnn", "new": False, "more": layers}
        return gather(str(photos), words, given, **taken)

    space = read_space(sweep_file(tmp_path, PUBLISHED), of_recipe("nature-cnn"), at)
    study = sweep(space, QUIET, "a test", trials=2)
    assert states(study) == ["done", "done"]
    for planned, run in study.runs():
        point, settings = planned.about["settings"], run.read_settings()
        assert settings["optimizer"]["lr"] == point["lr"]
        assert settings["model"]["activation"] == point["activation"]
        assert settings["model"]["batch_norm"] == point["batch_norm"]
        assert settings["model"]["filters"] == point["num_filters"]
    assert tell(study, QUIET) == 0


@pytest.mark.slow
def test_without_pruning_every_trial_ends(photos, tmp_path):
    text = "method: random\nparameters: {lr: {values: [1e-5, 0.01, 0.03]}}\n"
    study = begin(photos, tmp_path, text, trials=9, pruner=None)
    assert states(study) == ["done"] * 3  # there are no more points
    assert study.question["options"]["figure"] == "macro_f1"


@pytest.mark.slow
def test_settings_that_cannot_be_are_a_failed_trial_and_the_rest_go_on(photos, tmp_path):
    text = "method: random\nparameters: {lr: {distribution: normal, mu: 0.01, sigma: 0.02}}\n"
    study = begin(photos, tmp_path, text, trials=7)
    assert states(study)[6] == "failed"
    planned, _ = study.runs("failed")[0]
    assert "lr: must be more than 0, not -" in study.end(planned.name)["reason"]
    assert tell(study, QUIET) == 1
    assert "failed; trial" in study.report.read_text()


@pytest.mark.slow
def test_the_target_ends_a_sweep(photos, tmp_path):
    text = BAYES.replace("goal: maximize", "goal: maximize, target: 0.1")
    study = begin(photos, tmp_path, text.replace("bayes", "random"), trials=5)
    assert states(study) == ["done"]


def test_a_run_that_is_ended_from_outside_is_not_done(photos, tmp_path):
    """And StoppedError, which the user's own stop raises, says how to go on; this does not."""

    def watch(history):
        if len(history) == 2:
            raise PrunedError("enough")

    resolved = gather(str(photos), WORDS, {"out": str(tmp_path), "name": "run"})
    with pytest.raises(PrunedError, match=r"^enough$") as caught:
        train_run(resolved, QUIET, "a test", watch=watch)
    assert isinstance(caught.value, StoppedError)
    run = rundir.open_run(tmp_path / "run")
    assert len(run.read_history()) == 2
    assert not run.is_done
    assert set(pl.read_parquet(run.predictions)["split"]) == {"val"}


def test_each_trial_is_told_as_it_ends(photos, tmp_path, capsys):
    text = "method: grid\nparameters: {lr: {values: [0.01, 0.03]}}\n"
    begin(photos, tmp_path, text, trials=None, console=Console())
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "2 trials by grid, pruned by median; the best val macro_f1 wins"
    assert [line.split(": ")[0] for line in told[1:] if line.startswith("trial")] == [
        "trial 1",
        "trial 2",
    ]
    assert told[-1].endswith("lr 0.03")
