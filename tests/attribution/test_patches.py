"""Heat lies where the class is decided: in a patch that covers a sixteenth of the image.

Each family's small network is trained here on small images, and asked about large ones, since a
map's places see beyond themselves: the patch must be larger than what one of them sees, and a
network that is taught by a mean heats all places that see it. So most networks end after a stage
or two. With random weights the same network must fail.

Every registered network is of a family below; wide_resnet and cifar_resnet18 are ResNets.
"""

from functools import partial

import pytest
from patches import CLASSES, Lessons, classifier_of, drawn, found, taught
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


def soon(network):
    """Batch norm's means are of the last tens of steps, not of the last hundreds."""
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = 0.1
    return network


def alexnet():
    """Two convolutions and a head on 14 x 14 places, since of 6 x 6 the patch has less than two."""
    network = torchvision().AlexNet(CLASSES, dropout=0.0)
    first, second = nn.Conv2d(3, 16, 11, stride=4, padding=2), nn.Conv2d(16, 32, 5, padding=2)
    network.features = nn.Sequential(first, nn.ReLU(), nn.MaxPool2d(3, 2), second, nn.ReLU())
    network.avgpool = nn.AdaptiveAvgPool2d(14)
    wide, last = nn.Linear(32 * 14**2, 32), nn.Linear(32, CLASSES)
    network.classifier = nn.Sequential(wide, nn.ReLU(), last)
    return network


def birds_alexnet():
    """Two convolutions, and a head on 20 x 20 places."""
    network = MODELS.build("birds_alexnet", {"dropout": 0.0}, CLASSES)
    features, norm = network.features, nn.BatchNorm2d
    features[0], features[2] = nn.Conv2d(3, 16, 11, stride=4, padding=2), norm(16)
    features[4], features[6] = nn.Conv2d(16, 32, 5, padding=2), norm(32)
    network.features = features[:7]
    network.pool = nn.AdaptiveAvgPool2d(20)
    wide = nn.Linear(32 * 20**2, 32)
    last = nn.Linear(32, CLASSES)
    network.classifier = nn.Sequential(wide, nn.ReLU(), nn.BatchNorm1d(32), last)
    return network


def vgg():
    """Two blocks and a head on 16 x 16 places, since of 7 x 7 the patch has less than two."""
    from torchvision.models.vgg import VGG, make_layers

    features = make_layers([8, "M", 16, "M"], batch_norm=True)
    network = VGG(features, num_classes=CLASSES + 1, dropout=0.0)
    network.avgpool = nn.AdaptiveAvgPool2d(16)
    wide, last = nn.Linear(16 * 16**2, 32), nn.Linear(32, CLASSES + 1)
    network.classifier = nn.Sequential(wide, nn.ReLU(), last)
    return network


def attention_cnn():
    return MODELS.build("attention_cnn", {"widths": (8, 16, 24, 32, 32)}, CLASSES)


def small_cnn():
    return MODELS.build("small_cnn", {"width": 16, "dropout": 0.0}, CLASSES)


def nature_cnn():
    """Without pooling: after five poolings of two the patch of 224 px has less than two places."""
    how = {"filters": 8, "pool_size": 1, "image_size": 64, "dropout": 0.0}
    return MODELS.build("nature_cnn", how, CLASSES)


def cifar_fast():
    """To the second block. Its head takes the largest value of each map, also where there is no
    patch: so it is taught that there are images without one."""
    network = MODELS.build("cifar_fast", {"width": 16, "scale": 1.0}, CLASSES + 1)
    return without(network, "block3")


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


def regnet_y():
    """With squeeze-and-excitation."""
    models = torchvision().regnet
    sizes = {"depth": 4, "w_0": 16, "w_a": 16, "w_m": 2.5, "group_width": 8, "se_ratio": 0.25}
    return models.RegNet(models.BlockParams.from_init_params(**sizes), num_classes=CLASSES)


def shufflenet():
    widths = [16, 32, 32, 32, 64]
    network = torchvision().ShuffleNetV2([2, 1, 1], widths, num_classes=CLASSES)
    return without(network, "stage3", "stage4")


def mobilenet():
    blocks = [[1, 16, 1, 1], [4, 16, 1, 2], [4, 24, 1, 2]]
    return torchvision().MobileNetV2(CLASSES, inverted_residual_setting=blocks, dropout=0.0)


