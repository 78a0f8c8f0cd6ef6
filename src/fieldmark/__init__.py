"""Fieldmark: pictures you have become an image classifier that is honestly measured.

run = fieldmark.train("photos/", model="resnet18", epochs=5)
run.metrics["test"]["macro_f1"]
fieldmark.load(run.path).predict("a.jpg")
"""

from __future__ import annotations

TYPE_CHECKING = False  # nothing is imported here: signals are not in hand yet (stopping.py)
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from fieldmark.use.predictor import Predictor

__all__ = ["Run", "load", "train"]


class Run:
    """A run folder that is done. path: where it is."""

    def __init__(self, path: Path):
        self.path = path

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"

    @property
    def metrics(self) -> dict[str, Any]:
        """metrics.json: {"task", "classes", "val": {...}, "test": {...}, ...}."""
        from fieldmark.rundir import RunDir

        return RunDir(self.path).read_metrics().to_json()

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
    name (`**{"train.patience": None}`). Raises a FieldmarkError, such as SettingsError; a
    BudgetError where the run is done and missed a budget.
    """
    from pathlib import Path

    from fieldmark.console import Console
    from fieldmark.runs.budgets import refuse_missed
    from fieldmark.runs.concrete import gather
    from fieldmark.runs.run import train_run
    from fieldmark.settings.options import OPTIONS

    settings = {k: str(v) if isinstance(v, Path) else v for k, v in settings.items()}
    options = {name: value for name, value in settings.items() if name in OPTIONS}
    named = {name: value for name, value in settings.items() if name not in OPTIONS}
    source, file = (None if each is None else str(each) for each in (data, config))
    resolved = gather(source, named, options, recipe=recipe, config=file)
    command = _call(source, {"recipe": recipe, "config": file, **settings})
    run = train_run(resolved, Console(quiet=quiet), command)
    refuse_missed(run)
    return Run(run.path)


def _call(data: str | None, given: dict[str, Any]) -> str:
    """The call that repeats this one: without the run's name, which is taken once."""
    words = [] if data is None else [repr(data)]
    words += [
        f"{name}={value!r}"
        for name, value in given.items()
        if name.isidentifier() and name != "name" and value is not None
    ]
    dotted = {n: v for n, v in given.items() if not n.isidentifier() and n != "run.name"}
    return f"fieldmark.train({', '.join([*words, *([f'**{dotted!r}'] if dotted else [])])})"


def load(
    path: str | Path,
    *,
    device: str = "auto",
    engine: str = "torch",
    abstain: float | None = None,
    at_least_one: bool = False,
    unlike: bool = False,
    sets: float | None = None,
) -> Predictor:
    """A trained run, or a bundle's folder, ready to predict.

    engine: torch, onnxruntime or openvino, what computes all but the last layers.
    abstain: 0.95 answers only where validation says that 95 % of the answers are right, and not
    images that are unlike those of the training; the others have no label (None), and a reason.
    unlike: the latter alone. sets: 0.9 gives each image the set of classes that holds the truth in
    90 % of the images. at_least_one: of several labels an image, the likeliest where none reaches
    its threshold. Raises RunError, WeightsError, SettingsError.
    """
    from fieldmark.use.predictor import Answering, Predictor

    answering = Answering(abstain, unlike, sets, at_least_one)
    return Predictor(path, answering, device=device, engine=engine)
