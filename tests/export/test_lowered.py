"""A file in fewer bits: made by the training, chosen on validation, and judged beside float32."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="needs onnx: pip install 'fieldmark[onnx]'")

from enginesthere import needs
from smallruns import draw_photos
from tinybundles import one_label

from fieldmark.data.images import seen as seen_by_network
from fieldmark.errors import RunError
from fieldmark.export import kept, onnx_file, parity
from fieldmark.export.exported import export
from fieldmark.export.formats import INT8, RECIPES, Asked
from fieldmark.export.lowered import images_of
from fieldmark.export.resizing import RESIZED
from fieldmark.export.whole import read_source
from fieldmark.records import Samples
from fieldmark.use.ensemble import Joining, Member

pytestmark = [needs("onnxruntime"), pytest.mark.usefixtures("quick")]
WORDS = (
    r"int8 per [a-z, ]+ beside float32, \d+ images of validation: (?P<seen>.+?)"
    r"(, at most [\d.]+ points worse)?; (?P<changed>\d+) images? \([\d.]+ %\) decided "
    r"otherwise; [\d.]+ MB, float32 [\d.]+; [\d.]+ ms an image, float32 [\d.]+ ms"
)


def graph(folder):
    return onnx.load(folder / "model.onnx")


def assert_resized_as_pillow_does(folder, spec):
    """In the file itself, whose network is in fewer bits, the resize is as it was."""
    whole = graph(folder)
    whole.graph.output.append(
        onnx.helper.make_tensor_value_info(RESIZED, onnx.TensorProto.UINT8, None)
    )
    image = np.random.default_rng(0).integers(0, 256, (30, 43, 3), np.uint8)
    found = onnx_file.runner_of(whole.SerializeToString())(image[None])[-1]
    assert np.array_equal(found[0], seen_by_network(image, spec, "drawn"))


def test_int8_is_smaller_says_what_it_keeps_and_was_never_shown_the_test(
    run, tmp_path, monkeypatch
):
    read, plain = [], parity.content_of
    monkeypatch.setattr(
        parity, "content_of", lambda root, path, row: read.append(path) or plain(root, path, row)
    )
    folder, seen = export(run.path, "onnx", tmp_path / "out", Asked(precision="int8"))
    samples = Samples.read(run.samples)
    split = dict(zip(samples.frame["path"], samples.frame["split"], strict=True))
    assert "test" in split.values()
    assert {split[path] for path in read} == {"train", "val"}
    assert re.fullmatch(WORDS, seen.words())
    assert seen.calibrating == min(100, len(samples.rows("train")) // 2)
    assert seen.images == len(samples.rows("val"))
    assert not seen.model_has_seen
    assert seen.tried.keys() == set(RECIPES[INT8])
    assert "QuantizeLinear" in {node.op_type for node in graph(folder).graph.node}
    assert_resized_as_pillow_does(folder, read_source(run.path).info.spec)
    inside = {each.key: json.loads(each.value) for each in graph(folder).metadata_props}
    told = json.loads((folder / "export.json").read_text())
    assert inside["precision"] == told["precision"] == "int8"
    names = told["beside_float32"]["changed"]  # of images, which the file itself does not have
    assert inside["beside_float32"] == {**told["beside_float32"], "changed": len(names)}
    assert told["beside_float32"]["changed"] == list(seen.changed)
    assert told["beside_float32"]["recipe"] == seen.recipe
    assert told["parity"]["images"] == len(samples.rows("val"))
    assert told["files"]["model.onnx"]["bytes"] == (folder / "model.onnx").stat().st_size


def test_float16_has_half_the_bytes_and_resizes_as_before(run, tmp_path):
    folder, seen = export(run.path, "onnx", tmp_path / "out", Asked(precision="float16"))
    assert seen.recipe == "halves"
    assert "float16 beside float32" in seen.words()
    assert seen.largest < 0.01
    weights = [each for each in graph(folder).graph.initializer if len(each.dims) == 4]
    assert weights
    assert {each.data_type for each in weights} == {onnx.TensorProto.FLOAT16}
    images = np.zeros((2, 30, 40, 3), np.uint8)
    assert [each.dtype for each in onnx_file.open_onnx(folder)(images)] == [np.float32] * 2
    assert_resized_as_pillow_does(folder, read_source(run.path).info.spec)


def test_models_that_answer_as_one_are_judged_on_images_that_some_were_trained_on(tmp_path):
    photos = draw_photos(tmp_path / "photos", each=6)
    names = sorted(str(path.relative_to(photos)) for path in photos.rglob("*.png"))
    table = Samples.from_columns(
        {
            "path": names,
            "labels": [[name.split("/")[0]] for name in names],
            "split": ["train", "val", "test"] * 6,
        },
        str(photos),
    )
    classes = ("blue", "green", "red")
    for name in ("one", "two"):
        table.write(one_label(tmp_path / "study" / name, classes) / "samples.parquet")
    Joining(classes, (Member("one"), Member("two"))).write(tmp_path / "study")
    asked = Asked(precision="int8", at_most_worse=100.0)
    folder, seen = export(tmp_path / "study", "onnx", None, asked)
    assert folder == tmp_path / "study" / "exports" / "onnx-int8"
    assert (seen.images, seen.calibrating, seen.model_has_seen) == (6, 3, True)
    assert "6 images of validation, which the model was trained on: " in seen.words()
    assert "QuantizeLinear" in {node.op_type for node in graph(folder).graph.node}
    both = np.zeros((2, 30, 40, 3), np.uint8)
    assert np.allclose(onnx_file.open_onnx(folder)(both)[0].sum(axis=1), 1)


def test_a_file_that_is_too_much_worse_is_refused_with_its_figures(run, tmp_path, monkeypatch):
    plain = onnx_file.ONNX.lower

    def blind(made, source, recipe, images):
        lowered_to = plain(made, source, recipe, images)
        for tensor in lowered_to.graph.initializer:
            if "classifier" in tensor.name or len(tensor.dims) == 2:
                tensor.raw_data = bytes(len(tensor.raw_data))
        return lowered_to

    monkeypatch.setattr(onnx_file, "ONNX", replace(onnx_file.ONNX, lower=blind))
    place = tmp_path / "exports" / "out"
    with pytest.raises(RunError) as told:
        export(run.path, "onnx", place, Asked(precision="int8"))
    said = str(told.value)
    start = f"{run.path}: a file in int8 would be worse by more than 1 points: "
    end = "; nothing was written; --at-most-worse takes more"
    assert said.startswith(start)
    assert said.endswith(end)
    words = re.fullmatch(WORDS, said.removeprefix(start).removesuffix(end))
    assert "points of accuracy less" in words["seen"]
    assert int(words["changed"]) > 0
    assert not place.parent.exists()
    folder, seen = export(run.path, "onnx", place, Asked(precision="int8", at_most_worse=100.0))
    assert seen.points_worse > 1
    assert folder == place


def test_where_folds_validated_no_image_is_both_calibrated_by_and_judged_on(tmp_path):
    photos = draw_photos(tmp_path / "photos", each=6)
    names = sorted(str(path.relative_to(photos)) for path in photos.rglob("*.png"))
    sides = ["test" if number % 6 == 5 else "train" for number in range(len(names))]
    table = Samples.from_columns(
        {"path": names, "labels": [[name.split("/")[0]] for name in names], "split": sides},
        str(photos),
    )
    folds = np.where(np.array(sides) == "train", np.arange(len(names)) % 3, -1)[None]
    bundle = one_label(tmp_path / "run", ("blue", "green", "red"))
    table.with_folds(folds).write(bundle / "samples.parquet")
    found = images_of(read_source(bundle), "int8")
    assert found.of == "validation by folds"
    both = {*found.calibrating, *found.judging}
    assert len(both) == len(found.calibrating) + len(found.judging) == 15
    assert {sides[row] for row in both} == {"train"}
    labels = [names[row].split("/")[0] for row in found.calibrating]
    assert len(labels) == 6
    assert {labels.count(name) for name in labels} == {2}


def test_a_run_without_images_for_both_is_told(tmp_path):
    bundle = one_label(tmp_path / "run", ("blue",))
    photos = draw_photos(tmp_path / "photos", each=1)
    table = {"path": ["blue/00.png"], "labels": [["blue"]], "split": ["train"]}
    Samples.from_columns(table, str(photos)).write(bundle / "samples.parquet")
    with pytest.raises(RunError) as told:
        images_of(read_source(bundle), "int8")
    assert str(told.value) == (
        f"{bundle}: has no images to make int8 by and others to judge it on; leave --precision out"
    )
    (bundle / "samples.parquet").unlink()
    with pytest.raises(RunError) as told:
        images_of(read_source(bundle), "int8")
    assert str(told.value) == (
        f"{bundle}: has no samples.parquet, which says what its validation was; "
        "leave --precision out; int8 is judged on them"
    )


def test_a_precision_that_a_network_cannot_have_is_one_sentence(run, tmp_path, monkeypatch):
    def fails(*_):
        raise ValueError("no such type\nand more")

    monkeypatch.setattr(onnx_file, "ONNX", replace(onnx_file.ONNX, lower=fails))
    with pytest.raises(RunError) as told:
        export(run.path, "onnx", tmp_path / "out", Asked(precision="float16"))
    assert str(told.value) == (
        f"{run.path}: small_cnn cannot be written in float16 (no such type); leave --precision out"
    )
    assert not list(tmp_path.iterdir())


def test_of_equal_figures_the_less_log_loss_is_chosen_then_fewer_bytes():
    def one(value, log_loss, size):
        return type("Kept", (), {"value": value, "log_loss": log_loss, "bytes": size})

    in_order = [one(0.8, 1.0, 1), one(0.9, 2.0, 1), one(0.9, 1.0, 9), one(0.9, 1.0, 1)]
    assert sorted(in_order, key=kept.goodness) == in_order


def test_on_the_way_to_fewer_bits_decisions_count_and_not_the_last_digits_of_scores(
    run, tmp_path, monkeypatch
):
    monkeypatch.setattr(parity, "FARTHEST", 0.0)
    with pytest.raises(RunError, match="decided alike, scores within"):
        export(run.path, "onnx", tmp_path / "out")
    _, seen = export(run.path, "onnx", tmp_path / "out", Asked(precision="float16"))
    assert seen.precision == "float16"
