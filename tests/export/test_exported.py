"""A trained model as a file: it answers as the model does, or it is not there."""

import errno
import io
import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="needs onnx: pip install 'fieldmark[onnx]'")

from enginesthere import needs
from smallruns import draw_photos
from tinybundles import one_label, several_labels

import fieldmark
from fieldmark.console import Console
from fieldmark.data.images import unresized
from fieldmark.errors import DiskError, RunError, WeightsError
from fieldmark.export import exported, onnx_file, whole
from fieldmark.export.exported import export
from fieldmark.export.folder import without_names, write_about, written
from fieldmark.export.formats import FORMATS, INSIDE, Asked
from fieldmark.export.parity import differing
from fieldmark.use.ensemble import Joining, Member

pytestmark = [needs("onnxruntime"), pytest.mark.usefixtures("quick")]


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return draw_photos(tmp_path_factory.mktemp("drawn") / "photos", each=4, side=23)


def asked(photos, **more):
    return Asked(images=(str(photos),), **more)


def metadata(folder):
    props = onnx.load(folder / "model.onnx").metadata_props
    return {each.key: json.loads(each.value) for each in props}


def nothing_in(folder):
    return not folder.exists() or list(folder.iterdir()) == []


def test_a_runs_file_is_held_to_its_validation_and_says_what_it_is(run):
    folder, parity = export(run.path, "onnx")
    assert folder == run.path / "exports" / "onnx"
    assert (parity.of, parity.differ, parity.unread) == ("validation", (), 0)
    assert parity.images == run.read_metrics().sides["val"].n
    assert parity.largest < 1e-5
    told = json.loads((folder / "export.json").read_text())
    assert told["parity"]["images"] == parity.images
    assert told["files"]["model.onnx"]["bytes"] == (folder / "model.onnx").stat().st_size
    inside = metadata(folder)
    assert inside["name"] == told["name"] == "run"
    assert inside["classes"] == ["blue", "green", "red"]
    assert (inside["exporter"], inside["resizes"]) == ("torchscript", True)
    assert inside["outputs"] == ["scores", "logits"]
    figures = run.read_metrics().sides["val"]
    assert inside["figures"]["val"]["values"]["accuracy"] == figures["accuracy"]
    kept = {name: list(both) for name, both in figures.intervals.items()}
    assert inside["figures"]["val"]["intervals"] == kept
    assert inside["versions"].keys() >= {"fieldmark", "torch", "onnx", "onnxruntime"}
    assert "drift" not in inside


@pytest.mark.parametrize(
    ("to", "way"), [("onnx", "dynamo"), ("onnx", "torchscript"), ("torch", INSIDE)]
)
def test_a_file_names_no_folder_of_the_machine_that_made_it(tmp_path, to, way):
    source, maker = exported.read_source(one_label(tmp_path / "run")), FORMATS[to].maker()
    maker.save(maker.make(source, way, False), {}, tmp_path)
    [file] = tmp_path.glob("model.*")
    content = file.read_bytes()
    assert os.fsencode(Path(onnx_file.__file__).parent) not in content
    assert b".py" not in content


def test_how_far_off_predict_is_that_computes_in_bf16_is_told(tmp_path, photos, monkeypatch):
    monkeypatch.setattr("fieldmark.models.precision.has_fast_bf16", lambda: True)
    bundle, out = one_label(tmp_path / "run"), io.StringIO()
    info = json.loads((bundle / "model.json").read_text())
    (bundle / "model.json").write_text(json.dumps({**info, "precision": "bf16"}))
    folder, parity = export(bundle, "onnx", None, asked(photos), console=Console(stream=out))
    own, files = (
        np.array([list(each.scores.values()) for each in fieldmark.load(place).predict(photos)])
        for place in (bundle, folder)
    )
    precision, largest = parity.predicts
    assert precision == "bf16"
    assert largest == pytest.approx(np.abs(own - files).max(), rel=0.01)
    assert largest > 10 * parity.largest
    alike, other = out.getvalue().splitlines()
    assert "), both in float32; " in alike
    assert other == (
        f"`fieldmark predict {bundle}` computes in bf16 here, so its scores are up to "
        f"{largest:.2g}, on these images, off those of the file, which "
        f"`fieldmark predict {folder}` gives; a run that is trained with --precision float32 "
        "gives the same by both"
    )


def test_of_a_bundle_in_float32_nothing_is_told_of_predict(tmp_path, photos):
    out = io.StringIO()
    _, parity = export(
        *(one_label(tmp_path / "run"), "onnx", None, asked(photos)), console=Console(stream=out)
    )
    assert parity.predicts is None
    assert len(out.getvalue().splitlines()) == 1


def test_several_labels_are_decided_by_their_thresholds(tmp_path, photos):
    bundle = several_labels(tmp_path / "run", photos)
    folder, parity = export(bundle, "onnx", None, asked(photos))
    assert parity.holds
    assert parity.images == 12
    thresholds = json.loads((bundle / "model.json").read_text())["thresholds"]
    assert metadata(folder)["thresholds"] == thresholds


