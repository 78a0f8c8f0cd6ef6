"""Heat lies where the class is decided: in a patch that covers a sixteenth of the image.

Each family's small network is trained here on small images, and asked about large ones, since a
map's places see far beyond themselves: the patch must be larger than what one of them sees. With
random weights the same network must fail.
"""

import pytest
from patches import CLASSES, classifier_of, drawn, found, taught

from fieldmark.models.catalog import MODELS

pytestmark = pytest.mark.slow


def attention_cnn():
    return MODELS.build("attention_cnn", {"widths": (8, 16, 24, 32, 32)}, CLASSES)


def regnet():
    models = pytest.importorskip("torchvision.models.regnet")
    blocks = models.BlockParams.from_init_params(depth=6, w_0=24, w_a=24, w_m=2.5, group_width=8)
    return models.RegNet(blocks, num_classes=CLASSES)


def resnet():
    models = pytest.importorskip("torchvision.models.resnet")
    return models.ResNet(models.BasicBlock, [1, 1, 1, 1], num_classes=CLASSES)


def resnext():
    models = pytest.importorskip("torchvision.models.resnet")
    groups = {"groups": 8, "width_per_group": 4}
    return models.ResNet(models.Bottleneck, [1, 1, 1, 1], num_classes=CLASSES, **groups)


def mobilenet():
    models = pytest.importorskip("torchvision.models.mobilenetv2")
    blocks = [[1, 16, 1, 1], [4, 16, 1, 2], [4, 24, 1, 2]]
    return models.MobileNetV2(CLASSES, inverted_residual_setting=blocks, dropout=0.0)


def convnext():
    models = pytest.importorskip("torchvision.models.convnext")
    blocks = [models.CNBlockConfig(16, 32, 1), models.CNBlockConfig(32, None, 1)]
    return models.ConvNeXt(blocks, num_classes=CLASSES)


FAMILIES = {  # the network, the side that it is trained at, and that it is asked at
    "attention_cnn": (attention_cnn, 96, 256),
    "regnet": (regnet, 96, 448),
    "resnet": (resnet, 96, 448),
    "resnext": (resnext, 64, 448),
    "mobilenet": (mobilenet, 64, 256),
    "convnext": (convnext, 64, 384),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_half_of_the_heat_is_in_the_patch_that_decides(family):
    build, small, large = FAMILIES[family]
    network = drawn(build)
    by_chance, _, _ = found(classifier_of(network, large), large)
    share, right, _ = found(taught(network, small), large)
    assert right >= 0.9
    assert share >= 0.9
    assert by_chance < 0.9
