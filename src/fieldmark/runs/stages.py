"""Which stages a training has: what is trained, for how many epochs, at which rate; and how
training enters one."""

from collections.abc import Sequence
from typing import Any

import torch

from fieldmark.errors import Mistake, SettingsError
from fieldmark.fit.averages import Average, Ema, Lookahead
from fieldmark.fit.optimizers import OPTIMIZERS, Idle
from fieldmark.fit.plan import Plan
from fieldmark.fit.state import State
from fieldmark.fit.timm_optimizers import PREFIX
from fieldmark.judge.metrics import METRICS
from fieldmark.models.stages import chosen, parameter_groups, set_trained
from fieldmark.settings.tree import Settings, StageSettings, TrainSettings

EPOCHS = {"random": 20, "head": 30, "tuned": 5, "exact": 1}
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
# of training by epochs: where a head alone is trained, they say that it is to be so
OF_EPOCHS = (
    *("train.epochs", "train.batch_size", "train.accumulate", "train.clip_norm", "train.ema"),
    *("train.patience", "train.min_delta", "train.lookahead", "train.layer_decay"),
    *("train.head_factor", "train.norm_frozen", "train.steps_every"),
)
PLAIN_GROUPS = {"decay": 1.0, "head_factor": 1.0, "decay_on": "all", "bias_factor": 1.0}


def plan(
    settings: Settings, wanted: Sequence[StageSettings], *, has_weights: bool, exact: bool
) -> dict[str, Any]:
    """The stages made concrete. -> {"stages", "epochs", "lr"}: of `train` and of the optimiser.

    wanted: of `wanted_stages`. exact: whether a head alone is solved, which counts as one epoch.

    The last stage has no epochs and no rate of its own: they are train.epochs and optimizer.lr,
    so that a run which is trained further needs one number changed. Raises SettingsError.
    """
    *before, last = wanted
    is_gradual = settings.model.unfreeze == "gradual"
    epochs = one_of("train.epochs", settings.train.epochs, last.epochs)
    lr = one_of("optimizer.lr", settings.optimizer.options.get("lr"), last.lr)
    kind = "head" if last.head_alone else "tuned" if has_weights else "random"
    head = EPOCHS["exact" if exact else "head"]
    usual = head if last.head_alone else EPOCHS[kind]
    epochs = epochs or (1 if is_gradual else usual)
    lr = float(lr) if lr is not None else usual_rate(settings.optimizer.name, kind)
    stages: list[dict[str, Any]] = []
    for place, stage in enumerate(before):
        many = head if stage.head_alone else 1 if is_gradual else epochs
        rate = None  # of a head that is solved
        if not (exact and stage.head_alone):
            rate = default_rate(stage, settings, lr, place / len(before))
        own = {"epochs": stage.epochs or many, "lr": stage.lr or rate}
        stages.append({"train": stage.train, **own})
    return {"stages": [*stages, {"train": last.train}], "epochs": epochs, "lr": lr}


def wanted_stages(
    settings: Settings, *, has_weights: bool, layers: int
) -> tuple[StageSettings, ...]:
    """The stages as the settings ask for them, their numbers still open. Raises SettingsError.

    layers: the network's stages before its head, for gradual unfreezing.
    """
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


BOOSTED = "boosted"


def heads_of(settings: Settings) -> tuple[str, ...]:
    """The kinds of heads that a run tries on features."""
    return settings.features.heads or (settings.head.name,)


def by_epochs(settings: Settings) -> tuple[str, ...]:
    """Those of them that are trained epoch by epoch; of settings whose solver is concrete."""
    exact = ("linear",) if settings.features.solver == "exact" else ()
    return tuple(name for name in heads_of(settings) if name not in (BOOSTED, *exact))


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


def stage_of(settings: Settings, index: int) -> StageSettings:
    """A stage with its numbers; those of the last are the run's own."""
    stage = settings.train.stages[index]
    epochs = stage.epochs or settings.train.epochs
    lr = stage.lr or settings.optimizer.options["lr"]
    return StageSettings(train=stage.train, epochs=epochs, lr=lr)


def enter_stage(state: State, settings: Settings, network: torch.nn.Module) -> None:
    """Give `state` what its stage needs: trained parameters, optimiser, average."""
    stage = stage_of(settings, state.stage)
    set_trained(network, chosen(network, stage.train))
    if stage.head_alone:  # heads on features have their own
        state.optimizer = Idle()
    else:
        state.optimizer = optimizer(settings, stage.lr, grouped(network, settings, stage.lr or 0))
    mixed = settings.run.precision == "16-mixed"
    state.planned = stage.epochs
    state.scaler = torch.amp.GradScaler(settings.run.device) if mixed else None
    state.ema = average(state.model, settings.train)
    state.penalised = None


def optimizer(settings: Settings, lr: float | None, parameters: Any) -> torch.optim.Optimizer:
    """The run's optimiser with this rate."""
    options = {**settings.optimizer.options, "lr": lr}
    made: torch.optim.Optimizer = OPTIMIZERS.build(settings.optimizer.name, options, parameters)
    return made


def grouped(network: torch.nn.Module, settings: Settings, lr: float) -> Any:
    """The trained parameters in groups by rate and decay; in one, the fastest, where all have
    the same."""
    train = settings.train
    wanted: dict[str, Any] = {
        "decay": train.layer_decay,
        "head_factor": train.head_factor,
        "decay_on": train.decay_on,
        "bias_factor": train.bias_factor,
    }
    if wanted == PLAIN_GROUPS:
        return [parameter for parameter in network.parameters() if parameter.requires_grad]
    decay = float(settings.optimizer.options.get("weight_decay", 0.0))
    return parameter_groups(network, lr=lr, weight_decay=decay, **wanted)


def average(model: torch.nn.Module, train: TrainSettings) -> Average | None:
    """The average of the weights that is kept in place of the last ones; None for none."""
    if train.lookahead:
        return Lookahead(model, train.lookahead)
    return Ema(model, train.ema) if train.ema else None


def plan_of(settings: Settings, state: State) -> Plan:
    """What the loop needs to know of the stage that `state` is in."""
    train = settings.train
    return Plan(
        epochs=stage_of(settings, state.stage).epochs or 0,
        seed=settings.run.seed,
        first=state.stage_begun,
        accumulate=train.accumulate,
        clip_norm=train.clip_norm,
        monitor=train.monitor,
        sign=1 if train.monitor in METRICS and METRICS[train.monitor].better == "max" else -1,
        patience=train.patience,
        min_delta=train.min_delta,
        validate_every=train.validate_every,
        steps_every=train.steps_every,
        norm_frozen=train.norm_frozen,
        figures=train.figures,
        stage=state.stage + 1 if len(train.stages) > 1 else None,
    )
