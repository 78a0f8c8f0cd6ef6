"""Every network by name: how it is built, what it costs, and which images it takes.

Nothing here imports torch: a builder does, when it is called. To add a network of your own,
write a function `build(num_classes, *, option=...) -> nn.Module` that takes (N, 3, H, W) and
gives (N, num_classes) logits, and add a line to NETWORKS and to BUILDERS. Every network of timm
is there too, as timm/NAME, and any two side by side, as A+B: not listed, but found when asked for.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Annotated, Any

from pydantic import Field

from fieldmark.catalog import Catalog, Entry
from fieldmark.errors import Mistake
from fieldmark.models import nature_cnn, timm_networks, torchvision_networks
from fieldmark.models.series import Network, Series
from fieldmark.models.timm_networks import PREFIX

FOR_SMALL, FOR_PHOTOS = "small_cnn", "efficientnet_lite0"  # where no network is named
BESIDE = "+"  # between the names of two networks side by side
MOST_COUNTED = 20  # timm's networks have no table of numbers: each must be built to be counted

SMALL = Series(
    "small", "Three stages of plain 3x3 convolutions, for images of 8 to 64 px", smallest=4
)
NATURE = Series(
    "nature",
    "Five blocks of convolution, activation and pooling, their parts set by options",
    options={"image_size": nature_cnn.SIDE},
    smallest=32,  # with the options as they are; nature_cnn.smallest_side knows the others
)
BIRDS = Series(
    "alexnet",
    "AlexNet with batch norm after every layer, trained from scratch on kinds of birds",
    smallest=63,
)
ATTENTION = Series(
    "attention",
    "Five blocks of two convolutions, and attentions that learn which places count",
    2019,
    "Yan et al., IPMI 2019",
    smallest=32,
)
CIFAR_RES = Series(
    "resnet",
    "ResNet that begins with one 3x3 convolution and no pooling, for images of 32 px",
    2015,
    "He et al., arXiv:1512.03385",
)
AIRBENCH = Series(
    "airbench",
    "Three short blocks behind patches whitened by the training images: CIFAR-10 in seconds",
    2024,
    "Jordan, arXiv:2404.00498",
    smallest=9,
)
LITE = Series(
    "efficientnet",
    "EfficientNet for phones: no attention over channels, and activations that are cut at 6",
    2020,
    "Tan and Le, arXiv:1905.11946",
)
OWN = {
    "small_cnn": Network(SMALL, "six convolutions", 416_456, 38_761_472, 32),
    "nature_cnn": Network(NATURE, "32 filters in each block", 1_606_888, 198_458_624),
    "birds_alexnet": Network(BIRDS, "9 layers", 59_634_216, 712_701_632),
    "attention_cnn": Network(ATTENTION, "on blocks 3 and 4", 11_151_146, 11_276_278_784),
    "cifar_resnet18": Network(CIFAR_RES, "18 layers", 11_681_832, 555_929_600, 32),
    "cifar_fast": Network(AIRBENCH, "64 channels, then 256", 2_224_792, 118_400_800, 32),
    "efficientnet_lite0": Network(LITE, "the seed of the series", 4_652_008, 385_187_552),
    "efficientnet_lite1": Network(LITE, "deeper by a tenth", 5_416_680, 600_185_232, 240),
    "efficientnet_lite2": Network(LITE, "deeper and wider still", 6_092_072, 859_736_272, 260),
}
NETWORKS = OWN | torchvision_networks.NETWORKS
BUILDERS: dict[str, Callable[..., Any] | str] = {
    "small_cnn": "fieldmark.models.own_networks:SmallCnn",
    "nature_cnn": nature_cnn.nature_cnn,  # its options can be read without torch
    "birds_alexnet": "fieldmark.models.own_networks:birds_alexnet",
    "attention_cnn": "fieldmark.models.attention_cnn:AttentionCnn",
    "cifar_resnet18": "fieldmark.models.own_networks:cifar_resnet18",
    "cifar_fast": "fieldmark.models.own_networks:CifarFast",
    **{f"efficientnet_lite{n}": f"fieldmark.models.efficientnet_lite:lite{n}" for n in range(3)},
    **{name: torchvision_networks.builder(name) for name in torchvision_networks.NETWORKS},
}


class Networks(Catalog):
    """The catalog's own lines, timm/NAME for every network of timm, and A+B for any two."""

    def __getitem__(self, name: str) -> Entry:
        if BESIDE in name:
            return _beside(name)
        if name.startswith(PREFIX):
            return timm_networks.entry(name)
        return super().__getitem__(name)

    def __contains__(self, name: object) -> bool:
        """Also without reading off an outline which options timm's network takes."""
        if isinstance(name, str) and BESIDE in name:
            names = name.split(BESIDE)
            return len(names) == 2 and all(each in self for each in names)
        if isinstance(name, str) and name.startswith(PREFIX):
            return name.removeprefix(PREFIX) in timm_networks.names()
        return super().__contains__(name)

    def read(self, name: str, options: Mapping[str, Any]) -> tuple[dict[str, Any], list[Mistake]]:
        """As every catalog's, with timm's own names to choose from where one is misspelt."""
        if BESIDE in name and name not in self:
            names = name.split(BESIDE)
            if len(names) != 2:
                return {}, [Mistake("", f"'{name}' are {len(names)} networks; name two, as in A+B")]
            return {}, [mistake for each in names for mistake in self.read(each, {})[1]]
        if name.startswith(PREFIX) and name not in self:
            return {}, [Mistake("", timm_networks.unknown(name))]
        return super().read(name, options)

    def build(self, name: str, options: Mapping[str, Any], *args: Any) -> Any:
        """As every catalog's; timm's networks without a look at their options first."""
        if name.startswith(PREFIX) and BESIDE not in name:
            return timm_networks.create(name.removeprefix(PREFIX), *args, **options)
        return super().build(name, options, *args)


