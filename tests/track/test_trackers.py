"""Trackers have each epoch once, whatever becomes of the run, and never harm it."""

import json
import sys
from contextlib import closing
from dataclasses import replace
from types import SimpleNamespace

import pytest
from smallruns import QUIET, in_process, resume, same_results, train
from trackedruns import (
    alone,
    begin_and_die,
    in_event_files,
    in_mlflow,
    in_wandb,
    resume_and_die,
    wanted,
)

from fieldmark.console import Console
from fieldmark.metrics_json import Figures, Metrics
from fieldmark.rundir import RunDir
from fieldmark.settings.tree import Settings, TrackSettings
from fieldmark.track import trackers
from fieldmark.track.tracked import end_of, parameters, row_of
from fieldmark.track.trackers import KINDS, Trackers, check_trackers, quiet
from fieldmark.track.wandb import mode

ROW = {"epoch": 1, "seconds": 0.5, "lr": 0.1, "train_loss": 2.0, "val_macro_f1": float("nan")}
METRICS = Metrics(classes=("a", "b"))


def to(*names):
    data = {"data": {"source": "photos"}, "track": TrackSettings(to=names)}
    return Settings(**data)


class Recording:
    """A tracker that keeps what it is told, and raises where it is told to."""

    place, raises, told = "here", "", []

    def __init__(self, subject):
        self.subject = subject
        self._note("start", subject.id)

    def log(self, rows):
        self._note("log", list(rows))

    def finish(self, end):
        self._note("finish", end)

    def close(self, *, whole):
        self._note("close", whole)

    def _note(self, call, what):
        type(self).told.append((call, what))
        if call == type(self).raises:
            raise OSError("no network")


@pytest.fixture
def fakes(monkeypatch):
    """Trackers of no package: 'wandb' may be told to raise, 'mlflow' never does."""
    kinds = {name: type(name, (Recording,), {"told": []}) for name in ("wandb", "mlflow")}
    monkeypatch.setitem(sys.modules, "fakes", SimpleNamespace(**kinds))
    monkeypatch.setattr(trackers, "KINDS", {name: ("fakes", name) for name in kinds})
    return kinds


def test_a_figure_is_named_by_its_side_and_nothing_undefined_is_sent():
    assert row_of(ROW) == (1, {"seconds": 0.5, "lr": 0.1, "train/loss": 2.0})


def test_parameters_are_plain_values_by_dotted_name():
    given = parameters(to("wandb"))
    assert given["data.source"] == "photos"
    assert given["track.to"] == '["wandb"]'
    assert given["run.name"] == "none"
    assert all(isinstance(value, bool | int | float | str) for value in given.values())


def test_the_end_has_the_figures_of_test_images_with_both_ends_of_their_intervals():
    values = {"accuracy": 0.75, "roc_auc": None}
    val = Figures(4, values, absent=("c",), no_guess=1, confusion=[[2, 0], [1, 1]])
    test = replace(val, intervals={"accuracy": (0.2, 0.9), "roc_auc": (None, None)})
    end = end_of(replace(METRICS, sides={"val": val, "test": test}), 7)
    assert end.values == {
        "test/n": 4,
        "test/unknown": 0,
        "test/no_guess": 1,
        "test/accuracy": 0.75,
        "test/accuracy_low": 0.2,
        "test/accuracy_high": 0.9,
    }
    assert end.epochs == 7
    assert "0.2000 to 0.9000" in end.words
    quarters = end.confusion[180::360, 180::360]
    assert quarters.shape == (2, 2, 3)
    assert (quarters[0, 1] == 255).all()  # nothing was taken for b
    assert quarters[0, 0].argmax() == 1  # teal
    assert quarters[1, 0].argmax() == 0  # rust


def test_a_run_without_test_and_validation_has_an_end_all_the_same():
    end = end_of(METRICS, 3)
    assert (end.values, end.confusion) == ({}, None)


def test_without_trackers_nothing_is_imported_and_nothing_written(tmp_path, monkeypatch):
    monkeypatch.setattr(trackers, "import_module", None)
    with closing(Trackers(RunDir(tmp_path), to(), QUIET)) as none:
        none.start()
        none.catch_up([ROW])
        none.finish({})
    assert not list(tmp_path.iterdir())


