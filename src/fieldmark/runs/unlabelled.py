"""How a run ends where data.predict names images without labels: NAME.csv, and NAME.pth."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fieldmark.console import Console
from fieldmark.data.inside import is_there
from fieldmark.data.words import told_of_captions
from fieldmark.errors import Mistake, RunError, UserError, counted, listed, nearest_path
from fieldmark.export.pth import to_pth
from fieldmark.rundir import RunDir
from fieldmark.settings.data import DataSettings
from fieldmark.settings.tree import Settings
from fieldmark.use.inputs import Found, find_images, is_table, told_of
from fieldmark.use.kaggle import kaggle, once
from fieldmark.use.predictor import Predictor
from fieldmark.use.tally import Tally

KEY = "data.predict"
SHOWN = 3  # images without an answer that are named


def check_predict(raw: Mapping[str, Mapping[str, Any]]) -> list[Mistake]:
    """What stands against the table of data.predict: it, its images' folder, its column."""
    data = raw["data"]
    path = data.get("predict")
    if not isinstance(path, str) or path.casefold() in ("none", "null"):
        return []
    crops = data.get("crops")
    if isinstance(crops, str) and crops.casefold() not in ("none", "null"):
        what = "answers whole pictures, and --crops trains on boxes; leave one out, and use predict"
        return [Mistake(KEY, what)]
    if not is_there(Path(path)):
        hint = nearest_path(path, Path.is_file) or "; name a table of images"
        return [Mistake(KEY, f"there is no file '{path}'{hint}")]
    if not is_table(path) or Path(path).is_dir():
        return [Mistake(KEY, f"'{path}' is no table; name a .csv, .tsv or .parquet file of images")]
    try:
        found = _find(path, data.get("images"), data.get("image_column"))
        if str(raw.get("model", {}).get("captions")).lower() == "true":
            told_of_captions([getattr(each, "caption", None) for each in found.images], path)
    except UserError as error:
        return [Mistake(KEY, str(error))]
    return []


def check_classes(data: DataSettings, classes: tuple[str, ...], *, several: bool) -> None:
    """Raise SettingsError where labels of these names cannot stand in one cell."""
    if data.predict is not None:
        kaggle(_find(data.predict, data.images, data.image_column), classes, several=several)


def answer_unlabelled(run: RunDir, settings: Settings, console: Console) -> list[Path]:
    """Write what `predict RUN TABLE --format kaggle` and `export RUN` would. -> the files

    A broken image has its row without labels, and is told. So is a network that cannot be a plain
    state dict: then there is no NAME.pth. Raises UserError where the table is gone, DiskError.
    """
    data = settings.data
    if data.predict is None:
        return []
    predictor = Predictor(run.path, device=settings.run.device, engine=settings.run.engine)
    found = _find(data.predict, data.images, data.image_column)
    said = told_of(found.images, predictor.info, data.predict)
    form = kaggle(found, predictor.classes, several=predictor.several)
    found, tally = once(found), Tally()
    form.write(run.answers, tally.watch(predictor.stream(found.images)))
    for note in (*said, *found.notes, *form.notes, *predictor.told):
        console.warn(note)
    if tally.failures:
        first = listed([failure.image for failure in tally.failures], most=SHOWN)
        what = f"{counted(len(tally.failures), 'image')} could not be read and have no label"
        console.warn(f"{data.predict}: {what}: {first}; {tally.failures[0].reason}")
    return [run.answers, *_export(run, console)]


def forget_answers(run: RunDir) -> list[Path]:
    """Take away what other weights answered before: a stopped run has new ones, and no answers."""
    for path in (run.answers, run.exported):
        path.unlink(missing_ok=True)
    return []


def _find(path: str, images: str | None, column: str | None) -> Found:
    return find_images([path], images=images, column=column)


def _export(run: RunDir, console: Console) -> list[Path]:
    try:
        to_pth(run.path, run.exported)
    except RunError as error:
        run.exported.unlink(missing_ok=True)
        console.warn(f"no {run.exported.name}: {str(error).removeprefix(f'{run.path}: ')}")
        return []
    return [run.exported]
