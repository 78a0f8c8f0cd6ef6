"""Images unlike the training ones get no label, in the same pass and with the same scores."""

import json
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from enginesthere import ENGINES
from PIL import Image
from smallruns import draw_photos, train
from tinybundles import one_label

import fieldmark
from fieldmark.errors import RunError, SettingsError, WeightsError
from fieldmark.judge.unlike import distances, unit
from fieldmark.models.bundle_info import BundleInfo, SetRow, Sets, Unlike
from fieldmark.models.known import read_known, watched, write_known
from fieldmark.records import InputSpec, Predictions, Samples
from fieldmark.use.abstention import Abstention, abstention
from fieldmark.use.ensemble import Joining, Member
from fieldmark.use.predictor import UNLIKE, UNSURE, Answering, Predictor
from fieldmark.use.sets import set_row, words
from fieldmark.use.table import write_table


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return draw_photos(tmp_path_factory.mktemp("drawn") / "photos", each=20)


@pytest.fixture(scope="module")
def run(photos, tmp_path_factory):
    return train(photos, tmp_path_factory.mktemp("a"), "run", epochs="3")


@pytest.fixture(scope="module")
def strange():
    """A picture that no photo is like: stripes from black to white."""
    pixels = np.zeros((16, 16, 3), np.uint8)
    pixels[::2] = 255
    return pixels


def test_a_picture_unlike_the_photos_has_no_label_and_keeps_its_score(run, photos, strange):
    plain = Predictor(run.path).predict(strange)
    for careful in (
        Predictor(run.path, Answering(unlike=True)),
        Predictor(run.path, Answering(abstain=0.5)),
    ):
        answer = careful.predict(strange)
        assert (answer.label, answer.labels, answer.reason) == (None, (), UNLIKE)
        assert (answer.score, answer.scores) == (plain.score, plain.scores)
        usual = careful.predict(photos)
        assert np.mean([each.reason == UNLIKE for each in usual]) < 0.1
    assert plain.label is not None


def test_an_image_that_keeps_its_label_says_that_it_is_unlike(run, photos, strange):
    plain = Predictor(run.path)
    answer = plain.predict(strange)
    assert (answer.is_unlike, answer.reason) == (True, "")
    assert np.mean([each.is_unlike for each in plain.predict(photos)]) < 0.1


def test_labels_are_given_though_what_tells_the_unlike_is_damaged(run, photos, tmp_path):
    bundle = shutil.copytree(run.path, tmp_path / "bundle")
    (bundle / "known.safetensors").write_bytes(b"other")
    plain = fieldmark.load(bundle)
    (line,) = plain.told
    assert line.endswith(
        "; copy the run again, or take the file away; until then nothing says which images are "
        "unlike"
    )
    assert not any(each.is_unlike for each in plain.predict(photos))


def test_looking_on_changes_no_score_and_leaves_no_hook(run, photos):
    plain, careful = Predictor(run.path), Predictor(run.path, Answering(unlike=True), batch_size=7)
    answers = plain.predict(photos), careful.predict(photos)
    for one, other in zip(*answers, strict=True):
        assert np.allclose([*one.scores.values()], [*other.scores.values()], atol=1e-6)
    network = careful._opened.network
    assert not any(module._forward_pre_hooks for module in network.modules())
    assert not any(module.training for module in network.modules())


def test_the_network_runs_once(run, strange):
    careful, calls = Predictor(run.path, Answering(unlike=True)), []
    careful._opened.network.register_forward_hook(lambda *_: calls.append(1))
    careful.predict(strange)
    assert calls == [1]