def test_a_tracker_that_is_not_installed_is_told_with_its_extra(tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()  # such as the folder 'wandb' that W&B leaves behind
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(KINDS, "elsewhere", ("fieldmark.runs.nowhere", "None"))
    (mistake,) = check_trackers(["elsewhere"])
    assert mistake.where == "track.to"
    assert "pip install 'fieldmark[elsewhere]'" in mistake.what


def test_of_a_tracker_that_there_is_not_nothing_is_said_of_how_to_install_it():
    assert check_trackers(["neptune"]) == []


def test_every_epoch_is_sent_once_and_the_end_once(tmp_path, fakes):
    with closing(Trackers(RunDir(tmp_path), to("mlflow"), QUIET)) as told:
        told.start()
        told.catch_up([])
        told.catch_up([ROW])
        told.catch_up([ROW, {**ROW, "epoch": 2}, {**ROW, "epoch": 3}])
        told.finish(METRICS)
    calls = fakes["mlflow"].told
    assert [call for call, _ in calls] == ["start", "log", "log", "log", "finish", "close"]
    assert [[epoch for epoch, _ in rows] for call, rows in calls if call == "log"] == [
        [],
        [1],
        [2, 3],
    ]
    assert calls[-1] == ("close", True)


def test_a_run_that_stops_early_is_closed_as_not_whole(tmp_path, fakes):
    with closing(Trackers(RunDir(tmp_path), to("mlflow"), QUIET)) as told:
        told.start()
        told.catch_up([ROW])
    assert fakes["mlflow"].told[-1] == ("close", False)


@pytest.mark.parametrize("call", ["start", "log", "finish", "close"])
def test_a_tracker_that_fails_is_told_once_and_the_others_go_on(tmp_path, fakes, call, capsys):
    fakes["wandb"].raises = call
    with closing(Trackers(RunDir(tmp_path), to("wandb", "mlflow"), Console())) as told:
        told.start()
        told.catch_up([ROW])
        told.catch_up([ROW, {**ROW, "epoch": 2}])
        told.finish(METRICS)
    said = capsys.readouterr().out
    assert said.count("note: wandb failed (OSError: no network)") == 1
    assert said.count("WANDB_MODE=offline") == 1
    assert [each for each, _ in fakes["wandb"].told].count(call) == 1
    others = [each for each, _ in fakes["mlflow"].told]
    assert others == ["start", "log", "log", "finish", "close"]


def test_a_run_keeps_its_name_among_trackers_until_it_is_another(tmp_path, fakes):
    for again in (False, False, True):
        if again:
            RunDir(tmp_path).rewind()
        with closing(Trackers(RunDir(tmp_path), to("wandb", "mlflow"), QUIET)) as told:
            told.start()
    first, second, third = [what for call, what in fakes["wandb"].told if call == "start"]
    assert first == second != third
    assert json.loads((tmp_path / "tracking.json").read_text()) == {"id": third}
    assert [what for call, what in fakes["mlflow"].told if call == "start"][-1] == third


def test_what_others_print_while_they_are_told_is_not_seen(tmp_path, fakes, capsys):
    fakes["mlflow"].log = lambda self, rows: print("look at me")
    with closing(Trackers(RunDir(tmp_path), to("mlflow"), QUIET)) as told:
        told.start()
        told.catch_up([ROW])
    assert capsys.readouterr().out == ""


def test_wandb_is_offline_unless_the_user_is_logged_in_or_chose(tmp_path, monkeypatch):
    for name in ("WANDB_MODE", "WANDB_API_KEY", "WANDB_IDENTITY_TOKEN_FILE", "WANDB_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert mode() == "offline"
    (tmp_path / "netrc").write_text("machine api.wandb.ai login user password none\n")
    assert mode() is None
    monkeypatch.setenv("WANDB_BASE_URL", "https://wandb.example.org")
    assert mode() == "offline"
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert mode() == "disabled"


def test_tensorboard_has_each_epoch_once_also_of_a_run_trained_further(
    photos, tmp_path, fakes, monkeypatch
):
    pytest.importorskip("accelerate")
    pytest.importorskip("tensorboard")
    monkeypatch.setattr(trackers, "is_installed", lambda package: True)  # 'wandb' is a fake
    trackers.KINDS["tensorboard"] = ("fieldmark.track.tensorboard", "ToTensorBoard")
    fakes["wandb"].raises = "log"
    words = ("track.to=tensorboard,wandb",)
    run = train(photos, tmp_path, "run", *words, epochs="2", page=True)
    assert run.log.read_text().count("wandb failed") == 1
    assert run.is_done
    assert same_results(run, train(photos, tmp_path, "plain", epochs="2"))
    sizes = run.read_manifest()["files"]
    assert "tracking.json" in sizes
    assert not any(name.startswith("tensorboard/") for name in sizes)
    resume(run, page=True, epochs="3")

    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(run.tensorboard)).Reload()
    names = found.Tags()["scalars"]
    points = [(name, each.step, each.value) for name in names for each in found.Scalars(name)]
    assert sorted(points) == sorted(in_event_files(run))
    assert once(points, run, epochs=3)
    assert {"settings/text_summary", "figures/text_summary"} <= set(found.Tags()["tensors"])
    assert found.Images("confusion")[0].width >= 720
    assert found.PluginTagToContent("hparams")


def test_a_tensorboard_folder_that_cannot_be_made_is_told_and_no_more(tmp_path, capsys):
    pytest.importorskip("accelerate")
    pytest.importorskip("tensorboard")
    (tmp_path / "tensorboard").write_text("a file")
    with closing(Trackers(RunDir(tmp_path), to("tensorboard"), Console())) as told:
        told.start()
        told.catch_up([ROW])
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("note: tensorboard failed (")


def once(points, run, epochs):
    """Whether (name, step, value) are each epoch's figures once, and the test's at the end."""
    found = {(name, step): value for name, step, value in points}
    test = run.read_metrics().sides["test"]
    end = {
        ("test/n", epochs): test.n,
        ("test/accuracy", epochs): test["accuracy"],
        ("test/accuracy_high", epochs): test.intervals["accuracy"][1],
    }
    sent = {key: value for key, value in found.items() if not key[0].startswith("test/")}
    return (
        len(points) == len(found)
        and sent == {key: pytest.approx(value) for key, value in wanted(run).items()}
        and {key: found[key] for key in end} == {k: pytest.approx(v) for k, v in end.items()}
    )


@pytest.mark.slow  # three packages that take seconds to import, in four processes
def test_every_tracker_has_each_epoch_once_whenever_the_run_is_killed(
    photos, tmp_path, monkeypatch
):
    for package in ("accelerate", "tensorboard", "wandb", "mlflow"):
        pytest.importorskip(package)
    env = alone(tmp_path)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    words = ("track.to=tensorboard,wandb,mlflow", "track.project=ours", "track.group=all")
    run = RunDir(tmp_path / "runs" / "run")
    # the second epoch in the checkpoint, and in no tracker
    point = "fieldmark.track.trackers:Trackers.catch_up"
    killed = (point, 3, photos, tmp_path / "runs", "run", words)
    assert in_process(begin_and_die, env, *killed) == -9
    # the third one not in MLflow, but in the others
    point = "fieldmark.track.mlflow:ToMlflow.log"
    assert in_process(resume_and_die, env, point, 2, run) == -9
    with monkeypatch.context() as patch:
        patch.delattr(RunDir, "write_manifest")  # all is sent, but the run is not done
        with pytest.raises(AttributeError):
            resume(run, page=True)
    for epochs in (3, 4):  # gone on with, then trained further
        resume(run, page=True, epochs=str(epochs))
        assert " failed (" not in run.log.read_text()
        _each_has_all(run, epochs)
    assert same_results(run, _untracked(photos, tmp_path))


def _untracked(photos, tmp_path):
    run = train(photos, tmp_path, "plain")
    return resume(run, epochs="4")


def _each_has_all(run, epochs):
    """Each epoch once, the final figures at the last one, settings, picture and files."""
    assert once(in_event_files(run), run, epochs)
    assert once(_mlflow_points(run, epochs), run, epochs)
    _wandb_has_all(run, run.read_metrics().sides["test"])


def _mlflow_points(run, epochs):
    found, points = in_mlflow(run, "ours")
    assert (found.info.status, found.info.run_name) == ("FINISHED", "run")
    assert found.data.tags["fieldmark.group"] == "all"
    assert found.data.params["train.epochs"] == "3"  # MLflow holds on to it,
    assert found.data.tags.get("train.epochs") == {3: None, 4: "4"}[epochs]  # and is told here
    stored = run.path.parent / "mlartifacts" / found.info.run_id / "artifacts"
    assert (stored / "confusion.png").is_file()
    names = {path.name for path in (stored / "run").rglob("*")}
    assert {"model.safetensors", "report.html", "history.csv"} <= names
    assert not names & {"checkpoint", "state.safetensors", "tensorboard", "wandb"}
    return points


def _wandb_has_all(run, test):
    every = in_wandb(run)
    (begun,) = [each.run for each in every if each.HasField("run")]
    assert (begun.project, begun.display_name, begun.run_group) == ("ours", "run", "all")
    given = {item.key: json.loads(item.value_json) for item in begun.config.update}
    assert given["model.width"] == 4
    rows = [
        {i.nested_key[0]: json.loads(i.value_json) for i in each.history.item} for each in every
    ]
    found = {(name, row["_step"]): row[name] for row in rows if row for name in row}
    assert len([row for row in rows if row]) == len({row["_step"] for row in rows if row})
    sent = {key: value for key, value in found.items() if not key[0].startswith("_")}
    assert sent == {key: pytest.approx(value) for key, value in wanted(run).items()}
    summary = {
        item.key or item.nested_key[0]: json.loads(item.value_json)
        for each in every
        for item in each.summary.update
    }
    assert summary["test/accuracy"] == pytest.approx(test["accuracy"])
    assert {"confusion", "report", "test/accuracy_low"} <= summary.keys()
    (artifact,) = [each.artifact for each in every if each.HasField("artifact")]
    names = {each.path for each in artifact.manifest.contents}
    assert {"model.safetensors", "report.html", "history.csv"} <= names
    assert not [name for name in names if name.startswith(("checkpoint", "tensorboard", "wandb"))]


@pytest.mark.slow
def test_what_the_user_has_of_wandb_and_mlflow_stays_as_it_is(tmp_path, monkeypatch, fakes):
    wandb, mlflow = pytest.importorskip("wandb"), pytest.importorskip("mlflow")
    for name, value in alone(tmp_path).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(trackers, "KINDS", KINDS)
    chosen = f"sqlite:///{tmp_path / 'chosen.db'}"
    theirs = wandb.init(project="theirs", dir=tmp_path, settings=wandb.Settings(silent=True))
    run = RunDir(tmp_path / "runs" / "run")
    run.path.mkdir(parents=True)
    with quiet():
        mlflow.set_tracking_uri(chosen)
        with closing(Trackers(run, to("wandb", "mlflow"), Console())) as told:
            told.start()
            told.catch_up([ROW])
        assert mlflow.get_tracking_uri() == chosen
        (found,) = mlflow.search_runs(experiment_names=["fieldmark"], output_format="list")
        mlflow.set_tracking_uri(None)
    assert found.info.status == "KILLED"
    assert found.data.metrics["train/loss"] == ROW["train_loss"]
    assert not (tmp_path / "runs" / "mlflow.db").exists()
    assert wandb.run is theirs
    theirs.log({"a": 1})
    theirs.finish()
    assert not in_wandb(run)[-1].HasField("artifact")


@pytest.mark.slow
@pytest.mark.parametrize("chosen", ["online", "disabled"])
def test_wandb_is_kept_offline_where_no_server_answers(tmp_path, monkeypatch, chosen):
    pytest.importorskip("wandb").teardown()  # it reads the environment once a process
    nowhere = {"WANDB_BASE_URL": "http://127.0.0.1:9", "WANDB_API_KEY": 40 * "a"}
    for name, value in {**alone(tmp_path), **nowhere, "WANDB_MODE": chosen}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("fieldmark.track.wandb.REACHED_IN", 1.0)
    with closing(Trackers(RunDir(tmp_path), to("wandb"), QUIET)) as told:
        told.start()
        told.catch_up([ROW])
        assert "wandb" in told._working
    sys.modules["wandb"].teardown()
    kept = list((tmp_path / "wandb").glob("offline-run-*/run-*.wandb"))
    assert len(kept) == (chosen == "online")
