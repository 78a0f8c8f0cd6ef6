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


def shufflenet():
    models = pytest.importorskip("torchvision.models.shufflenetv2")
    return models.ShuffleNetV2([1, 2, 1], [24, 48, 96, 192, 256], num_classes=CLASSES)


FAMILIES = {  # the network, and the side of the images that it is asked about
    "attention_cnn": (attention_cnn, 256),
    "regnet": (regnet, 448),
    "resnet": (resnet, 448),
    "shufflenet": (shufflenet, 512),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_half_of_the_heat_is_in_the_patch_that_decides(family):
    build, side = FAMILIES[family]
    network = drawn(build)
    by_chance, _, _ = found(classifier_of(network, side), side)
    share, right, _ = found(taught(network, 96), side)
    assert right >= 0.9
    assert share >= 0.9
    assert by_chance < 0.9