MODELS = Networks(
    "model",
    {name: (build, NETWORKS[name].about) for name, build in BUILDERS.items()},
    group="fieldmark.models",
)


def outline(name: str, num_classes: int = 1000, options: Mapping[str, Any] | None = None) -> Any:
    """The network on the meta device: shapes and counts, no memory, no random numbers drawn.

    It takes images on the meta device, too, and gives logits of the right shape.
    """
    from fieldmark.models.memory import on_meta

    return on_meta(lambda: MODELS.build(name, options or {}, num_classes))


@dataclass(frozen=True)
class ModelRow:
    """What a list of networks says of one of them.

    parameters are for 1000 classes; multiply_adds are for one image of `size` x `size` pixels.
    They are None where they were not counted. year is None and paper is "" where there is none;
    a network of timm has the papers that timm names for its default weights, and no year.
    """

    name: str
    family: str
    parameters: int | None
    multiply_adds: int | None
    size: int
    year: int | None
    paper: str
    about: str


def rows(pattern: str = "") -> list[ModelRow]:
    """The networks with `pattern` in their name, in the catalog's order; "" gives all.

    With *, ? or [ in it the whole name must fit it, as the names of files do in a shell. timm's are
    among them only where the pattern begins with "timm/". Where there are more than MOST_COUNTED
    they come without numbers, but for one that has this very name.
    """
    if pattern.startswith(PREFIX):
        wanted = pattern.removeprefix(PREFIX)
        found = [bare for bare in timm_networks.names() if _fits(bare, wanted)]
        few = len(found) <= MOST_COUNTED
        return [_timm_row(bare, counted=few or bare == wanted) for bare in found]
    return [_row(name) for name in MODELS if _fits(name, pattern)]


def _fits(name: str, pattern: str) -> bool:
    pattern = pattern.casefold()
    return fnmatchcase(name, pattern) if set("*?[") & set(pattern) else pattern in name


