"""Budgets: what refuses a run, what ends it, and what it is told to have come to."""

import re
import shutil
from dataclasses import replace

import pytest
from smallruns import (
    FAST,
    QUIET,
    SMALL,
    STAGED,
    draw_photos,
    exact,
    in_process,
    resume,
    same_results,
    train,
    train_and_die,
)

import fieldmark
from fieldmark.cli.main import run as command
from fieldmark.errors import BudgetError, RunError, SettingsError, StoppedError
from fieldmark.fit.checkpoint import Checkpoints
from fieldmark.fit.keeper import Keeper
from fieldmark.metrics_json import Budget
from fieldmark.rundir import RunDir
from fieldmark.runs import budgets
from fieldmark.runs.concrete import gather
from fieldmark.runs.run import train_run
from fieldmark.settings.run import BudgetSettings

TINY = 1e-6  # hours: less than a step takes


def used_up_from(monkeypatch, call):
    """The hours are used up from the so manieth time on that this is asked."""
    asked = 0

    def is_used_up(budget, clock):
        nonlocal asked
        asked += 1
        return budget.max_hours is not None and asked >= call

    monkeypatch.setattr(budgets, "is_used_up", is_used_up)


def mistakes(data, out, *words):
    """What is said of a run that is refused; no folder is made for it."""
    with pytest.raises(SettingsError) as caught:
        train(data, out, "run", *words)
    assert not (out / "run").exists()
    return str(caught.value).splitlines()


def test_a_network_that_is_too_large_is_refused_before_any_work(photos, tmp_path):
    assert mistakes(photos, tmp_path, "max_size_mb=0.01") == [
        "--max-size-mb: 'small_cnn' has 0.02132 MiB of weights, and the budget is 0.01; take a "
        "smaller --model, or raise it to 1"
    ]


def test_smaller_networks_are_named(photos, tmp_path):
    given = {"out": str(tmp_path), "model": "resnet18", "image_size": "64", "max_size_mb": "20"}
    with pytest.raises(SettingsError) as caught:
        train_run(gather(str(photos), [], given), QUIET, "a test")
    assert str(caught.value) == (
        "--max-size-mb: 'resnet18' has 42.69 MiB of weights, and the budget is 20; take a smaller "
        "--model, such as 'efficientnet_lite0', 'mnasnet1_0' and 'regnet_y_400mf', or raise it to "
        "43"
    )


def test_of_heads_that_are_tried_the_largest_counts(photos, weights, tmp_path):
    words = (*weights, "freeze=true", "features.heads=[linear, mlp]", "max_size_mb=0.05")
    assert mistakes(photos, tmp_path, *words) == [
        "--max-size-mb: 'small_cnn' with the head 'mlp' has 0.06041 MiB of weights, and the budget "
        "is 0.05; take a smaller --model, or raise it to 1"
    ]


def test_all_that_is_wrong_with_targets_is_told(photos, tmp_path):
    assert mistakes(photos, tmp_path, "target=acuracy=0.8,ece=0.1,ece=0.2", "epochs=0") == [
        "train.epochs: must be at least 1, not 0",
        "budget.target: there is no figure 'acuracy'; did you mean 'accuracy'?",
        "budget.target: ece stands twice; leave one out",
    ]
    for wrong in ("accuracy=85", "accuracy", "accuracy=0.8;ece=0.1"):
        assert mistakes(photos, tmp_path, f"target={wrong}") == [
            "budget.target: must be METRIC=VALUE with a value from 0 to 1 such as micro_f1=0.85, "
            f"or several with commas between, not {wrong}"
        ]


def test_targets_that_these_images_cannot_answer_are_refused(photos, tmp_path):
    nothing = ("data.val=none", "data.test=none")
    words = ("target=subset_accuracy=0.8,top5_accuracy=0.9", *nothing)
    assert mistakes(photos, tmp_path, *words) == [
        "--target: subset_accuracy does not exist for one label an image; take accuracy",
        "--target: top5_accuracy is not defined for 3 classes; take accuracy",
        "--target: there are neither test images nor others to measure it on; give some with "
        "data.test, leave data.val=none out, or leave it out",
    ]


