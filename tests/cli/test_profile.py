"""`train --profile`: more is printed, and the run is the same."""

import json
import re

import pytest
from smallruns import draw_photos, same_results

from fieldmark.cli.main import run as fieldmark
from fieldmark.rundir import RunDir

FAST = (
    "model.width=4",
    "train.batch_size=16",
    "--epochs",
    "2",
    "augment=light",
    "augment.by=image",
)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return draw_photos(tmp_path_factory.mktemp("drawn") / "photos")


@pytest.fixture(scope="module")
def plain(photos, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs")
    words = ["train", str(photos), *FAST, "--workers", "0", "--out", str(out), "--name", "plain"]
    assert fieldmark(words) == 0
    return RunDir(out / "plain")


@pytest.mark.parametrize("workers", ["0", "1", "2"])
def test_a_run_is_the_same_with_and_without_it(photos, plain, tmp_path, capsys, workers):
    words = ["train", str(photos), *FAST, "--workers", workers, "--out", str(tmp_path)]
    assert fieldmark([*words, "--name", "told", "--profile"]) == 0
    assert same_results(RunDir(tmp_path / "told"), plain)
    said = capsys.readouterr().out
    assert re.search(r"^where the time went +seconds +share +images/s$", said, re.M)
    assert re.search(r"^  forward +\d+\.\d\d +\d+ % +[\d,]+$", said, re.M)
    how = "without workers" if workers == "0" else f"with {workers} workers?"
    assert re.search(
        rf"^the loader gives [\d,]+ images/s {how}; "
        r"the network takes [\d,]+ images/s$",
        said,
        re.M,
    )
    assert ("beside training, loader processes: reading" in said) == (workers != "0")
    assert re.search(r"^slowest layers of a forward pass of 16 images +\d+\.\d\d ms$", said, re.M)
    assert re.search(r"^  stage\d\.\d +Conv2d +\d+\.\d\d ms +\d+ %$", said, re.M)


def test_a_run_that_goes_on_can_be_told_of_too(photos, tmp_path, capsys):
    words = ["train", str(photos), *FAST, "--workers", "0", "--out", str(tmp_path)]
    assert (
        fieldmark([*words, "--name", "a", "train.stages=[{train: all, epochs: 1}, {train: all}]"])
        == 0
    )
    capsys.readouterr()
    assert fieldmark(["train", "--resume", str(tmp_path / "a"), "--epochs", "3", "--profile"]) == 0
    said = capsys.readouterr().out
    assert re.search(r"^stage 2: 3 epochs in \d+\.\d s, \d+\.\d\d s an epoch$", said, re.M)
    metrics = json.loads((tmp_path / "a" / "metrics.json").read_text())
    whole = re.search(r"^  all +(\d+\.\d\d)$", said, re.M)[1]
    assert float(whole) == pytest.approx(metrics["about"]["times"]["whole"], abs=0.006)


def test_a_run_without_times_is_told_as_such(photos, tmp_path, capsys):
    words = ["train", str(photos), *FAST, "--workers", "0", "--out", str(tmp_path), "--name", "a"]
    assert fieldmark(words) == 0
    metrics = tmp_path / "a" / "metrics.json"
    found = json.loads(metrics.read_text())
    del found["about"]["times"]
    metrics.write_text(json.dumps(found))
    capsys.readouterr()
    assert fieldmark(["train", "--resume", str(tmp_path / "a"), "--profile"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == (
        f"note: {tmp_path / 'a'}: was trained by a version that kept no times; train it anew"
    )


@pytest.mark.parametrize("other", ["--dry-run", "--find-lr"])
def test_it_goes_with_nothing_that_trains_nothing(capsys, other):
    assert fieldmark(["train", "digits", other, "--profile"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        f"fieldmark: --profile: does not go with {other}; leave one out"
    ]
