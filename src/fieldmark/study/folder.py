"""The folder of a study: the only place that knows the names inside it.

study.json      what was asked, written once
plans/          a file a planned run
data/           images on their sides, each a file that several runs may share
runs/           the runs' folders; one that has its manifest is done
claims/         who works on which run
ended/          of runs that came to another end: how, and why
report.html     and tables, when all is done
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from fieldmark.data.intake import Dataset
from fieldmark.errors import RunError, WorkError, nearest_path, writing
from fieldmark.files import write_json
from fieldmark.rundir import STUDY, Inside, RunDir, is_study, read_json
from fieldmark.settings.tree import Settings
from fieldmark.study.planned import Planned

PLACES = ("plans", "data", "runs", "claims", "ended")
OPEN = "open"  # there as long as more may be planned
IN_FOLDS = "-folds"  # ends the name of images that are in folds in place of a validation side
End = Literal["failed", "pruned"]
State = Literal["done", "failed", "pruned", "begun", "planned"]
LEFT = ("planned", "begun")  # states of a run that there is something to do for


@dataclass(frozen=True)
class StudyDir:
    """A study's folder. Making the object touches nothing."""

    path: Path

    report = Inside("report.html")  # the page
    predictions = Inside("predictions.parquet")  # those of all runs in one table
    results = Inside("results.json")  # what all runs together came to
    table = Inside("runs.csv")  # a row a run: what it is in the study, and what it came to
    solved = Inside("solved.json")  # of heads solved side by side: seconds and circumstances
    claims = Inside("claims")  # the folder of claims
    suspects = Inside("suspects.html")  # doubtful labels, with a table of the same name beside it
    log = Inside("log.txt")  # what the working processes said

    @property
    def name(self) -> str:
        """The study's name: the folder's."""
        return self.path.name

    @property
    def is_open(self) -> bool:
        """Whether more runs may be planned, by what has begun the study."""
        return (self.path / OPEN).is_file()

    @contextmanager
    def open(self) -> Iterator[None]:
        """More runs may be planned inside."""
        place = self.path / OPEN
        with writing(place):
            place.touch()
        try:
            yield
        finally:
            place.unlink(missing_ok=True)

    @property
    def question(self) -> dict[str, Any]:
        """What was asked: its kind, its command, its options. Raises RunError."""
        return _read(self.path / STUDY)

    @property
    def settings(self) -> Settings:
        """Those of its runs, where a run has none of its own. Raises RunError."""
        with _of_this_version(self.path / STUDY):
            return Settings.model_validate(self.question["settings"])

    def prepare(self) -> None:
        """Make the folders inside. Raises DiskError."""
        with writing(self.path):
            for place in PLACES:
                (self.path / place).mkdir(parents=True, exist_ok=True)

    def forget_plans(self) -> None:
        """Take away what planning left that was killed, or that nobody could work on yet."""
        for left in files_below(self.path / "plans"):
            left.unlink(missing_ok=True)

    def ask(self, question: dict[str, Any]) -> None:
        """Make the folder a study's, now that its first runs are planned. Raises DiskError."""
        write_json(self.path / STUDY, question)

    def keep_data(self, name: str, data: Dataset) -> None:
        """Keep images for planned runs, on sides and in folds too where they have both."""
        data.write(self._data(name))
        if data.in_folds is not None:
            data.in_folds.write(self._data(name + IN_FOLDS))

    def read_data(self, name: str) -> Dataset:
        """What `keep_data` kept."""
        plain, folds = self._data(name), self._data(name + IN_FOLDS)
        return _read_data(plain, folds, _stamp(plain))

    def data_names(self) -> list[str]:
        """What `keep_data` kept, by name, in order."""
        return sorted(path.stem for path in (self.path / "data").glob("*.parquet"))

    def plan(self, runs: Iterable[Planned], *, number: int | None = None) -> None:
        """Add runs to what is to be done; one that is there already stays.

        number: how many there are, where that is known.
        """
        number = sum(1 for _ in self._plans()) if number is None else number
        for each in runs:
            path = self._plan(each.name)
            if not path.is_file():
                write_json(path, {"number": number, **each.to_json()})
                number += 1

    def plan_anew(self, planned: Planned) -> None:
        """Have a planned run done otherwise, in its place among the others."""
        path = self._plan(planned.name)
        write_json(path, {"number": _read(path)["number"], **planned.to_json()})

    def plans(self) -> list[Planned]:
        """Every planned run, in the order of planning."""
        kept = [_read_plan(path, _stamp(path)) for path in self._plans()]
        return [each for _, each in sorted(kept, key=lambda pair: pair[0])]

    def run(self, name: str) -> RunDir:
        """A planned run's folder, whether it is there or not."""
        return RunDir(self.path / "runs" / name)

    def runs(self, state: State = "done") -> list[tuple[Planned, RunDir]]:
        """The planned runs that are in this state, with their folders."""
        return [(p, self.run(p.name)) for p in self.plans() if self.state(p.name) == state]

    def left(self) -> list[Planned]:
        """The planned runs that there is something to do for."""
        return [each for each in self.plans() if self.state(each.name) in LEFT]

    def finished(self) -> list[tuple[Planned, RunDir]]:
        """The runs that are done. Raises WorkError where none is."""
        done = self.runs("done")
        if not done:
            raise WorkError(f"{self.path}: no run came to its end; the notes above say why")
        return done

    def failures(self) -> list[tuple[Planned, str]]:
        """The planned runs that have failed, and why."""
        return [(p, str((self.end(p.name) or {})["reason"])) for p, _ in self.runs("failed")]

    def state(self, name: str) -> State:
        """Where a planned run stands; begun, whether somebody works on it or not."""
        if self.run(name).is_done:
            return "done"
        if (end := self.end(name)) is not None and "state" in end:
            found: State = end["state"]
            return found
        return "begun" if self.run(name).path.is_dir() else "planned"

    def end(self, name: str) -> dict[str, Any] | None:
        """What is kept of a run that crashed, failed or was pruned: state, reason, crashes."""
        path = self._end(name)
        return _read(path) if path.is_file() else None

    def note_end(self, name: str, state: End, reason: str, **more: Any) -> None:
        """A run came to an end that is not its own."""
        write_json(
            self._end(name), {**(self.end(name) or {}), "state": state, "reason": reason, **more}
        )

    def forget_failures(self) -> int:
        """Let runs be tried again whose failure may have been mended. -> how many had failed

        A loss that ran away does so again.
        """
        failed = 0
        for path in files_below(self.path / "ended"):
            end = _read(path)
            if end.get("state") != "pruned" and not end.get("final"):
                failed += end.get("state") == "failed"
                path.unlink(missing_ok=True)
        return failed

    def note_crash(self, name: str, reason: str, most: int) -> int:
        """The process of a run died. -> how often that was; at the `most` the run has failed"""
        crashes = int((self.end(name) or {}).get("crashes", 0)) + 1
        about = {"crashes": crashes, "reason": reason}
        failed = {"state": "failed"} if crashes >= most else {}
        write_json(self._end(name), {**about, **failed})
        return crashes

    def _end(self, name: str) -> Path:
        return self.path / "ended" / f"{name}.json"

    def _plans(self) -> Iterator[Path]:
        return (self.path / "plans").glob("*.json")

    def _plan(self, name: str) -> Path:
        return self.path / "plans" / f"{name}.json"

    def _data(self, name: str) -> Path:
        return self.path / "data" / f"{name}.parquet"


