"""`--find-lr`: the learning rate range test of a run that is prepared."""

from pathlib import Path

from fieldmark import rundir
from fieldmark.console import Console
from fieldmark.errors import NotFiniteError
from fieldmark.files import write_text
from fieldmark.fit.find_lr import Search, suggest
from fieldmark.fit.keeper import as_csv
from fieldmark.report.rates import in_words, write_chart
from fieldmark.runs.network import Prepared
from fieldmark.runs.training import new_state, trainers_of


def find_rates(prepared: Prepared, console: Console) -> Path:
    """Try rising rates in the run's last stage. -> the folder of the table and the chart

    Where the run would train the head first, it is trained first here, too. The network is as
    it was afterwards, and nothing is trained that is kept. Raises any FieldmarkError.
    """
    settings = prepared.settings
    for note in prepared.data.notes:
        console.warn(note)
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
    write_chart(folder.rates_chart, rows, suggestion)
    console.say(in_words(rows, suggestion))
    if suggestion is not None:
        console.say(f"\na start; to train with it, add --lr {suggestion:.2g}")
    console.say(f"table   {folder.rates}\nchart   {folder.rates_chart}")
    return folder.path
