"""torchvision's classification networks: a line each, and the function that builds one.

The tests hold every number against the network itself, and every option against what its
constructor really takes.
"""

import inspect
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import Field

from fieldmark.catalog import with_options
from fieldmark.models.series import (
    ALEX,
    CONVNEXT,
    DENSE,
    EFFICIENT,
    EFFICIENT_2,
    GOOGLE,
    INCEPTION,
    MAXVIT,
    MNAS,
    MOBILE_2,
    MOBILE_3,
    REG_X,
    REG_Y,
    RES,
    RESNEXT,
    SHUFFLE,
    SQUEEZE,
    SWIN,
    SWIN_2,
    VGG,
    VIT,
    WIDE,
    Default,
    Network,
)

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(gt=0)]
SHARES = ("dropout", "attention_dropout", "mlp_dropout", "drop_rate", "stochastic_depth_prob")
BOTTLENECK: dict[str, Default] = {"groups": 1, "width_per_group": 64}

NETWORKS: dict[str, Network] = {
    "alexnet": Network(ALEX, "8 layers", 61_100_840, 714_188_480),
    "vgg11": Network(VGG, "11 layers", 132_863_336, 7_609_090_048),
    "vgg11_bn": Network(VGG, "11 layers, batch norm", 132_868_840, 7_609_090_048),
    "vgg13": Network(VGG, "13 layers", 133_047_848, 11_308_466_176),
    "vgg13_bn": Network(VGG, "13 layers, batch norm", 133_053_736, 11_308_466_176),
    "vgg16": Network(VGG, "16 layers", 138_357_544, 15_470_264_320),
    "vgg16_bn": Network(VGG, "16 layers, batch norm", 138_365_992, 15_470_264_320),
    "vgg19": Network(VGG, "19 layers", 143_667_240, 19_632_062_464),
    "vgg19_bn": Network(VGG, "19 layers, batch norm", 143_678_248, 19_632_062_464),
    "googlenet": Network(GOOGLE, "22 layers", 6_624_904, 1_498_376_192),
    "inception_v3": Network(INCEPTION, "48 layers", 23_834_568, 5_713_216_096, 299),
    "resnet18": Network(RES, "18 layers", 11_689_512, 1_814_073_344),
    "resnet34": Network(RES, "34 layers", 21_797_672, 3_663_761_408),
    "resnet50": Network(RES, "50 layers", 25_557_032, 4_089_184_256, options=BOTTLENECK),
    "resnet101": Network(RES, "101 layers", 44_549_160, 7_801_405_440, options=BOTTLENECK),
    "resnet152": Network(RES, "152 layers", 60_192_808, 11_513_626_624, options=BOTTLENECK),
    "wide_resnet50_2": Network(WIDE, "50 layers", 68_883_240, 11_398_021_120),
    "wide_resnet101_2": Network(WIDE, "101 layers", 126_886_696, 22_753_050_624),
    "resnext50_32x4d": Network(RESNEXT, "50 layers, 32 paths", 25_028_904, 4_230_479_872),
    "resnext101_32x8d": Network(RESNEXT, "101 layers, 32 wide paths", 88_791_336, 16_414_015_488),
    "resnext101_64x4d": Network(RESNEXT, "101 layers, 64 paths", 83_455_272, 15_460_270_080),
    "squeezenet1_0": Network(SQUEEZE, "the first version", 1_248_424, 818_924_576),
    "squeezenet1_1": Network(SQUEEZE, "2.4 times less work than 1.0", 1_235_496, 349_151_936),
    "densenet121": Network(DENSE, "121 layers", 7_978_856, 2_834_161_664),
    "densenet161": Network(DENSE, "161 layers, wide", 28_681_000, 7_727_907_072),
    "densenet169": Network(DENSE, "169 layers", 14_149_480, 3_359_843_328),
    "densenet201": Network(DENSE, "201 layers", 20_013_928, 4_291_365_888),
    "mobilenet_v2": Network(MOBILE_2, "the full width", 3_504_872, 300_774_272),
    "mobilenet_v3_small": Network(MOBILE_3, "the small one", 2_542_856, 56_510_400),
    "mobilenet_v3_large": Network(MOBILE_3, "the large one", 5_483_032, 216_589_760),
    "mnasnet0_5": Network(MNAS, "half the full width", 2_218_512, 104_455_968),
    "mnasnet0_75": Network(MNAS, "three quarters of the full width", 3_170_208, 215_493_104),
    "mnasnet1_0": Network(MNAS, "the full width", 4_383_312, 314_415_872),
    "mnasnet1_3": Network(MNAS, "1.3 times the full width", 6_282_256, 526_362_432),
    "shufflenet_v2_x0_5": Network(SHUFFLE, "half the full width", 1_366_792, 40_476_448),
    "shufflenet_v2_x1_0": Network(SHUFFLE, "the full width", 2_278_604, 144_907_992),
    "shufflenet_v2_x1_5": Network(SHUFFLE, "1.5 times the full width", 3_503_624, 295_759_392),
    "shufflenet_v2_x2_0": Network(SHUFFLE, "twice the full width", 7_393_996, 583_253_464),
    "efficientnet_b0": Network(EFFICIENT, "the seed of the series", 5_288_548, 385_814_752),
    "efficientnet_b1": Network(EFFICIENT, "step 1 of 7", 7_794_184, 686_802_832, 240),
    "efficientnet_b2": Network(
        EFFICIENT, "step 2 of 7", 9_109_994, 1_087_529_456, 288, options={"dropout": 0.3}
    ),
    "efficientnet_b3": Network(
        EFFICIENT, "step 3 of 7", 12_233_232, 1_827_141_392, 300, options={"dropout": 0.3}
    ),
    "efficientnet_b4": Network(
        EFFICIENT, "step 4 of 7", 19_341_616, 4_393_771_024, 380, options={"dropout": 0.4}
    ),
    "efficientnet_b5": Network(
        EFFICIENT, "step 5 of 7", 30_389_784, 10_266_384_752, 456, options={"dropout": 0.4}
    ),
    "efficientnet_b6": Network(
        EFFICIENT, "step 6 of 7", 43_040_704, 19_067_593_536, 528, options={"dropout": 0.5}
    ),
    "efficientnet_b7": Network(
        EFFICIENT, "step 7 of 7", 66_347_960, 37_745_884_192, 600, options={"dropout": 0.5}
    ),
    "efficientnet_v2_s": Network(EFFICIENT_2, "small", 21_458_488, 8_365_617_152, 384),
    "efficientnet_v2_m": Network(
        EFFICIENT_2, "medium", 54_139_356, 24_582_460_384, 480, options={"dropout": 0.3}
    ),
    "efficientnet_v2_l": Network(
        EFFICIENT_2, "large", 118_515_272, 56_079_699_008, 480, options={"dropout": 0.4}
    ),
    "regnet_x_400mf": Network(REG_X, "about 0.4 G multiply-adds", 5_495_976, 413_812_608),
    "regnet_x_800mf": Network(REG_X, "about 0.8 G multiply-adds", 7_259_656, 799_699_712),
    "regnet_x_1_6gf": Network(REG_X, "about 1.6 G multiply-adds", 9_190_136, 1_602_849_792),
    "regnet_x_3_2gf": Network(REG_X, "about 3.2 G multiply-adds", 15_296_552, 3_176_621_952),
    "regnet_x_8gf": Network(REG_X, "about 8 G multiply-adds", 39_572_648, 7_995_132_416),
    "regnet_x_16gf": Network(REG_X, "about 16 G multiply-adds", 54_278_536, 15_940_755_456),
    "regnet_x_32gf": Network(REG_X, "about 32 G multiply-adds", 107_811_560, 31_735_929_792),
    "regnet_y_400mf": Network(REG_Y, "about 0.4 G multiply-adds", 4_344_144, 401_842_848),
    "regnet_y_800mf": Network(REG_Y, "about 0.8 G multiply-adds", 6_432_512, 833_856_256),
    "regnet_y_1_6gf": Network(REG_Y, "about 1.6 G multiply-adds", 11_202_430, 1_612_076_160),
    "regnet_y_3_2gf": Network(REG_Y, "about 3.2 G multiply-adds", 19_436_338, 3_176_482_752),
    "regnet_y_8gf": Network(REG_Y, "about 8 G multiply-adds", 39_381_472, 8_473_070_592),
    "regnet_y_16gf": Network(REG_Y, "about 16 G multiply-adds", 83_590_140, 15_911_510_272),
    "regnet_y_32gf": Network(REG_Y, "about 32 G multiply-adds", 145_046_770, 32_279_552_832),
    "regnet_y_128gf": Network(REG_Y, "about 128 G multiply-adds", 644_812_894, 127_517_815_680),
    "vit_b_32": Network(VIT, "base, patches of 32 px", 88_224_232, 4_409_186_304, multiple=32),
    "vit_b_16": Network(VIT, "base, patches of 16 px", 86_567_656, 17_563_828_224, multiple=16),
    "vit_l_32": Network(VIT, "large, patches of 32 px", 306_535_400, 15_377_539_072, multiple=32),
    "vit_l_16": Network(VIT, "large, patches of 16 px", 304_326_632, 61_554_712_576, multiple=16),
    "vit_h_14": Network(VIT, "huge, patches of 14 px", 632_045_800, 167_295_109_120, multiple=14),
    "swin_t": Network(SWIN, "tiny", 28_288_354, 4_490_566_656),
    "swin_s": Network(SWIN, "small", 49_606_258, 8_740_875_264),
    "swin_b": Network(SWIN, "base", 87_768_224, 15_430_946_816),
    "swin_v2_t": Network(SWIN_2, "tiny", 28_351_570, 5_939_690_496, 256),
    "swin_v2_s": Network(SWIN_2, "small", 49_737_442, 11_545_857_024, 256),
    "swin_v2_b": Network(SWIN_2, "base", 87_930_848, 20_325_134_336, 256),
    "convnext_tiny": Network(
        CONVNEXT, "tiny", 28_589_128, 4_455_531_264, options={"stochastic_depth_prob": 0.1}
    ),
    "convnext_small": Network(
        CONVNEXT, "small", 50_223_688, 8_683_712_256, options={"stochastic_depth_prob": 0.4}
    ),
    "convnext_base": Network(CONVNEXT, "base", 88_591_464, 15_354_729_472),
    "convnext_large": Network(CONVNEXT, "large", 197_767_336, 34_361_433_600),
    "maxvit_t": Network(MAXVIT, "tiny", 30_919_624, 5_558_046_720, multiple=224),
}


def builder(name: str) -> Callable[..., Any]:
    """The function that builds this network; its keyword-only parameters are the options.

    Options that are not given are left to torchvision. googlenet and inception_v3 are built
    without their auxiliary classifiers, so that they too give one logit a class in training.
    """
    network = NETWORKS[name]

    def build(num_classes: int, **options: Any) -> Any:
        from torchvision.models import get_model

        if network.series in (GOOGLE, INCEPTION):
            options |= {"aux_logits": False, "init_weights": True}
        if network.series is MAXVIT and "image_size" in options:
            options["input_size"] = (options.pop("image_size"),) * 2
        return get_model(name, weights=None, num_classes=num_classes, **options)

    options = [_option(option, default) for option, default in network.defaults().items()]
    return with_options(build, name, network.series.idea, options)


def _option(name: str, default: Default) -> inspect.Parameter:
    """A keyword-only parameter, its kind read off the name and the default."""
    kind: Any = Share if name in SHARES else Positive
    if isinstance(default, bool):
        kind = bool
    elif isinstance(default, int):
        kind = Count
    elif default is None:
        kind = Count | None
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
