"""One process that does planned runs, one after the other, until none is left that it can have."""

import gc
import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from fieldmark import rundir
from fieldmark.console import Console
from fieldmark.errors import (
    DiskError,
    FieldmarkError,
    NotFiniteError,
    PrunedError,
    RunError,
    StoppedError,
    counted,
)
from fieldmark.models.precision import check_device, pick_device
from fieldmark.rundir import RunDir
from fieldmark.runs.resume import resume_run
from fieldmark.runs.run import train_run
from fieldmark.settings.layers import Layer
from fieldmark.stopping import listening
from fieldmark.study.claims import Had, claimed
from fieldmark.study.folder import LEFT, StudyDir
from fieldmark.study.planned import Planned, refuse_other_files
from fieldmark.study.prune import watching

MOST_CRASHES = 3  # of one run's process; then the run has failed
DIED = "the process that did it died; it may need more memory"
ASIDE = 0.5  # seconds between two looks at what others hold


def work(study: StudyDir, console: Console, *, alone: bool) -> None:
    """Do planned runs until none is left to do, and no more will be planned.

    What another process holds is waited for, since it may die. alone: also where the process that
    began this one is gone. Raises StoppedError where the user stops, DiskError, RunError where
    this machine has not the device that a run is to be done on; a run that fails is noted, and
    the next one begins.
    """
    renewing = _ending_with(None if alone else os.getppid())
    with listening() as stop:
        while True:
            left = study.left()
            has_done = False
            for planned in left:
                has_done |= do(study, planned, console, renewing=renewing)
                if stop.asked:
                    raise StoppedError("stopped; what is done is kept")
            if not (left or study.is_open):
                return
            if not has_done:
                renewing()
                time.sleep(ASIDE)


def do(
    study: StudyDir,
    planned: Planned,
    console: Console,
    *,
    renewing: Callable[[], None] = lambda: None,
) -> bool:
    """Do one run, or go on with it, where nobody else does. -> whether it was this process"""
    refuse_device(planned)
    with claimed(study, planned.name, renewing=renewing) as had:
        if had is Had.NOT or study.state(planned.name) not in LEFT:
            return False
        if had is Had.TAKEN and study.note_crash(planned.name, DIED, MOST_CRASHES) >= MOST_CRASHES:
            return True
        try:
            train(study, planned, console)
        except PrunedError as pruned:
            epoch = len(study.run(planned.name).read_history())
            study.note_end(planned.name, "pruned", str(pruned), epoch=epoch)
        except (StoppedError, DiskError):
            raise
        except FieldmarkError as error:
            final = isinstance(error, NotFiniteError)
            study.note_end(planned.name, "failed", str(error), final=final)
        except Exception as error:
            what = f"{type(error).__name__}: {error}"
            crashes = study.note_crash(planned.name, what, MOST_CRASHES)
            console.warn(f"{planned.label}: {what} ({counted(crashes, 'time')})")
        finally:
            gc.collect()
        console.say(f"{planned.label}: {study.state(planned.name)}")
        return True


def train(study: StudyDir, planned: Planned, console: Console) -> None:
    """The run from its beginning, or from where its folder stands. Raises any FieldmarkError."""
    run, quiet = study.run(planned.name), Console(quiet=True)
    watch = watching(study, planned.name)
    refuse_other_files(planned.files)
    if run.checkpoint.is_dir() and run.settings.is_file():
        changes = Layer("study", changed_by(run, planned, console))
        resume_run(str(run.path), changes, quiet, sides=planned.sides, watch=watch)
        return
    if run.path.is_dir():
        rundir.remove(run)  # it was killed before anything was reached
    where = {"out": str(run.path.parent), "name": run.name, "tag": None}
    settings = planned.resolved.settings
    group = {"group": settings.track.group or study.name}
    resolved = replace(planned.resolved, settings=settings.having(run=where, track=group))
    data = study.read_data(planned.data)
    command = study.question["command"]
    train_run(resolved, quiet, command, data, sides=planned.sides, watch=watch)


def refuse_device(planned: Planned) -> None:
    """Raise RunError where this machine has not the device that a run is to be done on."""
    device = planned.resolved.settings.run.device
    if check_device(device):
        raise RunError(
            f"{planned.label} is to be done on {device}, which is not here; leave the study to "
            "machines that have it, or go on with its command and --device auto"
        )


def changed_by(run: RunDir, planned: Planned, console: Console) -> dict[str, Any]:
    """What a run that was begun goes on with otherwise: as its plan says by now, and on a device
    that is here."""
    begun, wanted = run.read_settings()["run"], planned.resolved.settings.run
    values = {"run.device": wanted.device, "run.workers": wanted.workers}
    changes = {
        key: value
        for key, value in values.items()
        if value not in ("auto", begun[key.removeprefix("run.")])
    }
    if "run.device" not in changes and check_device(begun["device"]):
        here = pick_device("auto")
        console.warn(
            f"{planned.label} was begun on {begun['device']}, not here; it goes on on {here}"
        )
        changes["run.device"] = "auto"
    return changes


def _ending_with(parent: int | None) -> Callable[[], None]:
    """What ends this process, as a first Ctrl-C does, when the one that began it is gone.

    None: no other did.
    """
    asked = False

    def look() -> None:
        nonlocal asked
        if not asked and parent not in (None, os.getppid()):
            asked = True
            os.kill(os.getpid(), signal.SIGTERM)

    return look
