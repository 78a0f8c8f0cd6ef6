"""The executor of one machine: working processes that outlive runs, and one display of all."""

import math
import os
import subprocess
import sys
import time
from collections.abc import Callable

from fieldmark.console import Bar, Console
from fieldmark.errors import StoppedError, WorkError, counted
from fieldmark.machine import SHARERS, cores
from fieldmark.stopping import listening, undoing
from fieldmark.study.claims import claims, release
from fieldmark.study.folder import StudyDir
from fieldmark.study.work import MOST_CRASHES

EVERY = 0.3  # seconds between two looks
PATIENCE = 30.0  # seconds that a process has to come to its clean end
CRASHED = "its process ended with {}; it may need more memory"
STOPPED = 130
GOES_ON = "the same command goes on where it was"


def run_all(
    study: StudyDir,
    console: Console,
    *,
    jobs: int,
    propose: Callable[[], bool] = lambda: False,
    expected: int = 0,
) -> None:
    """Do every planned run in `jobs` processes. A run that fails is told, and the rest go on.

    propose: asked again and again, may plan more; -> whether more may come. expected: how many
    there will be at the end, where that is known. Raises StoppedError
    where the user stops; the same command goes on then. WorkError where processes die at once.
    """
    release(study)
    workers = list[subprocess.Popen[bytes]]()
    told = set[str]()
    bar_of = console.bar(study.question["kind"], len(study.plans()))
    with listening() as stop, undoing(lambda: f"stopped; {GOES_ON}"), bar_of as bar:
        shown, deaths = 0, 0
        more = propose()
        try:
            while True:
                left = study.left()
                if stop.asked or not (left or more):
                    break
                while len(workers) < min(jobs, len(left)):
                    workers.append(_begin(study, jobs))
                for worker in [each for each in workers if each.poll() is not None]:
                    workers.remove(worker)
                    deaths = deaths + 1 if _buried(study, worker, console) else 0
                    if deaths >= MOST_CRASHES:
                        raise WorkError(f"{study.log}: the working processes end; it says why")
                more = propose()
                shown = _show(study, bar, shown, expected)
                _tell(study, console, told)
                time.sleep(EVERY)
        except BaseException:
            _end(workers)
            raise
        _end(workers)
        _tell(study, console, told)
        if stop.asked:
            runs = counted(len(study.left()), "run")
            raise StoppedError(f"stopped with {runs} left; {GOES_ON}")


def _begin(study: StudyDir, jobs: int) -> "subprocess.Popen[bytes]":
    """A working process; several share the cores. A Ctrl-C reaches the one that began it alone."""
    command = [sys.executable, "-m", "fieldmark", "study", "work", str(study.path), "--child"]
    with study.log.open("ab") as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=os.environ | sharing(jobs),
            start_new_session=True,
        )


def sharing(jobs: int) -> dict[str, str]:
    """What tells each of so many processes that the others compute and load images too."""
    share, given = max(1, cores() // jobs), os.environ.get("OMP_NUM_THREADS", "")
    threads = min(share, int(given)) if given.isdecimal() else share
    return {SHARERS: str(jobs), "OMP_NUM_THREADS": str(threads)} if jobs > 1 else {}


def _buried(study: StudyDir, worker: "subprocess.Popen[bytes]", console: Console) -> bool:
    """Whether a process that has ended died before its time; what it held is free again."""
    held, code = release(study, worker.pid), worker.returncode
    if code in (0, STOPPED):
        return False
    how = f"signal {-code}" if code < 0 else f"code {code}"
    for name in held:
        crashes = study.note_crash(name, CRASHED.format(how), MOST_CRASHES)
        if crashes < MOST_CRASHES:
            label = next(each.label for each in study.plans() if each.name == name)
            console.warn(f"{label}: its process ended with {how}, and is begun again")
    return not held


def _end(workers: "list[subprocess.Popen[bytes]]") -> None:
    """Ask the processes to stop, and wait until they have."""
    until = time.monotonic() + PATIENCE
    for worker in workers:
        if worker.poll() is None:
            worker.terminate()
    for worker in workers:
        try:
            worker.wait(max(0.1, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            worker.kill()


def _show(study: StudyDir, bar: Bar, shown: int, expected: int) -> int:
    """Draw how far all is. -> how many runs are through"""
    plans = study.plans()
    bar.resize(max(expected, len(plans)))
    through = len(plans) - len(study.left())
    label = {each.name: each.label for each in plans}
    now = [going(study, each.run, label.get(each.run, "")) for each in claims(study)]
    bar.advance(through - shown, "; ".join(filter(None, now[:2])))
    return through


def going(study: StudyDir, name: str, label: str) -> str:
    """What a run has done so far, in words; a head that is solved has no epochs."""
    rows = study.run(name).read_history() if study.run(name).history.is_file() else []
    epochs = sum(not math.isnan(row.get("lr", math.nan)) for row in rows)
    done = f"{counted(epochs, 'epoch')} done" if epochs else "head solved" if rows else ""
    return f"{label}: {done}" if done else label


def _tell(study: StudyDir, console: Console, told: set[str]) -> None:
    """A line for every run that has failed since this was last called."""
    for planned, reason in study.failures():
        if planned.name not in told:
            told.add(planned.name)
            console.warn(f"{planned.label} failed: {reason}")
