"""Looks before training: what a run would be (`--dry-run`), rising learning rates (`--find-lr`)."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from fieldmark import rundir
from fieldmark.console import Console
from fieldmark.errors import Mistake, NotFiniteError, SettingsError
from fieldmark.files import write_text
from fieldmark.fit.find_lr import Search, suggest
from fieldmark.fit.keeper import as_csv
from fieldmark.machine import generators_kept, threads
from fieldmark.models.summary import short, summarise, text
from fieldmark.records import SPLITS, Samples
from fieldmark.report.curves import rates_in_words, write_rates
from fieldmark.report.words import aligned
from fieldmark.runs.budgets import limit
from fieldmark.runs.network import build
from fieldmark.runs.resume import is_exact
from fieldmark.runs.run import prepare, settled
from fieldmark.runs.stages import BOOSTED
from fieldmark.runs.training import new_state, trainers_of
from fieldmark.settings.layers import Resolved
from fieldmark.settings.texts import with_origins

WIDEST = 100  # letters of a value; settings.yaml has it whole


def show(resolved: Resolved, console: Console, *, layers: bool = False) -> None:
    """Print what a run would be: its images and its time, then its network and its settings.

    layers: every layer of the network too. Nothing is written, and nothing trained that is kept.
    """
    concrete, data = settled(resolved, console)
    console.say("images")
    console.say(indented(by_class(data.samples)))
    console.say(f"  {sizes(data.samples, int(concrete.settings.input.size))}")
    for note in data.notes:
        console.warn(note)
    prepared = build(concrete, data)  # which may have to fetch weights
    for note in prepared.data.notes[len(data.notes) :]:
        console.warn(note)
    with threads(int(prepared.settings.run.threads)), generators_kept(prepared.device):
        trainers = trainers_of(prepared, console, decode=False)
        state = new_state(prepared, trainers, len(trainers) - 1)  # what is trained at last
        console.say(f"\ntime\n  {trainers[-1].estimate(state)}")
        if prepared.settings.budget.max_hours is not None:
            console.say(f"  {limit(prepared.settings.budget.max_hours)}")
        console.say(f"\nmodel {prepared.settings.model.name}")
        whole = summarise(prepared.model.network, prepared.spec.size)
        console.say(text(whole) if layers else f"  {short(whole)}; --summary shows its layers")
    rows = with_origins(Resolved(prepared.settings, prepared.origins))
    console.say("\nsettings")
    console.say(indented([(key, shortened(value), origin) for key, value, origin in rows]))
    console.say("nothing was trained; leave --dry-run out to train")


def by_class(samples: Samples) -> list[tuple[str, ...]]:
    """The images of each class and of all by their side, as rows of a table."""
    counts = samples.counts()
    rows: list[tuple[str, ...]] = [("class", *SPLITS, "all")]
    for name, sides in counts.items():
        numbers = [sides[side] for side in SPLITS]
        rows.append((name, *map(str, numbers), str(sum(numbers))))
    totals = [len(samples.rows(side)) for side in SPLITS]
    return [*rows, ("all", *map(str, totals), str(len(samples)))]


def sizes(samples: Samples, seen: int) -> str:
    """How large the images are, and what the network sees of them, in a sentence."""
    shorter = samples.frame.select(pl.min_horizontal("width", "height")).to_series()
    least, middle, most = (int(shorter.quantile(q, "nearest") or 0) for q in (0.0, 0.5, 1.0))
    are = f"{least}" if least == most else f"{least} to {most} (half of them below {middle})"
    return f"their shorter sides are {are} px; the network sees {seen} x {seen} px"


def shortened(value: str) -> str:
    """A value as far as it is quickly read, such as the start of a pipeline."""
    return value if len(value) <= WIDEST else f"{value[: WIDEST - 4]} ..."


def indented(rows: Sequence[tuple[str, ...]]) -> str:
    """Rows as lines with columns below each other."""
    return "\n".join(f"  {line}" for line in aligned(rows))


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