def mobilenet_v3():
    from torchvision.models.mobilenetv3 import InvertedResidualConfig, MobileNetV3

    first = InvertedResidualConfig(16, 3, 16, 16, True, "RE", 1, 1, 1.0)
    second = InvertedResidualConfig(16, 3, 64, 24, True, "HS", 2, 1, 1.0)
    return soon(MobileNetV3([first, second], 32, num_classes=CLASSES, dropout=0.0))


def mnasnet():
    """To the first block of the first stack."""
    network = torchvision().MNASNet(0.5, num_classes=CLASSES, dropout=0.0)
    last = nn.Conv2d(16, 64, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU()
    network.layers = nn.Sequential(*network.layers[:8], network.layers[8][0], *last)
    network.classifier[1] = nn.Linear(64, CLASSES)
    return soon(network)


def efficientnet():
    from torchvision.models.efficientnet import EfficientNet, MBConvConfig

    blocks = [MBConvConfig(1, 3, 1, 16, 16, 1, 1, 1), MBConvConfig(4, 3, 2, 16, 24, 1, 1, 1)]
    return EfficientNet(blocks, 0.0, num_classes=CLASSES, last_channel=64)


def efficientnet_v2():
    """With whole convolutions in place of two."""
    from torchvision.models.efficientnet import EfficientNet, FusedMBConvConfig, MBConvConfig

    first, second = FusedMBConvConfig(1, 3, 1, 16, 16, 1), FusedMBConvConfig(4, 3, 2, 16, 16, 1)
    blocks = [first, second, MBConvConfig(4, 3, 1, 16, 24, 1)]
    return EfficientNet(blocks, 0.0, num_classes=CLASSES, last_channel=64)


def efficientnet_lite0():
    network = MODELS.build("efficientnet_lite0", {"dropout": 0.0}, CLASSES)
    network.blocks = network.blocks[:2]
    network.conv_head = nn.Conv2d(24, 64, 1, bias=False)
    network.bn1 = nn.BatchNorm2d(64)
    network.fc = nn.Linear(64, CLASSES)
    return soon(network)


def googlenet():
    """A fourth as wide, to the first Inception block."""
    from torchvision.models.googlenet import BasicConv2d, GoogLeNet, Inception

    def narrow(taken, given, **how):
        return BasicConv2d(taken if taken == 3 else taken // 4, given // 4, **how)

    parts = [narrow, partial(Inception, conv_block=narrow), None]
    network = GoogLeNet(CLASSES, aux_logits=False, init_weights=False, dropout=0.0, blocks=parts)
    later = [f"inception{each}" for each in ("3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b")]
    network.fc = nn.Linear(64, CLASSES)
    return without(network, "maxpool2", "maxpool3", "maxpool4", *later)


def inception_v3():
    """A fourth as wide, to the first Inception block."""
    models = torchvision().inception

    class Narrow(models.BasicConv2d):
        def __init__(self, taken, given, **how):
            super().__init__(taken if taken == 3 else taken // 4, given // 4, **how)

    kinds = [getattr(models, f"Inception{kind}") for kind in ("A", "B", "C", "D", "E", "Aux")]
    parts = [Narrow, *(partial(kind, conv_block=Narrow) for kind in kinds)]
    how = {"aux_logits": False, "init_weights": False, "dropout": 0.0}
    network = models.Inception3(CLASSES, inception_blocks=parts, **how)
    names = [name for name, _ in network.named_children() if name.startswith("Mixed")]
    network.fc = nn.Linear(64, CLASSES)
    return soon(without(network, "maxpool2", *names[1:]))


def squeezenet():
    """To the second Fire block; what makes the classes begins above 0, where its ReLU learns."""
    network = torchvision().squeezenet1_1(num_classes=CLASSES, dropout=0.0)
    network.features = network.features[:5]
    network.classifier[1] = nn.Conv2d(128, CLASSES, 1)
    nn.init.normal_(network.classifier[1].weight, std=0.01)
    nn.init.ones_(network.classifier[1].bias)
    return network


def densenet():
    return torchvision().DenseNet(8, (2,), 16, num_classes=CLASSES)


def convnext():
    from torchvision.models.convnext import CNBlockConfig, ConvNeXt

    return ConvNeXt([CNBlockConfig(16, 32, 1), CNBlockConfig(32, None, 1)], num_classes=CLASSES)


def timm_convnext():
    sizes = {"depths": (1, 1, 1, 1), "dims": (16, 32, 32, 32), "kernel_sizes": 3}
    timm = pytest.importorskip("timm")
    network = timm.create_model("test_convnext", num_classes=CLASSES, **sizes)
    return without(network, "stages.2", "stages.3")


def vit():
    """One block: what a class token takes in before the last one is in no map of the last one."""
    return torchvision().VisionTransformer(64, 4, 1, 2, 32, 64, num_classes=CLASSES)


def swin(**parts):
    """Windows of two tokens, once shifted: a window that holds a part of the patch is hot."""
    sizes = ([4, 4], 24, [2], [2], [2, 2])
    how = {"stochastic_depth_prob": 0.0, "num_classes": CLASSES + 1, **parts}
    return torchvision().SwinTransformer(*sizes, **how)


def swin_v2():
    transformers = torchvision().swin_transformer
    return swin(
        block=transformers.SwinTransformerBlockV2, downsample_layer=transformers.PatchMergingV2
    )


def maxvit():
    """A block of one layer: a convolution, attention in windows, and attention across a grid."""
    sizes = ((64, 64), 16, 4, [16], [1], 8, 0.0)
    return soon(torchvision().MaxVit(*sizes, num_classes=CLASSES))


ANEW = {"epochs": 40, "anew": True}
BRIEF = {"epochs": 12, "anew": True, "lr": 3e-3, "enough": 0}
FAMILIES = [  # a network, the sides that it is trained and asked at, and how it is trained
    (attention_cnn, 128, 384, ANEW),
    (small_cnn, 64, 384, {**BRIEF, "large": True}),
    (nature_cnn, 64, 64, {**ANEW, "enough": 0}),
    (alexnet, 128, 512, {**BRIEF, "epochs": 24}),
    (birds_alexnet, 128, 640, {**BRIEF, "epochs": 24}),
    (vgg, 64, 256, {**BRIEF, "epochs": 24, "nothing": True}),
    (cifar_fast, 64, 256, {**BRIEF, "epochs": 20, "nothing": True}),
    (resnet, 128, 448, {"epochs": 20, "anew": True}),
    (resnext, 64, 448, {}),
    (regnet, 96, 448, {"large": True}),
    (regnet_y, 64, 384, {**BRIEF, "large": True}),
    (shufflenet, 64, 448, {**ANEW, "enough": 0.3}),
    (mobilenet, 64, 256, {}),
    (googlenet, 96, 448, {**BRIEF, "epochs": 15}),
    (inception_v3, 64, 384, {**BRIEF, "large": True}),
    (squeezenet, 96, 448, {**BRIEF, "lr": 2e-3}),
    (densenet, 64, 384, BRIEF),
    (mnasnet, 64, 256, {**BRIEF, "epochs": 40}),
    (mobilenet_v3, 64, 256, {**BRIEF, "epochs": 10, "large": True}),
    (efficientnet, 64, 256, {**BRIEF, "epochs": 10, "large": True}),
    (efficientnet_v2, 64, 256, {**BRIEF, "epochs": 10, "large": True}),
    (efficientnet_lite0, 64, 256, BRIEF),
    (convnext, 64, 256, {**BRIEF, "epochs": 20, "lr": 2e-3}),
    (timm_convnext, 64, 256, ANEW),
    (swin, 64, 512, {**BRIEF, "epochs": 32, "lr": 1e-2, "nothing": True}),
    (swin_v2, 64, 512, {**BRIEF, "epochs": 64, "lr": 1e-2, "nothing": True}),
    (maxvit, 64, 64, {**BRIEF, "epochs": 30, "large": True}),
    (vit, 64, 64, {"epochs": 120, "anew": True, "enough": 0.2}),
]


@pytest.mark.parametrize(
    ("build", "small", "large", "how"), FAMILIES, ids=[build.__name__ for build, *_ in FAMILIES]
)
def test_half_of_the_heat_is_in_the_patch_that_decides(build, small, large, how):
    network = drawn(build)
    by_chance, _, _ = found(classifier_of(network, large), large)
    share, right, _ = found(taught(network, small, Lessons(**how)), large)
    assert right >= 0.9
    assert share >= 0.9
    assert by_chance < 0.9
