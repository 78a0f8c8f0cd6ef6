"""Heat lies where the class is decided: in a patch that covers a sixteenth of the image.

Each family's small network is trained here on small images, and asked about large ones, since a
map's places see beyond themselves: the patch must be larger than what one of them sees. So most
networks end after a stage or two. With random weights the same network must fail.
"""

import pytest
from patches import CLASSES, classifier_of, drawn, found, taught
from torch import nn

from fieldmark.models.catalog import MODELS

pytestmark = pytest.mark.slow


def torchvision():
    return pytest.importorskip("torchvision.models")


def without(network, *parts):
    for part in parts:
        owner, _, name = part.rpartition(".")
        setattr(network.get_submodule(owner), name, nn.Identity())
    return network


def attention_cnn():
    return MODELS.build("attention_cnn", {"widths": (8, 16, 24, 32, 32)}, CLASSES)


def resnet():
    models = torchvision().resnet
    return models.ResNet(models.BasicBlock, [1, 1, 1, 1], num_classes=CLASSES)


def resnext():
    models = torchvision().resnet
    groups = {"groups": 8, "width_per_group": 4}
    return models.ResNet(models.Bottleneck, [1, 1, 1, 1], num_classes=CLASSES, **groups)


def regnet():
    models = torchvision().regnet
    blocks = models.BlockParams.from_init_params(depth=6, w_0=24, w_a=24, w_m=2.5, group_width=8)
    return models.RegNet(blocks, num_classes=CLASSES)


def shufflenet():
    widths = [16, 32, 32, 32, 64]
    network = torchvision().ShuffleNetV2([2, 1, 1], widths, num_classes=CLASSES)
    return without(network, "stage3", "stage4")


def mobilenet():
    blocks = [[1, 16, 1, 1], [4, 16, 1, 2], [4, 24, 1, 2]]
    return torchvision().MobileNetV2(CLASSES, inverted_residual_setting=blocks, dropout=0.0)


def timm_convnext():
    sizes = {"depths": (1, 1, 1, 1), "dims": (16, 32, 32, 32), "kernel_sizes": 3}
    timm = pytest.importorskip("timm")
    network = timm.create_model("test_convnext", num_classes=CLASSES, **sizes)
    return without(network, "stages.2", "stages.3")


def vit():
    """One block: what a class token takes in before the last one is in no map of the last one."""
    return torchvision().VisionTransformer(64, 4, 1, 2, 32, 64, num_classes=CLASSES)


ANEW = {"epochs": 40, "anew": True}
FAMILIES = [  # a network, the sides that it is trained and asked at, and how it is trained
    (attention_cnn, 128, 384, ANEW),
    (resnet, 128, 448, {"epochs": 20, "anew": True}),
    (resnext, 64, 448, {}),
    (regnet, 96, 448, {}),
    (shufflenet, 64, 448, {**ANEW, "enough": 0.3}),
    (mobilenet, 64, 256, {}),
    (timm_convnext, 64, 256, ANEW),
    (vit, 64, 64, {"epochs": 120, "anew": True, "enough": 0.2}),
]


@pytest.mark.parametrize(
    ("build", "small", "large", "how"), FAMILIES, ids=[build.__name__ for build, *_ in FAMILIES]
)
def test_half_of_the_heat_is_in_the_patch_that_decides(build, small, large, how):
    network = drawn(build)
    by_chance, _, _ = found(classifier_of(network, large), large, images=20)
    share, right, _ = found(taught(network, small, **how), large)
    assert right >= 0.9
    assert share >= 0.9
    assert by_chance < 0.9
