"""What the bundle in a folder is for, read without torch."""

from pathlib import Path

from fieldmark.errors import RunError, nearest_path
from fieldmark.models.bundle_info import BundleInfo, read_info
from fieldmark.rundir import INFO, RunDir, is_study
from fieldmark.use.exported_info import is_export


def info_of(path: str | Path) -> BundleInfo:
    """What the bundle in a folder is for; its weights are not read.

    Raises RunError where there is none, WeightsError where it is damaged.
    """
    file = Path(path) / INFO
    if is_export(path):
        raise RunError(f"{path}: is an export, and this needs the network itself; name the run")
    if Path(path).is_file():
        at = Path(path).parent
        hint = f"; did you mean {at}?" if (at / INFO).is_file() else "; name the run's folder"
        raise RunError(f"{path}: is a file, and a trained model is a folder{hint}")
    if not file.parent.is_dir():
        hint = nearest_path(path, Path.is_dir) or "; name one that holds a trained model"
        raise RunError(f"{path}: there is no such folder{hint}")
    if is_study(path):
        raise RunError(
            f"{path}: is a study without one model for all; name one of its runs, in {path}/runs"
        )
    if not file.is_file() and (inside := sorted(file.parent.glob(f"*/{INFO}"), key=_age)):
        raise RunError(f"{path}: is a folder of runs; name one of them: {inside[0].parent}")
    if not file.is_file():
        raise RunError(
            f"{path}: holds no trained model ({INFO}); name a run's folder, or go on "
            "with one that was stopped: fieldmark train --resume RUN"
        )
    return read_info(file)


def unended(path: str | Path) -> tuple[str, ...]:
    """A sentence where the training of a run has not ended, as of one that was stopped."""
    run = RunDir(Path(path))
    if run.is_done or not run.settings.is_file():
        return ()
    its = "its training has not ended, and these are the best weights so far"
    return (f"{path}: {its}; it goes on with: fieldmark train --resume {path}",)


def _age(file: Path) -> float:
    return -file.stat().st_mtime
