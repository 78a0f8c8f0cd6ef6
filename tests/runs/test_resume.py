"""A killed run goes on to the bits of the run that was never killed."""

import os
import re
import shutil
import signal
import threading
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from smallruns import (
    draw_photos,
    further_and_die,
    in_process,
    points,
    resume,
    resume_and_die,
    same_results,
    train,
    train_and_die,
    train_until,
)

from fieldmark.errors import DataError, RunError, StoppedError
from fieldmark.fit.checkpoint import Checkpoints
from fieldmark.fit.keeper import Keeper
from fieldmark.rundir import RunDir

# one-cycle, an average of the weights, augmentation, dropout, gradient accumulation and a
# checkpoint after every step: all that could go astray
WORDS = (
    "schedule=one-cycle",
    "train.ema=0.9",
    "augment=standard",
    "model.dropout=0.3",
    "train.accumulate=2",
    "train.batch_size=8",
    "train.steps_every=1",
    "train.checkpoint_minutes=1e-9",
)


@pytest.fixture(scope="module")
def unbroken(photos, tmp_path_factory):
    return train(photos, tmp_path_factory.mktemp("unbroken"), "whole", *WORDS)


@pytest.mark.parametrize(
    ("point", "count"),
    points(
        ("fieldmark.fit.loop:step", 7),  # in the second epoch
        ("fieldmark.fit.loop:step", 1),  # before there is any checkpoint
        ("fieldmark.fit.loop:update", 6),
        ("fieldmark.models.infer:evaluating", 2),  # in validation
        ("fieldmark.fit.checkpoint:save_file", 4),  # before a checkpoint is written
        ("os:fsync", 6),  # while one is written
        ("fieldmark.fit.checkpoint:Checkpoints.write", 5),  # after the running logits' own file
        ("fieldmark.fit.checkpoint:Checkpoints._forget_all_but", 5),  # just after
        ("fieldmark.fit.keeper:write_text", 4),  # between a checkpoint and history.csv
        ("fieldmark.models.bundle:save", 1),  # trained, not concluded
        ("fieldmark.runs.run:report", 1),  # all but the report
    ),
)
def test_a_killed_run_goes_on_to_the_same_bits(unbroken, photos, tmp_path, point, count):
    code = in_process(train_and_die, point, count, photos, tmp_path, "killed", WORDS)
    assert code == -signal.SIGKILL
    run = RunDir(tmp_path / "killed")
    assert not run.is_done
    resume(run)
    assert run.is_done
    assert same_results(run, unbroken)
    assert run.steps.read_text() == unbroken.steps.read_text()
    assert not list(run.path.rglob("*.part"))


@pytest.mark.parametrize(("point", "count"), [("fieldmark.fit.loop:step", 24), ("os:fsync", 8)])
@pytest.mark.slow
def test_a_run_that_validates_now_and_then_goes_on_to_the_same_bits(photos, tmp_path, point, count):
    words = ("train.validate_every=2", "schedule=plateau", "schedule.wait=0", "schedule.by=loss")
    often = (*words, "train.epochs=5", "train.batch_size=8", "train.checkpoint_minutes=1e-9")
    whole = train(photos, tmp_path, "whole", *often)
    history = pl.read_csv(whole.history)
    assert history["val_loss"].is_not_null().to_list() == [False, True, False, True, True]
    assert in_process(train_and_die, point, count, photos, tmp_path, "dead", often) == -9
    assert same_results(resume(RunDir(tmp_path / "dead")), whole)


def test_the_report_of_a_resumed_run_tells_what_was_left_out(tmp_path):
    photos = draw_photos(tmp_path / "mine", each=6)
    (photos / "red" / "zero.png").touch()
    in_process(train_and_die, "fieldmark.fit.loop:step", 2, photos, tmp_path, "run", WORDS)
    run = resume(RunDir(tmp_path / "run"), page=True)
    assert "red/zero.png" in run.report.read_text()