def test_a_run_tells_what_it_came_to_and_ends_with_1(photos, tmp_path, capsys):
    words = ["--max-size-mb", "1", "--max-hours", "2", "--target", "accuracy=0.2,log_loss=0"]
    out = ["--out", str(tmp_path), "--name", "run"]
    assert command(["train", str(photos), *FAST, *words, *out]) == 1
    said, told = capsys.readouterr()
    assert told == (
        f"fieldmark: {tmp_path}/run: missed 1 of its 4 budgets (log_loss); the model, its figures "
        "and the report are kept there\n"
    )
    lines = said.partition("\nbudgets\n")[2].splitlines()
    assert lines[0].startswith("  size               met      0.02132")
    assert lines[0].endswith(" MiB of weights; asked for: at most 1")
    hours = r"\S+ device hours, \S+ s on the wall; asked for: at most 2"
    assert re.fullmatch(f"  hours              met      {hours}", lines[1])
    assert re.match(r"  accuracy           met      \S+ on the test \(\S+ to ", lines[2])
    assert re.match(
        r"  log loss           missed   \S+ on the test .*; asked for: at most 0$", lines[3]
    )
    run = RunDir(tmp_path / "run")
    found = run.read_metrics().about.budgets
    assert [(each.name, each.asked, each.is_met, each.side) for each in found] == [
        ("max_size_mb", 1, True, None),
        ("max_hours", 2, True, None),
        ("accuracy", 0.2, True, "test"),
        ("log_loss", 0, False, "test"),
    ]
    assert found[0].reached == (run.path / "model.safetensors").stat().st_size / 2**20
    assert 0 < found[1].reached == found[1].wall_hours
    page = run.report.read_text()
    assert all(line[30:] in page for line in lines[:4])
    assert command(["report", str(run.path)]) == 0
    assert run.report.read_text() == page
    assert command(["train", "--resume", str(run.path)]) == 1  # it is done, and has missed one


@pytest.fixture(scope="module")
def plain(photos, tmp_path_factory):
    return train(photos, tmp_path_factory.mktemp("plain"), "plain", epochs="2")


def test_budgets_that_are_met_change_no_bit(plain, photos, tmp_path):
    words = ("max_size_mb=1", "max_hours=1", "target=accuracy=0.1")
    bound = train(photos, tmp_path, "bound", *words, epochs="2")
    assert same_results(plain, bound)
    assert plain.read_metrics().about.budgets == ()
    budgets.refuse_missed(bound)


def test_without_a_test_validation_is_measured_and_that_is_said(photos, tmp_path):
    run = train(photos, tmp_path, "run", "data.test=none", "target=accuracy=0.1", epochs="1")
    assert "there are no test images, so the target is measured on validation" in (
        run.log.read_text()
    )
    assert [each.side for each in run.read_metrics().about.budgets] == ["val"]
    said = r"accuracy +met +\S+ on validation, for there is no test; asked for: at least 0.1"
    assert re.search(said, run.log.read_text())


def test_in_python_a_missed_target_is_an_error_of_a_run_that_is_kept(photos, tmp_path):
    settings = {word.partition("=")[0]: word.partition("=")[2] for word in SMALL}
    with pytest.raises(BudgetError) as caught:
        fieldmark.train(
            photos, epochs=1, target="log_loss=0", out=tmp_path, name="run", quiet=True, **settings
        )
    assert str(caught.value) == (
        f"{tmp_path}/run: missed its budget (log_loss); the model, its figures and the report are "
        "kept there"
    )
    assert fieldmark.Run(tmp_path / "run").metrics["about"]["budgets"][0]["is_met"] is False
    assert fieldmark.load(tmp_path / "run")


