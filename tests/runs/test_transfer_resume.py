"""Training in stages goes on after a kill, and further, to the same bits."""

import signal
from pathlib import Path

import pytest
from smallruns import (
    STAGED,
    further_and_die,
    in_process,
    points,
    resume,
    same_results,
    train,
    train_and_die,
)

from fieldmark.console import Console
from fieldmark.errors import (
    RunError,
    StoppedError,
)
from fieldmark.rundir import RunDir


@pytest.mark.parametrize(
    ("point", "count"),
    points(
        ("fieldmark.fit.loop:update", 5),
        ("fieldmark.fit.stacked:StackedHeads.predict", 1),  # in the head's stage
        ("fieldmark.fit.checkpoint:Checkpoints.write_best", 1),  # before the head is kept
        ("fieldmark.fit.checkpoint:Checkpoints.write", 1),  # the head is kept, its stage not
        ("fieldmark.fit.checkpoint:Checkpoints.write", 2),  # between the two stages
        ("fieldmark.fit.loop:step", 1),  # the second stage has begun
        ("fieldmark.fit.loop:step", 4),  # inside it
        ("fieldmark.models.bundle:save", 1),  # trained, not concluded
    ),
)
def test_a_run_killed_around_a_change_of_stage_goes_on_to_the_same_bits(
    photos, weights, unbroken, tmp_path, point, count
):
    words = (*weights, *STAGED, "optimizer.lr=0.01")
    code = in_process(train_and_die, point, count, photos, tmp_path, "killed", words)
    assert code == -signal.SIGKILL
    run = resume(RunDir(tmp_path / "killed"))
    assert run.is_done
    assert same_results(run, unbroken)
    assert run.steps.read_text() == unbroken.steps.read_text()


def test_a_checkpoint_needs_the_weights_that_training_began_with_no_more(
    photos, weights, unbroken, tmp_path
):
    mine = tmp_path / "mine.safetensors"
    mine.write_bytes(Path(weights[1].partition("=")[2]).read_bytes())
    words = (weights[0], f"model.weights={mine}", *weights[2:], *STAGED)
    in_process(train_and_die, "fieldmark.fit.loop:step", 2, photos, tmp_path, "killed", words)
    mine.unlink()
    assert same_results(resume(RunDir(tmp_path / "killed")), unbroken)


def test_a_frozen_run_can_be_trained_further_as_if_planned_so(photos, weights, tmp_path):
    frozen = (*weights, "model.freeze=true", "train.patience=none")
    whole = train(photos, tmp_path, "whole", *frozen, epochs="6")
    part = train(photos, tmp_path, "part", *frozen, epochs="3")
    assert same_results(resume(part, epochs="6"), whole)


def test_a_stop_in_the_heads_stage_leaves_a_run_that_goes_on(
    photos, weights, unbroken, tmp_path, monkeypatch
):
    def stop(*_, **__):
        raise StoppedError("stopped")

    monkeypatch.setattr("fieldmark.runs.heads.fit_heads", stop)
    with pytest.raises(StoppedError, match="go on with: fieldmark train --resume"):
        train(photos, tmp_path, "run", *weights, *STAGED, epochs=None)
    monkeypatch.undo()
    assert same_results(resume(RunDir(tmp_path / "run")), unbroken)


@pytest.mark.parametrize("point", ["stacked:StackedHeads.predict", "checkpoint:Checkpoints.write"])
@pytest.mark.slow
def test_a_frozen_run_killed_while_it_is_trained_again_goes_on(photos, weights, tmp_path, point):
    frozen = (*weights, "model.freeze=true", "train.patience=none")
    whole = train(photos, tmp_path, "whole", *frozen, epochs="4")
    part = train(photos, tmp_path, "part", *frozen, epochs="2")
    code = in_process(further_and_die, f"fieldmark.fit.{point}", 1, part)
    assert code == -signal.SIGKILL
    assert same_results(resume(part), whole)


@pytest.mark.parametrize(
    "words",
    [
        ("features.heads=[linear, mlp]", "features.rates=[1e-7, 1e-2]"),
        ("head.name=after",),
    ],
)
@pytest.mark.slow
def test_a_frozen_run_with_another_head_killed_at_its_end_goes_on(photos, weights, tmp_path, words):
    words = (*weights, "model.freeze=true", *words)
    whole = train(photos, tmp_path, "whole", *words)
    in_process(train_and_die, "fieldmark.models.bundle:save", 1, photos, tmp_path, "cut", words)
    assert same_results(resume(RunDir(tmp_path / "cut")), whole)


@pytest.mark.slow
def test_a_staged_run_goes_on_with_another_head_after_a_kill(photos, weights, tmp_path):
    words = (*weights, *STAGED, "features.heads=[linear, mlp]", "features.rates=[1e-7, 1e-2]")
    whole = train(photos, tmp_path, "whole", *words, epochs=None)
    for point, count in (
        ("fieldmark.fit.checkpoint:Checkpoints.write", 1),
        ("fieldmark.fit.loop:step", 2),
    ):
        in_process(train_and_die, point, count, photos, tmp_path, f"killed{count}", words)
        assert same_results(resume(RunDir(tmp_path / f"killed{count}")), whole)


def test_a_finished_run_whose_last_stage_is_a_head_after_others_is_not_trained_further(
    photos, tmp_path
):
    words = ("train.stages=[{train: all, epochs: 1}, {train: head}]",)
    run = train(photos, tmp_path, "run", *words, epochs="2")
    with pytest.raises(RunError) as caught:
        resume(run, epochs="4")
    assert str(caught.value) == (
        f"{run.path}: ends with a stage on features after others, which cannot be trained "
        "further; start a new run with --config"
    )


def test_a_run_that_patience_ended_is_not_told_to_train_more_epochs(photos, weights, tmp_path):
    said = []
    words = (*weights, "model.freeze=true", "train.patience=1")
    run = train(photos, tmp_path, "run", *words, epochs="30")
    console = Console(quiet=True)
    console.say = lambda text="": said.append(text)
    resume(run, console)
    assert said[0].startswith(f"{run.path} is done (stopped early: no better macro_f1 for 1 epoch)")
    assert "train.patience=none" in said[0]
