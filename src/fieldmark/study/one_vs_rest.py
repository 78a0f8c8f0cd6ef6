"""`fieldmark one-vs-rest`: a model for every class that knows it from all others.

The whole data are dealt into folds once. The model of a class and a fold is trained on the other
folds, on all images of the class and a share of the others, and tested on the whole fold.
"""

from collections.abc import Iterator
from functools import partial

import numpy as np

from fieldmark.console import Console
from fieldmark.data.intake import Dataset, Looked, look
from fieldmark.errors import Mistake, SettingsError, WorkError, nearest
from fieldmark.files import write_json
from fieldmark.settings.layers import Resolved
from fieldmark.study import ovr_page
from fieldmark.study.against_rest import of_fold, refuse_what_cannot, taken
from fieldmark.study.asked import asked, tell_places, with_absolute_paths
from fieldmark.study.cross_validate import fold_numbers, held_out, without_test
from fieldmark.study.folder import StudyDir
from fieldmark.study.local import run_all
from fieldmark.study.ovr_answers import ALL, Asked, read_answers
from fieldmark.study.ovr_figures import found_of
from fieldmark.study.planned import Planned, planned, without_defaults
from fieldmark.study.solved_rest import solve_all, solves

KIND = "one-vs-rest"


def one_vs_rest(
    resolved: Resolved,
    console: Console,
    command: str,
    wanted: Asked,
    *,
    twin: Resolved | None = None,
    jobs: int = 1,
) -> StudyDir:
    """k models for every class, and k of all classes to hold them against. -> the study's folder

    twin: the settings of a twin of each model of a class, that is compared with it.

    Heads that are solved exactly on the features of a frozen network are no planned runs: the
    images pass it once, and all heads are solved side by side, if they are not already. Raises
    any FieldmarkError; what was done by then is kept, and the same call goes on.
    """
    if table := resolved.settings.data.predict:
        what = "would be done by every model, and each knows one class alone; leave it out, and let"
        raise SettingsError([Mistake("--predict", f"{what} fieldmark predict STUDY {table} do it")])
    options, resolved = without_defaults(wanted), with_absolute_paths(resolved)
    twin = twin and with_absolute_paths(twin)
    plan = partial(_plan, wanted=wanted, twin=twin, console=console)
    study = asked(KIND, resolved, options, command, plan, console)
    if study.plans():
        run_all(study, console, jobs=jobs)
    elif not study.solved.is_file():
        if jobs > 1:
            console.warn(f"--jobs {jobs}: all heads are solved side by side, in one process")
        solve_all(study, resolved, wanted, console)
    return study


def _dealt(resolved: Resolved, wanted: Asked, console: Console) -> tuple[Looked, np.ndarray]:
    """The images, and the fold of each (N,)."""
    data = resolved.settings.data
    looked = without_test(look(data, console))
    fold = fold_numbers(looked, k=wanted.folds, seed=data.split_seed)
    looked, stays = looked.corrected()
    fold = fold[stays]
    refuse_what_cannot(looked.samples, fold)
    names = looked.samples.classes
    if wanted.name is not None and wanted.name not in names:
        what = f"there is no class '{wanted.name}'{nearest(wanted.name, names)}"
        raise SettingsError([Mistake("--class", what)])
    return looked, fold


def _plan(
    study: StudyDir,
    resolved: Resolved,
    *,
    wanted: Asked,
    twin: Resolved | None,
    console: Console,
) -> Iterator[Planned]:
    """Keep the images, and give the runs; none where all heads are solved side by side."""
    looked, fold = _dealt(resolved, wanted, console)
    samples = looked.samples.with_splits(["train"] * len(fold)).with_folds(fold[None])
    all_of_them = Dataset(
        samples,
        looked.notes,
        mirrored=looked.mirrored,
        embedded=looked.embedded,
        separator=looked.separator,
    )
    study.keep_data(ALL, all_of_them)
    settings = resolved.settings
    first = held_out(looked, fold == 0, settings)
    if twin is None and solves(resolved, first, console):
        return
    for number, name in wanted.numbered(samples.classes):
        took = taken(samples, fold, number, wanted.take, settings.data.split_seed)
        for out in range(wanted.folds):
            data = f"class-{number}-fold-{out + 1}"
            made = of_fold(looked, fold, out, number=number, took=took, settings=settings)
            study.keep_data(data, made)
            about = {"class": name, "fold": out + 1}
            yield planned(resolved, about, data)
            if twin is not None:
                yield planned(twin, {**about, "twin": wanted.twin}, data)
    for out in range(wanted.folds if wanted.softmax and wanted.name is None else 0):
        data = f"softmax-fold-{out + 1}"
        study.keep_data(data, held_out(looked, fold == out, settings))
        yield planned(resolved, {"model": "softmax", "fold": out + 1}, data)


def tell(study: StudyDir, console: Console) -> int:
    """Put the models together: tables, figures, the page. -> 1 where a run failed, else 0

    Raises WorkError where no class has all of its models.
    """
    answers, twin = read_answers(study), Asked(**study.question["options"]).twin
    if not answers.names:
        raise WorkError(f"{study.path}: no class has all of its models; the notes above say why")
    found = found_of(answers, read_answers(study, twin) if twin else None)
    about = {"kind": KIND, "runs": answers.model_names}
    write_json(study.results, {**about, **found.to_json(), "about": answers.about.to_json()})
    if found.joined is not None:
        found.joined.table.write(study.predictions)
        answers.joining(found.joined.temperature).write(study.path)
    ovr_page.write_page(study, answers, found)
    console.say("\n".join(ovr_page.lines(found, twin)))
    for note in answers.notes:
        console.warn(note)
    tell_places(console, study=study.path, report=study.report)
    return int(bool(study.runs("failed")))
