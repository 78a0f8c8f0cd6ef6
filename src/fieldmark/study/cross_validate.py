"""`fieldmark cross-validate`: every image is answered by a model that was trained without it."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from fieldmark.console import Console
from fieldmark.data.intake import Dataset, Looked, look, part
from fieldmark.data.splits import folds
from fieldmark.errors import DataError, counted
from fieldmark.files import write_json
from fieldmark.metrics_json import flat
from fieldmark.settings.layers import Resolved
from fieldmark.settings.tree import Settings
from fieldmark.study.asked import asked, tell_places
from fieldmark.study.folder import StudyDir
from fieldmark.study.folds_page import CAUTION, lines, notes, write_page
from fieldmark.study.local import run_all
from fieldmark.study.planned import Planned, planned
from fieldmark.study.together import Done, as_json, out_of_fold, spreads, thresholds_of
from fieldmark.use.ensemble import Joining, Member

KIND = "cross-validate"


def cross_validate(
    resolved: Resolved,
    console: Console,
    command: str,
    *,
    k: int = 5,
    repeats: int = 1,
    jobs: int = 1,
) -> StudyDir:
    """k models, each tested on the images that it was trained without. -> the study's folder

    repeats: other folds of the same images, each with a seed of its own. Raises any
    FieldmarkError; what was done by then is kept, and the same call goes on.
    """

    def plan(study: StudyDir, resolved: Resolved) -> Iterator[Planned]:
        data = resolved.settings.data
        looked = without_test(look(data, console))
        for repeat in range(repeats):
            fold = fold_numbers(looked, k=k, seed=data.split_seed, repeat=repeat)
            run = {"seed": resolved.settings.run.seed + repeat}
            seeded = replace(resolved, settings=resolved.settings.having(run=run))
            for number in range(k):
                about = {"fold": number + 1, **({"repeat": repeat + 1} if repeats > 1 else {})}
                name = f"fold-{number + 1}-{repeat + 1}"
                study.keep_data(name, held_out(looked, fold == number, resolved.settings))
                yield planned(seeded, about, name)

    options = {"folds": k, "repeats": repeats}
    study = asked(KIND, resolved, options, command, plan, console)
    run_all(study, console, jobs=jobs)
    return study


def without_test(looked: Looked) -> Looked:
    """The images less those of a given test, which no fold may see; the others' sides are open."""
    sides = looked.samples.frame["split"]
    stay = np.flatnonzero((sides != "test").fill_null(True).to_numpy())
    left, told = looked.of_rows(stay), list[str]()
    if out := len(sides) - len(stay):
        told.append(f"{counted(out, 'image')} of the given test are left out of all folds")
    if val := int((sides == "val").sum()):
        told.append(
            f"{counted(val, 'image')} that the source has for validation are in the folds with "
            "those for training"
        )
    samples = left.samples.with_splits([None] * len(stay))
    return replace(left, samples=samples, given=frozenset(), notes=(*looked.notes, *told))


def fold_numbers(looked: Looked, *, k: int, seed: int, repeat: int = 0) -> np.ndarray:
    """The fold that holds each image out, 0 to k - 1; copies and groups share one. -> (N,)"""
    return folds(looked.samples, k=k, seed=seed, repeat=repeat)


def held_out(looked: Looked, out: np.ndarray, settings: Settings) -> Dataset:
    """The images of a fold as the test, the others for training and validation.

    Raises DataError where too few images are left.
    """
    sides = ["test" if each else None for each in out.tolist()]
    samples = looked.samples.with_splits(sides)
    made = part(settings.data, replace(looked, samples=samples, given=frozenset({"test"})))
    note = (
        f"The test is one of the folds of a cross-validation, {counted(int(out.sum()), 'image')}."
    )
    if not len(made.samples.rows("test")):
        raise DataError(f"{samples.root}: a fold is empty; ask for fewer folds, or add images")
    return with_note(made, note)


def with_note(data: Dataset, note: str) -> Dataset:
    """The images with a sentence on their sides in place of that on what the source says."""
    own = data.in_folds and with_note(data.in_folds, note)
    return replace(data, split_notes=(note, *data.split_notes[1:]), in_folds=own)


def tell(study: StudyDir, console: Console) -> int:
    """Put the folds together: tables, figures, the page. -> 1 where a run failed, else 0

    Raises WorkError where all failed.
    """
    done = study.finished()
    metrics = [run.read_metrics() for _, run in done]
    table, found = out_of_fold(done)
    spread = spreads(metrics)
    table.write(study.predictions)
    about = {"kind": KIND, "runs": [planned.name for planned, _ in done]}
    figures = {"folds": as_json(spread), "all": flat(found)}
    write_json(study.results, {**about, **figures, "about": metrics[0].about.to_json()})
    joining(done, table.classes).write(study.path)
    told = notes(done)
    write_page(study, done, metrics, found, spread, told)
    console.say("\n".join(lines(found, spread, len(done))))
    for note in (*told, CAUTION):
        console.warn(note)
    tell_places(console, study=study.path, report=study.report)
    return int(bool(study.runs("failed")))


def joining(done: Done, classes: Sequence[str]) -> Joining:
    """The folds' models as one: the mean of their scores."""
    least = thresholds_of(done, classes)
    thresholds = None if least is None else dict(zip(classes, least.tolist(), strict=True))
    members = tuple(Member(f"runs/{planned.name}") for planned, _ in done)
    return Joining(tuple(classes), members, thresholds=thresholds)