def test_images_of_a_batch_and_of_any_size_have_scores_logits_and_an_embedding(tmp_path, photos):
    folder, _ = export(
        one_label(tmp_path / "run"), "onnx", tmp_path / "out", asked(photos, embedding=True)
    )
    run, images = onnx_file.open_onnx(folder), np.zeros((3, 40, 30, 3), np.uint8)
    scores, logits, embedding = run(images)
    assert scores.shape == logits.shape == (3, 3)
    assert np.allclose(scores.sum(axis=1), 1)
    assert embedding.shape[0] == 3
    assert embedding.ndim == 2


def test_a_file_that_decides_otherwise_is_refused_by_the_names_of_images(
    tmp_path, photos, monkeypatch
):
    bundle = one_label(tmp_path / "run")
    scores = whole.Whole._scores
    monkeypatch.setattr(whole.Whole, "_scores", lambda s, logits, t: scores(s, -logits, t))
    with pytest.raises(RunError) as told:
        export(bundle, "onnx", None, asked(photos))
    said = str(told.value)
    assert said.startswith(
        f"{bundle}: the exported file does not answer as the model does: 12 images of those named: "
        "12 images decided otherwise, scores within "
    )
    assert f"({photos / 'blue' / '00.png'}" in said
    assert said.endswith("9 more); nothing was written; --accept-drift writes it all the same")
    assert nothing_in(bundle / "exports")
    folder, parity = export(bundle, "onnx", None, asked(photos, accept_drift=True))
    drift = metadata(folder)["drift"]
    named = json.loads((folder / "export.json").read_text())["drift"]
    assert len(named["differ"]) == 12
    assert drift == {**named, "differ": 12}  # no names of images in what others get
    assert drift["images"] == 12
    assert drift["largest"] == parity.largest


def test_scores_that_are_far_off_are_refused_where_all_decisions_are_alike(
    tmp_path, photos, monkeypatch
):
    scores = whole.Whole._scores
    monkeypatch.setattr(whole.Whole, "_scores", lambda s, logits, t: scores(s, logits, 2 * t))
    with pytest.raises(RunError, match="12 images of those named: decided alike, scores within 0"):
        export(one_label(tmp_path / "run"), "onnx", None, asked(photos))


def test_where_one_exporter_fails_the_other_is_taken_and_told(tmp_path, photos, monkeypatch):
    form = replace(FORMATS["onnx"], ways=("dynamo", "torchscript"))
    monkeypatch.setitem(FORMATS, "onnx", form)

    def fails(*_):
        raise ValueError("no such operator\nand more")

    written = onnx_file._written_by

    def by_the_other(exporter, *parts):
        return fails() if exporter == "dynamo" else written(exporter, *parts)

    monkeypatch.setattr(onnx_file, "_written_by", by_the_other)
    bundle = one_label(tmp_path / "run")
    folder, _ = export(bundle, "onnx", None, asked(photos))
    assert metadata(folder)["exporter"] == "torchscript"
    monkeypatch.setattr(onnx_file, "_written_by", fails)
    with pytest.raises(RunError) as told:
        export(bundle, "onnx", tmp_path / "other", asked(photos))
    assert str(told.value) == (
        f"{bundle}: small_cnn cannot be written as ONNX by torch's exporter 'dynamo' "
        "(no such operator)"
    )
    assert [each.name for each in tmp_path.iterdir()] == ["run"]


def test_models_that_answer_as_one_are_one_file(tmp_path, photos):
    for name in ("a", "b"):
        one_label(tmp_path / "study" / name)
    classes = ("a", "b", "c")
    Joining(classes, (Member("a"), Member("b"))).write(tmp_path / "study")
    _, parity = export(tmp_path / "study", "onnx", None, asked(photos))
    assert parity.holds
    shutil.rmtree(tmp_path / "study" / "exports")
    info = json.loads((tmp_path / "study" / "b" / "model.json").read_text())
    info["spec"] |= {"stored": "square:24", "size": 24}
    (tmp_path / "study" / "b" / "model.json").write_text(json.dumps(info))
    with pytest.raises(RunError) as told:
        export(tmp_path / "study", "onnx", None, asked(photos))
    assert str(told.value) == (
        f"{tmp_path / 'study'}: its models see images in 2 ways (square:16 and 16 px; square:24 "
        f"and 24 px), and an exported file resizes once; name one of them, such as "
        f"{tmp_path / 'study' / 'a'}"
    )


def test_a_damaged_run_is_told_and_leaves_nothing(tmp_path, photos):
    bundle = one_label(tmp_path / "run")
    weights = (bundle / "model.safetensors").read_bytes()
    (bundle / "model.safetensors").write_bytes(weights[:-8])
    with pytest.raises(WeightsError, match=r"model\.safetensors: "):
        export(bundle, "onnx", None, asked(photos))
    (bundle / "model.safetensors").unlink()
    with pytest.raises(WeightsError, match="there is no such file; copy the bundle again"):
        export(bundle, "onnx", None, asked(photos))
    (bundle / "model.json").unlink()
    with pytest.raises(RunError, match=r"holds no trained model \(model.json\)"):
        export(bundle, "onnx", None, asked(photos))
    assert nothing_in(bundle / "exports")


