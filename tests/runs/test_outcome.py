"""What a run keeps of itself at its end: figures, where its time went, and a report to redraw."""

import re
import shutil
import signal
import time
from dataclasses import replace

import pytest
from smallruns import in_process, resume, train, train_and_die

from fieldmark.errors import RunError
from fieldmark.fit.checkpoint import Checkpoints
from fieldmark.metrics_json import About
from fieldmark.records import Predictions
from fieldmark.report.page import report
from fieldmark.report.timing import parts_of
from fieldmark.rundir import RunDir
from fieldmark.track.trackers import KINDS

PAUSE = 0.02  # seconds
WORDS = ("augment=light", "augment.by=image", "train.checkpoint_minutes=1e-9")


def test_a_report_is_drawn_again_from_the_folder_alone(unbroken, tmp_path):
    shutil.copytree(unbroken.path, tmp_path / "whole")
    run = RunDir(tmp_path / "whole")
    drawn = run.report.read_text()
    run.report.unlink()
    (run.path / "model.safetensors").unlink()
    report(run)
    assert run.report.read_text() == drawn
    kept = run.read_metrics()
    run.metrics.unlink()  # figures that were left out are made from the tables
    report(run)
    assert run.read_metrics() == replace(kept, about=About())


def test_a_report_of_a_stopped_run_is_drawn_again_without_its_test(unbroken, tmp_path):
    shutil.copytree(unbroken.path, tmp_path / "whole")
    run = RunDir(tmp_path / "whole")
    kept = run.read_metrics()
    stopped = replace(kept.about, whole=False, ending="stopped after epoch 2 of 5")
    replace(kept, sides={"val": kept.sides["val"]}, about=stopped).write(run.metrics)
    Predictions.read(run.predictions).of_split("val").frame.write_parquet(run.predictions)
    report(run)
    text = run.report.read_text()
    assert "Stopped after epoch 2 of 5.</strong> The test images have not been looked at." in text


def test_without_predictions_there_is_no_report(unbroken, tmp_path):
    run = RunDir(tmp_path)
    sentence = (
        f"{tmp_path}: has no predictions yet; go on with it: fieldmark train --resume {tmp_path}"
    )
    with pytest.raises(RunError, match=f"^{re.escape(sentence)}$"):
        report(run)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_run_tells_its_parts_and_they_add_up(photos, tmp_path, workers):
    run = train(photos, tmp_path, "run", *WORDS, f"run.workers={workers}")
    times = run.read_metrics().about.times
    place = "workers_" if workers else ""
    names = {"decoding", "waiting", "forward", "backward", "validation", "writing"}
    names |= {"preparing", "predicting", "figures"}
    assert set(times) == {*names, "whole", f"{place}reading", f"{place}augmenting"}
    assert all(times[name] > 0 for name in names - {"decoding"})  # the cache may have them
    assert times[f"{place}augmenting"] > 0
    assert sum(seconds for _, seconds in parts_of(times)) == pytest.approx(times["whole"])
    assert "forward" not in run.history.read_text()


def test_what_trackers_take_is_a_part(photos, tmp_path, monkeypatch):
    monkeypatch.setattr("fieldmark.track.trackers.is_installed", lambda package: True)
    monkeypatch.setitem(KINDS, "mlflow", (__name__, "Slow"))
    run = train(photos, tmp_path, "run", "track.to=mlflow", epochs="2")
    times = run.read_metrics().about.times
    assert times["trackers"] >= 3 * PAUSE  # the start and two epochs
    assert ("trackers", times["trackers"]) in parts_of(times)


class Slow:
    """A tracker that takes its time."""

    place = "nowhere"

    def __init__(self, subject):
        time.sleep(PAUSE)

    def log(self, rows):
        time.sleep(PAUSE * len(rows))

    def finish(self, end):
        pass

    def close(self, *, whole):
        pass


def test_a_head_on_features_has_parts_of_its_own(photos, weights, tmp_path):
    run = train(photos, tmp_path, "run", *weights, freeze=True)
    times = run.read_metrics().about.times
    assert set(times) == {
        "preparing",
        "decoding",
        "embedding",
        "heads",
        "writing",
        "predicting",
        "figures",
        "whole",
    }
    assert sum(times.values()) <= 2 * times["whole"] + 0.01


@pytest.mark.slow
def test_the_times_of_a_killed_run_are_kept(photos, tmp_path):
    code = in_process(
        train_and_die, "fieldmark.fit.loop:step", 7, photos, tmp_path, "killed", WORDS
    )
    assert code == -signal.SIGKILL
    run = RunDir(tmp_path / "killed")
    before = Checkpoints(run.checkpoint).read()["times"]
    assert before["forward"] > 0
    assert before["augmenting"] > 0
    after = resume(run).read_metrics().about.times
    assert all(after[name] >= round(seconds, 3) for name, seconds in before.items())
    assert all(after[name] > before[name] for name in ("forward", "backward", "whole"))
