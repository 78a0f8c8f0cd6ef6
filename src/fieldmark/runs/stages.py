"""Which stages a training has: what is trained, for how many epochs, at which rate."""

from typing import Any

from fieldmark.errors import Mistake, SettingsError
from fieldmark.fit.optimizers import OPTIMIZERS
from fieldmark.fit.timm_optimizers import PREFIX
from fieldmark.settings.tree import Settings, StageSettings

EPOCHS = {"random": 20, "head": 30, "tuned": 5}
HEAD_PATIENCE = 10  # at least, where other stages follow: epochs on features cost next to nothing
HEAD_RATE = 1e-2  # of Adam, on features: 3e-3 and less fall short of their best in 30 epochs
RAISED = 10.0  # that rate over Adam's usual one
# 1e-4 and more undid in the first epoch much of what the head had learned, seen on 10 classes of
# 50 photos and on 60 classes of 10; 3e-5 undid little
TUNED_RATES = {"adamw": 3e-5, "adam": 3e-5, "sgd": 1e-2, "rmsprop": 3e-5, "adadelta": 0.1}
TUNED = 0.03  # times its usual rate, for an optimiser that TUNED_RATES does not name
DESCENT = 0.05  # usual rate of plain descent, under whatever name: it is tuned as sgd is
GRADUAL_SPAN = 10.0  # the first rate of gradual unfreezing over the last one
HEAD, ALL, RESIZER = ("head",), ("all",), ("resizer",)


def plan(settings: Settings, *, has_weights: bool, layers: int) -> dict[str, Any]:
    """The stages made concrete. -> {"stages", "epochs", "lr"}: of `train` and of the optimiser.

    The last stage has no epochs and no rate of its own: they are train.epochs and optimizer.lr,
    so that a run which is trained further needs one number changed. layers: the network's
    stages before its head, for gradual unfreezing. Raises SettingsError.
    """
    wanted = wanted_stages(settings, has_weights=has_weights, layers=layers)
    *before, last = wanted
    epochs = one_of("train.epochs", settings.train.epochs, last.epochs)
    lr = one_of("optimizer.lr", settings.optimizer.options.get("lr"), last.lr)
    kind = "head" if last.head_alone else "tuned" if has_weights else "random"
    epochs = epochs or (1 if settings.model.unfreeze == "gradual" else EPOCHS[kind])
    lr = float(lr) if lr is not None else usual_rate(settings.optimizer.name, kind)
    stages = [
        {
            "train": stage.train,
            "epochs": stage.epochs or default_epochs(stage, settings, epochs),
            "lr": stage.lr or default_rate(stage, settings, lr, place / len(before)),
        }
        for place, stage in enumerate(before)
    ]
    return {"stages": [*stages, {"train": last.train}], "epochs": epochs, "lr": lr}


def wanted_stages(
    settings: Settings, *, has_weights: bool, layers: int
) -> tuple[StageSettings, ...]:
    """The stages as the settings ask for them, their numbers still open."""
    model, given = settings.model, settings.train.stages
    planned = tuple(StageSettings(train=names) for names in implied(settings, has_weights, layers))
    if isinstance(given, str):  # auto
        return planned
    asked = "--freeze" if model.freeze else "--unfreeze" if model.unfreeze else None
    if asked and [stage.train for stage in given] != [stage.train for stage in planned]:
        what = "says what is trained, and so does train.stages; leave one of them out"
        raise SettingsError([Mistake(asked, what)])
    return given


def implied(settings: Settings, has_weights: bool, layers: int) -> list[tuple[str, ...]]:
    """What is trained in each stage where train.stages does not say it."""
    model = settings.model
    if model.freeze:
        return [HEAD]
    if model.unfreeze == "gradual":
        return [HEAD, *((f"last:{count}",) for count in range(1, layers)), ALL]
    rest = ALL if model.unfreeze is None else tuple(model.unfreeze.replace(" ", "").split(","))
    if not has_weights and model.unfreeze is None:
        return [ALL]
    if model.resizer and rest != ALL:
        rest = (*rest, *RESIZER)
    return [HEAD, RESIZER, rest] if model.resizer else [HEAD, rest]


def default_epochs(stage: StageSettings, settings: Settings, last: int) -> int:
    """Epochs of a stage that is not the last and does not say them."""
    if stage.head_alone:
        return EPOCHS["head"]
    return 1 if settings.model.unfreeze == "gradual" else last


def default_rate(stage: StageSettings, settings: Settings, last: float, way: float) -> float:
    """The rate of a stage that is not the last and does not say it; way: 0 the first, 1 the last.

    With gradual unfreezing it falls from stage to stage.
    """
    if stage.head_alone:
        return usual_rate(settings.optimizer.name, "head")
    if stage.train == RESIZER:  # it is new, as random weights are
        return usual_rate(settings.optimizer.name, "random")
    return float(last * GRADUAL_SPAN ** (1 - way) if settings.model.unfreeze == "gradual" else last)


def usual_rate(optimizer: str, kind: str) -> float:
    """The rate that is known to be safe for this optimiser and this kind of training."""
    usual = float(OPTIMIZERS[optimizer].options()["lr"].default)
    if kind == "tuned":
        name = "sgd" if usual == DESCENT else optimizer.removeprefix(PREFIX)
        return TUNED_RATES.get(name, usual * TUNED)
    if kind == "head":  # raised as Adam's is, but not above that
        return max(usual, min(RAISED * usual, HEAD_RATE))
    return usual


def one_of(where: str, whole: Any, own: Any) -> Any:
    """The one of two values that is given; None where neither is. Raises SettingsError."""
    whole = None if whole == "auto" else whole
    if whole is not None and own is not None and float(whole) != own:
        what = f"is {whole}, and the last of train.stages says {own}; leave one of them out"
        raise SettingsError([Mistake(where, what)])
    return own if whole is None else whole
