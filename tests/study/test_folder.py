"""What a study's folder says of its runs."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import create_model
from smallruns import QUIET, SMALL

from fieldmark.console import Console
from fieldmark.data.intake import take_in
from fieldmark.errors import DataError, RunError, SettingsError
from fieldmark.runs.concrete import gather
from fieldmark.settings import layers
from fieldmark.settings.layers import Layer, read
from fieldmark.settings.tree import Settings, TrainSettings
from fieldmark.study import asked as asking
from fieldmark.study import folder, ovr_answers
from fieldmark.study import planned as planning
from fieldmark.study.asked import asked, refuse_of_one_run, with_absolute_paths
from fieldmark.study.folder import StudyDir, open_study
from fieldmark.study.planned import Planned, files_of, planned, without_defaults
from fieldmark.study.prune import Rule
from fieldmark.study.work import do


@pytest.fixture
def resolved(photos, tmp_path):
    return gather(str(photos), SMALL, {"out": str(tmp_path), "epochs": "1"}, new=False)


def test_a_run_is_named_by_its_settings_and_images_and_not_by_its_place(resolved):
    def named(about, data, **run):
        settings = resolved.settings
        settings = settings.model_copy(update={"run": settings.run.model_copy(update=run)})
        return planned(replace(resolved, settings=settings), about, data).name

    one = named({"fold": 1}, "a")
    assert one.startswith("fold-1-")
    assert named({"fold": 1}, "a", out="elsewhere", name="x", tag="y") == one
    assert named({"fold": 1}, "a", device="cuda:7", workers=3, threads=2) == one
    others = [named({"fold": 1}, "b"), named({"fold": 1}, "a", seed=1)]
    assert len({one, *others}) == 3


def test_a_setting_that_a_later_version_adds_is_no_part_of_what_decides(
    photos, tmp_path, study_of, planned_only, monkeypatch
):
    before = study_of(photos, tmp_path, name=None)
    later = create_model("Later", __base__=TrainSettings, made_up=(int, 3))
    tree = create_model("Tree", __base__=Settings, train=(later, later()))
    for module in (layers, asking, planning, folder):
        monkeypatch.setattr(module, "Settings", tree)
    again = study_of(photos, tmp_path, name=None)
    assert again.path == before.path
    assert [each.resolved.settings.train.made_up for each in again.plans()] == [3, 3, 3]


def test_what_decides_no_result_may_be_said_otherwise(photos, tmp_path, study_of, planned_only):
    pytest.importorskip("tensorboard")
    study = study_of(photos, tmp_path, name=None)
    done, left, _ = (each.name for each in study.plans())
    study.run(done).path.mkdir()
    study.run(done).manifest.touch()
    words = ("run.device=cpu", "run.threads=2", "track.to=tensorboard")
    again = study_of(photos, tmp_path, *words, name=None)
    assert again.path == study.path
    runs = {each.name: each.resolved.settings for each in again.plans()}
    assert [each.name for each in study.plans()] == list(runs)
    assert (runs[left].run.device, runs[left].run.threads) == ("cpu", 2)
    assert runs[left].track.to == ("tensorboard",)
    assert runs[done].run.device == "auto"
    assert again.question["settings"]["run"]["device"] == "cpu"


def test_a_folder_that_was_taken_away_is_forgotten(photos, tmp_path, study_of, planned_only):
    study = study_of(photos, tmp_path)
    study.read_data("fold-1-1")
    shutil.rmtree(study.path)
    other = study_of(photos, tmp_path, "train.epochs=5", "data.val_fraction=0.4")
    assert other.path == study.path
    assert {each.resolved.settings.train.epochs for each in other.plans()} == {5}
    frame = other.read_data("fold-1-1").samples.frame
    assert len(frame.filter(split="val")) > 0.3 * len(frame.filter(split="train"))


def test_a_file_of_weights_that_was_replaced_is_told(photos, tmp_path, study_of, planned_only):
    weights = tmp_path / "weights.safetensors"
    weights.write_bytes(b"one")
    word = f"model.weights={weights}"
    study = study_of(photos, tmp_path, word)
    assert len(study_of(photos, tmp_path, word).plans()) == 3
    weights.write_bytes(b"two")
    told = (
        f"{weights}: is not the file that it was when the study began; put it back, or choose "
        "another --name"
    )
    with pytest.raises(DataError) as caught:
        study_of(photos, tmp_path, word)
    assert str(caught.value) == told
    first = study.plans()[0]
    assert do(study, first, QUIET)
    assert study.failures() == [(first, told)]
    assert {each.name for each in study.plans()}.isdisjoint(
        each.name for each in study_of(photos, tmp_path, word, name="other").plans()
    )


def test_files_of_two_networks_are_found_from_anywhere(photos, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a.pth", "b.pth"):
        Path(name).write_bytes(name.encode())
    words = ("model.name=resnet18+mobilenet_v2", "model.weights=a.pth+b.pth", "model.freeze=true")
    found = with_absolute_paths(gather(str(photos), words, {}, new=False)).settings
    assert found.model.weights == f"{tmp_path / 'a.pth'}+{tmp_path / 'b.pth'}"
    assert list(files_of(found)) == [str(tmp_path / "a.pth"), str(tmp_path / "b.pth")]


def test_a_plan_of_another_version_is_told(photos, tmp_path, study_of, planned_only):
    study = study_of(photos, tmp_path)
    for path in (study.path / "plans" / f"{study.plans()[0].name}.json", study.path / "study.json"):
        kept = json.loads(path.read_text())
        kept["settings"]["train"]["gone"] = 1
        path.write_text(json.dumps(kept))
        with pytest.raises(RunError) as told:
            _ = study.plans(), study.settings
        assert str(told.value) == (
            f"{path}: has settings that this version of Fieldmark has not; go on with the version "
            "that began the study"
        )
        path.unlink()


def test_options_that_a_later_version_adds_are_no_part_of_a_question():
    assert without_defaults(ovr_answers.Asked(folds=3, take=0.2)) == {"take": 0.2}
    rule = Rule("median", "accuracy", more_is_better=True)
    assert list(without_defaults(rule)) == ["type", "metric", "more_is_better"]
    assert Rule(**without_defaults(rule)) == rule


def test_plans_are_read_back_in_the_order_of_planning(resolved, tmp_path):
    study = StudyDir(tmp_path / "s")
    study.prepare()
    runs = [planned(resolved, {"fold": number}, f"d{number}") for number in (3, 1, 2)]
    study.plan(runs)
    study.plan(runs[:1])  # is there already
    assert study.plans() == runs
    assert Planned.from_json(runs[0].to_json()) == runs[0]


def test_what_planning_left_that_was_killed_is_not_planned(resolved, tmp_path):
    study = StudyDir(tmp_path / "s")
    study.prepare()
    study.plan([planned(resolved, {"fold": 1}, "d")])
    study.forget_plans()
    assert study.plans() == []


def test_a_run_whose_process_dies_three_times_has_failed(resolved, tmp_path):
    study = StudyDir(tmp_path / "s")
    study.prepare()
    study.plan([planned(resolved, {"fold": 1}, "d")])
    (each,) = study.plans()
    assert study.state(each.name) == "planned"
    assert [study.note_crash(each.name, "killed", 3) for _ in range(2)] == [1, 2]
    assert study.state(each.name) == "planned"
    study.note_crash(each.name, "killed", 3)
    assert study.state(each.name) == "failed"
    assert study.end(each.name) == {"crashes": 3, "reason": "killed", "state": "failed"}


def test_images_are_read_back_with_their_folds(resolved, tmp_path):
    study, data = StudyDir(tmp_path / "s"), take_in(resolved.settings.data, QUIET)
    study.prepare()
    study.keep_data("all", data)
    back = study.read_data("all")
    assert back.samples.frame.equals(data.samples.frame)
    assert back.in_folds.samples.folds.tolist() == data.in_folds.samples.folds.tolist()


def test_the_same_question_has_the_same_folder_and_another_one_is_refused(resolved, tmp_path):
    def study(name=None, **options):
        run = resolved.settings.run.model_copy(update={"name": name})
        settings = resolved.settings.model_copy(update={"run": run})
        asking = replace(resolved, settings=settings)
        return asked("grid", asking, options, "fieldmark grid", lambda *_: [], QUIET)

    assert study(over=1).path == study(over=1).path != study(over=2).path
    named = study("mine", over=1)
    assert named.path == tmp_path / "mine"
    with pytest.raises(RunError) as told:
        study("mine", over=2)
    assert str(told.value) == (
        f"{tmp_path / 'mine'}: asks something else ('over'), as its 'fieldmark grid' says; choose "
        "another --name"
    )
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "photo.jpg").touch()
    with pytest.raises(RunError) as told:
        study("other", over=1)
    assert str(told.value) == (
        f"{tmp_path / 'other'}: exists already and is no study; choose another --name"
    )


def test_a_study_goes_on_with_the_images_that_it_began_with(
    photos, tmp_path, study_of, planned_only
):
    copied = tmp_path / "copied"
    copied.mkdir()
    for place in photos.iterdir():
        (copied / place.name).mkdir()
        for file in place.iterdir():
            (copied / place.name / file.name).write_bytes(file.read_bytes())
    study = study_of(copied, tmp_path)
    (copied / "red" / "00.png").write_bytes((copied / "red" / "01.png").read_bytes())
    with pytest.raises(DataError) as told:
        study_of(copied, tmp_path)
    assert str(told.value).endswith(
        "1 images changed or vanished since the study began ('red/00.png' is one); put them back, "
        "or choose another --name"
    )
    assert len(study.plans()) == 3


def test_what_is_no_study_is_told(tmp_path):
    with pytest.raises(RunError) as told:
        open_study(tmp_path)
    assert str(told.value) == (
        f"{tmp_path}: is no study (it has no study.json); name a study's folder"
    )
    with pytest.raises(RunError) as told:
        open_study(tmp_path / "none")
    assert str(told.value) == f"{tmp_path / 'none'}: there is no such folder; name a study's"


def test_a_failed_run_is_tried_again_when_the_command_is_but_not_a_loss_that_ran_away(
    photos, tmp_path, study_of, planned_only, capsys
):
    study = study_of(photos, tmp_path)
    one, other, third = (each.name for each in study.plans())
    study.note_end(one, "failed", "the weights are damaged")
    study.note_end(other, "failed", "the loss is nan", final=True)
    study.note_end(third, "pruned", "behind")
    study_of(photos, tmp_path)
    assert [study.state(name) for name in (one, other, third)] == ["planned", "failed", "pruned"]


def test_a_study_goes_on_only_with_the_labels_that_it_began_with(
    photos, tmp_path, study_of, planned_only
):
    rows = [f"{path.relative_to(photos)},{path.parent.name}" for path in photos.glob("*/*.png")]
    table = tmp_path / "labels.csv"
    table.write_text("\n".join(["image,label", *rows]))
    study_of(table, tmp_path, f"data.images={photos}")
    study_of(table, tmp_path, f"data.images={photos}")
    table.write_text("\n".join(["image,label", *rows[:-1], rows[-1].replace(",", ",not-")]))
    with pytest.raises(DataError) as told:
        study_of(table, tmp_path, f"data.images={photos}")
    assert str(told.value) == (
        f"{table}: there are other images or labels than when the study began; put them back, or "
        "choose another --name"
    )


def test_a_tag_is_in_the_name_of_a_study_that_is_given_none(
    photos, tmp_path, study_of, planned_only
):
    plain, tagged = (study_of(photos, tmp_path, *word, name=None) for word in ((), ("run.tag=x",)))
    assert tagged.name == plain.name.replace("cross-validate-", "cross-validate-x-")


def test_a_recipes_names_of_runs_are_said_to_be_of_single_runs(photos, tmp_path, capsys):
    given = Layer("recipe r", {"run.naming": "{model}"})
    resolved = read([given, Layer("command line", {"data.source": str(photos)})])
    refuse_of_one_run(resolved, Console())
    assert capsys.readouterr().out == (
        "note: run.naming of recipe r is for single runs; those of a study have names of their "
        "own\n"
    )


def test_what_is_for_one_run_is_refused(photos, tmp_path, study_of):
    words = ("budget.target=accuracy=0.9", "run.naming={model}", "run.name=a/../b")
    with pytest.raises(SettingsError) as told:
        study_of(photos, tmp_path, *words)
    assert str(told.value).splitlines() == [
        "--target: is for one run; the figures of a study stand on its page; leave it out",
        "--name: 'a/../b' is no plain folder name; use --out beside it",
        "run.naming: names single runs; those of a study have names of their own; leave it out",
    ]