def test_hours_that_end_within_the_first_epoch_end_the_run_as_a_done_one(photos, tmp_path, capsys):
    out = ["--out", str(tmp_path), "--name", "run"]
    assert command(["train", str(photos), *FAST, "--max-hours", f"{TINY}", *out]) == 1
    run, stopped = RunDir(tmp_path / "run"), "stopped in epoch 1 of 1, after step 1 of 3"
    ending = f"the budget of device hours (1e-06) is used up: {stopped}"
    said, told = capsys.readouterr()
    assert ending in said
    assert re.search("missed .*; asked for: at most 1e-06, which ended the training\n", said)
    assert told.startswith(f"fieldmark: {run.path}: missed its budget (max_hours); ")
    about = run.read_metrics().about
    assert (about.ending, about.whole, about.cut) == (ending, True, True)
    assert set(run.read_metrics().sides) == {"val", "test"}
    assert run.is_done
    assert run.has_bundle
    assert f"<strong>T{ending[1:]}.</strong>" in run.report.read_text()


@pytest.mark.slow
def test_a_run_that_hours_ended_goes_on_with_more_to_the_same_bits(
    plain, photos, tmp_path, monkeypatch
):
    for call in (1, 5):  # within the first epoch, and after it
        with monkeypatch.context() as patch:
            used_up_from(patch, call)
            run = train(photos, tmp_path, f"cut-{call}", "max_hours=1", epochs="2")
        assert run.read_metrics().about.cut
        assert len(run.read_history()) == 1
        resume(run, max_hours="2")
        assert same_results(run, plain)
        about = run.read_metrics().about
        assert about.cut is None
        assert about.command == f"a test && fieldmark train --resume {run.path} --max-hours 2"


def test_hours_that_end_with_the_training_have_not_cut_it(photos, tmp_path, monkeypatch):
    used_up_from(monkeypatch, 3)  # it is asked after two of the three steps
    run = train(photos, tmp_path, "run", "max_hours=1", epochs="1")
    assert run.read_metrics().about.ending == "the 1 epoch is done"
    assert run.read_metrics().about.cut is None


@pytest.mark.parametrize("epochs", ["1", pytest.param("3", marks=pytest.mark.slow)])
def test_a_run_killed_after_its_hours_comes_to_its_end_and_trains_no_more(
    photos, tmp_path, monkeypatch, epochs
):
    """In its first epoch, of which it keeps what there is, or after it."""
    with monkeypatch.context() as patch:
        used_up_from(patch, 1 if epochs == "1" else 3)
        run = train(photos, tmp_path, "run", f"max_hours={TINY}", epochs=epochs)
    before, ending = run.read_metrics(), run.read_metrics().about.ending
    shutil.copytree(run.path, tmp_path / "before")
    run.manifest.unlink()
    if epochs == "1":
        run.metrics.unlink()  # and sooner
    assert resume(run).is_done
    about = run.read_metrics().about
    assert (about.cut, about.ending) == (True, ending)
    assert run.read_metrics().sides == before.sides
    assert same_results(run, RunDir(tmp_path / "before"))


def test_a_run_without_hours_left_does_not_go_on(photos, tmp_path):
    run = train(photos, tmp_path, "run", f"max_hours={TINY}", epochs="1")
    with pytest.raises(RunError) as caught:
        resume(run)
    spent = run.read_metrics().about.budgets[0].reached
    assert str(caught.value) == (
        f"{run.path}: has used {spent:.3g} device hours, and its budget is 1e-06; give it more: "
        f"fieldmark train --resume {run.path} --max-hours {2 * spent:.2g}"
    )
    assert run.is_done


@pytest.mark.slow
def test_what_a_killed_run_has_spent_counts(photos, tmp_path):
    words = ("train.checkpoint_minutes=1e-9", "max_hours=1")
    in_process(train_and_die, "fieldmark.fit.loop:step", 7, photos, tmp_path, "run", words)
    run = RunDir(tmp_path / "run")
    spent = Checkpoints(run.checkpoint).read()["times"]["whole"] / 3600
    assert spent > 0
    for hours in (TINY, 0.999 * spent):
        with pytest.raises(RunError, match=re.escape(f"has used {spent:.3g} device hours")):
            resume(run, max_hours=f"{hours}")
    resume(run, max_hours="2")
    assert run.read_metrics().about.budgets[0].reached > spent


