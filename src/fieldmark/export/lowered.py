"""A file in fewer bits: made by each recipe, held to that in float32 on real images, then chosen.

Ranges are seen on images of the training, and the recipe is chosen on the validation; where folds
validated, on those of its images that no range was seen on. No image of the test is read.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from fieldmark.console import Console
from fieldmark.data.images import seen
from fieldmark.errors import DataError, RunError
from fieldmark.export.folder import Job
from fieldmark.export.formats import AT_MOST_WORSE, RECIPES
from fieldmark.export.kept import Answers, Kept, answered, goodness, kept_of
from fieldmark.export.parity import judging_rows, own_samples, pictures_of, spaced
from fieldmark.export.whole import About, Runner, Source, reason_of
from fieldmark.records import Samples

CALIBRATING = 100  # images of the training by which ranges are seen
JUDGED = 1000  # images that a recipe is judged on, where there are so many


@dataclass(frozen=True)
class Images:
    """A run's images. calibrating: rows of the training. judging: rows of what `of` says."""

    samples: Samples
    calibrating: Sequence[int]
    judging: Sequence[int]
    of: str


def images_of(source: Source, precision: str) -> Images:
    """Those by which a file is made in fewer bits and judged. Raises RunError where there are none.

    As many of each class for the ranges, as far as there are; at most half of the training, that
    images be left where it is the validation too.
    """
    samples = own_samples(source.first, f"leave --precision out; {precision} is judged on them")
    by_labels: dict[tuple[str, ...], list[int]] = {}
    labels, rows = samples.frame["labels"].to_list(), samples.rows("train")
    for row in rows:
        by_labels.setdefault(tuple(labels[row] or ()), []).append(int(row))
    most = max(min(CALIBRATING, len(rows) // 2), 1)
    each = max(1, most // max(len(by_labels), 1))
    some = [row for its in by_labels.values() for row in spaced(np.array(its), each)]
    calibrating = spaced(np.array(some, np.int64), most)
    judging, of = judging_rows(samples)
    known = samples.task.known(samples.targets(source.info.classes))
    judging = np.setdiff1d(judging[known[judging]], calibrating)
    if not calibrating or not len(judging):
        raise RunError(
            f"{source.first}: has no images to make {precision} by and others to judge it on; "
            "leave --precision out"
        )
    return Images(samples, calibrating, spaced(judging, JUDGED), of)


def lowered(
    job: Job, images: Images, made: Any, about: About, console: Console
) -> tuple[About, Kept]:
    """Leave the best of a precision's recipes in the folder. -> its about, and what it came to

    made, about: what is written in float32. Raises RunError where no recipe can be made, or the
    best is worse than float32 by more points than was asked for.
    """
    told = {**about, "precision": job.asked.precision}
    first = job.write(made, about)
    tried, failed = _tried(job, images, made, told, console)
    runs, sizes = zip(first, *(files for _, files in tried.values()), strict=True)
    with console.bar(f"{job.asked.precision} beside float32", len(images.judging)) as bar:
        rows = images.judging
        answers = answered(job.source, runs, images.samples, rows, bar, resizes=about["resizes"])
    best = _best(job, images, answers, tuple(tried), sizes)
    best = replace(best, tried={**best.tried, **failed})
    told["beside_float32"] = asdict(best)
    job.write(tried[best.recipe][0], told)
    return told, best


def _tried(
    job: Job, images: Images, made: Any, told: About, console: Console
) -> tuple[dict[str, tuple[Any, tuple[Runner, int]]], dict[str, Any]]:
    """What each recipe gives, and its files; and why others give none. Raises RunError."""
    source, precision, lower = job.source, job.asked.precision, job.maker.lower
    shown, found, failed = _calibrating(source, images), {}, {}
    with console.bar(precision, len(RECIPES[precision])) as bar:
        for recipe in RECIPES[precision]:
            bar.advance()
            try:
                other = lower(made, source, recipe, shown)
                found[recipe] = other, job.write(other, told)
            except OSError:
                raise
            except Exception as error:  # of onnx or onnxruntime, and of no common kind
                failed[recipe] = {"failed": reason_of(error)}
                console.warn(f"{precision}, {recipe}: cannot be written or opened; see export.json")
    if not found:
        reason = next(iter(failed.values()))["failed"]
        raise RunError(
            f"{source.path}: {source.info.model} cannot be written in {precision} ({reason}); "
            "leave --precision out"
        )
    return found, failed


def _best(
    job: Job, images: Images, answers: Answers, recipes: Sequence[str], sizes: Sequence[int]
) -> Kept:
    """The recipe that validation likes best; raises RunError where it is too much worse."""
    source, asked = job.source, job.asked
    found = [
        kept_of(source, (asked.precision, recipe), images.of, answers, place, sizes)
        for place, recipe in enumerate(recipes, 1)
    ]
    others = {each.recipe: each.in_short() for each in found}
    best = replace(max(found, key=goodness), tried=others, calibrating=len(images.calibrating))
    most = AT_MOST_WORSE if asked.at_most_worse is None else asked.at_most_worse
    if not best.points_worse <= most:
        raise RunError(
            f"{source.path}: a file in {asked.precision} would be worse by more than "
            f"{most:g} points: {best.words()}; nothing was written; --at-most-worse takes more"
        )
    return best


def _calibrating(source: Source, images: Images) -> list[np.ndarray]:
    """(side, side, 3) uint8 of each that can be read. Raises RunError where none can."""
    found = []
    for read in pictures_of(images.samples, images.calibrating):
        try:
            name, content = read()
            found.append(seen(content, source.info.spec, name))
        except DataError:
            continue
    if not found:
        raise RunError(f"{source.path}: none of the training's images can be read; put them back")
    return found
