"""MLflow: the user's server or store where one is set, else one of SQLite beside the runs.

The store is asked what it has. A run is found by a tag, which is there from its first moment.
"""

import os
from importlib import import_module
from pathlib import Path
from shlex import quote

from fieldmark.track.tracked import End, Parameters, Rows, Subject, Values

TAG, GROUP = "fieldmark.id", "fieldmark.group"
PATIENT = {  # of a server that does not answer; what the user set stays
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
}


class ToMlflow:
    """Figures, settings as parameters, and the run's files as artefacts."""

    def __init__(self, subject: Subject):
        for name, value in PATIENT.items():
            os.environ.setdefault(name, value)
        import_module("accelerate").PartialState()  # the trackers' logger asks for it
        self._mlflow, self._subject = import_module("mlflow"), subject
        self._is_ours = not self._mlflow.is_tracking_uri_set()
        if self._is_ours:
            self._mlflow.set_tracking_uri(f"sqlite:///{self._beside('mlflow.db')}")
        try:
            self._begin()
        except Exception:
            self._let_go()
            raise

    def _begin(self) -> None:
        """Start the run, or the one that an earlier process began."""
        subject = self._subject
        artefacts = self._beside("mlartifacts").as_uri() if self._is_ours else None
        kind = import_module("accelerate.tracking").MLflowTracker
        self._tracker = kind(subject.project, logging_dir=artefacts, run_name=subject.run.name)
        self._client = self._mlflow.MlflowClient()
        former = self._former(self._tracker.experiment_name)
        self._tracker.run_id = self._tracker.run_id or former
        group = {GROUP: subject.group} if subject.group else {}
        self._tracker.tags = {**(self._tracker.tags or {}), TAG: subject.id, **group}
        self._tracker.start()
        self._id = self._tracker.tracker.info.run_id
        self.place = f"mlflow ui --backend-store-uri {quote(self._mlflow.get_tracking_uri())}"
        self._there = self._steps()
        self._note(subject.parameters)

    def _beside(self, name: str) -> Path:
        """A place in the folder that holds the run folder."""
        return self._subject.run.path.absolute().parent / name

    def _former(self, experiment: str) -> str | None:
        """The id of this run in the store, where it is there."""
        found = self._client.get_experiment_by_name(experiment)
        if found is None:
            return None
        wanted = f"tags.`{TAG}` = '{self._subject.id}'"
        runs = self._client.search_runs([found.experiment_id], wanted, max_results=1)
        return runs[0].info.run_id if runs else None

    def _steps(self) -> set[tuple[str, int]]:
        """Every figure and epoch that the store has."""
        names = self._client.get_run(self._id).data.metrics
        return {
            (name, point.step)
            for name in names
            for point in self._client.get_metric_history(self._id, name)
        }

    def _note(self, given: Parameters) -> None:
        """The settings. A parameter stays what it was; what has changed since becomes a tag."""
        old = self._client.get_run(self._id).data.params
        self._tracker.store_init_configuration({k: v for k, v in given.items() if k not in old})
        for name, value in given.items():
            if old.get(name, str(value)) != str(value):
                self._client.set_tag(self._id, name, str(value))

    def log(self, rows: Rows) -> None:
        """A point an epoch for every figure that the store has not."""
        for epoch, values in rows:
            self._log(values, epoch)

    def _log(self, values: Values, step: int) -> None:
        new = {name: each for name, each in values.items() if (name, step) not in self._there}
        self._tracker.log(new, step=step)
        self._there |= {(name, step) for name in new}

    def finish(self, end: End) -> None:
        """The test's figures at the last epoch, the confusion matrix, and every file."""
        self._log(end.values, end.epochs)
        self._client.set_tag(self._id, "mlflow.note.content", end.words)
        if end.confusion is not None:
            self._client.log_image(self._id, end.confusion, "confusion.png")
        for path, name in self._subject.run.results():
            folder = name.rpartition("/")[0]
            self._tracker.log_artifact(str(path), f"run/{folder}".rstrip("/"))

    def close(self, *, whole: bool) -> None:
        """Say how the run ended, and leave MLflow as it was."""
        try:
            self._mlflow.end_run("FINISHED" if whole else "KILLED")
        finally:
            self._let_go()

    def _let_go(self) -> None:
        if self._is_ours:
            self._mlflow.set_tracking_uri(None)
