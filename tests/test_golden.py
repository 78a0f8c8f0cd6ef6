"""The golden run: digits, float32, a fixed seed. What must stay as it is through every redesign.

Split, order and augmented images are exact. History and predictions agree to 1e-3, for
processors differ in their last bits, and training makes more of them.
"""

import hashlib

import numpy as np
import polars as pl
import pytest
from scannedsource import read_source
from smallruns import QUIET

from fieldmark.data.augment import AUGMENTS
from fieldmark.data.batch_augment import BATCH_AUGMENTS
from fieldmark.data.in_memory import InMemory, read_all
from fieldmark.data.loader import Augmenting, Batches, Images
from fieldmark.data.splits import split
from fieldmark.records import InputSpec, Predictions
from fieldmark.runs.concrete import gather
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
    ("cb558489577ca342", "c01a007f3dba7ebc"),
    ("99d151bde54b7128", "c01a007f3dba7ebc"),
    ("54dfe7522c4ac3df", "c01a007f3dba7ebc"),
]
BATCHES = ["979e1f043299e417", "66ac8b3877f847ad"]
HISTORY = {
    "image": [
        [2.16369, 2.16859, 0.22478, 0.4052, 0.87608],
        [1.62953, 1.42966, 0.54408, 0.69517, 0.95767],
    ],
    "batch": [
        [2.17007, 2.15749, 0.2224, 0.42007, 0.88074],
        [1.62449, 1.38177, 0.53773, 0.66914, 0.95577],
    ],
}
SCORES = {
    "image": [0.29534, 0.34593, 0.47085, 0.22824],
    "batch": [0.45006, 0.35428, 0.47353, 0.25461],
}
MEAN_LOGITS = {
    "image": [
        -0.18323,
        -0.30823,
        -0.2318,
        -0.38593,
        -0.00658,
        -0.24529,
        0.00598,
        -0.25712,
        -0.15774,
        -0.38016,
    ],
    "batch": [
        -0.32186,
        -0.1806,
        -0.21951,
        -0.3482,
        0.02124,
        -0.33142,
        -0.05846,
        -0.10468,
        -0.24555,
        -0.37085,
    ],
}
