"""The images that a run's own page shows, and those that say most of each class."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from fieldmark import rundir
from fieldmark.errors import RunError, listed
from fieldmark.heats import Heats, Wanted
from fieldmark.insight.class_galleries import ClassGallery, class_galleries
from fieldmark.insight.worth import worth_explaining
from fieldmark.judge.figures import shown_side
from fieldmark.judge.thresholds import in_order
from fieldmark.records import Predictions, Samples
from fieldmark.report.page import report
from fieldmark.report.words import SPLIT_WORDS
from fieldmark.reviews.explain_asked import BATCH, Asked, Batches, Key, Subject
from fieldmark.rundir import RunDir
from fieldmark.use.explained import batches_of, images_of
from fieldmark.use.opened import Opened, Read


def own_subject(run: RunDir, opened: Opened, asked: Asked) -> Subject:
    """Images of the test, or else of validation: by class, and all that the run's page shows.

    With --class those of these classes alone. Raises RunError where a bundle has no images of its
    own.
    """
    if not run.predictions.is_file() or not run.samples.is_file():
        raise RunError(
            f"{asked.run}: has no images of its own; "
            f"name some: fieldmark explain {asked.run} IMAGES"
        )
    rundir.open_run(asked.run)
    predictions, samples = Predictions.read(run.predictions), Samples.read(run.samples)
    side = shown_side(asked.run, predictions, "nothing can be explained")
    shown, info = predictions.of_split(side), opened.info
    at = {
        "temperature": info.temperature,
        "thresholds": in_order(info.thresholds, info.classes),
    }
    galleries = class_galleries(shown, labels=asked.labels, **at)  # type: ignore[arg-type]
    order = {each.label: _keys(each) for each in galleries}
    wanted = {key: Wanted(*key) for its in order.values() for keys in its.values() for key in keys}
    if not asked.labels:
        own = worth_explaining(shown, **at)  # type: ignore[arg-type]
        shown_too = set(wanted)
        for each in own:
            key = (each.path, each.row, each.label)
            wanted[key] = replace(each, shown=each.shown or key in shown_too)
    if not wanted:
        raise RunError(
            f"--class: none of the run's own images was taken for {listed(asked.labels)}; name "
            f"images: fieldmark explain {asked.run} IMAGES"
        )
    return Subject(
        images=len({(path, row) for path, row, _ in wanted}),
        batches=_batches(samples, wanted.values(), opened),
        own=SPLIT_WORDS[side],
        truths=_truths(shown),
        order=order,
        notes=_notes(galleries, info.classes, asked),
        is_whole=not asked.labels and asked.way.masks > 0,  # a report has no map that nobody judged
    )


def _keys(gallery: ClassGallery) -> dict[str, list[Key]]:
    return {
        kind: [(each.path, each.row, gallery.label) for each in shown]
        for kind, shown in gallery.kinds.items()
    }


def _batches(
    samples: Samples, wanted: Iterable[Wanted], opened: Opened
) -> Callable[[list[str]], Batches]:
    """Those that the page shows first, so that a batch has all of one kind or the other."""
    shown = [each for each in wanted if each.shown]
    others = [each for each in wanted if not each.shown]

    def batches(failures: list[str]) -> Batches:
        for some in (shown, others):
            read = told(images_of(samples, some, opened), failures)
            yield from batches_of(read, some, opened.info.spec.words, BATCH)

    def told(read: Iterable[Read], failures: list[str]) -> Iterator[Read]:
        for each in read:
            if isinstance(each.seen, str):
                failures.append(each.seen)
            yield each

    return batches


def _truths(shown: Predictions) -> dict[tuple[str, int | None], tuple[str, ...]]:
    rows = shown.frame.select("path", "row", "truth").iter_rows()
    return {(path, row): tuple(truth or ()) for path, row, truth in rows}


def _notes(
    galleries: list[ClassGallery], classes: tuple[str, ...], asked: Asked
) -> tuple[str, ...]:
    if asked.labels or len(galleries) == len(classes):
        return ()
    return (
        f"of {len(classes)} classes {len(galleries)} are shown, those that some image was taken "
        "for, or with the most mistakes; --class NAME shows another",
    )


def refresh(run: RunDir, heats: Heats) -> None:
    """The run's own page with these maps. Raises DiskError."""
    heats.write(run.heat)
    report(run)
