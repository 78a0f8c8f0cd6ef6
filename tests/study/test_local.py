"""Processes that work on a study: what dies is begun again, what is stopped goes on, same bits."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from smallruns import same_results

from fieldmark.study.claims import claims, lives
from fieldmark.study.folder import StudyDir
from fieldmark.study.local import going

WORDS = ("digits", "--folds", "2", "--epochs", "6", "train.patience=none", "--name", "cv")
STOPPED = 130


def command(out, *words):
    words = words or ("cross-validate", *WORDS)
    words = [sys.executable, "-m", "fieldmark", *words, "--out", str(out)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def until(holds, seconds=120):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "nothing came of it"
        time.sleep(0.05)


def at_work(study):
    """The claims of processes that live."""
    return [each for each in claims(study) if lives(each.process)]


def test_a_run_says_how_many_epochs_are_done_or_that_its_head_is_solved(tmp_path):
    study = StudyDir(tmp_path)
    assert going(study, "fold-4", "fold 4") == "fold 4"
    history = study.run("fold-4").history
    history.parent.mkdir(parents=True)
    history.write_text("epoch,val_loss\n1,0.5\n")
    assert going(study, "fold-4", "fold 4") == "fold 4: head solved"
    history.write_text("epoch,val_loss,lr\n1,0.5,\n2,0.4,0.1\n")
    assert going(study, "fold-4", "fold 4") == "fold 4: 1 epoch done"
    history.write_text("epoch,val_loss,lr\n1,0.5,0.1\n2,0.4,0.1\n")
    assert going(study, "fold-4", "fold 4") == "fold 4: 2 epochs done"


def epochs(study):
    """Of the runs that are going on."""
    return [len(study.run(each.run).read_history()) for each in at_work(study)]


@pytest.mark.slow
def test_what_is_killed_or_stopped_goes_on_to_the_same_bits(tmp_path):
    said, _ = command(tmp_path / "whole").communicate()
    assert "all folds out of fold, 1797 images" in said
    study = StudyDir(tmp_path / "broken" / "cv")

    first = command(tmp_path / "broken")
    until(lambda: any(number > 1 for number in epochs(study)))
    first.kill()
    first.communicate()
    (held,) = claims(study)
    until(lambda: not lives(held.process))  # what worked for it ends by itself

    second = command(tmp_path / "broken")
    until(lambda: any(number > 2 for number in epochs(study)))
    (held,) = at_work(study)
    os.kill(held.process, signal.SIGKILL)
    until(lambda: [each.process for each in at_work(study)] not in ([], [held.process]))
    second.send_signal(signal.SIGINT)
    said, _ = second.communicate()
    assert second.returncode == STOPPED
    assert "its process ended with signal 9, and is begun again" in said
    assert said.rstrip().endswith("the same command goes on where it was")

    third = command(tmp_path / "broken")
    said, _ = third.communicate()
    assert third.returncode == 0, said
    assert claims(study) == []
    others = StudyDir(tmp_path / "whole" / "cv")
    assert [p.name for p, _ in study.runs()] == [p.name for p, _ in others.runs()]
    for (_, one), (_, other) in zip(study.runs(), others.runs(), strict=True):
        assert same_results(one, other)
    fourth = command(tmp_path / "broken")
    said, _ = fourth.communicate()
    assert "2 of 2 runs done before" in said


@pytest.mark.slow
def test_a_sweep_of_two_processes_that_is_killed_ends_with_the_trials_that_were_asked_for(tmp_path):
    pytest.importorskip("optuna")
    file, study = tmp_path / "sweep.yaml", StudyDir(tmp_path / "sweep")
    file.write_text(
        "method: bayes\nmetric: {name: val_accuracy, goal: maximize}\n"
        "parameters: {lr: {values: [0.003, 0.01, 0.03]}, seed: {values: [0, 1]}}\n"
    )
    words = ("sweep", "digits", "--sweep", str(file), "--trials", "5", "--jobs", "2")
    words = (*words, "--epochs", "4", "--no-prune", "--name", "sweep")

    first = command(tmp_path, *words)
    until(lambda: study.runs("done") and len(at_work(study)) == 2, 300)
    first.kill()
    first.communicate()
    until(lambda: not at_work(study))
    before = {run.path: run.manifest.stat().st_mtime_ns for _, run in study.runs("done")}
    points = [each.about["settings"] for each in study.plans()]

    said, _ = command(tmp_path, *words).communicate()
    assert "done before" in said
    assert claims(study) == []
    after = {run.path: run.manifest.stat().st_mtime_ns for _, run in study.runs("done")}
    assert len(after) == len(study.plans()) == 5
    tried = [each.about["settings"] for each in study.plans()]
    assert tried[: len(points)] == points
    assert len({str(each) for each in tried}) == 5
    best = json.loads(study.results.read_text())["best"]
    assert {path.name for path, seen in before.items() if after[path] != seen} <= {best}