@pytest.mark.slow
def test_a_run_that_is_killed_twice_goes_on_too(unbroken, photos, tmp_path):
    in_process(train_and_die, "fieldmark.fit.loop:step", 5, photos, tmp_path, "killed", WORDS)
    run = RunDir(tmp_path / "killed")
    code = in_process(resume_and_die, "fieldmark.fit.loop:step", 8, run)
    assert code == -signal.SIGKILL
    resume(run)
    assert same_results(run, unbroken)


@pytest.mark.slow
def test_a_run_may_go_on_with_other_workers(unbroken, photos, tmp_path):
    in_process(train_and_die, "fieldmark.fit.loop:step", 9, photos, tmp_path, "killed", WORDS)
    run = resume(RunDir(tmp_path / "killed"), workers="2")
    assert same_results(run, unbroken)


def test_a_stopped_run_keeps_its_best_weights_and_has_not_seen_the_test(
    unbroken, photos, tmp_path, monkeypatch
):
    stopper = threading.Thread(target=_interrupt_once_trained, args=(tmp_path / "run",))
    stopper.start()
    words = [word for word in WORDS if "checkpoint_minutes" not in word]
    with pytest.raises(StoppedError, match=r"stopped .* go on with: fieldmark train --resume"):
        train(photos, tmp_path, "run", *words, epochs="400", page=True)
    stopper.join()
    run = RunDir(tmp_path / "run")
    assert run.has_bundle
    assert not run.is_done
    assert set(run.read_metrics().sides) == {"val"}
    assert "have not been looked at" in run.report.read_text()


def _interrupt_once_trained(path):
    deadline = time.monotonic() + 60
    while not (path / "history.csv").is_file() and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGINT)


def test_a_run_that_was_stopped_goes_on_to_the_same_bits(unbroken, photos, tmp_path, monkeypatch):
    real, steps = Keeper.note_step, 0

    def stop_at_the_tenth(self, row):
        nonlocal steps
        steps += 1
        real(self, row)
        if steps == 10:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(Keeper, "note_step", stop_at_the_tenth)
    with pytest.raises(StoppedError):
        train(photos, tmp_path, "run", *WORDS)
    run = resume(RunDir(tmp_path / "run"))
    assert same_results(run, unbroken)


def test_a_finished_run_is_trained_further(photos, tmp_path, capsys):
    run = train(photos, tmp_path, "run", "train.patience=2", epochs="2", schedule="cosine")
    resume(run, epochs="4")
    assert run.is_done
    rows = run.history.read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["epoch", "1", "2", "3", "4"]
    assert re.search(
        r"the schedule is laid over all 4 epochs; the learning rate was \S+ and goes on at 0\.0",
        run.log.read_text(),
    )
    assert run.read_metrics().about.command == (
        f"a test && fieldmark train --resume {run.path} --epochs 4"
    )


@pytest.fixture(scope="module")
def dead(photos, tmp_path_factory):
    """A run that was killed in its third epoch, to be copied."""
    out = tmp_path_factory.mktemp("dead")
    in_process(train_and_die, "fieldmark.fit.loop:step", 11, photos, out, "run", WORDS)
    return out / "run"


def copied(folder, out):
    return RunDir(Path(shutil.copytree(folder, out / "copy")))


def test_fewer_epochs_than_are_done_are_refused(dead, tmp_path):
    run = copied(dead, tmp_path)
    before = run.settings.read_text()
    with pytest.raises(RunError) as caught:
        resume(run, epochs="1")
    assert str(caught.value) == "--epochs 1: 2 epochs are done already; give 3 or more"
    assert run.settings.read_text() == before


@pytest.mark.slow
def test_going_further_survives_a_kill(photos, tmp_path):
    words = ("train.patience=1", "augment=light")
    whole = train(photos, tmp_path, "whole", *words, epochs="2")
    killed = train(photos, tmp_path, "killed", *words, epochs="2")
    resume(whole, epochs="4")
    for point, count in (("fieldmark.fit.keeper:Keeper.save", 1), ("fieldmark.fit.loop:step", 2)):
        assert in_process(further_and_die, point, count, killed) == -signal.SIGKILL
    resume(killed)
    assert same_results(whole, killed)


