"""Bundles of drawn weights, made without training: of several labels an image, or of one."""

import json

import numpy as np
import torch

import fieldmark
from fieldmark.judge.unlike import unit
from fieldmark.models import bundle
from fieldmark.models.bundle_info import BundleInfo
from fieldmark.models.catalog import MODELS
from fieldmark.models.known import watched, write_known
from fieldmark.records import InputSpec
from fieldmark.use.opened import open_bundle
from fieldmark.use.reading import Read

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


def with_known(folder, photo, *, most, images=40):
    """A bundle that knows one photo, and calls what is farther from it than `most` unlike."""
    opened = open_bundle(folder)
    [images_seen] = opened.together([Read("a", opened.read(photo, "a"))])
    with watched(opened.network.network, 0, unit) as seen:
        opened.logits([images_seen])
    about = {"distance": most, "entropy": None, "images": images, "flagged": 1}
    about["known_sha256"] = write_known(folder / "known.safetensors", seen[0].astype(np.float16))
    info = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**info, "unlike": about}))
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