def test_images_to_hold_a_file_to_are_asked_for_where_there_are_none(tmp_path, run):
    bundle = one_label(tmp_path / "run")
    how = "name images to hold the file to: --images DIR"
    with pytest.raises(RunError) as told:
        export(bundle, "onnx")
    said = f"{bundle}: has no samples.parquet, which says what its validation was; {how}"
    assert str(told.value) == said
    moved = shutil.copytree(run.path, tmp_path / "moved")
    photos = run.path.parent / "photos"
    photos.rename(tmp_path / "elsewhere")
    try:
        with pytest.raises(RunError) as told:
            export(moved, "onnx", tmp_path / "out")
    finally:
        (tmp_path / "elsewhere").rename(photos)
    assert str(photos) in str(told.value)
    assert str(told.value).endswith(f"put them back, or {how}")


def test_a_model_that_reads_captions_is_refused(tmp_path, photos):
    bundle = one_label(tmp_path / "run")
    info = json.loads((bundle / "model.json").read_text())
    info["spec"]["words"] = 64
    (bundle / "model.json").write_text(json.dumps(info))
    with pytest.raises(RunError) as told:
        export(bundle, "onnx", None, asked(photos))
    assert str(told.value) == (
        f"{bundle}: reads captions, and an exported file takes images alone; train a model "
        "without model.captions"
    )


def test_a_full_disk_is_one_sentence_and_leaves_nothing(tmp_path, photos, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(onnx_file.onnx, "save", full)
    bundle = one_label(tmp_path / "run")
    with pytest.raises(DiskError) as told:
        export(bundle, "onnx", None, asked(photos))
    place = bundle / "exports" / "onnx"
    assert str(told.value) == f"{place}: the disk is full; free some space and try again"
    assert nothing_in(place.parent)


def test_a_place_that_cannot_be_written_is_told(tmp_path, photos):
    bundle = one_label(tmp_path / "run")
    place = bundle / "model.json" / "out"
    with pytest.raises(DiskError) as told:
        export(bundle, "onnx", place, asked(photos))
    assert str(told.value) == (
        f"{place}: cannot be written (Not a directory); choose another place"
    )


KILLED = """
import os, pathlib, signal, sys
from fieldmark.export.folder import written

with written(pathlib.Path(sys.argv[1])) as folder:
    (folder / "half").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_export_left_is_taken_away_by_the_next(tmp_path):
    place = tmp_path / "out"
    assert subprocess.run([sys.executable, "-c", KILLED, place]).returncode == -signal.SIGKILL
    [left] = tmp_path.iterdir()
    assert left.name.endswith(".part")
    with written(place) as folder:
        (folder / "whole").write_text("whole")
        write_about(folder, {})
    assert [each.name for each in tmp_path.iterdir()] == ["out"]
    assert sorted(each.name for each in place.iterdir()) == ["export.json", "whole"]
    assert json.loads((place / "export.json").read_text())["files"].keys() == {"whole"}


def test_a_folder_is_replaced_only_when_the_new_one_is_whole(tmp_path):
    place = tmp_path / "out"
    for number in (1, 2):
        with written(place) as folder:
            write_about(folder, {"number": number})
    with pytest.raises(RunError), written(place):
        raise RunError("no")
    assert json.loads((place / "export.json").read_text())["number"] == 2
    assert [each.name for each in tmp_path.iterdir()] == ["out"]


def test_a_tie_is_named_as_one():
    scores = np.array([[0.5, 0.4999, 0.0001], [0.9, 0.1, 0.0]])
    its = np.array([[0.4998, 0.5001, 0.0001], [0.1, 0.9, 0.0]])
    info = type("Info", (), {"task": "single-label", "thresholds": None, "classes": ("a",)})
    differ, ties = differing(its, scores, info)
    assert differ.tolist() == [True, True]
    assert ties.tolist() == [True, False]


def test_nothing_that_an_exporter_says_reaches_the_screen(tmp_path, photos, capfd):
    export(one_label(tmp_path / "run"), "onnx", None, asked(photos))
    assert capfd.readouterr() == ("", "")


def test_the_file_sees_what_is_decoded_as_in_training(tmp_path, photos):
    bundle = one_label(tmp_path / "run")
    folder, _ = export(bundle, "onnx", None, asked(photos))
    photo = photos / "red" / "00.png"
    info = exported.read_source(bundle).info
    [scores, *_] = onnx_file.open_onnx(folder)(
        unresized(photo.read_bytes(), info.spec, "red")[None]
    )
    import fieldmark

    [answer] = fieldmark.load(bundle).predict([photo])
    wanted = [answer.scores[name] for name in info.classes]
    assert np.allclose(scores[0], wanted, atol=1e-5)


def test_what_others_get_names_no_image_and_no_folder():
    drift = {"images": 9, "differ": ["me/a.jpg"], "largest": 0.1}
    about = {"to": "onnx", "model": {"weights": "/home/me/w.pth"}, "drift": drift}
    assert without_names(about) == {
        "to": "onnx",
        "model": {"weights": "w.pth"},
        "drift": {"images": 9, "differ": 1, "largest": 0.1},
    }
