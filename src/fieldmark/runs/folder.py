"""The folder of a run: made where there is room, and what becomes of it where the run is ended."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from fieldmark import rundir
from fieldmark.errors import DiskError, OutOfMemoryError, StoppedError
from fieldmark.files import write_text
from fieldmark.insight.label_names import ShownNames, read_names
from fieldmark.machine import generators_kept, threads
from fieldmark.rundir import RunDir
from fieldmark.runs.network import Prepared
from fieldmark.settings.texts import to_yaml
from fieldmark.settings.tree import Settings, TrainSettings
from fieldmark.stopping import undoing

USUAL = "{data}-{model}"  # what run folders are called after


def new_folder(prepared: Prepared) -> RunDir:
    """A run folder, named as run.naming says where it is given no name. Raises DiskError."""
    refuse_full_disk(prepared)
    settings = prepared.settings
    words = {
        "data": rundir.source_name(settings.data.source),
        "model": settings.model.name,
        "optimizer": settings.optimizer.name,
        "lr": settings.optimizer.options["lr"],
        "seed": settings.run.seed,
    }
    naming, tag = settings.run.naming, settings.run.tag
    stem = (naming or USUAL).format(**words) + (f"-{tag}" if tag else "")
    return rundir.create(settings.run.out, settings.run.name, stem, first_bare=naming is not None)


def write_settings(run: RunDir, prepared: Prepared, command: str) -> None:
    """settings.yaml: the command in its first line, then every setting."""
    line = " ".join(command.splitlines())
    write_text(run.settings, f"{rundir.COMMAND}{line}\n{to_yaml(prepared.settings)}")


def label_names(prepared: Prepared) -> ShownNames:
    """What data.label_names calls the labels. Raises DataError for a file that is no such one."""
    path = prepared.settings.data.label_names
    return ShownNames() if path is None else read_names(Path(path), prepared.classes)


def refuse_full_disk(prepared: Prepared) -> None:
    """Look for room before work begins.

    A checkpoint holds the weights, two moments each, and maybe their average, and is written
    beside the one before; two best weights and the bundle's come to that.
    """
    where = Path(prepared.settings.run.out)
    while not where.exists():
        where = where.parent
    weights = sum(t.nbytes for t in prepared.model.state_dict().values())
    train = prepared.settings.train
    need = (11 if train.ema or train.lookahead else 9) * weights + 2_000_000
    free = shutil.disk_usage(where).free
    if free < need:
        raise DiskError(
            f"--out {where}: {free / 1e6:.0f} MB are free and the run needs about "
            f"{need / 1e6:.0f} MB; free some space or choose another place"
        )


@contextmanager
def guarded(run: RunDir, settings: Settings, *, is_new: bool = False) -> Iterator[None]:
    """Turn Ctrl-C and a full accelerator into their sentences, and compute in the run's threads.

    is_new: the run's folder was made for it, and is taken away where nothing was reached.
    """

    def stopped() -> str:
        if run.checkpoint.is_dir():
            return f"stopped; go on with: fieldmark train --resume {run.path}"
        if is_new:
            rundir.remove(run)
        return "stopped at the start"

    count, device = int(settings.run.threads), torch.device(settings.run.device)
    try:
        with undoing(stopped), threads(count), generators_kept(device):
            yield
    except torch.OutOfMemoryError as error:
        raise OutOfMemoryError(no_room(settings.train)) from error
    except KeyboardInterrupt as error:
        raise StoppedError(stopped()) from error


def no_room(train: TrainSettings) -> str:
    """The sentence for a batch that the accelerator has no room for."""
    what = f"the accelerator's memory is too small for batches of {train.batch_size}"
    half = train.batch_size // 2
    if not half:
        return f"{what}; try a smaller --image-size or another --model"
    return f"{what}; try --batch-size {half} train.accumulate={2 * train.accumulate}"
