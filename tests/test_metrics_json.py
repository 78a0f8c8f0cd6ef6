"""metrics.json as a record: it comes back as it was written, also an older one, or is refused."""

import json
import re
from dataclasses import replace

import pytest
from report.conftest import calibrated, figures_of

from fieldmark.errors import RunError
from fieldmark.metrics_json import About, AtHalf, Calibration, Change, Flipped, Metrics, read

CLASSES = ("cat", "dog")
TEST, VAL = calibrated(figures_of(CLASSES, test=True)), figures_of(CLASSES, test=False)
CHANGE = Change({"log_loss": 0.5, "ece": None}, {"log_loss": 0.4, "ece": 0.1})
WHOLE = Metrics(
    classes=CLASSES,
    sides={"val": VAL, "test": TEST},
    calibration=Calibration(1.5, n=20, sides={"val": CHANGE}),
    by={"site": {"north": replace(VAL, confusion=None, within_group=True)}},
    test_flip=Flipped(0.9, {"test": TEST}),
    about=About(seed=0, whole=False, ending="stopped", times={"whole": 2.0}),
)


SEVERAL = replace(
    VAL,
    task="multi-label",
    confusion=None,
    answers=None,
    cooccurrence=[[7, 2], [2, 5]],
    at_half=AtHalf({"micro_f1": 0.5}, {"cat": {"f1": 0.4}, "dog": {"f1": None}}),
    per_class={
        name: replace(its, threshold=0.25, positives=9) for name, its in VAL.per_class.items()
    },
)
LABELS = Metrics(task="multi-label", classes=CLASSES, sides={"test": SEVERAL})


@pytest.mark.parametrize("metrics", [Metrics(), WHOLE, LABELS])
def test_it_comes_back_as_it_was_written(tmp_path, metrics):
    metrics.write(tmp_path / "metrics.json")
    assert read(tmp_path / "metrics.json") == metrics


def test_metrics_stand_by_name_beside_the_number_of_images():
    found = WHOLE.to_json()
    assert found["test"]["accuracy"] == TEST["accuracy"]
    assert found["test"]["n"] == 20
    assert found["test"]["intervals"]["accuracy"] == [0.8, 0.96]
    assert found["test"]["per_class"]["cat"]["recall"] == 0.9
    assert found["calibration"]["val"]["after"]["ece"] == 0.1
    assert found["test_flip"]["test"]["macro_f1"] == 0.9
    assert found["about"] == {
        "seed": 0,
        "whole": False,
        "ending": "stopped",
        "command": "",
        "times": {"whole": 2.0},
    }
    assert "intervals" not in found["val"]
    assert "confusion" not in found["by"]["site"]["north"]


def test_figures_at_a_half_stand_under_their_number_and_thresholds_with_the_classes():
    found = LABELS.to_json()["test"]
    assert found["at_0.5"] == {
        "micro_f1": 0.5,
        "per_class": {"cat": {"f1": 0.4}, "dog": {"f1": None}},
    }
    assert (found["per_class"]["cat"]["threshold"], found["cooccurrence"][0]) == (0.25, [7, 2])
    assert "at_0.5" not in WHOLE.to_json()["test"]


def test_a_file_of_an_older_or_a_newer_version_is_read(tmp_path):
    about = {"seed": 1, "a_new_entry": 5}
    text = json.dumps({"classes": ["a"], "test": {"n": 3, "accuracy": 0.5}, "about": about})
    (tmp_path / "metrics.json").write_text(text)
    found = read(tmp_path / "metrics.json")
    assert (found.sides["test"].n, found.sides["test"]["accuracy"]) == (3, 0.5)
    assert found.sides["test"]["ece"] is None
    assert found.about.seed == 1


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"n": "many"}, "test.n"),
        ({"accuracy": "x"}, "test.accuracy"),
        ({"intervals": {"accuracy": [1]}}, "test.intervals.accuracy.1"),
        ({"per_class": {"cat": {}}}, "test.per_class.cat.support"),
        ({"at_0.5": {"micro_f1": "x"}}, "test.at_0.5.micro_f1"),
    ],
)
def test_a_damaged_file_is_refused_with_the_place(tmp_path, change, where):
    path = tmp_path / "metrics.json"
    path.write_text(json.dumps({"test": {"n": 3, **change}}))
    with pytest.raises(RunError, match=rf"^{re.escape(str(path))}: is damaged \('{where}': .*; ."):
        read(path)
