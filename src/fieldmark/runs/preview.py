"""Looks before training: what a run would be (`--dry-run`), rising learning rates (`--find-lr`)."""

from collections.abc import Sequence
from pathlib import Path

from fieldmark import rundir
from fieldmark.console import Console
from fieldmark.errors import Mistake, NotFiniteError, SettingsError
from fieldmark.files import write_text
from fieldmark.fit.find_lr import Search, suggest
from fieldmark.fit.keeper import as_csv
from fieldmark.machine import generators_kept, threads
from fieldmark.models.summary import summarise, text
from fieldmark.records import SPLITS
from fieldmark.report.curves import rates_in_words, write_rates
from fieldmark.runs.resume import is_exact
from fieldmark.runs.run import prepare
from fieldmark.runs.stages import BOOSTED
from fieldmark.runs.training import new_state, trainers_of
from fieldmark.settings.layers import Resolved
from fieldmark.settings.texts import with_origins

WIDEST = 100  # letters of a value; settings.yaml has it whole


def show(resolved: Resolved, console: Console) -> None:
    """Print what a run would be. Nothing is written and nothing is trained that is kept."""
    prepared = prepare(resolved, console)
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
    with threads(int(prepared.settings.run.threads)), generators_kept(prepared.device):
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


def find_rates(resolved: Resolved, console: Console) -> Path:
    """Try rising rates in the run's last stage. -> the folder of the table and the chart

    Where the run would train the head first, it is trained first here, too. The network is as
    it was afterwards, and nothing is trained that is kept. Raises any FieldmarkError.
    """
    prepared = prepare(resolved, console)
    settings = prepared.settings
    if settings.head.name == BOOSTED:
        what = "is for rates that epochs have, and boosted trees have none; leave it out"
        raise SettingsError([Mistake("--find-lr", what)])
    if is_exact(settings):
        what = "is for rates, and this head is solved exactly; add features.solver=epochs"
        raise SettingsError([Mistake("--find-lr", what)])
    for note in prepared.data.notes:
        console.warn(note)
    with threads(int(settings.run.threads)), generators_kept(prepared.device):
        trainers, search = trainers_of(prepared, console), Search()
        if len(trainers) > 1:
            trainers[0].warm_up(new_state(prepared, trainers, 0))
        state = new_state(prepared, trainers, len(trainers) - 1)
        with console.bar("trying rates", search.steps) as bar:
            rows = trainers[-1].rates(
                state,
                search,
                lambda row: bar.advance(1, f"lr {row['lr']:.1e}  loss {row['smoothed']:.3f}"),
            )
    if not rows:
        raise NotFiniteError("the very first loss is not finite; see to the images and the weights")
    stem = f"{rundir.source_name(settings.data.source)}-{settings.model.name}-rates"
    folder = rundir.create(settings.run.out, settings.run.name, stem)
    suggestion = suggest(rows)
    write_text(folder.rates, as_csv(rows))
    write_rates(folder.rates_chart, rows, suggestion)
    console.say(rates_in_words(rows, suggestion))
    if suggestion is not None:
        console.say(f"\na start; to train with it, add --lr {suggestion:.2g}")
    console.say(f"table   {folder.rates}\nchart   {folder.rates_chart}")
    return folder.path
