"""What becomes of a run that ends before its end: one sentence, and the process as it was."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from fieldmark import rundir
from fieldmark.errors import OutOfMemoryError, StoppedError
from fieldmark.rundir import RunDir
from fieldmark.settings.tree import TrainSettings
from fieldmark.stopping import undoing


@contextmanager
def guarded(run: RunDir, train: TrainSettings, *, is_new: bool = False) -> Iterator[None]:
    """Turn Ctrl-C and a full accelerator into their sentences; give back the threads.

    is_new: the run's folder was made for it, and is taken away where nothing was reached.
    """

    def stopped() -> str:
        if run.checkpoint.is_dir():
            return f"stopped; go on with: fieldmark train --resume {run.path}"
        if is_new:
            rundir.remove(run)
        return "stopped at the start"

    threads = torch.get_num_threads()
    try:
        with undoing(stopped):
            yield
    except torch.OutOfMemoryError as error:
        raise OutOfMemoryError(no_room(train)) from error
    except KeyboardInterrupt as error:
        raise StoppedError(stopped()) from error
    finally:
        torch.set_num_threads(threads)


def no_room(train: TrainSettings) -> str:
    """The sentence for a batch that the accelerator has no room for."""
    what = f"the accelerator's memory is too small for batches of {train.batch_size}"
    half = train.batch_size // 2
    if not half:
        return f"{what}; try a smaller --image-size or another --model"
    return f"{what}; try --batch-size {half} train.accumulate={2 * train.accumulate}"
