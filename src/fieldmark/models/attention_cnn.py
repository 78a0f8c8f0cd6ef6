"""Five blocks of two convolutions, and two attentions that say where in their maps to look.

After Yan, Kawahara and Hamarneh, "Melanoma Recognition via Visual Attention", IPMI 2019.
"""

from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from fieldmark.models.infer import evaluating

Count = Annotated[int, Field(gt=0)]
Widths = tuple[Count, Count, Count, Count, Count]
Kind = Literal["softmax", "sigmoid", "none"]
PROJECTED = 256  # channels in which the maps and the whole image meet
LAST = "pool5"  # the maps that stand for the whole image


class Attention(nn.Module):
    """How much each place of a block's maps counts, by these maps and by those of the last block.

    Both are projected to `projected` channels, those of the last block then brought to the size
    of the others (bilinear, corners not aligned), and added; of the ReLU of this sum one layer
    makes a score a place. A bias of that layer changes nothing where softmax follows.
    """

    def __init__(self, channels: int, last: int, kind: Kind, projected: int = PROJECTED):
        super().__init__()
        self.is_softmax = kind == "softmax"
        self.local = nn.Conv2d(channels, projected, kernel_size=1, bias=False)
        self.overall = nn.Conv2d(last, projected, kernel_size=1, bias=False)
        self.score = nn.Conv2d(projected, 1, kernel_size=1)

    def map(self, maps: Tensor, last: Tensor) -> Tensor:
        """(N, C, h, w), (N, L, H, W) -> (N, h, w): of softmax 1 in sum, of sigmoid each 0 to 1."""
        side = maps.shape[-2:]
        overall = F.interpolate(self.overall(last), side, mode="bilinear", align_corners=False)
        scores: Tensor = self.score(F.relu(self.local(maps) + overall)).flatten(1)
        counts = scores.softmax(dim=1) if self.is_softmax else scores.sigmoid()
        return counts.reshape(-1, *side)

    def forward(self, maps: Tensor, last: Tensor) -> Tensor:
        """(N, C, h, w), (N, L, H, W) -> (N, C): the sum (of sigmoid the mean) of maps x counts."""
        counted = maps * self.map(maps, last).unsqueeze(1)
        return counted.sum(dim=(2, 3)) if self.is_softmax else counted.mean(dim=(2, 3))


class AttentionCnn(nn.Module):
    """(N, 3, H, W) float -> (N, num_classes) logits, for any sides of 32 px or more.

    A block is twice a 3x3 convolution, batch norm and ReLU, then 2x2 max-pooling, which leaves
    out the last row or column of odd sides. The head is one layer on the mean of the last maps
    and on what each attention makes of those of the third and of the fourth block: 512, 256 and
    512 features, in this order. With 2 classes: 9,872,708 parameters.

    widths: channels of each block. attention: what makes a place's score its share: softmax over
    all places, or sigmoid for each by itself; of sigmoid the mean over the places is taken, of
    softmax the sum. "none" is the plain twin: it leaves out both attentions with all their
    layers, and the columns of the head that see what they give (768 of its 1,280 features), so
    that the head is one layer on the mean of the last maps; all else is the same. (What the
    paper's authors compare with keeps the means of the third and fourth block's maps.)

    Random weights by `kaiming_in` are how its authors begin its attentions.
    """

    def __init__(
        self,
        num_classes: int,
        *,
        widths: Widths = (64, 128, 256, 512, 512),
        attention: Kind = "softmax",
    ):
        super().__init__()
        one, two, three, four, five = widths
        self.block1 = _block(3, one)
        self.block2 = _block(one, two)
        self.block3 = _block(two, three)
        self.block4 = _block(three, four)
        self.block5 = _block(four, five)
        looked_at = {} if attention == "none" else {"pool3": three, "pool4": four}
        self.attention = nn.ModuleDict(
            {name: Attention(width, five, attention) for name, width in looked_at.items()}
        )
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(five + sum(looked_at.values()), num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, num_classes)"""
        pooled = self._pooled(images)
        last = pooled[LAST]
        found = [self.pool(last).flatten(1)]
        found += [attention(pooled[name], last) for name, attention in self.attention.items()]
        logits: Tensor = self.head(torch.cat(found, dim=1))
        return logits

    def attention_maps(self, images: Tensor) -> dict[str, Tensor]:
        """Where the network looks. (N, 3, H, W) -> {"pool3": (N, h, w), "pool4": (N, h, w)}

        Images as `forward` takes them. Always as in eval mode and without gradients; nothing of
        the network changes. {} where the attention is none.
        """
        with evaluating(self), torch.no_grad():
            pooled = self._pooled(images)
            found: dict[str, Tensor] = {}
            for name, attention in self.attention.items():
                assert isinstance(attention, Attention)
                found[name] = attention.map(pooled[name], pooled[LAST])
        return found

    def _pooled(self, images: Tensor) -> dict[str, Tensor]:
        """What the last three blocks give."""
        third = self.block3(self.block2(self.block1(images)))
        fourth = self.block4(third)
        return {"pool3": third, "pool4": fourth, LAST: self.block5(fourth)}


def _block(channels: int, width: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for taken in (channels, width):
        convolution = nn.Conv2d(taken, width, kernel_size=3, padding=1)
        layers += [convolution, nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, nn.MaxPool2d(2))
