"""The series that networks come in: one a paper, with its idea and the options it takes.

Plain records, so that listing networks and checking settings need no torch.
"""

from dataclasses import dataclass, field

Default = bool | int | float | str | None


@dataclass(frozen=True)
class Series:
    """Networks of one paper, or of none. `family` is coarser: what computes alike."""

    family: str
    year: int | None
    paper: str
    idea: str
    options: dict[str, Default] = field(default_factory=dict)
    smallest: int = 1  # px: with this side every network of the series works


@dataclass(frozen=True)
class Network:
    """One line of the catalog.

    parameters: for 1000 classes. multiply_adds: for one image of `size` x `size` pixels, the
    size that its published weights are for. options: where it differs from its series.
    multiple: the image's side must be a multiple of so many pixels.
    """

    series: Series
    variant: str
    parameters: int
    multiply_adds: int
    size: int = 224
    options: dict[str, Default] = field(default_factory=dict)
    multiple: int = 1

    @property
    def about(self) -> str:
        """Idea and variant in one line."""
        return f"{self.series.idea}; {self.variant}"

    def defaults(self) -> dict[str, Default]:
        """Every option with its default: the series', then what this network has otherwise."""
        return self.series.options | self.options


SMALL = Series(
    "small",
    None,
    "",
    "Three stages of plain 3x3 convolutions, for images of 8 to 64 px",
    {"width": 32, "dropout": 0.1},
    smallest=4,
)
NATURE = Series(
    "nature",
    None,
    "",
    "Five blocks of convolution, activation and pooling, their parts set by options",
    {
        "filters": 32,
        "organisation": "const",
        "kernel_size": 3,
        "activation": "ReLU",
        "dropout": 0.3,
        "batch_norm": False,
        "pool_size": 2,
        "image_size": 224,
    },
    smallest=32,  # with the options as they are; nature_cnn.smallest_side knows the others
)
BIRDS = Series(
    "alexnet",
    None,
    "",
    "AlexNet with batch norm after every layer, trained from scratch on kinds of birds",
    {"dropout": 0.1},
    smallest=63,
)
CIFAR_RES = Series(
    "resnet",
    2015,
    "He et al., arXiv:1512.03385",
    "ResNet that begins with one 3x3 convolution and no pooling, for images of 32 px",
)
AIRBENCH = Series(
    "airbench",
    2024,
    "Jordan, arXiv:2404.00498",
    "Three short blocks behind patches whitened by the training images: CIFAR-10 in seconds",
    {"width": 64, "scale": 1 / 9, "norm_momentum": 0.4},
    smallest=9,
)
