"""ResNet-18 for small images: its first convolution is 3x3 with stride 1, and nothing is pooled."""

from torch import nn
from torchvision.models import resnet18


def cifar_resnet18(num_classes: int) -> nn.Module:
    """(N, 3, H, W) -> (N, num_classes) logits, for any sides; made for 32 px.

    torchvision's ResNet-18 but for its beginning; its convolutions are drawn as torchvision's,
    Kaiming normal by outputs. With 10 classes: 11,173,962 parameters.
    """
    network: nn.Module = resnet18(weights=None, num_classes=num_classes)
    network.conv1 = nn.Conv2d(3, 64, kernel_size=3, padding=1, bias=False)
    nn.init.kaiming_normal_(network.conv1.weight, mode="fan_out", nonlinearity="relu")
    network.maxpool = nn.Identity()
    return network
