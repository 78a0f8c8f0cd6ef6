"""Weights & Biases: offline in the run folder, unless the user is logged in or chose a mode.

An offline run is a folder a process, of which `wandb sync` would put one in the place of the
other. So every process writes the whole history, and the former offline folders of this run go
away. Where the run is on a server, that says how far it has come.
"""

import netrc
import os
import shutil
from importlib import import_module
from pathlib import Path
from shlex import quote
from typing import Any
from urllib.parse import urlsplit

from fieldmark.track.tracked import End, Rows, Subject

REACHED_IN, SENT_IN = 20.0, 60.0  # seconds that a server has, at the start and at the end
SERVER = "https://api.wandb.ai"


class ToWandb:
    """Figures, settings, the final figures in the summary, and the run's files as an artefact."""

    def __init__(self, subject: Subject):
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # it calls home otherwise
        import_module("accelerate").PartialState()  # the trackers' logger asks for it
        self._wandb, self._subject = import_module("wandb"), subject
        self._tracker, said = self._begin()
        self._run = self._tracker.tracker
        self._next = self._run.step  # 0, or after the last epoch that the server has
        self._own = Path(self._run.dir).parent
        self.place = self._run.url or f"{said}wandb sync {quote(str(self._own))}"

    def _begin(self) -> tuple[Any, str]:
        """Start the run; offline too where a server is not reached. -> tracker, a word on that"""
        wanted = mode()
        try:
            return self._started(wanted), ""
        except Exception:  # others' code: no network, no such entity, a key that is not valid
            if wanted == "offline":
                raise
            if self._wandb.run is None:  # else the process has a run of the user's own
                self._wandb.teardown()  # W&B's helper holds on to the id that it failed with
            return self._started("offline"), "the server did not take the run, so it is offline: "

    def _started(self, wanted: str | None) -> Any:
        subject = self._subject
        tracker = import_module("accelerate.tracking").WandBTracker(
            subject.project,
            entity=subject.entity,
            group=subject.group,
            name=subject.run.name,
            id=subject.id,
            dir=os.environ.get("WANDB_DIR") or str(subject.run.path),
            mode=wanted,
            resume="allow",
            reinit="create_new",  # a run of the user's own stays as it is
            config=subject.parameters,
            allow_val_change=True,
            settings=self._wandb.Settings(
                silent=True,
                console="off",
                disable_code=True,
                disable_git=True,
                x_disable_stats=True,
                init_timeout=REACHED_IN,
                finish_timeout=SENT_IN,
                finish_timeout_raises=True,
            ),
        )
        tracker.start()
        return tracker

    def log(self, rows: Rows) -> None:
        """A row an epoch; each is complete as soon as it is logged."""
        for epoch, values in rows:
            if epoch >= self._next:
                self._tracker.log(values, step=epoch, commit=True)
        for former in self._own.parent.glob(f"offline-run-*-{self._subject.id}"):
            if former != self._own:
                shutil.rmtree(former, ignore_errors=True)

    def finish(self, end: End) -> None:
        """The summary, which has no steps, and one version of the artefact.

        The files are not copied first: of a run that is done only the log may grow.
        """
        self._run.summary.update(end.values)
        if end.confusion is not None:
            self._run.summary["confusion"] = self._wandb.Image(end.confusion)
        page = self._subject.run.report.read_text(encoding="utf-8")
        self._run.summary["report"] = self._wandb.Html(page, inject=False)
        artefact = self._wandb.Artifact(f"run-{self._subject.id}", "run", description=end.words)
        for path, name in self._subject.run.results():
            policy = "mutable" if path == self._subject.run.log else "immutable"
            artefact.add_file(str(path), name=name, policy=policy, skip_cache=True)
        self._run.log_artifact(artefact)

    def close(self, *, whole: bool) -> None:
        """Send the rest. Raises TimeoutError where a server takes too long; `wandb sync` helps."""
        self._run.finish(exit_code=0 if whole else 1)


def mode() -> str | None:
    """What the user chose; else None, W&B's own choice, where a key is at hand, else offline."""
    if chosen := os.environ.get("WANDB_MODE"):
        return chosen
    keys = ("WANDB_API_KEY", "WANDB_IDENTITY_TOKEN_FILE")
    return None if any(map(os.environ.get, keys)) or in_netrc() else "offline"


def in_netrc() -> bool:
    """Whether `wandb login` has left a key for the server."""
    host = urlsplit(os.environ.get("WANDB_BASE_URL", SERVER)).netloc
    named = os.environ.get("NETRC")
    paths = [Path(named)] if named else [Path.home() / ".netrc", Path.home() / "_netrc"]
    try:
        there = [netrc.netrc(str(path)) for path in paths if path.is_file()]
    except (netrc.NetrcParseError, OSError):
        return False
    return any(host in file.hosts for file in there)
