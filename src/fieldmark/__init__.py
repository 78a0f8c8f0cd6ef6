"""Fieldmark: pictures you have become an image classifier that is honestly measured.

run = fieldmark.train("photos/", model="resnet18", epochs=5)
run.metrics["test"]["macro_f1"]
fieldmark.load(run.path).predict("a.jpg")
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fieldmark.use.predictor import Predictor

__all__ = ["Run", "load", "train"]


@dataclass(frozen=True)
class Run:
    """A run folder that is done."""

    path: Path

    @property
    def metrics(self) -> dict[str, Any]:
        """metrics.json: {"task", "classes", "val": {...}, "test": {...}, ...}."""
        from fieldmark.rundir import RunDir

        return RunDir(self.path).read_metrics()

    @property
    def report(self) -> Path:
        """The page, one file of HTML."""
        from fieldmark.rundir import RunDir

        return RunDir(self.path).report


def train(
    data: str | Path | None = None,
    *,
    recipe: str | None = None,
    config: str | Path | None = None,
    quiet: bool = False,
    **settings: Any,
) -> Run:
    """Train a classifier, as `fieldmark train` does. -> the run

    settings: the command line's options (`epochs=5`, `batch_size=32`), and others by dotted
    name (`**{"train.patience": None}`). Raises a FieldmarkError, such as SettingsError.
    """
    from fieldmark.console import Console
    from fieldmark.runs.begin import gather
    from fieldmark.runs.run import train_run
    from fieldmark.settings.options import OPTIONS

    settings = {k: str(v) if isinstance(v, Path) else v for k, v in settings.items()}
    options = {name: value for name, value in settings.items() if name in OPTIONS}
    named = {name: value for name, value in settings.items() if name not in OPTIONS}
    resolved = gather(
        None if data is None else str(data),
        named,
        options,
        recipe=recipe,
        config=None if config is None else str(config),
    )
    plain = [f"{name}={value!r}" for name, value in settings.items() if name.isidentifier()]
    dotted = {name: value for name, value in settings.items() if not name.isidentifier()}
    given = [repr(str(data)), *plain, *([f"**{dotted!r}"] if dotted else [])]
    run = train_run(resolved, Console(quiet=quiet), f"fieldmark.train({', '.join(given)})")
    return Run(run.path)


def load(path: str | Path, *, device: str = "auto", abstain: float | None = None) -> "Predictor":
    """A trained run, or a bundle's folder, ready to predict.

    abstain: 0.95 answers only where validation says that 95 % of the answers are right; the
    others have no label (None). Raises RunError, WeightsError, SettingsError.
    """
    from fieldmark.use.predictor import Predictor

    return Predictor(path, device=device, abstain=abstain)
