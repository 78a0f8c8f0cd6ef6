"""Exports looked through by onnxruntime, as runs are by torch."""

import dataclasses
import json

import numpy as np
import pytest
from PIL import Image
from tinybundles import one_label, several_labels
from tinyexports import SIDE, mean_colours

import fieldmark
from fieldmark.cli.main import run as fieldmark_command
from fieldmark.errors import RunError, SettingsError, WeightsError
from fieldmark.machine import INSTALL
from fieldmark.models.known import write_known
from fieldmark.use.asked import holds_model, info_of_any
from fieldmark.use.exported_info import metadata
from fieldmark.use.info import info_of
from fieldmark.use.predictor import UNLIKE

COLOURS = {"red": (200, 10, 20), "green": (0, 150, 30), "blue": (5, 15, 90)}
SIZES = {"red": (40, 30), "green": (9, 33), "blue": (64, 64)}


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    return mean_colours(tmp_path_factory.mktemp("exports") / "e", temperature=0.5)


@pytest.fixture
def photos(tmp_path):
    for name, colour in COLOURS.items():
        Image.new("RGB", SIZES[name], colour).save(tmp_path / f"{name}.png")
    (tmp_path / "broken.png").touch()
    return tmp_path


def expected(colour, temperature=0.5):
    powers = np.exp(np.array(colour) / 255 / temperature)
    return powers / powers.sum()


def test_images_of_unequal_sizes_have_the_scores_of_the_logits_at_the_temperature(export, photos):
    predictor = fieldmark.load(export)
    with pytest.warns(UserWarning, match=r"1 of 4 images got no answer; the first: .*is empty"):
        found = {each.image: each for each in predictor.predict(photos)}
    for name, colour in COLOURS.items():
        answer = found[str(photos / f"{name}.png")]
        assert answer.label == name
        assert list(answer.scores.values()) == pytest.approx(expected(colour), abs=1e-5)
    assert predictor.predict(np.full((5, 7, 3), COLOURS["blue"], np.uint8)).label == "blue"


