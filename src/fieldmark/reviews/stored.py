"""A run's figures on its own splits, from its predictions table. No torch, no model."""

from fieldmark import rundir
from fieldmark.console import Console
from fieldmark.data.intake import changed_images
from fieldmark.data.sources import gone
from fieldmark.errors import RunError, counted
from fieldmark.insight.label_names import kept_names
from fieldmark.judge.by import figures_by, values_by_column
from fieldmark.judge.cautions import with_cautions
from fieldmark.judge.figures import by_split, figures_of, shown_side
from fieldmark.judge.thresholds import in_order
from fieldmark.metrics_json import Metrics
from fieldmark.models.bundle_info import read_info
from fieldmark.records import Predictions, Samples
from fieldmark.reviews.evaluated import Asked, Evaluated, tell, write_page
from fieldmark.rundir import INFO
from fieldmark.use.sets import set_row


def evaluate_stored(path: str, asked: Asked, console: Console) -> Metrics:
    """A run's figures on its own splits, computed anew from its predictions. No model runs.

    Under `by` those of the test (of validation, where there is no test) by each column that was
    asked for. Scores are at the run's temperature. Raises RunError where there are no predictions
    or none of an image, DataError for a column that there is not.
    """
    run = rundir.open_run(path)
    if not run.predictions.is_file():
        raise RunError(
            f"{path}: has no predictions yet; go on with it: fieldmark train --resume {path}"
        )
    predictions, samples = Predictions.read(run.predictions), Samples.read(run.samples)
    temperature, data = run.read_temperature(), run.read_settings().get("data") or {}
    thresholds = run.read_thresholds()
    values = values_by_column(samples, asked.by, group_column=data.get("group_column"))
    side = shown_side(path, predictions, "it has no figures")
    shown = predictions.of_split(side)
    by = figures_by(shown, samples, values, temperature=temperature, thresholds=thresholds)
    info = read_info(file) if (file := run.path / INFO).is_file() else None
    sides = figures_of(by_split(predictions), temperature, thresholds)
    if info is not None:
        if asked.sets is not None:
            set_row(info, asked.sets, run.path)
        sides = with_cautions(sides, by_split(predictions), info, asked.levels)
    kept = run.read_metrics() if run.metrics.is_file() else Metrics()
    found = Evaluated(
        title=run.name,
        data=str(data.get("source", samples.root)),
        side=side,
        name=side,
        metrics=Metrics(
            task=predictions.task.name,
            classes=predictions.classes,
            sides=sides,
            calibration=kept.calibration,
            by=by or None,
            about=kept.about,
        ),
        predictions=shown,
        samples=samples,
        temperature=temperature,
        thresholds=in_order(thresholds, predictions.classes),
        answers=info.curve if info else (),
        unlike=info.unlike if info else None,
        command=asked.command,
        notes=(*changed_since(run), *([] if side == "test" else [NO_TEST])),
        names=kept_names(run.label_names, predictions.classes),
    )
    tell(found, console)
    if asked.page is not None:
        write_page(found, asked.page)
        console.say(f"page    {asked.page}")
    return found.metrics


NO_TEST = "the test images have not been looked at: the run is not done, or has none"


def changed_since(run: rundir.RunDir) -> list[str]:
    """What became of the run's images, where they are not those that it saw."""
    samples = Samples.read(run.samples)
    if why := gone(samples):
        return [f"{why}; the figures are of what the run saw there"]
    changed = changed_images(samples)
    if not changed:
        return []
    return [
        f"{counted(len(changed), 'image')} of {len(samples)} in {samples.root} changed or vanished "
        f"since the run ('{changed[0]}' is one); these figures are of what it saw then"
    ]
