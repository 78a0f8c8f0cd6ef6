"""Bundles of random networks that tell images apart, one for each series of the catalog."""

import numpy as np
import torch
from PIL import Image

from fieldmark.models import bundle
from fieldmark.models.assemble import Design, assemble
from fieldmark.models.bundle_info import BundleInfo
from fieldmark.models.catalog import MODELS, NETWORKS
from fieldmark.models.trees import Trees
from fieldmark.records import InputSpec

SIDE = 64  # px, where the series takes that
CLASSES = ("a", "b", "c")
PATCH_MULTIPLE = {"maxvit": 224}  # whose windows fit its own size alone


def smallest_of_series():
    """The network of the fewest parameters of each series."""
    found = {}
    for name, network in NETWORKS.items():
        found.setdefault(id(network.series), []).append((network.parameters, name))
    return [min(each)[1] for each in found.values()]


def side_of(name):
    """Pixels of the images that a network is tried on."""
    series = NETWORKS[name].series
    return PATCH_MULTIPLE.get(series.family, max(SIDE, -(-series.smallest // 32) * 32))


def random_bundle(folder, name):
    """A bundle of the network with drawn weights. -> its folder

    Its batch norms have seen images, and the temperature spreads its scores: else both fade, and
    all images are ties.
    """
    side = side_of(name)
    options = {"image_size": side} if "image_size" in MODELS[name].options() else {}
    torch.manual_seed(0)
    network = MODELS.build(name, options, len(CLASSES))
    images = torch.stack([_smooth(number, side) for number in range(8)])
    _fill_zeros(network)
    for part in network.modules():
        if isinstance(part, torch.nn.modules.batchnorm._BatchNorm):
            part.momentum = None  # all of what it sees next
    with torch.no_grad():
        network.train()(images)
        logits = network.eval()(images)
        for each in [p for p in network.parameters() if p.shape == (len(CLASSES),)][-1:]:
            each -= logits.mean(dim=0)
    info = BundleInfo(
        name,
        CLASSES,
        InputSpec(f"square:{side}", side),
        options=options,
        temperature=float((logits - logits.mean(dim=0)).std()),
    )
    folder.mkdir(parents=True)
    bundle.save(folder, network.state_dict(), info)
    return folder


def draw_smooth(folder, side, *, many=6):
    """Pictures of a few colours that run into each other, of `side` pixels. -> their folder"""
    folder.mkdir(parents=True)
    for number in range(many):
        pixels = ((_smooth(100 + number, side) * 0.25 + 0.5).clamp(0, 1) * 255).byte()
        Image.fromarray(pixels.permute(1, 2, 0).numpy()).save(folder / f"{number}.png")
    return folder


def _smooth(seed, side):
    """(3, side, side) float32, normalised as a network's input is."""
    draw = np.random.default_rng(seed)
    coarse = torch.from_numpy(draw.normal(size=(1, 3, 4, 4)).astype(np.float32))
    return torch.nn.functional.interpolate(coarse, size=(side, side), mode="bicubic")[0]


def with_parts(folder, **parts):
    """A bundle of a small network with what Fieldmark adds to one, drawn too. -> its folder

    parts: of a `Design`, such as its head, its pooling, a resizer.
    """
    torch.manual_seed(1)
    design = Design("timm/test_resnet", {}, **parts)
    network = assemble(design, len(CLASSES), seed=1)
    for part in network.modules():
        if isinstance(part, Trees):
            _grow(part)
    _fill_zeros(network)
    info = BundleInfo(
        design.model,
        CLASSES,
        InputSpec("square:48", 48),
        head=design.head,
        head_options=design.head_options,
        resizer=design.resizer,
        pool=design.pool,
        mirror=design.mirror,
    )
    folder.mkdir(parents=True)
    bundle.save(folder, network.state_dict(), info)
    return folder


def _fill_zeros(network):
    """Draw what is zero at first, such as a new last layer."""
    for parameter in network.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.3)


def _grow(trees):
    """Chains of splits at random places."""
    classes, many, nodes = trees.feature.shape
    chain = torch.arange(nodes)
    trees.feature.copy_(torch.randint(0, trees.features, (classes, many, nodes)))
    trees.threshold.copy_(torch.rand(classes, many, nodes) * 0.2)
    trees.left.copy_((-1 - chain).expand_as(trees.left))
    trees.right.copy_(torch.where(chain == nodes - 1, -1 - nodes, chain + 1).expand_as(trees.right))
    torch.nn.init.normal_(trees.value)
