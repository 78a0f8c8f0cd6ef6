"""Trackers: TensorBoard, Weights & Biases and MLflow are told of a run while it goes on.

They are told with Accelerate's tracker classes. What they cannot do never harms the run: one
that raises anything is told nothing more, and the user is told so once. The history is the
truth: each process sends what of it is not there yet, so that every epoch is there once.
"""

import contextlib
import io
import logging
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any

from fieldmark.console import Console
from fieldmark.errors import Mistake
from fieldmark.fit.clock import Clock
from fieldmark.machine import INSTALL, is_installed
from fieldmark.metrics_json import Metrics
from fieldmark.rundir import RunDir
from fieldmark.settings.tree import Settings

# In which file, as what. Each is made of a Subject, which begins, or goes on with, the run there;
# has a `place` to be seen at; takes epochs (`log`), the end (`finish`), and lets go (`close`).
KINDS = {
    "tensorboard": ("fieldmark.track.tensorboard", "ToTensorBoard"),
    "wandb": ("fieldmark.track.wandb", "ToWandb"),
    "mlflow": ("fieldmark.track.mlflow", "ToMlflow"),
}
ADVICE = {
    "tensorboard": "see that its folder 'tensorboard' can be written",
    "wandb": "WANDB_MODE=offline needs no network, and `wandb sync` sends later what was kept",
    "mlflow": "without MLFLOW_TRACKING_URI it keeps a store of its own beside the run",
}
LOGGERS = ("accelerate", "alembic", "mlflow", "tensorboard", "wandb")
REASON = 200  # letters of an error that a warning repeats


def check_trackers(names: Iterable[str]) -> list[Mistake]:
    """What `track.to` names and is not installed, of the names that there are.

    Nothing is imported. A name that there is not is told by the settings' own reading.
    """
    what = "'{0}' is not installed; install it with: {1} 'fieldmark[{0}]'"
    return [
        Mistake("track.to", what.format(name, INSTALL))
        for name in names
        if name in KINDS and not all(map(is_installed, ("accelerate", name)))
    ]


class Trackers:
    """All trackers of one run. Without any, nothing is imported and nothing is done.

    clock: the run's, in which their seconds count as "trackers".
    """

    def __init__(
        self, run: RunDir, settings: Settings, told: Console, *, clock: Clock | None = None
    ):
        self._run, self._settings, self._told = run, settings, told
        self._clock = clock or Clock()
        self._working: dict[str, Any] = {}  # by name
        self._sent = 0  # epochs of the history that this process has sent
        self._whole = False

    def start(self) -> None:
        """Begin the run in each tracker, or go on with it."""
        for wanted in dict.fromkeys(self._settings.track.to):
            with self._surviving(wanted):
                self._working[wanted] = self._begin(wanted)
        for name, tracker in self._working.items():
            self._told.say(f"{name}: {tracker.place}")

    def _begin(self, name: str) -> Any:
        from fieldmark.track.tracked import Subject, parameters

        track, (file, kind) = self._settings.track, KINDS[name]
        subject = Subject(
            run=self._run,
            id=self._run.tracking_id(),
            project=track.project,
            entity=track.entity,
            group=track.group,
            parameters=parameters(self._settings),
        )
        return getattr(import_module(file), kind)(subject)

    def catch_up(self, history: Sequence[Mapping[str, float]]) -> None:
        """Send every finished epoch that was not sent yet."""
        if not self._working:
            return
        from fieldmark.track.tracked import row_of

        rows = [row_of(row) for row in history[self._sent :]]
        self._each(lambda tracker: tracker.log(rows))
        self._sent = len(history)

    def finish(self, metrics: Metrics) -> None:
        """Send the final figures (metrics.json) and the run's files; the run is done then."""
        self._whole = True
        if not self._working:
            return
        from fieldmark.track.tracked import end_of

        end = end_of(metrics, self._sent)
        self._each(lambda tracker: tracker.finish(end))
        self.close()

    def close(self) -> None:
        """Let go of all trackers; a second time does nothing."""
        working, self._working = self._working, {}
        for name, tracker in working.items():
            with self._surviving(name):
                tracker.close(whole=self._whole)

    def _each(self, tell: Callable[[Any], None]) -> None:
        for name, tracker in list(self._working.items()):
            with self._surviving(name):
                tell(tracker)

    @contextlib.contextmanager
    def _surviving(self, name: str) -> Iterator[None]:
        """Give a tracker up that raises, with one warning; the run goes on."""
        try:
            with quiet(), self._clock("trackers"):
                yield
        except Exception as error:  # others' code may raise anything
            given_up = self._working.pop(name, None)
            if given_up is not None:
                with contextlib.suppress(Exception), quiet():
                    given_up.close(whole=False)
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:REASON]
            self._told.warn(
                f"{name} failed ({reason}) and gets no more of this run, which goes on without "
                f"it; all figures are in {self._run.path}; {ADVICE[name]}"
            )


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Others' prints, warnings and log lines below an error go nowhere inside it."""
    loggers = [logging.getLogger(name) for name in LOGGERS]
    before = [logger.level for logger in loggers]
    with (
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        try:
            yield
        finally:
            for logger, level in zip(loggers, before, strict=True):
                logger.setLevel(level)
