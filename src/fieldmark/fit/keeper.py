"""What training writes as it goes, and nobody else does: checkpoints, history.csv, steps.csv."""

import csv
import io
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from fieldmark.errors import RunError, writing
from fieldmark.files import write_text
from fieldmark.fit.checkpoint import Checkpoints, Tensors
from fieldmark.fit.plan import ALONE, Ranks
from fieldmark.fit.state import State

STEP_COLUMNS = ("epoch", "step", "loss", "accuracy", "lr")


class Keeper:
    """Keeps one run's progress on disk; of several processes the first one writes.

    user_asks: says that the user wants to stop this process. used_up: that its hours are over.
    """

    def __init__(
        self,
        checkpoints: Checkpoints,
        *,
        history: Path,
        steps: Path,
        every_seconds: float,
        user_asks: Callable[[], bool] = lambda: False,
        used_up: Callable[[], bool] = lambda: False,
        ranks: Ranks = ALONE,
    ):
        self.checkpoints, self._ranks = checkpoints, ranks
        self._user_asks, self._used_up = user_asks, used_up
        self._history, self._steps, self._every = history, steps, every_seconds
        self._saved = time.monotonic()

    def stop_asked(self) -> bool:
        """Whether the user wants any of the processes to stop, or the hours are over."""
        return self._ranks.any_of(self._user_asks() or self._used_up())

    def user_asks(self) -> bool:
        """Whether the user wants any of the processes to stop."""
        return self._ranks.any_of(self._user_asks())

    def due(self) -> bool:
        """Whether the last checkpoint is so old that a long epoch should write one."""
        return self._ranks.of_first(time.monotonic() - self._saved > self._every)

    def save(self, state: State, best: Tensors | None = None) -> None:
        """A checkpoint, and the history up to it. best: the weights of `state.best_epoch`, if new.

        The weights and the running logits come first, and then what names them, so that a kill
        between the two leaves the checkpoint before whole.
        """
        self._saved = time.monotonic()
        if not self._ranks.is_first:
            return
        with state.clock("writing"):
            if best is not None and state.best_epoch is not None:
                self.checkpoints.write_best(state.best_epoch, best)
            if (new := state.running.not_in_files()) is not None:
                name = self.checkpoints.write_running(state.epoch, state.step, new)
                state.running.files.append(name)
            self.checkpoints.write(state.tree())
            self._write_history(state)

    def save_unfinished(self, state: State, best: Tensors) -> None:
        """The weights and the history of an epoch that ends before its end for good.

        The checkpoint stays where it is, so that the epoch goes on where hours are added.
        """
        if self._ranks.is_first and state.best_epoch is not None:
            self.checkpoints.write_best(state.best_epoch, best)
            self._write_history(state)

    def restore(self, state: State, tree: dict[str, Any] | None) -> None:
        """Bring `state`, and the files beside it, to a checkpoint; None: to the beginning."""
        if tree is not None:
            state.restore(tree)
            state.running.chunks = [
                self.checkpoints.read_running(name) for name in state.running.files
            ]
            self._write_history(state)  # a kill may have come between the two
        self._cut_steps(state.epoch + 1, state.step)

    def note_step(self, row: Mapping[str, float]) -> None:
        """One row of steps.csv."""
        if not self._ranks.is_first:
            return
        with writing(self._steps):
            is_new = not self._steps.is_file()
            with self._steps.open("a", encoding="utf-8", newline="") as stream:
                writer = csv.DictWriter(stream, STEP_COLUMNS, lineterminator="\n")
                if is_new:
                    writer.writeheader()
                writer.writerow(row)

    def _write_history(self, state: State) -> None:
        if state.history:
            write_text(self._history, as_csv(state.history))

    def _cut_steps(self, epoch: int, step: int) -> None:
        """Take out the steps after the checkpoint, which will be done again."""
        if not self._steps.is_file():
            return
        try:
            header, *lines = self._steps.read_text(encoding="utf-8").splitlines() or [""]
        except UnicodeDecodeError as error:
            what = "is damaged; nothing is made of it, so delete it and go on"
            raise RunError(f"{self._steps}: {what}") from error
        kept = [line for line in lines if _place(line) <= (epoch, step)]
        write_text(self._steps, "\n".join([header, *kept]) + "\n")


def as_csv(rows: Iterable[Mapping[str, float]]) -> str:
    """Rows as CSV text, with every column that any row has, in order of appearance.

    Numbers have digits enough to be read back the same; where there is none, it is empty.
    """
    rows = list(rows)
    columns = dict.fromkeys(name for row in rows for name in row)
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(columns), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def _place(line: str) -> tuple[float, float]:
    """(epoch, step) of a line of steps.csv; a line cut off by a kill comes after all others."""
    try:
        epoch, step = line.split(",")[:2]
        return int(epoch), int(step)
    except ValueError:
        return float("inf"), 0