def test_a_prediction_is_as_far_as_the_table_of_the_run_says(run):
    table, samples = Predictions.read(run.predictions), Samples.read(run.samples)
    test = table.of_split("test")
    paths = [Path(samples.root, path) for path in test.frame["path"]]
    careful = Predictor(run.path, Answering(unlike=True))
    (batch,) = careful._opened.batches(paths, 64)
    _, far = careful._opened.look(careful._opened.together(batch), careful.check.far)
    assert far == pytest.approx(test.distances, abs=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_another_engine_measures_the_same_distance(run, photos, strange, engine):
    mine, its = (
        Predictor(run.path, Answering(unlike=True)),
        Predictor(run.path, Answering(unlike=True), engine=engine),
    )
    assert its.predict(strange).reason == UNLIKE
    reasons = [[each.reason for each in found.predict(photos / "red")] for found in (mine, its)]
    assert reasons[0] == reasons[1]


def test_the_words_of_captions_do_not_count(run):
    network, features = fieldmark.load(run.path)._opened.network.network, []

    def see(found):
        features.append(found)
        return found[:, 0]

    with watched(network, 0, see), torch.no_grad():
        network.eval()(torch.zeros(2, 3, 16, 16))
    with watched(network, 3, see), torch.no_grad():
        network(torch.zeros(2, 3, 16, 16))
    assert np.array_equal(features[0][:, :-3], features[1])


def copied(run, folder, *names):
    for name in names:
        shutil.copy(run.path / name, folder / name)
    return folder


def test_two_files_alone_still_predict_and_say_what_lacks(run, tmp_path, photos):
    bundle = copied(run, tmp_path, "model.json", "model.safetensors")
    assert fieldmark.load(bundle).predict(photos / "red")[0].reason == ""
    with pytest.raises(RunError) as told:
        fieldmark.load(bundle, unlike=True)
    assert str(told.value) == (
        f"{bundle}: lacks known.safetensors, by which images unlike the training ones are told; "
        "copy it from the run beside the other two files; leave --unlike out"
    )
    careful = fieldmark.load(bundle, abstain=0.3)
    assert careful.abstention.unlike is None
    assert careful.told == [
        f"{bundle}: lacks known.safetensors, by which images unlike the training ones are told; "
        "copy it from the run beside the other two files; so images are left out for their score "
        "alone"
    ]


def test_an_older_bundle_says_that_it_cannot_tell(run, tmp_path):
    bundle = copied(run, tmp_path, "model.json", "model.safetensors")
    values = json.loads((bundle / "model.json").read_text())
    older = {k: v for k, v in values.items() if k not in ("unlike", "sets")}
    (bundle / "model.json").write_text(json.dumps(older))
    with pytest.raises(RunError, match="does not say which images are unlike the training ones"):
        fieldmark.load(bundle, unlike=True)
    with pytest.raises(RunError, match="does not say which scores the truth had in validation"):
        fieldmark.load(bundle, sets=0.8)
    assert fieldmark.load(bundle, abstain=0.3).abstention.unlike is None


def test_features_of_another_model_or_damaged_ones_are_refused(run, tmp_path):
    bundle = copied(run, tmp_path, "model.json", "model.safetensors", "known.safetensors")
    write_known(bundle / "known.safetensors", np.ones((3, 4), np.float16))
    with pytest.raises(WeightsError, match=r"known.safetensors: does not belong to the model.json"):
        fieldmark.load(bundle, unlike=True)
    (bundle / "known.safetensors").write_bytes(b"nothing")
    with pytest.raises(WeightsError, match=r"known.safetensors: cannot be read \(.*; copy the run"):
        fieldmark.load(bundle, abstain=0.3)


def test_what_is_kept_is_float16_and_of_length_one(run):
    info = fieldmark.load(run.path).info
    kept = read_known(run.known, info.unlike.known_sha256)
    assert kept.dtype == np.float16
    assert np.linalg.norm(kept.astype(np.float32), axis=1) == pytest.approx(1, abs=2e-3)
    val = Predictions.read(run.predictions).of_split("val")
    assert info.unlike.images == len(val)
    assert info.unlike.distance in val.distances.tolist()
    assert info.unlike.answers[-1][1] == len(val) - info.unlike.flagged
    assert distances(unit(kept), kept).max() < 2


ANSWERS = ((0.99, 20, 19), (0.4, 100, 88))
KNOWN = Unlike(0.5, 3.0, 104, 4, "0" * 64, answers=((0.9, 38, 38), (0.4, 96, 88)))


def test_validation_is_counted_without_what_it_calls_unlike():
    info = BundleInfo("m", ("a", "b"), InputSpec("square:8", 8), answers=ANSWERS, unlike=KNOWN)
    found = abstention(info, 0.95, "r", KNOWN)
    assert found == Abstention(0.9, 96, 38, 38, unlike=4)
    assert found.words(14, 60, unlike=9) == (
        "14 of 60 images left without a label, 9 for being unlike the training images and 5 for a "
        "score below 0.9; of 100 validation images 4 would be unlike; of the others 38 would be "
        "labelled, 100.0 % (90.8 to 100.0 %) of them rightly (pictures of none of the classes may "
        "get a label all the same)"
    )


ROWS = (SetRow(0.5, 0.1, 1.0), SetRow(0.9, 0.7, 1.5), SetRow(0.95, 0.9, 2.25))


def test_the_set_of_an_image_is_its_likeliest_classes_and_none_where_it_is_unlike(
    run, photos, strange
):
    careful = fieldmark.load(run.path, sets=0.8, abstain=0.4)
    for answer in careful.predict(photos):
        if answer.reason == UNLIKE:
            continue
        order = sorted(answer.scores, key=lambda name: -answer.scores[name])
        bound = careful.set_row.bound
        inside = [name for name in order if 1 - answer.scores[name] <= bound] or order[:1]
        assert answer.set == tuple(inside)
        assert answer.reason == ("" if answer.label else UNSURE)
    assert careful.predict(strange).set == ()
    assert fieldmark.load(run.path).predict(strange).set == ()


def of_sets(groups=None, folds=None):
    sets = Sets(ROWS, 19, groups, folds)
    return BundleInfo("m", ("a", "b"), InputSpec("square:8", 8), sets=sets)


@pytest.mark.parametrize(
    ("level", "groups", "sentence"),
    [
        (1, None, "--sets: must be more than 0 and less than 1, not 1"),
        (90, None, "--sets: must be more than 0 and less than 1, not 90; did you mean 0.9?"),
        (0.96, None, "--sets 0.96: 19 validation images cannot promise that; ask for 0.95 or less"),
        (
            0.99, 7,
            "--sets 0.99: 7 groups of 19 validation images cannot promise that; ask for 0.95 or "
            "less",
        ),
    ],
)  # fmt: skip
def test_a_level_that_cannot_be_promised_is_refused(level, groups, sentence):
    with pytest.raises(SettingsError) as told:
        set_row(of_sets(groups), level, "r")
    assert str(told.value) == sentence


def test_sets_of_several_labels_are_refused():
    info = BundleInfo("m", ("a",), InputSpec("square:8", 8), task="multi-label")
    with pytest.raises(SettingsError, match=r"^--sets: is for one label an image"):
        set_row(info, 0.9, "r")


def test_the_closing_words_of_sets_say_what_they_rest_on():
    assert set_row(of_sets(), 0.8, "r") == ROWS[1]
    assert words(of_sets().sets, ROWS[1], 0.9, 1.4) == (
        "a set holds the truth of 90 % of images like those of validation, by 19 validation "
        "images; of 1.40 classes on average here, 1.50 there"
    )
    assert words(of_sets(7, 5).sets, ROWS[1], 0.9, 1.4) == (
        "a set holds the truth of 90 % of images like those of validation, by 7 groups of 19 "
        "validation images, counted by groups, each answered by a head that was trained without "
        "it; of 1.40 classes on average here, 1.50 there"
    )


def test_a_table_has_the_reason_and_the_set_in_each_form(run, photos, strange, tmp_path):
    careful = fieldmark.load(run.path, sets=0.9, unlike=True)
    answers = [careful.predict(strange), careful.predict(photos / "red" / "00.png")]
    for ending in ("csv", "jsonl", "parquet"):
        out = tmp_path / f"t.{ending}"
        write_table(out, answers, careful.classes, scores=False, reasons=True, sets=True)
    rows = (tmp_path / "t.csv").read_text().splitlines()
    assert rows[0] == "image,label,score,reason,set"
    assert rows[1] == f"image 1,,{answers[0].score:.6g},unlike the training images,"
    assert rows[2].endswith(f",,{'|'.join(answers[1].set)}")
    lines = [json.loads(line) for line in (tmp_path / "t.jsonl").read_text().splitlines()]
    assert lines[0]["set"] is None
    assert lines[1]["reason"] is None
    table = pl.read_parquet(tmp_path / "t.parquet")
    assert table.schema["reason"] == table.schema["set"] == pl.String
    assert table["reason"].to_list() == [UNLIKE, None]


@pytest.fixture(scope="module")
def ensembles(tmp_path_factory):
    """Models as one: two, one alone, and of one against the rest. -> their folders by name"""
    root = tmp_path_factory.mktemp("ensembles")
    found = {"two": root / "two", "alone": root / "alone", "rest": root / "rest"}
    for folder in found.values():
        for name in ("x", "y"):
            one_label(folder / "runs" / name)
    members = Member("runs/x"), Member("runs/y")
    Joining(("a", "b", "c"), members).write(found["two"])
    Joining(("a", "b", "c"), members[:1]).write(found["alone"])
    Joining(("a", "b", "c"), members, "one-vs-rest").write(found["rest"])
    return found


@pytest.mark.parametrize(
    ("asked", "name"),
    [({"abstain": 0.9}, "--abstain"), ({"unlike": True}, "--unlike"), ({"sets": 0.9}, "--sets")],
)
def test_what_goes_by_one_models_validation_is_refused_of_several(ensembles, asked, name):
    if name != "--abstain":
        with pytest.raises(SettingsError) as told:
            fieldmark.load(ensembles["two"], **asked)
        assert str(told.value) == (
            f"{name}: goes by the validation of one model, and these are 2; name one of them, such "
            f"as {ensembles['two'] / 'runs' / 'x'}, or leave it out"
        )
    with pytest.raises(SettingsError) as told:
        fieldmark.load(ensembles["rest"], **asked)
    assert str(told.value) == (
        f"{name}: goes by the validation of one model that knows all classes, and each of these "
        "knows one class; leave it out"
    )


def test_several_models_abstain_by_what_each_answered_of_its_own_validation(
    ensembles, strange, tmp_path
):
    two = tmp_path / "two"
    shutil.copytree(ensembles["two"], two)
    curves = {"x": [(0.9, 10, 10), (0.4, 20, 15)], "y": [(0.8, 5, 5), (0.3, 20, 12)]}
    for name, curve in curves.items():
        file = two / "runs" / name / "model.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), "answers": curve}))
    predictor = Predictor(two, Answering(abstain=0.95))
    assert predictor.info.answers == ((0.9, 10, 10), (0.8, 15, 15), (0.4, 25, 20), (0.3, 40, 27))
    assert predictor.predict(strange).reason == UNSURE
    assert predictor.abstention.words(1, 1) == (
        "1 of 1 image left without a label, for their score is below 0.8; of 40 answers of 2 "
        "models, each of its own validation, 15 would be labelled, 100.0 % (79.6 to 100.0 %) of "
        "them rightly (pictures of none of the classes may get a label all the same)"
    )
    with pytest.raises(RunError, match="does not say what was answered right in validation"):
        Predictor(ensembles["two"], Answering(abstain=0.95))


def test_a_study_whose_model_is_one_is_that_model(ensembles, strange):
    alone, its = ensembles["alone"], ensembles["alone"] / "runs" / "x"
    assert fieldmark.load(alone).predict(strange) == fieldmark.load(its).predict(strange)
    with pytest.raises(RunError, match=r"runs/x: does not say what was answered right"):
        fieldmark.load(alone, abstain=0.9)


def test_a_study_without_a_model_of_its_own_says_so(tmp_path):
    (tmp_path / "study.json").write_text("{}")
    with pytest.raises(RunError) as told:
        fieldmark.load(tmp_path, abstain=0.9)
    assert str(told.value) == (
        f"{tmp_path}: is a study without one model for all; name one of its runs, in "
        f"{tmp_path / 'runs'}"
    )


def test_a_picture_is_a_file_too(run, strange, tmp_path):
    Image.fromarray(strange).save(tmp_path / "a.png")
    assert fieldmark.load(run.path, unlike=True).predict(tmp_path / "a.png").reason == UNLIKE
