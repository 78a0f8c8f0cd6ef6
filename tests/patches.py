"""Images whose class is decided by one coloured patch, a sixteenth of them, and small networks."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from fieldmark.attribution.methods import heat
from fieldmark.models.bundle import Classifier
from fieldmark.models.heads import LAST, head_of
from fieldmark.records import InputSpec

COLOURS = np.array([[200, 60, 60], [60, 180, 60], [60, 80, 210], [190, 180, 50]])
CLASSES = len(COLOURS)


def patched(count, side, seed, *, taught=False, large=False):
    """-> images (n, 3, side, side) uint8, classes (n,), and where the patches are (n, side, side)

    Grey clouds and noise, and somewhere a square of a fourth of the side in its class's colour.
    To teach, half of the squares are larger, and some images have none, of class CLASSES: what a
    part of a large image shows has been seen then, and no colour is told by others' absence.
    large: to teach, all squares have half of the side or more.
    """
    draw = np.random.default_rng(seed)
    classes = draw.integers(0, CLASSES + 1 if taught else CLASSES, count)
    clouds = torch.from_numpy(draw.normal(128, 40, (count, 1, 6, 6))).float()
    wide = functional.interpolate(clouds, (side, side), mode="bicubic").numpy()
    images = wide + 20 * draw.standard_normal((count, 3, side, side), dtype=np.float32)
    inside = np.zeros((count, side, side), bool)
    for row in range(count):
        larger = taught and (large or draw.integers(2))
        least = side // 2 if large else side // 4
        patch = int(draw.integers(least, side + 1)) if larger else side // 4
        top, left = draw.integers(0, side - patch + 1, 2)
        if classes[row] < CLASSES:
            inside[row, top : top + patch, left : left + patch] = True
            here = images[row, :, top : top + patch, left : left + patch]
            here[:] = COLOURS[classes[row]][:, None, None] + draw.normal(0, 20, here.shape)
    images = torch.from_numpy(images.clip(0, 255).astype(np.uint8))
    return images, classes, inside


def classifier_of(network, side):
    """As a bundle has it, normalised by a middle grey."""
    spec = InputSpec(f"square:{side}", side, mean=(0.5,) * 3, std=(0.25,) * 3)
    return Classifier(network, spec).eval()


@dataclass(frozen=True)
class Lessons:
    """How a network is taught.

    enough: the loss of an epoch at which it ends. anew: each epoch has other images, so that it
    cannot learn them by heart. large: on large squares only. Where a gate over channels is made of
    the whole image (squeeze-and-excitation) a small square would otherwise be taught to colour all
    places, and its class would be everywhere. nothing: the network has one class more, of images
    without a square. Then what is no square speaks against the others, where it would else be for
    each of them by chance, a little.
    """

    lr: float = 2e-3
    images: int = 256
    batch: int = 16
    epochs: int = 8
    enough: float = 0.33
    anew: bool = False
    large: bool = False
    nothing: bool = False


def taught(network, side, how):
    """The network trained on patched images by Adam, as the lessons say."""
    last = [each for each in head_of(network)[1].modules() if isinstance(each, LAST)][-1]
    if isinstance(last, nn.Linear):  # what all classes have alike would stay in their heat
        nn.init.zeros_(last.weight)
    classifier = classifier_of(network, side).train()
    shares = np.eye(CLASSES + 1)
    if not how.nothing:  # without a patch: any class alike
        shares = np.concatenate([np.eye(CLASSES), np.full((1, CLASSES), 1 / CLASSES)])
    adam = torch.optim.AdamW(network.parameters(), lr=how.lr, weight_decay=0.05)
    total = how.epochs * (how.images // how.batch)
    rate = torch.optim.lr_scheduler.OneCycleLR(adam, how.lr, total_steps=total)
    for epoch in range(how.epochs):
        seed = [1, epoch * how.anew]
        shown, classes, _ = patched(how.images, side, seed, taught=True, large=how.large)
        targets = torch.from_numpy(shares[classes]).float()
        losses = []
        draw = np.random.default_rng(epoch)
        order = np.arange(how.images) if how.anew else draw.permutation(how.images)
        for rows in torch.from_numpy(order).split(how.batch):
            loss = functional.cross_entropy(classifier(shown[rows]), targets[rows])
            adam.zero_grad()
            loss.backward()
            adam.step()
            rate.step()
            losses.append(loss.item())
        if np.mean(losses) < how.enough:
            break
    return classifier.eval()


def found(classifier, side, *, method="auto", layer=None, images=50, seed=4):
    """On held-out images -> share of those with half of their heat or more in the patch, accuracy

    An image without a map has no heat in its patch.
    """
    shown, classes, inside = patched(images, side, seed=seed)
    maps = np.concatenate(
        [
            heat(classifier, shown[rows], classes[rows], method=method, layer=layer)
            for rows in np.array_split(np.arange(images), 5)
        ]
    )
    shares = (maps * inside).sum(axis=(1, 2)) / maps.sum(axis=(1, 2))
    with torch.no_grad():
        right = (classifier(shown)[:, :CLASSES].argmax(dim=1).numpy() == classes).mean()
    return float((np.nan_to_num(shares) >= 0.5).mean()), float(right), shares


def drawn(build):
    """The network with random weights, those of its last layer too."""
    torch.manual_seed(0)
    network = build()
    for parameter in network.parameters():
        if parameter.dim() > 1 and not parameter.any():
            nn.init.normal_(parameter, std=0.05)
    return network
