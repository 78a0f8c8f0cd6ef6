"""What a run would be: settings, counts, network, and time, from three timed steps."""

import time
from collections.abc import Sequence
from dataclasses import replace

from fieldmark.cache import Cache
from fieldmark.console import Console, duration
from fieldmark.fit.features import embed
from fieldmark.fit.loop import seed_step, step
from fieldmark.models.stages import set_training
from fieldmark.models.summary import summarise, text
from fieldmark.records import SPLITS
from fieldmark.runs.frozen import passing
from fieldmark.runs.parts import Predicting, is_on_features, make_parts, make_plan, new_state
from fieldmark.runs.prepare import Prepared
from fieldmark.settings.layers import Resolved
from fieldmark.settings.texts import with_origins

TRIED = 48  # images that pass a frozen network for its estimate
TIMED = 3  # steps, after one that is not counted
WIDEST = 100  # letters of a value; settings.yaml has it whole


def show(prepared: Prepared, console: Console) -> None:
    """Print all of it. Nothing is written and nothing is trained that is kept."""
    rows = with_origins(Resolved(prepared.settings, prepared.origins))
    console.say("settings")
    console.say(aligned([(key, shortened(value), origin) for key, value, origin in rows]))
    counts = prepared.samples.counts()
    console.say("\nimages")
    table: list[tuple[str, ...]] = [("class", *SPLITS)]
    table += [(name, *(str(sides[side]) for side in SPLITS)) for name, sides in counts.items()]
    totals = [str(sum(sides[side] for sides in counts.values())) for side in SPLITS]
    console.say(aligned([*table, ("all", *totals)]))
    for note in prepared.data.notes:
        console.warn(note)
    console.say(f"\nmodel {prepared.settings.model.name}")
    new_state(prepared, len(prepared.settings.train.stages) - 1)  # what is trained at last
    console.say(text(summarise(prepared.model.network, prepared.spec.size)))
    console.say(f"\n{estimate(prepared, console)}")
    console.say("nothing was trained; leave --dry-run out to train")


def shortened(value: str) -> str:
    """A value as far as it is quickly read, such as the start of a pipeline."""
    return value if len(value) <= WIDEST else f"{value[: WIDEST - 4]} ..."


def aligned(rows: Sequence[tuple[str, ...]]) -> str:
    """Rows as lines with columns below each other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
    return "\n".join(f"  {line}" for line in lines)


def estimate(prepared: Prepared, console: Console) -> str:
    """How long the run will take, from a few steps of it, in one sentence."""
    epochs = prepared.settings.train.epochs
    last = len(prepared.settings.train.stages) - 1
    if is_on_features(prepared.settings, last):
        return embedding_estimate(prepared, console)
    a_step, steps = time_steps(prepared, console)
    validated = len(prepared.samples.rows("val"))
    begun = time.monotonic()
    if validated:
        Predicting(prepared, None, console)("val")
    validation = time.monotonic() - begun
    epoch = steps * a_step + validation
    return (
        f"about {duration(epoch * epochs)} for {epochs} epochs of {steps} steps "
        f"({a_step:.3f} s a step, {validation:.1f} s of validation, measured just now on this "
        "machine)"
    )


def embedding_estimate(prepared: Prepared, console: Console) -> str:
    """How long a frozen network takes over the images, from a batch of them, in one sentence."""
    samples, views = prepared.samples, prepared.settings.features.views
    few = replace(samples, frame=samples.frame.head(TRIED))
    begun = time.monotonic()
    embed(passing(prepared), few, cache=Cache(None), console=console)
    images = len(samples) + (views * len(samples.rows("train")) if views > 1 else 0)
    taken = (time.monotonic() - begun) * images / len(few)
    return (
        f"about {duration(taken)} for one pass of {images} images, less what the cache has, and "
        f"seconds for the head (measured just now with {len(few)} images)"
    )


def time_steps(prepared: Prepared, console: Console) -> tuple[float, int]:
    """-> seconds a step with its loading, and steps an epoch"""
    state = new_state(prepared, len(prepared.settings.train.stages) - 1)
    plan = make_plan(prepared, state)
    parts = make_parts(prepared, None, Predicting(prepared, None, console))
    set_training(state.model, norm_frozen=plan.norm_frozen)
    begun, done = time.monotonic(), -1  # the first step, which warms up, is not counted
    while done < TIMED:
        for images, targets in parts.batches.epoch(done + 1):
            seed_step(plan.seed, 0, done + 1)
            loss, _ = step(state, plan, parts, images, targets.to(parts.device))
            loss.item()
            done += 1
            begun = time.monotonic() if done == 0 else begun
            if done == TIMED:
                break
    return (time.monotonic() - begun) / TIMED, len(parts.batches)
