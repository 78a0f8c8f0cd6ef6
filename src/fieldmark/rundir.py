"""The run folder: the only place that knows the names inside it."""

import contextlib
import json
import math
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fieldmark import metrics_json
from fieldmark.errors import RunError, SettingsError, disk_error, nearest_path, writing
from fieldmark.files import held, write_json
from fieldmark.metrics_json import Metrics

INFO, WEIGHTS = "model.json", "model.safetensors"  # these two alone are a bundle
KNOWN = "known.safetensors"  # beside them: what images of the training are like
EXPORT = "export.json"  # its presence makes a folder a model that left the house
STUDY = "study.json"  # its presence makes a folder that of many runs
COMMAND = "# repeat: "  # begins the first line of settings.yaml
TABLES = ("history.csv", "steps.csv", "rates.csv", "label-names.csv", "suspects.csv")
TRACKERS = ("tensorboard", "wandb")  # folders that trackers write in, also after the run is done


def source_name(source: str) -> str:
    """What a run on images from `source` is called after: the folder, or a table less its suffix.

    "photos/" -> "photos", "labels.csv" -> "labels", "digits" -> "digits".
    """
    path = Path(source)
    return path.stem if path.is_file() else path.name


class Inside:
    """A place in a folder, by its name there, in which {name} is that of the folder."""

    def __init__(self, name: str):
        self._name = name

    def __get__(self, owner: Any, kind: type) -> Path:
        place: Path = owner.path / self._name.format(name=owner.name)
        return place


