"""A bundle that is opened from Python, with the network of the caller's own where it has one."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fieldmark.python.own import lending_again

if TYPE_CHECKING:
    from fieldmark.use.predictor import Answering, Predictor


def load(
    path: str | os.PathLike[str],
    model: Any,
    answering: "Answering | None" = None,
    *,
    device: str = "auto",
    engine: str = "torch",
) -> "Predictor":
    """See `fieldmark.load`."""
    from fieldmark.use.predictor import Answering, Predictor

    with with_model(path, model):
        return Predictor(Path(path), answering or Answering(), device=device, engine=engine)


@contextmanager
def with_model(path: str | os.PathLike[str], model: Any) -> Iterator[None]:
    """Inside, the bundle in a folder finds the network that was given, if any was."""
    if model is None:
        yield
        return
    from fieldmark.use.asked import info_of_any

    with lending_again({"model": info_of_any(Path(path)).model}, {"model": model}):
        yield
