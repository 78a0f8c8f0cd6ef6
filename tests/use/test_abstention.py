"""Answering only where validation says that enough answers are right."""

import json

import numpy as np
import polars as pl
import pytest
from smallruns import train

import fieldmark
from fieldmark.errors import RunError, SettingsError
from fieldmark.judge.evidence import Evidence
from fieldmark.models.bundle_info import BundleInfo
from fieldmark.records import InputSpec, Predictions
from fieldmark.use.abstention import Abstention, abstention
from fieldmark.use.table import write_table

ANSWERS = ((0.99, 20, 19), (0.9, 40, 38), (0.8, 82, 76), (0.4, 100, 88))


def info(answers=ANSWERS):
    return BundleInfo("small_cnn", ("a", "b"), InputSpec("square:8", 8), answers=answers)


def test_the_most_images_are_answered_that_are_right_often_enough():
    assert abstention(info(), 0.95, "r") == Abstention(0.9, 100, 40, 38)
    assert abstention(info(), 0.92, "r") == Abstention(0.8, 100, 82, 76)
    assert abstention(info(), 0.5, "r") == Abstention(0.4, 100, 100, 88)


def test_the_closing_words_say_what_validation_said():
    words = Abstention(0.8123456, 90, 74, 71).words(14, 60)
    assert words == (
        "14 of 60 images left without a label, for their score is below 0.812; of 90 validation "
        "images 74 would be labelled, 95.9 % (88.7 to 98.6 %) of them rightly (pictures of none "
        "of the classes may get a label all the same)"
    )


@pytest.mark.parametrize(
    ("share", "sentence"),
    [
        (0.0, "--abstain: must be more than 0 and at most 1, not 0"),
        (-1, "--abstain: must be more than 0 and at most 1, not -1"),
        (95, "--abstain: must be more than 0 and at most 1, not 95; did you mean 0.95?"),
        (float("nan"), "--abstain: must be more than 0 and at most 1, not nan"),
        (
            0.96,
            "--abstain 0.96: validation never reaches that; at most it is right on 95.0 % (83.5 "
            "to 98.6 %), of the 40 that it is surest of among 100 images; ask for 0.95 or less",
        ),
    ],
)
def test_a_share_that_cannot_be_had_is_refused(share, sentence):
    with pytest.raises(SettingsError) as caught:
        abstention(info(), share, "r")
    assert str(caught.value) == sentence


def test_a_share_that_is_proposed_can_be_had():
    rows = ((0.9, 30, 29), (0.8, 60, 50))
    with pytest.raises(SettingsError, match=r"ask for 0\.966 or less"):
        abstention(info(rows), 0.97, "r")
    assert abstention(info(rows), 0.966, "r").answered == 30


def test_a_model_that_is_never_right_has_no_share_to_propose():
    with pytest.raises(SettingsError) as caught:
        abstention(info(((0.9, 5, 0), (0.5, 8, 0))), 0.5, "r")
    assert str(caught.value) == (
        "--abstain 0.5: not one of the 8 images of validation is guessed right; leave --abstain out"
    )


def test_a_bundle_without_answers_is_refused():
    with pytest.raises(RunError) as caught:
        abstention(info(()), 0.9, "runs/old")
    assert str(caught.value) == (
        "runs/old: does not say what was answered right in validation, which --abstain goes by; "
        "it was trained without validation, or by an older Fieldmark: train anew, or leave "
        "--abstain out"
    )


@pytest.fixture(scope="module")
def run(photos, tmp_path_factory):
    return train(photos, tmp_path_factory.mktemp("a"), "run", epochs="2")


@pytest.fixture(scope="module")
def bundle(run, photos, tmp_path_factory):
    """A bundle whose validation asks for a score that some of the red images have."""
    scores = [answer.score for answer in fieldmark.load(run.path).predict(photos / "red")]
    values = json.loads((run.path / "model.json").read_text())
    answers = [[float(np.median(scores)), 10, 10], [0.0, 20, 15]]
    path = tmp_path_factory.mktemp("bundle")
    (path / "model.safetensors").write_bytes((run.path / "model.safetensors").read_bytes())
    (path / "model.json").write_text(json.dumps({**values, "answers": answers}))
    return path


def test_a_run_knows_what_its_validation_answered(run):
    val = Predictions.read(run.predictions).of_split("val")
    evidence = Evidence.of(val.logits, val.targets, temperature=run.read_temperature())
    accuracy = float(evidence.right.mean())
    least = fieldmark.load(run.path, abstain=accuracy).abstention
    assert (least.answered, least.right) == (len(val), evidence.right.sum())
    assert least.score == evidence.confidence.min()


def test_a_run_without_validation_cannot_abstain(photos, tmp_path):
    alone = train(photos, tmp_path, "alone", "data.val=none", epochs="1")
    with pytest.raises(RunError, match="it was trained without validation"):
        fieldmark.load(alone.path, abstain=0.9)


def test_an_image_below_the_score_has_no_label_and_keeps_its_score(bundle, photos):
    plain = fieldmark.load(bundle).predict(photos / "red")
    predictor = fieldmark.load(bundle, abstain=0.95)
    careful = predictor.predict(photos / "red")
    assert 0 < sum(answer.label is None for answer in careful) < len(careful)
    for one, other in zip(plain, careful, strict=True):
        assert (one.score, one.scores) == (other.score, other.scores)
        assert other.label == (one.label if one.score >= predictor.abstention.score else None)
    assert fieldmark.load(bundle, abstain=0.7).predict(photos / "red") == plain


def test_no_label_is_empty_in_csv_and_null_elsewhere(bundle, photos, tmp_path):
    predictor = fieldmark.load(bundle, abstain=0.95)
    answers = predictor.predict(photos / "red")
    row = next(number for number, answer in enumerate(answers) if answer.label is None)
    for ending in ("csv", "jsonl", "parquet"):
        write_table(tmp_path / f"t.{ending}", answers, predictor.classes, scores=False)
    line = (tmp_path / "t.csv").read_text().splitlines()[row + 1]
    assert line == f"{answers[row].image},,{answers[row].score:.6g}"
    entry = json.loads((tmp_path / "t.jsonl").read_text().splitlines()[row])
    assert entry["label"] is None
    labels = pl.read_parquet(tmp_path / "t.parquet")["label"]
    assert labels.to_list() == [answer.label for answer in answers]


def test_the_refusal_comes_before_the_weights_are_read(bundle, tmp_path):
    (tmp_path / "model.json").write_bytes((bundle / "model.json").read_bytes())
    with pytest.raises(SettingsError, match="not 2"):
        fieldmark.load(tmp_path, abstain=2)
