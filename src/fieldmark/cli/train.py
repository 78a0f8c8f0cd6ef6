"""`fieldmark train`: images in, a measured classifier out."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

from fieldmark.cli.typed import (
    Crops,
    DataDir,
    Images,
    Text,
    Words,
    command_line,
    data_and_rest,
    flag,
    named,
)
from fieldmark.errors import Mistake, refuse
from fieldmark.settings.options import OPTIONS

if TYPE_CHECKING:
    from fieldmark.console import Console
    from fieldmark.rundir import RunDir
    from fieldmark.settings.layers import Resolved

OPTIMIZERS = "adamw, adam, sgd, adadelta, rmsprop, lion, timm/NAME."
SCHEDULES = "cosine, one-cycle, triangle, step, plateau, none."
AUGMENTATIONS = "none, light, standard, strong, ... or a file."
Freeze = Annotated[bool | None, flag("--freeze/--no-freeze", "Train the head only, in seconds.")]
Compile = Annotated[bool | None, flag("--compile/--no-compile", "Compile the network first.")]
FindLr = Annotated[bool, flag("--find-lr", "Try rising learning rates, draw them, train nothing.")]
DryRun = Annotated[bool, flag("--dry-run", "Show images, time, settings; train nothing.")]
Summary = Annotated[bool, flag("--summary", "With --dry-run, every layer of the network too.")]


def command(
    words: Words = None,
    images: Images = None,
    data_dir: DataDir = None,
    crops: Crops = None,
    predict: Annotated[Text, named("TABLE", "Images to label at the end, for Kaggle.")] = None,
    corrections: Annotated[Text, named("FILE", "Labels that a person corrected.")] = None,
    model: Annotated[Text, named("NAME", "Network; `fieldmark models` lists them.")] = None,
    weights: Annotated[Text, named("FILE", "A file, default, a version's name, or none.")] = None,
    freeze: Freeze = None,
    unfreeze: Annotated[Text, named("LAYERS", "Then also last:K, gradual, or names.")] = None,
    head: Annotated[Text, named("NAME", "linear, mlp, after.")] = None,
    epochs: Annotated[Text, named("N", "Passes over the images, at the most.")] = None,
    batch_size: Annotated[Text, named("N", "Images a step.")] = None,
    lr: Annotated[Text, named("RATE", "Learning rate.")] = None,
    optimizer: Annotated[Text, named("NAME", OPTIMIZERS)] = None,
    loss: Annotated[Text, named("NAME", "cross_entropy, focal.")] = None,
    schedule: Annotated[Text, named("NAME", SCHEDULES)] = None,
    image_size: Annotated[Text, named("PX", "Side of what the network sees, px.")] = None,
    augment: Annotated[Text, named("NAME", AUGMENTATIONS)] = None,
    max_size_mb: Annotated[Text, named("MIB", "Refuse a network with more MiB of weights.")] = None,
    max_hours: Annotated[Text, named("HOURS", "End training after so many device hours.")] = None,
    target: Annotated[Text, named("METRIC=VALUE", "For the test to reach; commas between.")] = None,
    seed: Annotated[Text, named("N", "Decides weights, order, augmentation.")] = None,
    precision: Annotated[Text, named("NAME", "auto, float32, bf16, 16-mixed.")] = None,
    engine: Annotated[Text, named("NAME", "For features: torch, onnxruntime, openvino.")] = None,
    compile: Compile = None,
    track: Annotated[Text, named("NAMES", "tensorboard, wandb, mlflow; commas between.")] = None,
    workers: Annotated[Text, named("N", "Processes that load images.")] = None,
    device: Annotated[Text, named("NAME", "auto, cpu, cuda, mps.")] = None,
    out: Annotated[Text, named("DIR", "Folder for run folders (default runs).")] = None,
    name: Annotated[Text, named("NAME", "The run folder's name.")] = None,
    recipe: Annotated[Text, named("NAME", "`fieldmark recipes ls` lists them.")] = None,
    config: Annotated[Text, named("FILE", "A settings file, such as a run's.")] = None,
    resume: Annotated[Text, named("RUN", "A run folder to go on with.")] = None,
    find_lr: FindLr = False,
    profile: Annotated[bool, flag("--profile", "Tell at the end where the time went.")] = False,
    dry_run: DryRun = False,
    summary: Summary = False,
) -> int:
    """Train on DATA: a folder of class folders, a table of labels, or digits.

    KEY=VALUE reaches every setting (`fieldmark options train` lists them).
    """
    given = locals()
    options = {option: given[option] for option in OPTIONS if given[option] is not None}
    data, rest = data_and_rest(words)
    looks = {"--dry-run": dry_run or None, "--find-lr": find_lr or None}
    refuse_beside(resume, {"DATA": data, "--recipe": recipe, "--config": config, **looks})
    refuse_together({**looks, "--profile": profile}, summary=summary)
    from fieldmark.console import Console

    console, layers = Console(), {"recipe": recipe, "config": config}
    if resume is not None:
        return conclude(go_on(resume, rest, options, console), console, profile=profile)
    resolved = gathered(data, rest, options, layers)
    if dry_run or find_lr:
        return look(resolved, console, find_lr=find_lr, summary=summary)
    return conclude(begin(resolved, console), console, profile=profile)


def gathered(
    data: str | None,
    rest: list[str],
    options: Mapping[str, str],
    layers: Mapping[str, str | None],
) -> "Resolved":
    """The settings of a new run."""
    from fieldmark.runs.asked import layers_of, refuse_early

    refuse_early(layers_of(data, rest, options, recipe=layers["recipe"], config=layers["config"]))
    from fieldmark.runs.concrete import gather

    return gather(data, rest, options, recipe=layers["recipe"], config=layers["config"])


def look(resolved: "Resolved", console: "Console", *, find_lr: bool, summary: bool) -> int:
    """What a run would be, maybe with its layers, or which rates it may have. -> exit code"""
    from fieldmark.runs.preview import find_rates, show

    find_rates(resolved, console) if find_lr else show(resolved, console, layers=summary)
    return 0


def begin(resolved: "Resolved", console: "Console") -> "RunDir":
    """A new run. -> its folder"""
    from fieldmark.runs.run import train_run

    return train_run(resolved, console, command_line())


def go_on(run: str, words: list[str], options: dict[str, str], console: "Console") -> "RunDir":
    """A run that was stopped, or is trained further. -> its folder"""
    from fieldmark.rundir import open_run

    its = open_run(run)  # refused where it is none, before torch is imported
    from fieldmark.runs.moved import named_anew
    from fieldmark.settings.texts import read_given

    changes = read_given(words, options, None)
    named_anew(its, changes)
    from fieldmark.runs.resume import resume_run

    return resume_run(run, changes, console)


def conclude(run: "RunDir", console: "Console", *, profile: bool) -> int:
    """Where the time of a run that is done went, where that is asked; and its budgets.

    -> exit code; raises BudgetError
    """
    from fieldmark.runs.budgets import refuse_missed

    if profile:
        from fieldmark.runs.profile import tell_profile

        tell_profile(run, console)
    refuse_missed(run)
    return 0


def refuse_together(flags: Mapping[str, bool | None], *, summary: bool) -> None:
    """Only one of these flags can be given; --summary goes with --dry-run alone."""
    if summary and not flags["--dry-run"]:
        refuse([Mistake("--summary", "shows layers and trains nothing; add --dry-run")])
    first, *others = [name for name, given in flags.items() if given] or [""]
    refuse(Mistake(name, f"does not go with {first}; leave one out") for name in others[:1])


def refuse_beside(resume: str | None, others: Mapping[str, object]) -> None:
    """A run that goes on has its images and settings already."""
    what = "does not go with --resume; leave it out"
    moved = f"{what}, or, where its photos moved, write data.source=NEW"
    refuse(
        Mistake(name, moved if name == "DATA" else what)
        for name, value in others.items()
        if resume is not None and value is not None
    )
