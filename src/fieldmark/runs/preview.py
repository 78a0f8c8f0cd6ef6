"""What a run would be: settings, counts, network, and time, from three timed steps."""

from collections.abc import Sequence

from fieldmark.console import Console
from fieldmark.models.summary import summarise, text
from fieldmark.records import SPLITS
from fieldmark.runs.network import Prepared
from fieldmark.runs.training import new_state, trainers_of
from fieldmark.settings.layers import Resolved
from fieldmark.settings.texts import with_origins

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
    trainers = trainers_of(prepared, console, decode=False)
    state = new_state(prepared, trainers, len(trainers) - 1)  # what is trained at last
    console.say(text(summarise(prepared.model.network, prepared.spec.size)))
    console.say(f"\n{trainers[-1].estimate(state)}")
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
