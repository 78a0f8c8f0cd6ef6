"""Which labels are worth a look: who is judged, who is left out, and in which words."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from fieldmark.data.correction_lines import Correction
from fieldmark.data.corrections import Corrections, correct
from fieldmark.insight.label_names import ShownNames
from fieldmark.insight.suspects import source_words, suspected
from fieldmark.records import Predictions, Samples
from fieldmark.task import SEVERAL_LABELS

CLASSES = ("a", "b", "c")


def judged(truth, scores, splits=None, several=False):
    """Samples and predictions of images whose classes' scores are given as probabilities."""
    task = {"task": SEVERAL_LABELS} if several else {}
    paths = [f"{number}.png" for number in range(len(truth))]
    splits = splits or ["val"] * len(truth)
    columns = {"path": paths, "labels": [list(each) for each in truth], "split": splits}
    samples = replace(Samples.from_columns(columns), **task)
    shares = np.asarray(scores, float)
    logits = np.log(shares / (1 - shares)) if several else np.log(shares)
    predictions = Predictions.of(samples, np.arange(len(truth)), logits, classes=CLASSES)
    return predictions, samples


SURE = {"a": [0.9, 0.05, 0.05], "b": [0.05, 0.9, 0.05], "c": [0.05, 0.05, 0.9]}


def test_a_label_that_the_model_answers_otherwise_is_a_suspect_with_both_scores():
    truth = ["a", "a", "b", "b", "c", "b"]
    scores = [*(SURE[name] for name in truth[:5]), [0.96, 0.01, 0.03]]
    found = suspected(*judged(truth, scores))
    (one,) = found.suspects
    assert (one.path, one.label, one.suggested, one.kind) == ("5.png", "b", "a", "wrong")
    assert (one.score, one.other) == pytest.approx((0.01, 0.96))
    assert one.sure
    assert found.sure == 1
    assert one.words == "labelled 'b' (1%), taken for 'a' (96%)"
    assert one.named(ShownNames({"a": "ape"})).words == "labelled 'b' (1%), taken for 'ape' (96%)"


def test_of_several_labels_one_is_missing_and_another_is_wrong():
    truth = ["a", "a", "b", "b", "ab", "", "", "c"]
    scores = [[0.9 if name in its else 0.1 for name in CLASSES] for its in truth]
    scores[1], scores[2] = [0.005, 0.1, 0.1], [0.99, 0.9, 0.1]
    found = suspected(*judged(truth, scores, several=True))
    told = {(each.path, each.label, each.suggested, each.kind) for each in found.suspects[:2]}
    assert told == {("1.png", "a", "", "wrong"), ("2.png", "", "a", "missing")}
    words = {each.words for each in found.suspects[:2]}
    assert words == {
        "labelled 'a', which the model gives 0%",
        "not labelled 'a', which the model gives 99%",
    }


def test_the_labels_of_the_test_decide_nothing_of_the_others():
    truth = ["a", "a", "b", "b", "c", "c", "a", "b", "c"]
    scores = [SURE[name] for name in truth]
    scores[1] = [0.4, 0.5, 0.1]
    splits = ["val"] * 6 + ["test"] * 3
    told = []
    for tests in ("abc", "bca"):
        found = suspected(*judged([*truth[:6], *tests], scores, splits))
        told.append([each for each in found.suspects if each.split == "val"])
    assert told[0] == told[1]
    assert len(told[0]) == 1


def test_an_image_of_several_repeats_is_judged_once_by_its_mean_scores():
    predictions, samples = judged(["a", "b"], [[0.2, 0.7, 0.1], SURE["b"]])
    other, _ = judged(["a", "b"], [[0.8, 0.1, 0.1], SURE["b"]])
    both = replace(predictions, frame=pl.concat([predictions.frame, other.frame]))
    found = suspected(both, samples)
    assert found.judged == 2
    assert found.suspects == ()  # 0.5 against 0.4


def test_who_was_looked_at_is_no_suspect_any_more():
    predictions, samples = judged(["a", "b", "a"], [SURE["b"], SURE["b"], SURE["a"]])
    assert len(suspected(predictions, samples).suspects) == 1
    given = pl.Series("given_labels", [["a"], None, None], pl.List(pl.String))
    looked_at = replace(samples, frame=samples.frame.with_columns(given))
    found = suspected(predictions, looked_at)
    assert (found.suspects, found.seen) == ((), 1)


def test_of_several_labels_one_that_was_marked_hides_no_other_of_its_image():
    truth = ["a", "a", "b", "b", "ab", "", "", "c"]
    scores = [[0.9 if name in its else 0.1 for name in CLASSES] for its in truth]
    scores[1] = [0.005, 0.99, 0.1]  # "a" is doubtful, and so is that "b" is missing
    predictions, samples = judged(truth, scores, several=True)

    def doubted(samples):
        found = suspected(predictions, samples)
        return found.seen, {(each.path, each.label or each.suggested) for each in found.suspects}

    assert doubted(samples) == (0, {("1.png", "a"), ("1.png", "b")})
    line = Correction(2, "1.png", None, "right", "a")
    assert doubted(correct(samples, Corrections("f", (line,))).samples) == (1, {("1.png", "b")})
    line = replace(line, label="")
    assert doubted(correct(samples, Corrections("f", (line,))).samples) == (3, set())


def test_what_cannot_be_judged_is_left_out():
    predictions, samples = judged(["a", "z", "b"], [SURE["b"], SURE["b"], SURE["b"]])
    frame = predictions.frame.with_columns(
        pl.when(pl.col("path") == "2.png").then(None).otherwise(pl.col("logit:a")).alias("logit:a")
    )
    found = suspected(replace(predictions, frame=frame), samples)
    assert (found.judged, found.all, len(found.suspects)) == (1, 3, 1)


def test_of_how_many_images_the_labels_were_judged_is_said():
    predictions, samples = judged(["a"] * 4, [SURE["a"]] * 4)
    assert source_words(suspected(predictions, samples), "photos") == (
        "All 4 images were judged by a model that was trained without them."
    )
    half = replace(predictions, frame=predictions.frame.head(2))
    assert source_words(suspected(half, samples), "my photos") == (
        "2 of 4 images were judged by a model that was trained without them; to have all judged: "
        "fieldmark cross-validate 'my photos'"
    )
