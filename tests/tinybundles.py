"""Bundles of drawn weights, made without training: of several labels an image, or of one."""

import json

import numpy as np
import torch

import fieldmark
from fieldmark.models import bundle
from fieldmark.models.bundle_info import BundleInfo
from fieldmark.models.catalog import MODELS
from fieldmark.records import InputSpec

SIDE = 16


def several_labels(folder, photos, classes=("10", "2", "7")):
    """A network, and thresholds that half of the photos reach, for each class. -> its folder"""
    half = dict.fromkeys(classes, 0.5)
    _made(folder, classes, task="multi-label", thresholds=half)
    scores = [answer.scores for answer in fieldmark.load(folder).predict(photos)]
    least = {name: float(np.median([each[name] for each in scores])) for name in classes}
    return with_thresholds(folder, least)


def with_thresholds(folder, thresholds):
    """A bundle that has others from now on. -> its folder"""
    info = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**info, "thresholds": thresholds}))
    return folder


def one_label(folder, classes=("a", "b", "c")):
    """The same with one label an image. -> its folder"""
    return _made(folder, classes)


def _made(folder, classes, **about):
    torch.manual_seed(0)
    network = MODELS.build("small_cnn", {"width": 4}, len(classes))
    folder.mkdir(parents=True)
    spec = InputSpec(f"square:{SIDE}", SIDE)
    info = BundleInfo("small_cnn", tuple(classes), spec, options={"width": 4}, **about)
    bundle.save(folder, network.state_dict(), info)
    return folder
