"""Answers by what is known beside the pixels: classes that there can be, events, a taxonomy."""

import dataclasses

import numpy as np
import polars as pl
import pytest
from tinybundles import one_label

from fieldmark.errors import DataError, SettingsError
from fieldmark.records import LOGIT, Predictions, Samples
from fieldmark.use.info import info_of
from fieldmark.use.predictor import UNLIKE, UNSURE, Answering, Failure, Prediction, Predictor
from fieldmark.use.refined import Known, Way, refine, way_of

CLASSES = ("wolf", "fox", "lynx")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return one_label(tmp_path_factory.mktemp("bundles") / "b", CLASSES)


@pytest.fixture
def run(bundle):
    """Puts answers of validation beside the bundle. -> its path"""

    def write(scores, truth, groups=None):
        logits, names = (
            np.log(np.array(scores, np.float32)),
            [f"{n}.jpg" for n in range(len(truth))],
        )
        about = {
            "path": names,
            "row": pl.Series([None] * len(truth), dtype=pl.Int64),
            "split": ["val"] * len(truth),
            "truth": [[name] for name in truth],
        }
        columns = {f"{LOGIT}{name}": logits[:, k] for k, name in enumerate(CLASSES)}
        Predictions(pl.DataFrame(about | columns)).write(bundle / "predictions.parquet")
        samples = {"path": names, "labels": [[name] for name in truth]}
        samples |= {"sequence": groups} if groups else {}
        Samples.from_columns(samples).write(bundle / "samples.parquet")
        return str(bundle)

    yield write
    for name in ("predictions.parquet", "samples.parquet"):
        (bundle / name).unlink(missing_ok=True)


@pytest.fixture
def taxonomy(tmp_path):
    path = tmp_path / "taxonomy.csv"
    path.write_text("label,family\nwolf,Canidae\nfox,Canidae\nlynx,Felidae\n")
    return path


def answer(*scores, **more):
    best = int(np.argmax(scores))
    return Prediction(
        "a.jpg", CLASSES[best], scores[best], dict(zip(CLASSES, scores, strict=True)), **more
    )


def info(run):
    return dataclasses.replace(info_of(run), temperature=1.0)


def short(answers):
    return [(each.label, round(each.score, 4), each.rank) for each in answers]


def test_only_classes_that_there_can_be_share_the_scores(run, tmp_path):
    (tmp_path / "here.txt").write_text("# of this forest\nfox\nlynx\n")
    path = run([[0.8, 0.1, 0.1]], ["wolf"])
    way = way_of(path, info(path), Known(only=tmp_path / "here.txt"), None)
    found = list(refine([answer(0.6, 0.3, 0.1), Failure("b.jpg", "is broken")], [None, None], way))
    assert short(found[:1]) == [("fox", 0.75, "")]
    assert list(found[0].scores.values()) == pytest.approx([0, 0.75, 0.25])
    assert found[1] == Failure("b.jpg", "is broken")
    assert list(way.words()) == []


def test_an_event_has_one_answer_and_validation_says_what_that_gains(run):
    scores = [[0.9, 0.05, 0.05], [0.4, 0.5, 0.1], [0.1, 0.8, 0.1]]
    path = run(scores, ["wolf", "wolf", "fox"], ["e1", "e1", "e2"])
    way = way_of(path, info(path), Known(by="sequence"), None)
    seen = [answer(0.9, 0.05, 0.05), answer(0.3, 0.6, 0.1), answer(0.2, 0.5, 0.3)]
    found = list(refine(seen, ["x", "x", None], way))
    assert [each.label for each in found] == ["wolf", "wolf", "fox"]
    assert found[0].scores == found[1].scores
    assert found[2].scores == pytest.approx(seen[2].scores)
    assert list(way.words()) == [
        "images of one event have one answer; of 2 validation images in 1 event it is right on "
        "100.0 %, and one by one on 50.0 %"
    ]


