"""How heads on features are made: exactly, by epochs, or as trees, and what stands against it."""

from collections.abc import Sequence

import torch

from fieldmark.errors import Mistake, SettingsError, refuse
from fieldmark.fit.exact import KINDS, PENALTIES
from fieldmark.models.catalog import outline
from fieldmark.models.heads import head_of
from fieldmark.runs.filling import Filling
from fieldmark.runs.stages import BOOSTED, EPOCHS, OF_EPOCHS, heads_of
from fieldmark.settings.layers import TYPED
from fieldmark.settings.tree import Settings, StageSettings

EXACT = ("auto", "cross_entropy", "bce")  # losses that are convex in a linear head


def fill_solver(filling: Filling, given: Settings, wanted: Sequence[StageSettings]) -> bool:
    """How heads on features are trained. -> whether none of them has epochs

    Of several heads a linear one is solved exactly too, unless only epochs can do what is asked.
    """
    refuse(against_boosted(given, wanted))
    solver, reason = given.features.solver, against_exact(given, wanted)
    alone = all(stage.head_alone for stage in wanted)
    without_epochs = {BOOSTED, "linear"}.issuperset(heads_of(given))
    of_epochs = [
        key
        for key in sorted(filling.given())
        if key in OF_EPOCHS or key.partition(".")[0] in ("optimizer", "schedule")
    ]
    asked = of_epochs if alone and without_epochs else []
    typed = [key for key in asked if filling.origins[key] == TYPED]
    if set(heads_of(given)) == {BOOSTED}:
        what = "changes nothing where the head is of boosted trees; leave it out"
        solved = (
            []
            if solver == "auto" or filling.origins["features.solver"] != TYPED
            else ["features.solver"]
        )
        refuse(Mistake(key, what) for key in (*typed, *solved))
        filling.put("features.solver", "exact")
        _refuse_ways(filling, "is of boosted trees")
        return True
    if solver == "auto":
        any_head = any(stage.head_alone for stage in wanted)
        solver = "epochs" if reason or asked or not any_head else "exact"
    elif solver == "exact":
        what = "changes nothing where the head is solved exactly"
        mistakes = [
            Mistake(key, f"{what}; leave it out, or leave features.solver out") for key in typed
        ]
        mistakes += [Mistake("features.solver", f"exact {reason}; take epochs")] if reason else []
        refuse(mistakes)
    filling.put("features.solver", solver)
    if solver != "exact":
        _refuse_ways(filling, "is trained by epochs")
        return False
    fill_ways(filling, given)
    return without_epochs


def _refuse_ways(filling: Filling, made: str) -> None:
    """Refuse what is of an exact head, where there is none."""
    what = f"is of a head that is solved exactly, and this one {made}; leave it out"
    keys = ("features.penalties", "features.scalings")
    refuse(Mistake(key, what) for key in keys if filling.origins.get(key) == TYPED)


def fill_ways(filling: Filling, given: Settings) -> None:
    """What an exact head tries."""
    own = given.head.options if given.head.name == "linear" else {}
    if str(own.get("length")).lower() == "true":
        if given.features.scalings not in (None, ("length",)):
            what = "divides the features by their length; leave it or features.scalings out"
            raise SettingsError([Mistake("head.length", what)])
        filling.put("features.scalings", ("length",))
    # with words features have been divided by their length already
    kinds = ("plain", "standard") if given.model.captions else KINDS
    filling.fill("features.scalings", kinds)
    filling.fill("features.penalties", PENALTIES)
    layer_of = head_of(outline(filling.get("model.name"), 2))[1]
    plain = type(layer_of) is torch.nn.Linear and layer_of.bias is not None
    if given.head.name == "linear" and not plain:
        filling.fill("head.dropout", 0.0)  # a layer of its own, on pooled features


def against_exact(settings: Settings, stages: Sequence[StageSettings]) -> str:
    """Why no linear head of these settings can be solved exactly; "" where it can."""
    features, head = settings.features, settings.head
    tried = {"rates": features.rates, "seeds": features.seeds}
    for name, values in tried.items():
        if values is not None:
            return f"has nothing of features.{name}, which epochs try"
    own = head.options if head.name == "linear" else {}
    if "linear" not in heads_of(settings) or own.get("norm") or own.get("dropout"):
        return "is for a linear head without norm and dropout"
    if reason := against_convex(settings):
        return reason
    if any(stage.head_alone for stage in stages[1:]):
        return "is for a head that is trained before all else"
    given = [stage for stage in stages if stage.head_alone]
    if set(heads_of(settings)) == {"linear"} and any(
        stage.lr or stage.epochs not in (None, EPOCHS["exact"]) for stage in given
    ):
        return "has no epochs and no rate, and a stage of train.stages gives the head some"
    return ""


def against_convex(settings: Settings) -> str:
    """Why the loss is none that a head without epochs makes small; "" where it is."""
    if settings.loss.name not in EXACT or settings.penalty.l1 or settings.penalty.l2:
        return "makes a cross-entropy small, with a penalty that it finds"
    if settings.features.views > 1:
        return "sees each image once, not in augmented views"
    return ""


def against_boosted(settings: Settings, stages: Sequence[StageSettings]) -> list[Mistake]:
    """What stands against a head of boosted trees in these settings."""
    if BOOSTED not in heads_of(settings):
        return []
    where = "features.heads" if settings.features.heads else "--head"
    found = []
    if not all(stage.head_alone for stage in stages) or len(stages) > 1:
        found.append("is grown on the features of a network that stays as it is; take --freeze")
    if settings.loss.name not in EXACT:
        found.append(
            f"makes a cross-entropy small, not '{settings.loss.name}'; take loss.name=auto"
        )
    if settings.penalty.l1 or settings.penalty.l2:
        found.append("has no weights for a penalty; leave penalty.l1 and penalty.l2 out")
    if settings.features.views > 1:
        found.append("sees each image once, not in augmented views; leave features.views out")
    for name in ("rates", "seeds"):
        alone = set(heads_of(settings)) == {BOOSTED}
        if alone and getattr(settings.features, name) is not None:
            found.append(f"has nothing of features.{name}, which epochs try; leave it out")
    return [Mistake(where, f"'{BOOSTED}' {what}") for what in found]
