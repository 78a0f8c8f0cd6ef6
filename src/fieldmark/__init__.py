"""Fieldmark: pictures you have become an image classifier that is honestly measured.

run = fieldmark.train("photos/", model="resnet18", epochs=5)
run.metrics["test"]["macro_f1"]
run.predict("a.jpg").label
"""

from __future__ import annotations

TYPE_CHECKING = False  # nothing is imported here: signals are not in hand yet (stopping.py)
if TYPE_CHECKING:
    from os import PathLike
    from pathlib import Path
    from typing import Any

    from fieldmark.python.looks import Told
    from fieldmark.python.run import Run
    from fieldmark.use.predictor import Predictor

    __version__: str

__all__ = ["Run", "compare", "inspect", "load", "resume", "train"]


def __getattr__(name: str) -> Any:
    """What takes time to import or to find out, when it is first asked for."""
    if name == "Run":
        from fieldmark.python.run import Run

        return Run
    if name == "__version__":
        from importlib.metadata import version

        return version("fieldmark")
    raise AttributeError(f"module 'fieldmark' has no attribute '{name}'")


def train(
    data: Any = None,
    labels: Any = None,
    *,
    recipe: str | None = None,
    config: str | Path | None = None,
    quiet: bool = False,
    **settings: Any,
) -> Run:
    """Train a classifier, as `fieldmark train` does. -> the run

    data: a folder, a table or a built-in name; or images in memory, which are first written into
    the folder `given` of the run folders, under a name that is a hash of what they are, so that a
    stopped run goes on:
    - a data frame of polars or pandas: a table, with a column of paths (below `images=DIR`, else
      the current folder) or of pictures (bytes, arrays, Pillow's images), one of labels, and,
      where the settings say so, one of groups and of splits;
    - an array (N, height, width) or (N, height, width, 3) of uint8, or a list of images, with
      `labels` (N,) of texts, numbers, or lists of these;
    - pairs (image, label): an image is a path, bytes, an array or one of Pillow's.

    A test set of its own is `**{"data.test": ...}`, in any of these forms, or (images, labels).

    settings: the command line's options (`epochs=5`, `batch_size=32`), and others by dotted
    name (`**{"train.patience": None}`). Code of your own is taken in four places:
    - model: a network, or a function (or class) of the number of classes that builds one:
      (N, 3, H, W) float32, normalised -> (N, classes) logits, the last layer nn.Linear or
      nn.Conv2d. What is built keeps its weights, and has a new last layer where its outputs are
      others;
    - loss: logits (n, classes), targets (n,) int64 -> () (shares (n, classes) of mixed images; of
      several labels 0 and 1), such as an `nn.CrossEntropyLoss()`;
    - augment: an image (3, H, W) uint8 -> (3, h, w), as torchvision's transforms are;
    - metrics: functions of the truth (N,) int and the scores (N, classes) -> a number.
    Its name and a hash of its source stand in the settings; what is in them is not kept.
    Raises a FieldmarkError, such as SettingsError, or
    DataError for data that are none of these; a BudgetError where the run is done and missed a
    budget.
    """
    from fieldmark.python.trained import train

    return train(data, labels, recipe, config, settings, quiet=quiet)


def resume(run: str | PathLike[str], *, quiet: bool = False, **settings: Any) -> Run:
    """Go on with a run that was stopped, to the bits of one that was not; or train one further.

    run: a Run, or its folder. settings: `epochs`, `max_hours`, `workers` and `device` may change;
    `model`, `loss`, `augment` and `metrics` are code of your own that it was begun with. -> the
    run. Raises RunError for what is no run or cannot go on, and as `train` does.
    """
    from fieldmark.python.trained import resume

    return resume(run, settings, quiet=quiet)


def load(
    path: str | PathLike[str],
    *,
    device: str = "auto",
    engine: str = "torch",
    abstain: float | None = None,
    at_least_one: bool = False,
    unlike: bool = False,
    sets: float | None = None,
    model: Any = None,
) -> Predictor:
    """A trained run, or a bundle's folder, ready to predict.

    model: the network, where the run was trained with code of your own: no file holds it, and
    nothing that is loaded runs code that you did not give.
    engine: torch, onnxruntime or openvino, what computes all but the last layers.
    abstain: 0.95 answers only where validation says that 95 % of the answers are right, and not
    images that are unlike those of the training; the others have no label (None), and a reason.
    unlike: the latter alone. sets: 0.9 gives each image the set of classes that holds the truth in
    90 % of the images. at_least_one: of several labels an image, the likeliest where none reaches
    its threshold. Raises RunError, WeightsError, SettingsError.
    """
    from pathlib import Path

    from fieldmark.python.own import with_model
    from fieldmark.use.predictor import Answering, Predictor

    answering = Answering(abstain, unlike, sets, at_least_one)
    with with_model(Path(path), model):
        return Predictor(Path(path), answering, device=device, engine=engine)


def compare(
    *runs: str | PathLike[str], metric: str | None = None, page: str | Path | None = None
) -> Told:
    """Runs beside the first one: is a difference more than chance? -> lines, and values

    runs: two or more, as Runs or folders of runs, evaluations or studies. metric: what the
    sentences are about; accuracy, of several labels micro_f1. page: an .html file to write.
    Raises RunError, SettingsError.
    """
    from fieldmark.python.looks import compare

    return compare(runs, metric, page)


def inspect(
    data: Any,
    labels: Any = None,
    *,
    page: str | Path | None = None,
    quiet: bool = True,
    **settings: Any,
) -> Told:
    """A look at images before anything is trained: counts, broken files, copies. -> lines, values

    data, labels: as `train` takes them; what is in memory is written into `runs/given` (`out=DIR`:
    into DIR/given), where `train` finds it again. settings: those under `data`, as
    `images=DIR` and `**{"data.label_column": "species"}`. page: an .html file to write. Nothing
    that is found is an error. Raises DataError, SettingsError.
    """
    from fieldmark.python.looks import inspect

    return inspect(data, labels, page, settings, quiet=quiet)
