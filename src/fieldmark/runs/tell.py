"""What a run says of itself while it trains."""

from pathlib import Path

from fieldmark.console import Console
from fieldmark.fit.loop import Parts, Plan, rate_of, set_rate
from fieldmark.fit.state import State
from fieldmark.records import SPLITS
from fieldmark.runs.parts import (
    is_on_features,
    stage_of,
)
from fieldmark.runs.prepare import Prepared
from fieldmark.settings.tree import Settings


def tell_start(prepared: Prepared, console: Console) -> None:
    """One line on what is about to be trained on what."""
    settings, samples = prepared.settings, prepared.samples
    sides = ", ".join(f"{len(samples.rows(side))} {side}" for side in SPLITS)
    console.say(
        f"{Path(settings.data.source).name}: {len(samples)} images in {len(prepared.classes)} "
        f"classes ({sides})"
    )
    parameters = sum(p.numel() for p in prepared.model.parameters())
    size = prepared.spec.size
    console.say(
        f"{settings.model.name}: {parameters:,} parameters, {size} x {size} px, "
        f"{settings.run.precision} on {prepared.device}"
    )


def tell_stage(state: State, settings: Settings, console: Console) -> None:
    """What is trained now, where there is more than one stage."""
    count = len(settings.train.stages)
    if count > 1:
        stage, rates = stage_of(settings, state.stage), None
        if is_on_features(settings, state.stage):
            rates = settings.features.rates
        console.say(
            f"stage {state.stage + 1} of {count}: {', '.join(stage.train)}, at most "
            f"{stage.epochs} epochs, learning rate "
            + " or ".join(f"{rate:g}" for rate in rates or (stage.lr or 0,))
        )


def tell_resume(state: State, plan: Plan, parts: Parts, console: Console, *, changed: bool) -> None:
    """Where a run goes on, and what becomes of a schedule that was planned for another length."""
    at = f", step {state.step + 1}" if state.step else ""
    console.say(f"going on at epoch {state.epoch + 1}{at}")
    before = rate_of(state)
    if changed and plan.first <= state.epoch < plan.last:
        set_rate(state, plan, parts)
        console.warn(
            f"the schedule is laid over all {plan.epochs} epochs; the learning rate was "
            f"{before:.2g} and goes on at {rate_of(state):.2g}"
        )
