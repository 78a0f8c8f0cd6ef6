"""Networks that read captions: whole runs on images that say nothing, whose captions say all."""

import csv
import json

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from smallruns import QUIET, history, in_process, resume, same_results, train, train_and_die

import fieldmark
from fieldmark.data.words import counted
from fieldmark.errors import DataError, RunError, SettingsError
from fieldmark.export.pth import export
from fieldmark.models.bundle import load
from fieldmark.models.catalog import MODELS
from fieldmark.models.joined import Joined
from fieldmark.records import Predictions
from fieldmark.reviews.evaluate import evaluate_new
from fieldmark.reviews.evaluated import Asked
from fieldmark.rundir import RunDir
from fieldmark.runs.concrete import gather
from fieldmark.runs.run import train_run
from fieldmark.settings.data import DataSettings

SIDE, EACH = 16, 20
WORDS = {"cat": ("a cat on a mat", "the cat sleeps", "one sleepy cat"), "dog": ("a dog runs",)}
READS = "model.captions=true"


def draw(folder, *, seed=0, change=None):
    """A table of noise whose captions alone tell the classes apart. -> its path

    change: of a row before it is written.
    """
    draws = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    with (folder / "table.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["ImageID", "Label", "Split", "Caption"])
        for place in range(2 * EACH):
            name, label = f"{place:02}.png", ("cat", "dog")[place % 2]
            pixels = draws.integers(0, 256, size=(SIDE, SIDE, 3))
            Image.fromarray(pixels.astype(np.uint8)).save(folder / name)
            of_label = WORDS[label]
            split = ("train", "train", "val", "test")[place // 2 % 4]
            row = [name, label, split, of_label[place // 2 % len(of_label)]]
            writer.writerow(row if change is None else change(row))
    return folder / "table.csv"


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return draw(tmp_path_factory.mktemp("captioned") / "photos")


@pytest.fixture(scope="module")
def resnet(tmp_path_factory):
    """The words for a network with random weights of its own, whose head alone is trained."""
    torch.manual_seed(0)
    file = tmp_path_factory.mktemp("weights") / "resnet.safetensors"
    save_file(MODELS.build("timm/test_resnet", {}, 5).state_dict(), file)
    return ("model.name=timm/test_resnet", f"model.weights={file}", "run.workers=0")


def run_of(table, out, name, *words):
    return train_run(gather(str(table), words, {"out": str(out), "name": name}), QUIET, "a test")


@pytest.fixture(scope="module")
def frozen(table, resnet, tmp_path_factory):
    out = tmp_path_factory.mktemp("frozen")
    return run_of(table, out, "run", *resnet, "model.freeze=true", READS)


def test_labels_that_only_captions_tell_are_learned_with_them_and_not_without(
    table, resnet, frozen, tmp_path
):
    alone = run_of(table, tmp_path, "alone", *resnet, "model.freeze=true")
    assert frozen.read_metrics().sides["test"]["accuracy"] == 1
    assert alone.read_metrics().sides["test"]["accuracy"] < 0.9


def test_the_network_learns_them_from_epochs_on_images_too(table, tmp_path):
    run = train(table, tmp_path, "run", READS, "mix.name=mixup", epochs="6")
    assert run.read_metrics().sides["test"]["accuracy"] == 1


def test_captions_of_the_test_change_nothing_that_is_trained(table, resnet, frozen, tmp_path):
    def change(row):
        return [*row[:3], "quite another text"] if row[2] == "test" else row

    other = draw(tmp_path / "photos", change=change)
    run = run_of(other, tmp_path, "run", *resnet, "model.freeze=true", READS)
    weights = [(each.path / "model.safetensors").read_bytes() for each in (run, frozen)]
    assert weights[0] == weights[1]
    assert history(run).equals(history(frozen))
    idf = load(run.path)[0].network.words.idf
    buckets = counted(["quite another text"], len(idf))[0] > 0
    assert not idf[torch.from_numpy(buckets)].any()


def test_a_prediction_is_what_the_run_measured(table, frozen):
    own = Predictions.read(frozen.predictions)
    predictor = fieldmark.load(frozen.path)
    answers = {answer.image: answer for answer in predictor.predict(str(table))}
    scores = own.scores(predictor.info.temperature)
    for path, row in zip(own.frame["path"], scores, strict=True):
        found = [answers[path].scores[name] for name in own.classes]
        np.testing.assert_allclose(found, row, atol=1e-5)
    assert predictor.told == []


def test_an_evaluation_is_what_the_run_measured(table, frozen):
    metrics = evaluate_new(str(frozen.path), DataSettings(source=str(table)), Asked(), QUIET)
    assert metrics.sides["test"]["accuracy"] == 1


def test_without_captions_nothing_is_predicted(table, frozen):
    with pytest.raises(DataError) as caught:
        fieldmark.load(frozen.path).predict(str(table.parent / "00.png"))
    assert str(caught.value) == (
        "predict: this model reads the caption of each image too, and none has one; name a table "
        "with a column 'Caption' beside that of the images"
    )


def test_images_without_a_caption_are_counted_and_answered_by_the_picture(frozen, tmp_path):
    def change(row):
        return [*row[:3], ""] if row[0] in ("00.png", "01.png") else row

    predictor = fieldmark.load(frozen.path)
    answers = predictor.predict(str(draw(tmp_path / "photos", change=change)))
    assert len(answers) == 2 * EACH
    assert predictor.told == [
        "2 of 40 images have no caption, so that the picture alone decides there"
    ]


def test_data_without_captions_are_refused_with_the_other_mistakes(photos):
    with pytest.raises(SettingsError) as caught:
        train(photos, photos.parent, "none", READS, "train.lookahead=9999", "train.ema=null")
    assert [each.what for each in caught.value.mistakes] == [
        "no training image has a caption; name a table with a column 'Caption', or leave it out",
        "9999 is more than the 9 steps of the run, so nothing would be learned; take a smaller "
        "one, or a smaller --batch-size",
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        ("head.name=mlp", "features.solver=epochs"),
        ("head.name=mlp", "features.views=2", "augment.name=light"),
        ("head.name=after",),
        ("model.mirror=true",),
        ("head.pool=mean+max", "data.val=none"),
        ("head.dropout=0.5", "features.solver=epochs"),
    ],
    ids=lambda words: words[0],
)
def test_other_ways_to_a_head_read_captions_too(table, resnet, tmp_path, words):
    run = run_of(table, tmp_path, "run", *resnet, "model.freeze=true", READS, *words)
    assert run.read_metrics().sides["test"]["accuracy"] == 1
    assert isinstance(load(run.path)[0].network, Joined)


@pytest.mark.slow
def test_more_of_the_network_is_trained_after_the_head(table, resnet, tmp_path):
    staged = ("model.unfreeze=last:1", "train.epochs=1", "train.least_mistakes=0")
    run = run_of(table, tmp_path, "run", *resnet, READS, *staged)
    assert run.read_metrics().sides["test"]["accuracy"] == 1


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_end(table, tmp_path):
    words = (READS, "mix.name=mixup")
    whole = train(table, tmp_path, "whole", *words)
    point = "fieldmark.fit.loop:step"
    assert in_process(train_and_die, point, 3, table, tmp_path, "killed", words) == -9
    assert same_results(resume(RunDir(tmp_path / "killed")), whole)


def test_a_plain_state_dict_has_no_captions(frozen, tmp_path):
    with pytest.raises(RunError) as caught:
        export(frozen.path, "pth", tmp_path / "model.pth")
    assert str(caught.value) == (
        f"{frozen.path}: has model.captions, which 'timm/test_resnet' of its "
        "library has not, so that no plain state dict is the whole of it; train with "
        "head.name=linear, head.pool=mean and features.scalings='[plain, standard]', without "
        "model.captions"
    )


@pytest.mark.slow
def test_weights_that_read_captions_begin_another_network_without_their_head(
    table, frozen, tmp_path
):
    words = (f"model.weights={frozen.path / 'model.safetensors'}", "model.freeze=true")
    run = run_of(table, tmp_path, "run", *words, "run.workers=0")
    assert not isinstance(load(run.path)[0].network, Joined)


def test_a_model_that_reads_no_captions_says_nothing_of_them(table, tmp_path):
    run = train(table, tmp_path, "plain", epochs="1")
    assert "words" not in json.loads((run.path / "model.json").read_text())["spec"]