def test_a_finished_run_stays_as_it_is_when_asked_to_go_on(photos, tmp_path):
    run = train(photos, tmp_path, "run", epochs="1")
    before = run.manifest.read_text()
    resume(run)
    assert run.manifest.read_text() == before


def test_what_decides_a_result_cannot_be_changed_on_the_way(photos, tmp_path):
    run = train(photos, tmp_path, "run", epochs="1")
    with pytest.raises(RunError) as caught:
        resume(run, lr="0.1", epochs="4")
    assert str(caught.value) == (
        "--lr: cannot be changed in a run that goes on (--epochs, --max-hours, --workers, "
        "--device and data.source can); start a new run with --config"
    )


def test_a_run_does_not_go_on_with_other_images(tmp_path):
    photos = draw_photos(tmp_path / "mine", each=6)
    in_process(train_and_die, "fieldmark.fit.loop:step", 2, photos, tmp_path, "run", WORDS)
    (photos / "red" / "00.png").unlink()
    with pytest.raises(DataError) as caught:
        resume(RunDir(tmp_path / "run"))
    assert str(caught.value) == (
        f"{photos}: 1 images changed or vanished since the run began ('red/00.png' is one); "
        "put them back, or start a new run"
    )


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("manifest.json", b'{"a": null}', "is damaged; without it the run goes on"),
        ("steps.csv", b"epoch,step,loss\n1,\xff,0.5\n", "is damaged; nothing is made of it"),
    ],
)
def test_a_damaged_file_of_a_run_that_goes_on_is_named(finished, tmp_path, name, content, sentence):
    run = copied(finished.path, tmp_path)
    (run.path / name).write_bytes(content)
    with pytest.raises(RunError, match=f"{name}: {sentence}"):
        resume(run, epochs="3")


def test_a_history_that_was_cut_is_written_again_from_the_checkpoint(finished, tmp_path):
    run = copied(finished.path, tmp_path)
    text = run.history.read_bytes()
    run.history.write_bytes(text[: len(text) - 40])
    resume(run, epochs="3")
    assert run.history.read_bytes().startswith(text)


@pytest.fixture(scope="module")
def finished(photos, tmp_path_factory):
    return train(photos, tmp_path_factory.mktemp("finished"), "run", epochs="2")


def test_a_damaged_checkpoint_is_told(dead, tmp_path):
    run = copied(dead, tmp_path)
    state = run.checkpoint / "state.safetensors"
    state.write_bytes(state.read_bytes()[:1000])
    with pytest.raises(RunError, match=r"state.safetensors: is damaged; delete"):
        resume(run)


@pytest.mark.slow
def test_twenty_kills_at_random_give_the_same_bits_twenty_times(tmp_path, capsys):
    words = ("schedule=one-cycle", "train.ema=0.99", "augment=light", "train.batch_size=64")
    words += ("train.checkpoint_minutes=0.0004",)  # several inside each epoch
    whole = train("digits", tmp_path, "whole", *words, epochs="8")
    seconds = 1.5 * pl.read_csv(whole.history)["seconds"].sum()  # training, and a little
    draw, same, killed, places = np.random.default_rng(0), 0, 0, []
    for number in range(60):
        run = RunDir(tmp_path / f"killed-{number}")
        wait = float(draw.uniform(0, seconds))
        code = in_process(train_until, wait, "digits", tmp_path, run.name, words, {"epochs": "8"})
        assert code == -signal.SIGKILL
        if run.is_done:
            seconds *= 0.9  # it came to its end before: no kill of a run, on a machine that is
            continue  # quicker now than while the whole one was trained
        killed += 1
        places.append(_place(run))
        same += same_results(resume(run), whole)
        if killed == 20:
            break
    with capsys.disabled():
        print(f"\n{same} of {killed} killed and resumed runs of digits have the same bits")
        print(f"last checkpoints before the kills, as (epoch, step): {sorted(places)}")
    assert same == killed == 20
    assert any(step for _, step in places)


def _place(run):
    """Epoch and step of the last checkpoint; (0, 0) where there was none yet."""
    tree = Checkpoints(run.checkpoint).read()
    return (tree["epoch"], tree["step"]) if tree else (0, 0)