@dataclass(frozen=True)
class RunDir:
    """A run's folder and the places in it. Making the object touches nothing."""

    path: Path
    settings = Inside("settings.yaml")  # complete; `fieldmark train --config` repeats the run
    label_names = Inside("label-names.csv")  # what labels are called on pages, where it is said
    samples = Inside("samples.parquet")  # the Samples table with its splits
    known = Inside(KNOWN)  # features of training images, by which others are told unlike
    trees = Inside("head.txt")  # a boosted head in LightGBM's text format
    predictions = Inside("predictions.parquet")  # the Predictions table of val and test
    flipped = Inside("predictions-flip.parquet")  # the same, mirror images averaged in
    metrics = Inside("metrics.json")  # every figure, with intervals on test
    history = Inside("history.csv")  # a row an epoch
    steps = Inside("steps.csv")  # a row every N steps
    rates = Inside("rates.csv")  # a row a learning rate that was tried
    rates_chart = Inside("rates.png")  # the same as a picture
    heat = Inside("heat.parquet")  # where the network looked in the pictures of the page
    report = Inside("report.html")  # the page
    checkpoint = Inside("checkpoint")  # a folder: what `--resume` goes on from
    manifest = Inside("manifest.json")  # written last: the run is done
    tracking = Inside("tracking.json")  # what trackers know the run by
    tensorboard = Inside("tensorboard")  # a folder: its event files
    log = Inside("{name}.log")  # what was said
    answers = Inside("{name}.csv")  # the labels of data.predict's images, as Kaggle takes them
    exported = Inside("{name}.pth")  # with data.predict: the weights as a plain state dict
    suspects = Inside("suspects.html")  # doubtful labels; a table of the same name beside it
    evaluations = Inside("evaluations")  # a folder: evaluations on other data
    explanations = Inside("explanations")  # a folder: what `fieldmark explain` made
    card = Inside("card")  # a folder: the model card and all that goes to a hub with it
    exports = Inside("exports")  # a folder: the model for other programs, a folder each

    @property
    def name(self) -> str:
        """The run's name: the folder's."""
        return self.path.absolute().name

    @property
    def has_bundle(self) -> bool:
        """Whether there are weights to predict with."""
        return (self.path / INFO).is_file() and (self.path / WEIGHTS).is_file()

    @property
    def is_done(self) -> bool:
        """Whether the run came to its end."""
        return self.manifest.is_file()

    def tracking_id(self) -> str:
        """Twelve letters and digits that trackers know the run by, kept in the run folder.

        Raises RunError where the file cannot be read, DiskError.
        """
        if not self.tracking.is_file():
            write_json(self.tracking, {"id": uuid.uuid4().hex[:12]})
        return str(self._read_json(self.tracking).get("id"))

    def results(self) -> list[tuple[Path, str]]:
        """Every file but checkpoints, drafts and what trackers keep here. -> path, name inside"""
        inside = [p for p in self.path.rglob("*") if p.is_file() and not p.name.startswith(".")]
        others = {self.checkpoint.name, *TRACKERS}
        named = [(path, path.relative_to(self.path)) for path in sorted(inside)]
        return [(path, name.as_posix()) for path, name in named if name.parts[0] not in others]

    def clear_drafts(self) -> None:
        """Take away files that a kill left half written; their names end in .part."""
        for draft in self.path.rglob(".*.part"):
            draft.unlink(missing_ok=True)

    def rewind(self) -> None:
        """Be a run that has not begun to train; results of before stay until there are others."""
        for file in (self.manifest, self.tracking):
            file.unlink(missing_ok=True)
        shutil.rmtree(self.checkpoint, ignore_errors=True)

    def write_manifest(self, about: dict[str, Any]) -> None:
        """Say that the run is done, with the size that every file of it has now."""
        files = sorted(p for p in self.path.rglob("*") if p.is_file() and not self._own(p))
        sizes = {p.relative_to(self.path).as_posix(): p.stat().st_size for p in files}
        write_json(self.manifest, {**about, "files": sizes})

    def read_metrics(self) -> Metrics:
        """metrics.json; raises RunError where the run has none yet, or a damaged one."""
        return metrics_json.read(self.metrics)

    def read_settings(self) -> dict[str, Any]:
        """settings.yaml by section and name. Raises RunError where it cannot be read."""
        from fieldmark.settings.texts import read_yaml

        try:
            text = self.settings.read_text(encoding="utf-8")
            return read_yaml(text, str(self.settings))
        except (OSError, ValueError, SettingsError) as error:
            raise RunError(
                f"{self.settings}: cannot be read ({error}); copy the run again"
            ) from error

    def read_command(self) -> str:
        """What made the run, from the first line of settings.yaml; "" where it is not there."""
        first = self.settings.read_text(encoding="utf-8").partition("\n")[0]
        return first.removeprefix(COMMAND) if first.startswith(COMMAND) else ""

    def read_history(self) -> list[dict[str, float]]:
        """The epochs of history.csv, nan where a cell is empty; [] where there is none.

        Raises RunError where it is no table of numbers.
        """
        import polars as pl

        if not self.history.is_file():
            return []
        try:
            table = pl.read_csv(self.history, infer_schema_length=None)
            numbers = [name for name, kind in table.schema.items() if kind.is_numeric()]
            rows = table.select(pl.col(numbers).cast(pl.Float64)).fill_null(math.nan)
            return list(rows.iter_rows(named=True))
        except (OSError, pl.exceptions.PolarsError) as error:
            raise RunError(
                f"{self.history}: cannot be read as a table ({error}); copy the run again"
            ) from error

    def read_manifest(self) -> dict[str, Any]:
        """manifest.json; raises RunError where the run is not done."""
        return self._read_json(self.manifest)

    def read_thresholds(self) -> dict[str, float] | None:
        """The least score of each of several labels, as model.json has them; None for 0.5."""
        path = self.path / INFO
        found = self._read_json(path).get("thresholds") if path.is_file() else None
        return None if found is None else {str(name): float(least) for name, least in found.items()}

    def read_temperature(self) -> float:
        """What logits are divided by to become scores; 1 where nothing was fitted.

        A run has it in model.json, an evaluation, which has no model, in metrics.json. Raises
        RunError where that is no number above 0.
        """
        path = self.path / INFO
        if path.is_file():
            found = self._read_json(path).get("temperature", 1.0)
        else:
            path = self.metrics
            fitted = self.read_metrics().calibration if path.is_file() else None
            found = fitted.temperature if fitted else 1.0
        if type(found) not in (int, float) or not 0 < found < math.inf:
            raise RunError(
                f"{path}: the temperature is {json.dumps(found)}, and not a number above 0; "
                "put the number back that was fitted, or 1 for none"
            )
        return float(found)

    def _own(self, path: Path) -> bool:
        """Files that are not a result: the manifest itself, the lock, and what trackers write."""
        inside = path.relative_to(self.path).parts
        return path.name in ("manifest.json", ".lock") or inside[0] in TRACKERS

    def _read_json(self, path: Path) -> dict[str, Any]:
        return read_json(
            path,
            "the run may have been stopped before it was written, go on with: "
            f"fieldmark train --resume {self.path}",
        )

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run for this process, which lets go of it by its end, whatever that is.

        Raises RunError where another process holds the run, DiskError.
        """
        with held(self.path / ".lock") as is_ours:
            if not is_ours:
                raise RunError(
                    f"{self.path}: another process is training this run; wait for it or stop it"
                )
            yield


def read_json(path: Path, remedy: str) -> dict[str, Any]:
    """What a file of a run or a study says. Raises RunError, with what to do."""
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise RunError(f"{path}: cannot be read; {remedy}") from error


def refuse_taken(out: str, name: str | None) -> None:
    """Raise RunError where OUT/NAME cannot be a new run folder; nothing is made."""
    if name is not None and not is_plain(name):
        raise RunError(f"--name {name}: is not a plain folder name; put its folder into --out")
    if name is not None and f"{name}.csv" in TABLES:
        raise RunError(f"--name {name}: {name}.csv is another file of a run; choose another name")
    if Path(out).exists() and not Path(out).is_dir():
        raise RunError(f"--out {out}: is a file; name a folder")
    if name is not None and Path(out, name).exists():
        raise RunError(exists(Path(out, name)))


def create(out: str, name: str | None, stem: str, *, first_bare: bool = False) -> RunDir:
    """Make a new run folder OUT/NAME, or OUT/STEM-1, -2, ... where there is no name.

    first_bare: the first is OUT/STEM, without a number.
    Raises RunError where NAME exists or is not a plain folder name, DiskError where it
    cannot be made.
    """
    refuse_taken(out, name)
    with writing(Path(out)):
        Path(out).mkdir(parents=True, exist_ok=True)
    number, bare = 0, first_bare and f"{plain(stem)}.csv" not in TABLES
    while True:
        number += 1
        ending = "" if bare and number == 1 else f"-{number}"
        path = Path(out) / (name or f"{plain(stem)}{ending}")
        try:
            path.mkdir()
            return RunDir(path)
        except FileExistsError:
            if name is not None:
                raise RunError(exists(path)) from None
        except OSError as error:
            raise disk_error(path, error) from error


def is_plain(name: str) -> bool:
    """Whether it names a folder right here: no slash, no "..", no blank, no control character."""
    has_control = any(ord(letter) < 32 for letter in name)
    return Path(name).name == name and not has_control and name.strip() not in ("", ".", "..")


def exists(path: Path) -> str:
    """The sentence for a run folder that is there already."""
    return (
        f"{path}: exists already; choose another --name, "
        f"or go on with it: fieldmark train --resume {path}"
    )


def is_study(path: str | os.PathLike[str]) -> bool:
    """Whether a folder is a study's, of many runs."""
    return Path(path, STUDY).is_file()


def open_run(path: str | os.PathLike[str]) -> RunDir:
    """The run at `path`; raises RunError where there is none."""
    run = RunDir(Path(path))
    if not run.path.is_dir():
        hint = nearest_path(path, Path.is_dir) or "; `ls runs` shows those of this folder"
        raise RunError(f"{path}: there is no such run folder{hint}")
    if is_study(path):
        raise RunError(f"{path}: is a study of many runs; name one of them, in {run.path / 'runs'}")
    if (run.path / EXPORT).is_file():
        raise RunError(
            f"{path}: is an export, and this needs the run itself; name the run's folder"
        )
    if not run.settings.is_file():
        raise RunError(f"{path}: is no run (it has no settings.yaml); name a run's folder")
    return run


def remove(run: RunDir) -> None:
    """Take a run folder away that nothing was reached in."""
    shutil.rmtree(run.path, ignore_errors=True)


def plain(text: str) -> str:
    """Text as a part of a folder's name."""
    return re.sub(r"[^\w.-]+", "-", text).strip("-.") or "data"