@pytest.mark.slow
def test_what_came_after_a_training_counts_when_it_goes_on(photos, tmp_path):
    run = train(photos, tmp_path, "run", epochs="1")
    before = run.read_metrics().about.times
    assert before["predicting"] > 0
    resume(run, epochs="2")
    after = run.read_metrics().about.times
    assert all(after[name] >= seconds for name, seconds in before.items())
    assert after["predicting"] > before["predicting"]


@pytest.mark.slow
def test_hours_that_end_a_tuning_leave_the_best_of_head_and_tuning(
    photos, weights, tmp_path, monkeypatch
):
    used_up_from(monkeypatch, 40)
    staged = (*weights[:-1], *STAGED, "train.epochs=50", "max_hours=1", "train.patience=none")
    run = train(photos, tmp_path, "run", *staged, epochs=None)
    about = run.read_metrics().about
    assert re.match(r"the budget of .* is used up: stopped .*stage 2, epoch", about.ending)
    assert [row["share"] for row in about.shares] == [0, 0.25, 0.5, 0.75, 1]
    assert set(run.read_metrics().sides) == {"val", "test"}


def test_hours_that_end_before_a_head_is_there_say_how_to_go_on(weights, tmp_path):
    photos = draw_photos(tmp_path / "new", each=6, seed=9)  # no cache has them
    with pytest.raises(BudgetError) as caught:
        train(photos, tmp_path, "run", *weights, f"max_hours={TINY}", freeze=True)
    run = RunDir(tmp_path / "run")
    said, _, hours = str(caught.value).rpartition(" --max-hours ")
    assert said == (
        "the budget of device hours (1e-06) is used up: stopped while the images were embedded; "
        "what was is kept, before there were weights to keep; give it more: fieldmark train "
        f"--resume {run.path}"
    )
    assert TINY < float(hours) < 0.1
    assert not run.is_done
    assert resume(run, max_hours="1").is_done


@pytest.mark.slow
def test_hours_that_are_over_take_no_head_away_that_is_nearly_there(photos, weights, tmp_path):
    small = ("freeze=true", "model.width=4")
    exact(photos, tmp_path, "before", weights, *small)  # the cache has the features now
    run = exact(photos, tmp_path, "run", weights, *small, f"max_hours={TINY}")
    assert run.read_metrics().about.cut is None
    said = "at most 1e-06; neither a head on features nor what follows training is cut"
    assert said in run.log.read_text()


def test_a_run_that_the_user_stops_is_not_judged(photos, tmp_path, monkeypatch):
    def stop(self, state, best=None):
        raise StoppedError("stopped after epoch 1 of 3") if state.epoch else None

    real = Keeper.save
    monkeypatch.setattr(Keeper, "save", lambda *args: (real(*args), stop(*args)))
    with pytest.raises(StoppedError):
        train(photos, tmp_path, "run", "max_hours=1", "target=accuracy=0.9")
    metrics = RunDir(tmp_path / "run").read_metrics()
    assert metrics.about.budgets == ()
    assert set(metrics.sides) == {"val"}


def test_a_budget_that_is_reached_exactly_is_met(photos, tmp_path):
    run = train(photos, tmp_path, "run", epochs="1")
    found, size = run.read_metrics(), (run.path / "model.safetensors").stat().st_size / 2**20
    value = found.sides["test"]["log_loss"]
    figures = replace(found.sides["test"], values={"log_loss": value, "mcc": None})
    given = BudgetSettings(max_size_mb=size, max_hours=0.5).model_copy(
        update={"target": (f"log_loss={value!r}", "mcc=0.1")}
    )
    judged = budgets.judged(run, given, replace(found, sides={"test": figures}), 1800.0)
    assert judged == [
        Budget("max_size_mb", size, True, size),
        Budget("max_hours", 0.5, True, 0.5, wall_hours=0.5),
        Budget("log_loss", value, True, value, "test"),
        Budget("mcc", 0.1, False, None, "test"),
    ]
