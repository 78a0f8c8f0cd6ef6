"""What an exported file computes: from images in the network's size to scores, in one module."""

import contextlib
import io
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fieldmark.errors import RunError, UserError
from fieldmark.metrics_json import Metrics
from fieldmark.models import bundle
from fieldmark.models.bundle import Classifier
from fieldmark.models.bundle_info import BundleInfo
from fieldmark.models.heads import head_of
from fieldmark.rundir import RunDir
from fieldmark.task import TASKS
from fieldmark.use.asked import info_of_any
from fieldmark.use.ensemble import Joining, alone, is_ensemble, read_joining

NAMES = ("scores", "logits", "embedding")  # of the outputs, in this order
# of images (n, H, W, 3) uint8: scores (n, C), logits (n, C) and maybe embedding (n, D)
Runner = Callable[[np.ndarray], tuple[np.ndarray, ...]]
About = dict[str, Any]  # plain values that a file takes along


@dataclass(frozen=True)
class Source:
    """What is exported: a bundle's folder, or a study's whose models are one, and its networks.

    joining: of several; None of one. info: of all together, as `predict` goes by it.
    """

    path: Path
    info: BundleInfo
    members: tuple[tuple[Classifier, BundleInfo], ...]
    joining: Joining | None = None

    @property
    def name(self) -> str:
        """As a person calls it: the folder's name."""
        return self.path.resolve().name

    @property
    def first(self) -> Path:
        """The folder of the one network, or of the first of several."""
        return self.path / self.joining.members[0].run if self.joining else self.path

    def metrics(self) -> Metrics:
        """What was measured; of a bundle without its run, nothing."""
        try:
            return RunDir(self.path).read_metrics()
        except (RunError, OSError):
            return Metrics()


@dataclass(frozen=True)
class Maker:
    """What a format is made by.

    make: (source, way, embedding) gives it in memory; raises RunError where it cannot be had.
    finish: (it, source, asked) puts in what else was asked for. save: (it, about, folder) writes
    its files. open: (folder, source) what answers by them, on as many threads as torch has. told:
    (folder, asked) what else is to be said of them. lower: (it, source, recipe, images (side,
    side, 3) of the training) the same in fewer bits, by one of RECIPES.
    """

    make: Callable[[Source, str, bool], Any]
    save: Callable[[Any, About, Path], object]
    open: Callable[[Path, Source], Runner]
    finish: Callable[[Any, Source, Any], Any] = lambda made, source, asked: made
    told: Callable[[Path, Any], Sequence[str]] = lambda folder, asked: ()
    lower: Callable[[Any, Source, str, Sequence[np.ndarray]], Any] = lambda made, *_: made


def read_source(path: str | Path) -> Source:
    """Load what is to be exported, on the processor.

    Raises RunError where there is no bundle, or several see images in unlike ways, WeightsError.
    """
    joining = read_joining(path) if is_ensemble(path) else None
    if joining is not None and (one := alone(path)) is not None:
        path, joining = one, None
    info = info_of_any(path)
    folders = [Path(path, each.run) for each in joining.members] if joining else [Path(path)]
    members = tuple(bundle.load(folder) for folder in folders)
    specs = {each.spec for _, each in members}
    if len(specs) > 1:
        raise RunError(
            f"{path}: its models see images in {len(specs)} ways ({_ways(members)}), and an "
            f"exported file resizes once; name one of them, such as {folders[0]}"
        )
    return Source(Path(path), info, members, joining)


def _ways(members: Sequence[tuple[Classifier, BundleInfo]]) -> str:
    found = sorted({f"{info.spec.stored} and {info.spec.size} px" for _, info in members})
    return "; ".join(found)


