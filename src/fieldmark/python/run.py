"""A run as an object: its figures, tables and pictures, and what it says of other images."""

import html
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fieldmark.errors import Mistake, RunError, counted, refuse
from fieldmark.rundir import RunDir, open_run

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.figure import Figure

    from fieldmark.metrics_json import Figures
    from fieldmark.use.predictor import Failure, Prediction, Predictor


class Run:
    """A run's folder, and what is in it; read when it is asked for.

    path: where it is. model: its network, where that is code of the caller's own.
    """

    def __init__(self, path: str | Path, *, model: Any = None):
        self.path, self.model = Path(path), model

    @property
    def _folder(self) -> RunDir:
        return RunDir(self.path)

    def __fspath__(self) -> str:
        return str(self.path)

    def __repr__(self) -> str:
        """Where it is, what it is, and the figures of its test, or else of its validation."""
        head = f"Run({str(self.path)!r})"
        shown = self._shown()
        if shown is None:
            return f"{head}: has no figures yet"
        from fieldmark.report.figure_lines import figure_lines

        return "\n".join([head, self._told(), *figure_lines(*shown)])

    def _repr_html_(self) -> str:
        """The same as a small table, for notebooks."""
        from fieldmark.judge.metrics import Shown, prominent
        from fieldmark.report.words import figure, interval, metric_words

        name, shown = html.escape(self._folder.name), self._shown()
        if shown is None:
            return f"<p>{name} has no figures yet</p>"
        side, found = shown
        rows = "".join(
            f"<tr><td>{metric_words(key)}</td><td>{figure(found[key], key)}</td>"
            f"<td>{interval(found.interval(key), key)}</td></tr>"
            for key in prominent(Shown.KEY, found.of_task)
            if found[key] is not None
        )
        head = f"<th>{side}, {found.n:,} images</th><th></th><th>95 % interval</th>"
        caption = f"{name}: {html.escape(self._told())}"
        return f"<table><caption>{caption}</caption><tr>{head}</tr>{rows}</table>"

    def _told(self) -> str:
        """The network, how many classes it knows, and which of its epochs was kept."""
        metrics, settings = self._folder.read_metrics(), self.settings
        words = [str(settings["model"]["name"]), counted(len(metrics.classes), "class")]
        best, epochs = metrics.about.best_epoch, settings["train"]["epochs"]
        if best is not None and epochs != 1:
            words.append(f"epoch {best} of {epochs} kept")
        return ", ".join(words)

    def _shown(self) -> "tuple[str, Figures] | None":
        """The side that stands for the run, and its figures; None where there are none."""
        try:
            sides = self._folder.read_metrics().sides
        except RunError:
            return None
        side = next((side for side in ("test", "val") if side in sides), None)
        return None if side is None else (side, sides[side])

    @property
    def metrics(self) -> dict[str, Any]:
        """metrics.json: {"task", "classes", "val": {...}, "test": {...}, ...}. Raises RunError."""
        return self._folder.read_metrics().to_json()

    @property
    def settings(self) -> dict[str, Any]:
        """settings.yaml: every setting by section and name. Raises RunError."""
        return self._folder.read_settings()

    @property
    def report(self) -> Path:
        """The page, one file of HTML."""
        return self._folder.report

    @property
    def history(self) -> "pl.DataFrame":
        """A row an epoch: epoch, seconds, lr, stage, and train_X and val_X of each figure X.

        What was not measured is nan. Raises RunError where there is none.
        """
        import polars as pl

        rows = self._folder.read_history()
        if not rows:
            raise RunError(f"{self.path}: has no history yet; train it, or go on with it")
        return pl.DataFrame(rows)

    @property
    def predictions(self) -> "pl.DataFrame":
        """A row an image of validation and test, as predictions.parquet has it.

        path, row, hash, split, group, fold, model, truth, distance (where it was measured), guess,
        score of the guess, and a logit a class, `logit:CLASS`, not yet divided by the temperature.
        truth and guess are texts, of several labels an image lists of them; guess is null where
        the scores are not finite. Raises RunError where there is none.
        """
        import polars as pl

        from fieldmark.records import Predictions

        run = open_run(self.path)
        if not run.predictions.is_file():
            raise RunError(f"{self.path}: has no predictions yet; go on with it: fieldmark.resume")
        table = Predictions.read(run.predictions)
        found = table.answers(run.read_temperature(), run.read_thresholds())
        first = pl.col("truth").list.first()
        return found if table.task.several else found.with_columns(first.alias("truth"))

    def plot(self) -> "Figure":
        """Loss and the monitored figure by epoch, training and validation; a matplotlib figure.

        `.savefig("curves.png")` keeps it. Raises RunError where there is no history.
        """
        from fieldmark.report.plotted import plotted

        about = self._folder.read_metrics().about if self._folder.metrics.is_file() else None
        monitor = str(self.settings["train"]["monitor"])
        rows = self.history.to_dicts()
        return plotted(rows, monitor, about.best_epoch if about else None)

    @cached_property
    def _predictor(self) -> "Predictor":
        from fieldmark.python.own import with_model
        from fieldmark.use.predictor import Predictor

        with with_model(self.path, self.model):
            return Predictor(self.path)

    def predict(self, images: Any) -> "Prediction | list[Prediction | Failure]":
        """What the run's weights say of images: see `Predictor.predict`, and `fieldmark.load` for
        its options. The network is read once."""
        return self._predictor.predict(images)

    def evaluate(
        self,
        data: Any = None,
        labels: Any = None,
        *,
        by: str | Iterable[str] = (),
        page: str | Path | None = None,
        quiet: bool = True,
        **settings: Any,
    ) -> dict[str, Any]:
        """The figures of the run's own splits, or of other labelled images. -> as `metrics`

        data, labels: as `fieldmark.train` takes them; settings say how they are read
        (`images=DIR`, `**{"data.label_column": "species"}`). What was found on them is kept in the
        run's folder, in `evaluations`. by: columns by whose values there are figures too, under
        "by". Raises any UserError, as `fieldmark evaluate` does.
        """
        from fieldmark.console import Console
        from fieldmark.files import check_page
        from fieldmark.python.own import with_model
        from fieldmark.python.sources import source_of
        from fieldmark.reviews.evaluated import Asked
        from fieldmark.settings.layers import read
        from fieldmark.settings.texts import read_given

        run, console, path = (
            str(self.path),
            Console(quiet=quiet),
            None if page is None else Path(page),
        )
        if path is not None:
            check_page(path)
        columns = (by,) if isinstance(by, str) else tuple(by)
        asked = Asked(columns, path, f"fieldmark.Run({run!r}).evaluate(...)")
        if data is None:
            what = "is for other images; name them, or leave it out"
            given = {**settings, **({} if labels is None else {"labels": labels})}
            refuse(Mistake(name, what) for name in given)
            from fieldmark.reviews.stored import evaluate_stored

            return evaluate_stored(run, asked, console).to_json()
        with source_of(data, labels, settings, console, self.path.parent) as (source, known):
            how = read([read_given(known, {}, source)]).settings.data
            from fieldmark.reviews.evaluate import evaluate_new

            with with_model(self.path, self.model):
                return evaluate_new(run, how, asked, console).to_json()
