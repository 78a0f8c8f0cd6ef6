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
ALEX = Series(
    "alexnet",
    2014,
    "Krizhevsky, arXiv:1404.5997",
    "Five convolutions, then three huge linear layers: where deep learning on images took off",
    {"dropout": 0.5},
    smallest=63,
)
VGG = Series(
    "vgg",
    2014,
    "Simonyan and Zisserman, arXiv:1409.1556",
    "A deep stack of nothing but 3x3 convolutions; large and slow for what it gives",
    {"dropout": 0.5},
    smallest=32,
)
GOOGLE = Series(
    "googlenet",
    2014,
    "Szegedy et al., arXiv:1409.4842",
    "Filters of several sizes stand side by side in each block",
    {"dropout": 0.2, "transform_input": False},
    smallest=15,
)
INCEPTION = Series(
    "inception",
    2015,
    "Szegedy et al., arXiv:1512.00567",
    "GoogLeNet's blocks, their large filters split into chains of small ones",
    {"dropout": 0.5, "transform_input": False},
    smallest=75,
)
RES = Series(
    "resnet",
    2015,
    "He et al., arXiv:1512.03385",
    "Each block adds to its input, so that very deep stacks can be trained",
    {"zero_init_residual": False},
)
WIDE = Series(
    "resnet",
    2016,
    "Zagoruyko and Komodakis, arXiv:1605.07146",
    "ResNet with twice the channels inside each block",
    {"zero_init_residual": False, "groups": 1},
)
RESNEXT = Series(
    "resnet",
    2016,
    "Xie et al., arXiv:1611.05431",
    "ResNet whose blocks are split into many narrow parallel paths",
    {"zero_init_residual": False},
)
SQUEEZE = Series(
    "squeezenet",
    2016,
    "Iandola et al., arXiv:1602.07360",
    "Squeezes the channels before each 3x3 convolution, so that few parameters remain",
    {"dropout": 0.5},
    smallest=21,
)
DENSE = Series(
    "densenet",
    2016,
    "Huang et al., arXiv:1608.06993",
    "Each layer sees the outputs of all layers before it in its block",
    {"drop_rate": 0.0, "bn_size": 4, "memory_efficient": False},
    smallest=29,
)
MOBILE_2 = Series(
    "mobilenet",
    2018,
    "Sandler et al., arXiv:1801.04381",
    "Convolves each channel by itself inside thin-thick-thin blocks: made for phones",
    {"dropout": 0.2, "width_mult": 1.0, "round_nearest": 8},
)
MOBILE_3 = Series(
    "mobilenet",
    2019,
    "Howard et al., arXiv:1905.02244",
    "MobileNet V2 refined by automatic search, with attention over channels",
    {"dropout": 0.2, "width_mult": 1.0, "reduced_tail": False, "dilated": False},
)
MNAS = Series(
    "mnasnet",
    2018,
    "Tan et al., arXiv:1807.11626",
    "Found by a search that timed every candidate on a phone",
    {"dropout": 0.2},
)
SHUFFLE = Series(
    "shufflenet",
    2018,
    "Ma et al., arXiv:1807.11164",
    "Splits and shuffles channels to move little memory: fast on small processors",
)
EFFICIENT = Series(
    "efficientnet",
    2019,
    "Tan and Le, arXiv:1905.11946",
    "Depth, width and image size grown together from one searched network",
    {"dropout": 0.2, "stochastic_depth_prob": 0.2},
)
EFFICIENT_2 = Series(
    "efficientnet",
    2021,
    "Tan and Le, arXiv:2104.00298",
    "EfficientNet with plain convolutions in its early stages: faster to train",
    {"dropout": 0.2, "stochastic_depth_prob": 0.2},
)
REG_X = Series(
    "regnet",
    2020,
    "Radosavovic et al., arXiv:2003.13678",
    "Stage widths follow one straight line, found by studying many networks",
    {"stem_width": 32},
)
REG_Y = Series(
    "regnet",
    2020,
    "Radosavovic et al., arXiv:2003.13678",
    "RegNet X with attention over channels",
    {"stem_width": 32},
)
VIT = Series(
    "vit",
    2020,
    "Dosovitskiy et al., arXiv:2010.11929",
    "Cuts the image into patches and lets each attend to all the others",
    {"image_size": 224, "dropout": 0.0, "attention_dropout": 0.0, "representation_size": None},
)
SWIN = Series(
    "swin",
    2021,
    "Liu et al., arXiv:2103.14030",
    "Attention inside small windows that shift from layer to layer",
    {"dropout": 0.0, "attention_dropout": 0.0, "mlp_ratio": 4.0},
    smallest=4,
)
SWIN_2 = Series(
    "swin",
    2021,
    "Liu et al., arXiv:2111.09883",
    "Swin with bounded attention and positions that carry over to other image sizes",
    {"dropout": 0.0, "attention_dropout": 0.0, "mlp_ratio": 4.0},
    smallest=4,
)
CONVNEXT = Series(
    "convnext",
    2022,
    "Liu et al., arXiv:2201.03545",
    "A ResNet rebuilt with what made transformers good: large filters, few activations",
    {"stochastic_depth_prob": 0.5, "layer_scale": 1e-6},
    smallest=32,
)
MAXVIT = Series(
    "maxvit",
    2022,
    "Tu et al., arXiv:2204.01697",
    "In every block a convolution, then attention within windows, then across a grid",
    {
        "image_size": 224,
        "attention_dropout": 0.0,
        "mlp_dropout": 0.0,
        "mlp_ratio": 4,
        "squeeze_ratio": 0.25,
        "expansion_ratio": 4.0,
    },
)
