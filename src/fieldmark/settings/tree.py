"""Every setting, its type, default and range. A frozen tree; unknown keys are refused."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from fieldmark.settings.data import DataSettings
from fieldmark.settings.run import BudgetSettings, RunSettings, TrackSettings
from fieldmark.settings.section import Choice, Section
from fieldmark.settings.values import (
    Auto,
    Channels,
    Count,
    Listed,
    Rate,
    Seed,
    Stored,
    as_names,
)


class InputSettings(Section):
    """How an image becomes what the network sees."""

    size: Auto | Annotated[int, Field(ge=4)] = Field(
        "auto", description="side of the square the network sees, in pixels"
    )
    stored: Stored = Field(
        "auto",
        description="auto, shorter:N, square:N, square (of the size) or original: the form that "
        "augmentation starts from",
    )
    normalize: Literal["auto", "imagenet", "half", "dataset"] | Channels = Field(
        "auto",
        description="the channels' mean and standard deviation: auto (the weights' own, else "
        "imagenet), imagenet, half, dataset (the training images' own), or [mean, mean, mean, "
        "std, std, std]",
    )


class ModelSettings(Choice):
    """The network; its own options (model.dropout, ...) stand beside these."""

    name: str = Field("auto", description="a name that `fieldmark models` lists, or two, as A+B")
    weights: str = Field(
        "auto",
        description="none (random), default (the hub's best), a version's name, a .safetensors or "
        ".pth file; auto: default for images of more than 64 px where the hub has any, else none",
    )
    init: str = Field(
        "pytorch",
        description="how random weights are drawn: pytorch (the network's), kaiming or kaiming_in",
    )
    weights_partial: bool = Field(False, description="take a file that fits only in part")
    freeze: bool = Field(False, description="train the head only; every image passes the rest once")
    unfreeze: str | None = Field(
        None,
        description="after the head train these too: last:K stages, gradual (a stage an epoch), "
        "or names and patterns of layers with commas between",
    )
    resizer: Annotated[int, Field(ge=16)] | None = Field(
        None,
        description="a learned resizer before the network: pixels a side that it makes of "
        "input.size",
    )
    mirror: bool = Field(
        False,
        description="the head works on the mean of an image's and its mirror image's features",
    )
    captions: bool = Field(
        False,
        description="the head reads the words of each image's caption too; to predict needs "
        "captions then",
    )


class HeadSettings(Choice):
    """The layers that give the classes; their options (head.sizes, ...) stand beside the name."""

    name: str = Field(
        "linear",
        description="linear, mlp, after (the weights' own classes, then one more) or boosted "
        "(trees)",
    )
    pool: Literal["auto", "mean", "mean+max"] = Field(
        "auto",
        description="the mean of each of the last maps, as the network has it, or its maximum too; "
        "auto: mean, of several labels an image mean+max where that can be",
    )


class FeaturesSettings(Section):
    """What a frozen backbone gives, and the heads that are trained on it in one go."""

    views: Count = Field(
        1, description="views of each training image: 1 as evaluation sees it, else augmented"
    )
    rates: Annotated[tuple[Rate, ...], Listed] | None = Field(
        None, min_length=1, description="learning rates to try, in place of one"
    )
    seeds: Annotated[tuple[Seed, ...], Listed] | None = Field(
        None, min_length=1, description="seeds to try, in place of run.seed"
    )
    heads: Annotated[tuple[str, ...], Listed] | None = Field(
        None, min_length=1, description="heads to try, in place of head.name, each in its own way"
    )
    solver: Literal["auto", "exact", "epochs"] = Field(
        "auto",
        description="exact: a linear head at the minimum of its loss with a penalty on its "
        "weights, without rate, epoch or draw; epochs: by the optimiser; auto: exact, unless "
        "something is asked for that only epochs have",
    )
    penalties: Annotated[tuple[Rate, ...], Listed] | None = Field(
        None, min_length=1, description="penalties that exact tries, in place of 1, 0.1 ... 1e-6"
    )
    scalings: Annotated[tuple[Literal["plain", "standard", "length"], ...], Listed] | None = Field(
        None,
        min_length=1,
        description="what exact tries: plain (features as they are), standard, length",
    )


class AugmentSettings(Choice):
    """What happens to an image in training."""

    name: str = Field(
        "auto",
        description="a name of the table below, or a .yaml or .json file that Albumentations saved",
    )
    with_choice = ("by",)

    by: Literal["auto", "image", "batch"] = Field(
        "auto",
        description="image: each by itself, in the loading processes; batch: small images lie in "
        "memory and are changed a batch at a time on the device; auto: batch where that can be",
    )


class OptimizerSettings(Choice):
    """The optimiser; its options (optimizer.lr, optimizer.weight_decay, ...) stand beside it."""

    name: str = Field("adamw", description="a name of the table below, or timm/NAME")


class ScheduleSettings(Choice):
    """How the learning rate moves."""

    name: str = Field("cosine", description="cosine, one-cycle, triangle, step, plateau or none")


class LossSettings(Choice):
    """What is made small."""

    name: str = Field(
        "auto",
        description="cross_entropy or focal; of several labels an image bce, binary_focal or "
        "asymmetric; auto: the first of them",
    )


class MixSettings(Choice):
    """Images of a batch that are put into one another, with their labels."""

    name: str = Field("none", description="none, mixup, cutmix or either")


class PenaltySettings(Section):
    """What is added to the loss so that weights stay small; told apart from the loss."""

    l1: Annotated[float, Field(ge=0)] = Field(
        0.0, description="times the sum of all absolute weights"
    )
    l2: Annotated[float, Field(ge=0)] = Field(
        0.0, description="times half the sum of their squares"
    )
    on: Literal["all", "weights"] = Field(
        "all", description="all trained parameters, or weights: no biases and nothing of norms"
    )


class StageSettings(Section):
    """A part of the training. What is left out of the last one is that of the whole run."""

    train: Annotated[tuple[str, ...], Field(min_length=1), BeforeValidator(as_names)]
    epochs: Count | None = None
    lr: Rate | None = None

    @property
    def head_alone(self) -> bool:
        """Whether it trains the head alone, and so may do it on features."""
        return self.train == ("head",)


Stages = Annotated[tuple[StageSettings, ...], Field(min_length=1)]
if TYPE_CHECKING:  # what these are once a run is concrete; before, they may be "auto"
    AutoStages = tuple[StageSettings, ...]
    AutoCount = int
    AutoDecay = float
    AutoBool = bool
    AutoPatience = int | None
    AutoEma = float | None
else:
    AutoStages = Auto | Stages
    AutoCount = Auto | Count
    AutoDecay = Auto | Annotated[float, Field(gt=0, le=1)]
    AutoBool = Auto | bool
    AutoPatience = Auto | Count | None
    AutoEma = Auto | Annotated[float, Field(gt=0, lt=1)] | None
AUTO: Any = "auto"


class TrainSettings(Section):
    """The loop."""

    stages: AutoStages = Field(
        AUTO,
        description="a list of {train: head, all, resizer, last:K or layers, epochs: N, lr: RATE}; "
        "auto: all, and for a network with weights first the head",
    )
    epochs: AutoCount = Field(
        AUTO,
        description="passes over the training images, at the most; with stages: of the last; "
        "auto: 20 from random weights, 30 of a head alone (1 where it is solved), else 5",
    )
    batch_size: AutoCount = Field(
        AUTO, description="images a step; auto: 64, where weights are tuned 32"
    )
    accumulate: Count = Field(1, description="batches whose gradients are added up for one step")
    clip_norm: Annotated[float, Field(gt=0)] | None = Field(
        None, description="the gradient's norm is cut to this"
    )
    ema: AutoEma = Field(
        AUTO,
        description="decay of an exponential moving average of the weights, which is kept; "
        "auto: 0.9 where weights are tuned, else none",
    )
    layer_decay: AutoDecay = Field(
        AUTO,
        description="the rate's factor from each stage of layers to the one before it; "
        "auto: 0.9 where weights are tuned, else 1",
    )
    head_factor: Rate = Field(1.0, description="the head's rate over that of the other layers")
    bias_factor: Rate = Field(
        1.0, description="the rate of biases over that of the other parameters; their decay stays"
    )
    decay_on: Literal["all", "weights"] = Field(
        "all", description="what weight decay covers: all, or weights: no biases, nothing of norms"
    )
    lookahead: Count | None = Field(
        None,
        description="steps between two updates of slow weights, which training goes on from and "
        "which are kept; in place of ema",
    )
    least_mistakes: Auto | Annotated[int, Field(ge=0)] = Field(
        "auto",
        description="where the head alone makes fewer mistakes on the images that validate what "
        "comes after it, nothing comes after it: nobody could tell whether it helped; auto: 5, "
        "or 0 where something is said of what comes",
    )
    wise: AutoBool = Field(
        AUTO,
        description="keep the mean of the weights before and after the tuning, its share chosen "
        "on validation among 0, 1/4, 1/2, 3/4 and 1 (WiSE-FT); auto: where a head was trained "
        "before more of the network, and there is validation",
    )
    norm_frozen: AutoBool = Field(
        AUTO,
        description="batch norm keeps the statistics that came with the weights; auto: where "
        "weights are tuned",
    )
    sampling: Literal["all", "balanced"] = Field(
        "all", description="all: each image once an epoch; balanced: each class as often"
    )
    monitor: str = Field(
        "auto",
        description="the validation figure that chooses the epoch; auto: macro_f1, of several "
        "labels an image mean_average_precision",
    )
    patience: AutoPatience = Field(
        AUTO,
        description="stop after so many validations without a better figure; none: never; "
        "auto: 10, where weights are tuned 2; a head that other stages follow has 10 or more",
    )
    min_delta: Annotated[float, Field(ge=0)] | None = Field(
        None,
        description="patience follows the validation loss, whatever is monitored: one below the "
        "least so far begins the count anew, one above it by more than this counts, one between "
        "does neither; none: patience as it is told there",
    )
    validate_every: Count = Field(
        1,
        description="epochs between two validations, of which patience counts; the last epoch of "
        "a stage is always validated, and a head on features after each epoch, which costs next to "
        "nothing and by which folds agree on an epoch",
    )
    figures: Annotated[tuple[str, ...], Listed] = Field(
        (),
        description="figures printed after each epoch and drawn in the report, beside loss, "
        "accuracy and the monitored one",
    )
    own_figures: Annotated[tuple[str, ...], Listed] = Field(
        (),
        description="figures that are functions given from Python, as NAME@HASH of their source; "
        "`fieldmark.train(metrics=...)` writes them here",
    )
    test_flip: bool = Field(
        False,
        description="tell also, apart, the figures of images averaged with their mirror images",
    )
    checkpoint_minutes: Annotated[float, Field(gt=0)] = Field(
        10.0, description="minutes between checkpoints inside a long epoch"
    )
    steps_every: Count = Field(10, description="steps between rows of steps.csv")

    @property
    def head_alone(self) -> bool:
        """Whether nothing but the head is trained; of stages that are concrete."""
        return all(stage.head_alone for stage in self.stages)


class Settings(Section):
    """The whole tree."""

    data: DataSettings
    input: InputSettings = InputSettings()
    augment: AugmentSettings = AugmentSettings()
    model: ModelSettings = ModelSettings()
    head: HeadSettings = HeadSettings()
    features: FeaturesSettings = FeaturesSettings()
    optimizer: OptimizerSettings = OptimizerSettings()
    schedule: ScheduleSettings = ScheduleSettings()
    loss: LossSettings = LossSettings()
    mix: MixSettings = MixSettings()
    penalty: PenaltySettings = PenaltySettings()
    train: TrainSettings = TrainSettings()
    budget: BudgetSettings = BudgetSettings()
    track: TrackSettings = TrackSettings()
    run: RunSettings = RunSettings()

    def having(self, **sections: Mapping[str, Any]) -> "Settings":
        """The same settings with other values in some sections, such as run={"seed": 1}."""
        parts = {
            name: getattr(self, name).model_copy(update=dict(values))
            for name, values in sections.items()
        }
        return self.model_copy(update=parts)


def sections() -> dict[str, type[Section]]:
    """The sections by name, in order."""
    return {name: field.annotation for name, field in Settings.model_fields.items()}  # type: ignore[misc]


def known_keys() -> list[str]:
    """Every dotted key that is the same for all models, in order."""
    return [f"{name}.{key}" for name, part in sections().items() for key in part.model_fields]