class Whole(nn.Module):
    """Networks with their normalisation, calibration and joining, as one."""

    def __init__(self, source: Source, *, embedding: bool = False):
        """embedding: a third output, what enters the head; of one network. Raises RunError."""
        super().__init__()
        self.networks = nn.ModuleList(classifier for classifier, _ in source.members)
        self._temperatures = [info.temperature for _, info in source.members]
        self._several = TASKS[source.info.task].several
        self._joining, self._classes = source.joining, source.info.classes
        self._own_classes = [info.classes for _, info in source.members]
        self._temperature = source.info.temperature
        self._embedding, self._kept = embedding, _Kept()
        if embedding:
            self._watch(source)

    def _watch(self, source: Source) -> None:
        network = source.members[0][0].network
        try:
            head = head_of(network)[1]
        except UserError as error:
            raise RunError(f"{source.path}: has no embedding ({error})") from error
        head.register_forward_pre_hook(lambda _, given: self._kept.take(given[0]))

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """(n, side, side, 3) uint8 -> scores (n, C), logits (n, C) and maybe embedding (n, D)."""
        batch = images.permute(0, 3, 1, 2)
        found = [_first(network(batch)).float() for network in self.networks]
        logits = found[0] if self._joining is None else self._joined(found)
        outputs = (self._scores(logits, self._temperature), logits)
        return (*outputs, self._kept.given()) if self._embedding else outputs

    def _scores(self, logits: Tensor, temperature: float) -> Tensor:
        calm = logits / temperature
        return torch.sigmoid(calm) if self._several else torch.softmax(calm, dim=1)

    def _joined(self, found: Sequence[Tensor]) -> Tensor:
        """As `use.ensemble` joins logits: see `mean_of_scores` and `one_vs_rest`."""
        assert self._joining is not None
        if self._joining.kind == "one-vs-rest":
            return torch.stack([self._of_class(name, found) for name in self._classes], dim=1)
        pairs = zip(found, self._temperatures, strict=True)
        scores = torch.stack([self._scores(each, own) for each, own in pairs]).mean(dim=0)
        least = torch.finfo(torch.float32).tiny
        logs = scores.clamp_min(least).log()
        return logs - (1 - scores).clamp_min(least).log() if self._several else logs

    def _of_class(self, name: str, found: Sequence[Tensor]) -> Tensor:
        assert self._joining is not None
        margins = []
        members = zip(self._joining.members, self._own_classes, found, strict=True)
        for member, classes, each in members:
            if member.label == name:
                place = classes.index(name)
                margin = each[:, place] - each[:, 1 - place]
                margins.append(member.scale * margin + member.shift)
        return torch.stack(margins).mean(dim=0)


def whole_runner(source: Source) -> Runner:
    """The networks in torch, for images in their size."""
    whole = Whole(source).eval()

    def run(images: np.ndarray) -> tuple[np.ndarray, ...]:
        with torch.inference_mode():
            return tuple(each.numpy() for each in whole(torch.from_numpy(images)))

    return run


@contextlib.contextmanager
def unheard() -> Iterator[None]:
    """Inside, what torch's exporters print and warn of reaches nobody: parity tells what counts."""
    screen = io.StringIO()
    sys.stdout.flush()
    kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)  # past Python, torch's own code writes a graph that failed
        with (
            warnings.catch_warnings(action="ignore"),
            contextlib.redirect_stdout(screen),
            contextlib.redirect_stderr(screen),
        ):
            yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)


def reason_of(error: Exception) -> str:
    """What torch or onnx says of an error, its first sentence."""
    return str(error).strip().partition("\n")[0].partition(". ")[0]


class _Kept:
    """What was given to a layer, until it is asked for."""

    def __init__(self) -> None:
        self._features: Tensor | None = None

    def take(self, features: Tensor) -> None:
        self._features = features

    def given(self) -> Tensor:
        features, self._features = self._features, None
        assert features is not None
        if features.ndim == 4:
            features = features.mean(dim=(2, 3))
        return features.flatten(1).float()


def _first(given: Tensor | tuple[Tensor, ...]) -> Tensor:
    """A network's logits, without those of classifiers on the way."""
    return given[0] if isinstance(given, tuple) else given