def family(name: str) -> str:
    """The family that a network belongs to, such as "resnet" for resnext50_32x4d.

    A network of timm belongs to the family here that its name begins with, or else to its own
    file in timm. Two side by side belong to that of the first, but for a small one's, which
    decides for both.
    """
    if BESIDE in name:
        both = [family(each) for each in name.split(BESIDE)]
        return SMALL.family if SMALL.family in both else both[0]
    if is_foreign(name):
        return name.partition("/")[0]
    if name.startswith(PREFIX):
        bare = name.removeprefix(PREFIX)
        known = {network.series.family for network in NETWORKS.values()} - {SMALL.family}
        return next((f for f in sorted(known) if bare.startswith(f)), timm_networks.module(bare))
    return NETWORKS[name].series.family


def is_foreign(name: str) -> bool:
    """Whether a network is lent by a caller, or offered by an installed package but timm."""
    return "/" in name and not name.startswith(PREFIX)


def side_mistake(name: str, options: Mapping[str, Any], side: int) -> str | None:
    """What stands against square images of `side` pixels for this network; None if nothing."""
    if BESIDE in name:
        return _against_both(name, options, side)
    if name.startswith(PREFIX):
        return timm_networks.side_mistake(name, options, side)
    if is_foreign(name):
        return _against_foreign(name, options, side)
    network = NETWORKS[name]
    if network.series is NATURE:  # what is too small depends on its options
        what = nature_cnn.side_mistake(options, side)
        if what is not None:
            return what
    elif side < network.series.smallest:
        return f"'{name}' needs images of {network.series.smallest} px or more, not {side}"
    if side % network.multiple:
        return f"'{name}' needs a side that is a multiple of {network.multiple} px, not {side}"
    built = options.get("image_size", network.defaults().get("image_size", side))
    if side != built:
        return f"'{name}' is built for {built} px, not {side}; set model.image_size={side}"
    return None


def _beside(name: str) -> Entry:
    """The line of A+B. Raises KeyError where there is one of them not."""
    if name not in MODELS:
        raise KeyError(name)
    names = name.split(BESIDE)

    def build(
        num_classes: int,
        *,
        second_size: Annotated[int, Field(gt=0)] | None = None,
        second_scale: tuple[float, float, float] = (1.0, 1.0, 1.0),
        second_shift: tuple[float, float, float] = (0.0, 0.0, 0.0),
    ) -> Any:
        from fieldmark.models.side_by_side import SideBySide

        both = [MODELS.build(each, {}, num_classes) for each in names]
        return SideBySide(
            both, num_classes, size=second_size, scale=second_scale, shift=second_shift
        )

    return Entry(name, build, f"the features of {' and of '.join(names)}, side by side")


def _against_both(name: str, options: Mapping[str, Any], side: int) -> str | None:
    sides = (side, options.get("second_size") or side)
    for each, own in zip(name.split(BESIDE), sides, strict=True):
        mistake = side_mistake(each, {}, own)
        if mistake is not None:
            return mistake
    if timm_networks.output_shape(outline(name, 2, options), (side, side)) != (1, 2):
        return f"'{name}' cannot be put side by side: one of them does not end in one head"
    return None


def _against_foreign(name: str, options: Mapping[str, Any], side: int) -> str | None:
    """Whether a network gives logits for two classes, of an image of `side` pixels."""
    shape = timm_networks.output_shape(outline(name, 2, options), (side, side))
    if shape is None:
        return f"'{name}' does not take images (1, 3, {side}, {side}); try another --image-size"
    if shape != (1, 2):
        return f"'{name}' gives {shape} for one image and two classes; it must give (1, 2)"
    return None


def _row(name: str) -> ModelRow:
    network, series = NETWORKS[name], NETWORKS[name].series
    return ModelRow(
        name=name,
        family=series.family,
        parameters=network.parameters,
        multiply_adds=network.multiply_adds,
        size=network.size,
        year=series.year,
        paper=series.paper,
        about=network.about,
    )


def _timm_row(bare: str, *, counted: bool) -> ModelRow:
    parameters, work = timm_networks.numbers(bare) if counted else (None, None)
    return ModelRow(
        name=PREFIX + bare,
        family=family(PREFIX + bare),
        parameters=parameters,
        multiply_adds=work,
        size=timm_networks.input_size(bare)[0],
        year=None,
        paper=timm_networks.paper(bare),
        about=timm_networks.about(bare),
    )
