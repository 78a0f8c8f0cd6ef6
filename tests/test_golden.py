"""The golden run: digits, float32, a fixed seed. What must stay as it is through every redesign.

Split, order and augmented images are exact. History and predictions agree to 1e-3, for
processors differ in their last bits, and training makes more of them.
"""

import hashlib

import numpy as np
import polars as pl
import pytest
from smallruns import QUIET

from fieldmark.data.augment import AUGMENTS
from fieldmark.data.batch_augment import BATCH_AUGMENTS
from fieldmark.data.in_memory import InMemory, read_all
from fieldmark.data.loader import Augmenting, Batches, Images
from fieldmark.data.sources import read_source
from fieldmark.data.splits import split
from fieldmark.records import InputSpec, Predictions
from fieldmark.runs.begin import gather
from fieldmark.runs.run import train_run

SPEC = InputSpec("square:8", 8)


def digest(array):
    return hashlib.blake2b(np.ascontiguousarray(array).tobytes(), digest_size=8).hexdigest()


@pytest.fixture(scope="module")
def samples():
    return split(read_source("digits").samples, val=0.15, test=0.15, seed=0)


def test_the_split_stays(samples):
    sides = [digest(samples.rows(side)) for side in ("train", "val", "test")]
    assert sides == SPLIT


def test_the_order_and_the_augmented_images_stay(samples):
    found = []
    for name in ("none", "light", "standard"):
        options = {} if name == "none" else {"flip": True}
        augment = AUGMENTS.build(name, options, SPEC)
        images = Images(samples, samples.classes, SPEC, Augmenting(augment, seed=3))
        rows = samples.rows("train")
        batches = Batches(images, rows, batch_size=64, seed=3, workers=0)
        pixels, targets = next(iter(batches.epoch(2)))
        found.append((digest(pixels.numpy()), digest(targets.numpy())))
    assert found == IMAGES


def test_the_images_that_are_augmented_in_batches_stay(samples):
    pixels = read_all(samples, SPEC, None)
    targets, rows = samples.targets(samples.classes), samples.rows("train")
    found = []
    for name, options in (("light", {}), ("crop", {"alternate": True})):
        augment = BATCH_AUGMENTS[name](SPEC, **options)
        batches = InMemory(pixels, targets, rows, augment=augment, batch_size=64, seed=3)
        found.append(digest(next(iter(batches.epoch(2)))[0].contiguous().numpy()))
    assert found == BATCHES


@pytest.mark.parametrize("by", ["image", "batch"])
def test_history_and_predictions_stay(tmp_path, by):
    options = {"out": str(tmp_path), "name": "golden", "epochs": "2", "seed": "3"}
    words = ["augment=light", "model.width=8", "model.dropout=0.2", "optimizer.lr=0.003"]
    words.append(f"augment.by={by}")
    run = train_run(gather("digits", words, options), QUIET, "a test")
    history = pl.read_csv(run.history)
    columns = ["train_loss", "val_loss", "train_accuracy", "val_accuracy", "val_roc_auc"]
    assert history.select(columns).to_numpy() == pytest.approx(np.array(HISTORY[by]), abs=1e-3)
    test = Predictions.read(run.predictions).of_split("test")
    assert test.scores()[:4].max(axis=1) == pytest.approx(SCORES[by], abs=1e-3)
    assert test.logits.mean(axis=0) == pytest.approx(MEAN_LOGITS[by], abs=1e-3)


SPLIT = ["d8d155374cec72a1", "bebe51b6f13c112d", "a0a49722376bf2c4"]
IMAGES = [
    ("7a78139d19e9d857", "4e25f1d1d84b21b5"),
    ("a12549e0e0acc660", "4e25f1d1d84b21b5"),
    ("699c85b92bbaa078", "4e25f1d1d84b21b5"),
]
BATCHES = ["1089a43b7d810c7b", "c9a1424ea86cd422"]
HISTORY = {
    "image": [
        [2.16656, 2.12606, 0.23431, 0.31599, 0.91018],
        [1.57604, 1.31174, 0.56315, 0.69517, 0.97162],
    ],
    "batch": [
        [2.16038, 2.14098, 0.22955, 0.30483, 0.91838],
        [1.60157, 1.3108, 0.5695, 0.74349, 0.97497],
    ],
}
SCORES = {
    "image": [0.48411, 0.47668, 0.42053, 0.20435],
    "batch": [0.44064, 0.4573, 0.39564, 0.17894],
}
MEAN_LOGITS = {
    "image": [
        -0.15875,
        -0.43192,
        -0.36334,
        -0.3956,
        -0.18803,
        -0.05743,
        -0.11606,
        -0.47309,
        -0.39921,
        -0.27007,
    ],
    "batch": [
        -0.06601,
        -0.34211,
        -0.38951,
        -0.32466,
        -0.23684,
        -0.04968,
        -0.04612,
        -0.49309,
        -0.41498,
        -0.31295,
    ],
}