def test_the_onnx_file_alone_is_an_export_and_says_what_it_is_for(export, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    alone = tmp_path / "moved.onnx"
    alone.write_bytes((export / "model.onnx").read_bytes())
    session = onnxruntime.InferenceSession(str(alone))
    assert metadata(alone) == session.get_modelmeta().custom_metadata_map
    assert info_of_any(alone) == info_of_any(export)
    assert info_of_any(alone).temperature == 0.5
    assert holds_model(alone)
    assert holds_model(export)
    assert fieldmark.load(alone).classes == ("red", "green", "blue")


def test_abstaining_goes_by_the_answers_that_the_file_has(tmp_path, photos):
    answers = ((0.55, 10, 10), (0.1, 20, 12))
    export = mean_colours(tmp_path / "e", temperature=0.5, answers=answers)
    labels = [each.label for each in _readable(export, photos, abstain=0.95)]
    sure = [bool(expected(COLOURS[name]).max() >= 0.55) for name in ("blue", "green", "red")]
    assert [label is not None for label in labels] == sure
    assert len(set(sure)) == 2  # there is one of each


def _readable(export, photos, **how):
    (photos / "broken.png").unlink(missing_ok=True)
    return fieldmark.load(export, **how).predict([photos / f"{n}.png" for n in sorted(COLOURS)])


def test_images_unlike_the_training_are_told_by_the_embedding_and_the_file_beside(tmp_path, photos):
    known = np.array([COLOURS["red"]]) / np.linalg.norm(COLOURS["red"])
    sha256 = write_known(tmp_path / "known.safetensors", known.astype(np.float16))
    unlike = {"distance": 0.5, "entropy": None, "images": 40, "flagged": 1, "known_sha256": sha256}
    export = mean_colours(tmp_path / "e", embedding=True, unlike=unlike)
    with pytest.raises(RunError, match=r"/e: lacks known.safetensors, by which images unlike"):
        _readable(export, photos, unlike=True)
    (tmp_path / "known.safetensors").rename(export / "known.safetensors")
    found = _readable(export, photos, unlike=True)
    assert [each.reason for each in found] == [UNLIKE, UNLIKE, ""]
    bare = mean_colours(tmp_path / "bare", unlike=unlike)
    with pytest.raises(RunError) as caught:
        fieldmark.load(bare, unlike=True)
    assert str(caught.value) == (
        f"{bare}: has no output 'embedding', by which images unlike the training ones are told; "
        "export it with --embedding, or name the run; leave --unlike out"
    )


def test_several_labels_go_by_their_thresholds(tmp_path, photos):
    thresholds = {"red": 0.68, "green": 0.5, "blue": 0.9}
    export = mean_colours(tmp_path / "e", task="multi-label", thresholds=thresholds)
    assert [each.labels for each in _readable(export, photos)] == [
        ("green",),
        ("green",),
        ("red", "green"),
    ]


def test_the_command_predicts_by_an_export_and_says_what_one_cannot_do(
    export, photos, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    words = ["predict", str(export), str(photos), "--out", "t.csv", "--sort-into", "sorted"]
    assert fieldmark_command(words) == 1
    assert capsys.readouterr().err == (
        f"fieldmark: {photos}/broken.png: is empty (0 bytes); copy it anew or take it out\n"
        "fieldmark: 1 file had no answer\n"
        "note: sorted: 4 pictures copied, 1 to 'blue', 1 to 'no answer', 1 to 'green', 1 to "
        "'red'\n"
    )
    which = f"{export} is an export, which"
    assert fieldmark_command([*words, "--overwrite", "--device", "cuda"]) == 2
    assert fieldmark_command([*words, "--overwrite", "--engine", "openvino"]) == 2
    assert fieldmark_command(["explain", str(export), str(photos)]) == 2
    assert fieldmark_command(["evaluate", str(export), str(photos)]) == 2
    assert fieldmark_command([*words, "--overwrite", "--only", "x", "--abstain", "0.9"]) == 2
    told = capsys.readouterr().err.splitlines()
    assert told[:4] == [
        f"fieldmark: --device cuda: {which} is computed on the processor; leave it out, or name "
        "the run",
        f"fieldmark: --engine openvino: {which} onnxruntime computes; leave it out, or name the "
        "run",
        f"fieldmark: {export}: is an export, and this needs the network itself; name the run",
        f"fieldmark: {export}: is an export, and this needs the run itself; name the run's folder",
    ]


def test_files_that_are_no_whole_export_are_refused_in_a_sentence(export, tmp_path):
    content = (export / "model.onnx").read_bytes()
    torn = tmp_path / "torn.onnx"
    torn.write_bytes(content[: len(content) - 3])
    with pytest.raises(WeightsError) as caught:
        fieldmark.load(torn)
    assert str(caught.value) == (
        f"{torn}: cannot be read as ONNX (it ends in the middle); copy the export again"
    )
    other = tmp_path / "other.onnx"
    other.write_bytes(content[: content.index(b"\x72")])  # without its metadata
    with pytest.raises((RunError, WeightsError)):
        fieldmark.load(other)
    text = tmp_path / "text.onnx"
    text.write_text("no model")
    with pytest.raises(WeightsError, match=r"text.onnx: cannot be read as ONNX \("):
        fieldmark.load(text)
    empty = tmp_path / "empty.onnx"
    empty.touch()
    with pytest.raises(RunError, match=r"empty.onnx: is no export of Fieldmark \(nothing in it"):
        fieldmark.load(empty)
    page = tmp_path / "page"
    page.mkdir()
    (page / "export.json").write_text(json.dumps({"to": "page"}))
    with pytest.raises(RunError) as caught:
        fieldmark.load(page)
    assert str(caught.value) == (
        f"{page}: is an export as page, and pictures are looked at by one as onnx; name that, or "
        "the run"
    )


def test_an_export_that_was_taken_though_it_drifts_says_so(tmp_path):
    drift = {"images": 200, "differ": 2, "largest": 0.123}
    export = mean_colours(tmp_path / "e", drift=drift)
    assert fieldmark.load(export).told == [
        f"{export}/model.onnx: decides otherwise than its run on 2 of 200 images, with scores up "
        "to 0.12 off"
    ]


def test_a_file_that_does_not_resize_is_given_the_size_of_the_network(tmp_path, photos):
    export = mean_colours(tmp_path / "e", resizes=False)
    predictor, seen = fieldmark.load(export), []
    run = predictor._opened.run
    opened = dataclasses.replace(
        predictor._opened, run=lambda image, names: seen.append(image.shape) or run(image, names)
    )
    predictor._opened = opened
    assert predictor.predict(photos / "green.png").label == "green"
    assert seen == [(1, SIDE, SIDE, 3)]


def test_without_onnxruntime_it_is_told_what_to_install(export, monkeypatch):
    monkeypatch.setattr("fieldmark.use.exported.is_installed", lambda name: False)
    with pytest.raises(SettingsError) as caught:
        fieldmark.load(export)
    assert str(caught.value) == (
        f"{export}: is an export, which 'onnxruntime' computes, and that is not installed; install "
        f"it with: {INSTALL} onnxruntime"
    )


@pytest.mark.slow
@pytest.mark.parametrize("several", [False, True])
def test_an_export_answers_as_its_bundle_does(tmp_path, photos, several):
    pytest.importorskip("onnxscript")
    from fieldmark.export.exported import export
    from fieldmark.export.formats import Asked

    (photos / "broken.png").unlink()
    names = [photos / f"{name}.png" for name in sorted(COLOURS)]
    make = several_labels if several else one_label
    run = make(tmp_path / "run", *[names] * several)
    folder, _ = export(run, "onnx", tmp_path / "e", Asked(images=(str(photos),)))
    assert info_of_any(folder) == info_of(run)
    wanted, found = (fieldmark.load(each).predict(names) for each in (run, folder))
    for one, other in zip(wanted, found, strict=True):
        assert (one.image, one.label, one.labels) == (other.image, other.label, other.labels)
        assert dataclasses.astuple(one)[2] == pytest.approx(other.score, abs=1e-3)