def _stamp(path: Path) -> tuple[int, ...]:
    """What tells a file from another one that is in its place later."""
    about = path.stat()
    return about.st_ino, about.st_mtime_ns, about.st_size


@lru_cache(maxsize=4)
def _read_data(plain: Path, folds: Path, _stamp: tuple[int, ...]) -> Dataset:
    data = Dataset.read(plain)
    return replace(data, in_folds=Dataset.read(folds)) if folds.is_file() else data


@lru_cache(maxsize=100_000)
def _read_plan(path: Path, _stamp: tuple[int, ...]) -> tuple[int, Planned]:
    kept = _read(path)
    with _of_this_version(path):
        return int(kept["number"]), Planned.from_json(kept)


@contextmanager
def _of_this_version(path: Path) -> Iterator[None]:
    try:
        yield
    except ValidationError as error:
        raise RunError(
            f"{path}: has settings that this version of Fieldmark has not; go on with the version "
            "that began the study"
        ) from error


def _read(path: Path) -> dict[str, Any]:
    return read_json(path, "copy the study again, or start a new one")


def open_study(path: str | Path) -> StudyDir:
    """The study in a folder; raises RunError where there is none."""
    if not Path(path).is_dir():
        hint = nearest_path(path, Path.is_dir) or "; name a study's"
        raise RunError(f"{path}: there is no such folder{hint}")
    if not is_study(path):
        raise RunError(f"{path}: is no study (it has no {STUDY}); name a study's folder")
    return StudyDir(Path(path))


def files_below(path: Path) -> Iterator[Path]:
    """The files of a folder that may be changed by others meanwhile."""
    with suppress(FileNotFoundError):
        yield from sorted(path.iterdir())
