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
        augment = AUGMENTS.build(name, options, SPEC.size)
        images = Images(samples, samples.classes, SPEC, Augmenting(augment, seed=3))
        rows = samples.rows("train")
        batches = Batches(images, rows, batch_size=64, seed=3, workers=0)
        pixels, targets = next(iter(batches.epoch(2)))
        found.append((digest(pixels.numpy()), digest(targets.numpy())))
    assert found == IMAGES


def test_history_and_predictions_stay(tmp_path):
    options = {"out": str(tmp_path), "name": "golden", "epochs": "2", "seed": "3"}
    words = ["augment=light", "model.width=8", "model.dropout=0.2", "optimizer.lr=0.003"]
    run = train_run(gather("digits", words, options), QUIET, "a test")
    history = pl.read_csv(run.history)
    columns = ["train_loss", "val_loss", "train_accuracy", "val_accuracy", "val_roc_auc"]
    assert history.select(columns).to_numpy() == pytest.approx(np.array(HISTORY), abs=1e-3)
    test = Predictions.read(run.predictions).of_split("test")
    assert test.scores()[:4].max(axis=1) == pytest.approx(SCORES, abs=1e-3)
    assert test.logits.mean(axis=0) == pytest.approx(MEAN_LOGITS, abs=1e-3)


SPLIT = ["d8d155374cec72a1", "bebe51b6f13c112d", "a0a49722376bf2c4"]
IMAGES = [
    ("7a78139d19e9d857", "4e25f1d1d84b21b5"),
    ("a12549e0e0acc660", "4e25f1d1d84b21b5"),
    ("699c85b92bbaa078", "4e25f1d1d84b21b5"),
]
HISTORY = [
    [2.16656, 2.12606, 0.23431, 0.31599, 0.91018],
    [1.57604, 1.31174, 0.56315, 0.69517, 0.97162],
]
SCORES = [0.48411, 0.47668, 0.42053, 0.20435]
MEAN_LOGITS = [
    -0.1587499976158142,
    -0.43191999197006226,
    -0.36333999037742615,
    -0.39559999108314514,
    -0.18803000450134277,
    -0.057429999113082886,
    -0.11606000363826752,
    -0.4730899930000305,
    -0.39921000599861145,
    -0.27006998658180237,
]