def test_answers_go_up_a_taxonomy_until_validation_finds_them_right_enough(run, taxonomy):
    dogs = [[0.55, 0.4, 0.05], [0.4, 0.55, 0.05]] * 10  # of which half are guessed wrongly
    cats = [[0.03, 0.02, 0.95]] * 20
    path = run(dogs + cats, ["wolf"] * 10 + ["fox"] * 10 + ["lynx"] * 20)
    way = way_of(path, info(path), Known(taxonomy=taxonomy), 0.95)
    seen = [answer(0.02, 0.02, 0.96), answer(0.5, 0.46, 0.04), answer(0.4, 0.3, 0.3)]
    seen.append(dataclasses.replace(seen[0], label=None, reason=UNLIKE))
    found = list(refine(seen, [None] * 4, way))
    assert short(found[:2]) == [("lynx", 0.96, "label"), ("Canidae", 0.96, "family")]
    assert (found[2].label, found[2].reason) == (None, UNSURE)
    assert (found[3].label, found[3].reason) == (None, UNLIKE)
    assert list(way.words()) == [
        "labelled 1 by label, 1 by family, and 2 not at all; of 40 validation images 40 would be "
        "labelled, 100.0 % (91.2 to 100.0 %) of them rightly"
    ]


def test_validation_is_treated_as_the_images_are(run, tmp_path):
    """Of wolves there are none: the others' bars rest on the images that are left."""
    (tmp_path / "here.txt").write_text("fox\nlynx\n")
    scores = [[0.9, 0.06, 0.04]] * 5 + [[0.5, 0.4, 0.1]] * 5
    path = run(scores, ["wolf"] * 5 + ["fox"] * 5)
    way = way_of(path, info(path), Known(only=tmp_path / "here.txt"), 0.9)
    (bar,) = way.bars
    assert (way.images, bar.answered, bar.right) == (5, 5, 5)
    assert bar.score == pytest.approx(0.8)


def refused(error, *words):
    with pytest.raises(error) as told:
        way_of(*words)
    return str(told.value)


def test_what_cannot_be_known_is_told(run, taxonomy, tmp_path, bundle):
    (tmp_path / "here.txt").write_text("fux\n")
    path = run([[0.5, 0.4, 0.1]], ["lynx"])
    its, only, up = info(path), Known(only=tmp_path / "here.txt"), Known(taxonomy=taxonomy)
    assert refused(DataError, path, its, only, None) == (
        f"--only {tmp_path}/here.txt: the model knows no class 'fux'; did you mean 'fox'?"
    )
    (tmp_path / "here.txt").write_text("\n")
    assert refused(DataError, path, its, only, None) == (
        f"--only {tmp_path}/here.txt: names no class; write a class a line"
    )
    assert refused(SettingsError, path, its, up, None) == (
        "--taxonomy: goes up where a class is not sure enough; say how sure: --abstain 0.95"
    )
    assert refused(SettingsError, path, its, up, 0.95) == (
        "--abstain 0.95: validation never reaches that, on no rank of 2; ask for less"
    )
    assert refused(SettingsError, path, its, Known(by="seq"), 0.5) == (
        "--abstain with --by: rests on single images, for the run's table has no such column; "
        "leave one out"
    )
    (bundle / "predictions.parquet").unlink()
    assert refused(SettingsError, path, its, up, 0.5) == (
        f"--abstain: goes by the answers of validation, and {path} has none; name a run's own "
        "folder"
    )
    assert way_of(path, its, Known(by="seq"), None).gain is None


def test_of_several_labels_nothing_goes_up(bundle, taxonomy):
    several = dataclasses.replace(info_of(bundle), task="multi-label")
    assert refused(SettingsError, str(bundle), several, Known(taxonomy=taxonomy), 0.9) == (
        "--taxonomy: is for one label an image, and this model gives several; leave it out"
    )


def test_no_images_are_no_answers():
    assert list(refine([], [], Way(np.ones(3, bool), by_event=True))) == []


def test_sets_and_shares_that_cannot_be_had_are_told(run, taxonomy):
    path = run([[0.8, 0.1, 0.1]], ["wolf"])

    def refused(known, abstain, **more):
        with pytest.raises(SettingsError) as error:
            way_of(path, info(path), known, abstain, **more)
        return str(error.value)

    rest = "rests on the model's own answers in validation; leave one of the two out"
    assert refused(Known(by="sequence"), None, sets=0.9) == f"--sets with --by: {rest}"
    assert refused(Known(taxonomy=taxonomy), 0.9, sets=0.9) == f"--sets with --taxonomy: {rest}"
    assert refused(Known(taxonomy=taxonomy), 95) == (
        "--abstain: must be more than 0 and at most 1, not 95; did you mean 0.95?"
    )


def test_abstaining_by_taxa_needs_no_knowledge_of_what_is_unlike(bundle):
    predictor = Predictor(bundle, Answering(unlike_if_known=True))
    assert not predictor.leaves_out
    assert "so images are left out for their score alone" in " ".join(predictor.told)
