"""One against the rest on a frozen network: every image passes once, all heads are solved together.

It is a pure function of settings and the images that the study keeps, done anew after a kill;
features stay in the cache.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import torch

from fieldmark.cache import open_cache
from fieldmark.console import Console
from fieldmark.data.intake import Dataset, Looked
from fieldmark.errors import Mistake, SettingsError, StoppedError, writing
from fieldmark.files import write_json
from fieldmark.fit.exact import KINDS, PENALTIES, Solved, fit_exact
from fieldmark.fit.features import embed
from fieldmark.fit.logistic import Task
from fieldmark.fit.losses import LOSSES
from fieldmark.judge.calibrate import SOLVED, fit_temperature
from fieldmark.machine import PACKAGES, machine, threads, versions
from fieldmark.metrics_json import About
from fieldmark.models import bundle
from fieldmark.models.body import body_and_head
from fieldmark.runs.concrete import make_concrete
from fieldmark.runs.network import Prepared, with_head
from fieldmark.runs.on_features import passing
from fieldmark.runs.run import prepare
from fieldmark.runs.solved import head_weights, inner_folds, options_of
from fieldmark.runs.stages import heads_of
from fieldmark.settings.layers import TYPED, Resolved
from fieldmark.settings.run import BudgetSettings
from fieldmark.settings.tree import Settings
from fieldmark.stopping import listening
from fieldmark.study.against_rest import shifts
from fieldmark.study.cross_validate import held_out
from fieldmark.study.folder import StudyDir
from fieldmark.study.ovr_answers import ALL, OVR, SOFTMAX, Asked, lots, table_of

MONITOR = "train.monitor"


def solves(resolved: Resolved, first: Dataset, console: Console) -> bool:
    """Whether the heads of these settings are solved exactly, and nothing else is trained.

    first: the images of the first fold. A loss with options of its own is left to single runs, and
    so is what `_is_of_runs` names. Raises SettingsError for what would choose nothing here.
    """
    if not resolved.settings.model.freeze or _is_of_runs(resolved.settings):
        return False
    settings = make_concrete(resolved, first, console).settings
    usual = {name: each.default for name, each in LOSSES["cross_entropy"].options().items()}
    plain = settings.loss.options == usual
    exact = settings.features.solver == "exact" and settings.train.head_alone
    solved = exact and plain and heads_of(settings) == ("linear",)
    if solved and resolved.origins.get(MONITOR) == TYPED:
        what = "chooses nothing where all heads are solved side by side, their penalty by the loss"
        raise SettingsError([Mistake(MONITOR, f"{what}; leave it out")])
    return solved


def _is_of_runs(given: Settings) -> bool:
    """Whether anything is asked for that only single runs do.

    Channels measured on the training images are one of these: each fold has its own, and one pass
    over all images would show a fold the channels of the images that judge it.
    """
    data, train = given.data, given.train
    return bool(
        given.model.captions
        or given.input.normalize == "dataset"
        or data.val not in ("auto", "cross")
        or data.label_names
        or train.sampling == "balanced"
        or train.test_flip
        or train.figures
        or given.track.to
        or given.budget != BudgetSettings()
    )


def kept(study: StudyDir) -> tuple[Looked, np.ndarray]:
    """The images that a study keeps, whatever its source holds by now, and the fold of each (N,)"""
    data = study.read_data(ALL)
    assert data.samples.folds is not None
    fold = data.samples.folds[0]
    samples = data.samples.with_splits([None] * len(fold)).with_folds(np.full((1, len(fold)), -1))
    looked = Looked(
        samples,
        frozenset(),
        data.notes,
        data.findings,
        mirrored=data.mirrored,
        embedded=data.embedded,
        separator=data.separator,
    )
    return looked, fold


@dataclass(frozen=True, eq=False)
class Bench:
    """What all heads are solved on. features: (N, D). fold: (N,)."""

    looked: Looked
    fold: np.ndarray
    features: torch.Tensor
    prepared: Prepared
    looking: Callable[[], None]

    def solve(
        self, shares: torch.Tensor, against: torch.Tensor | None
    ) -> tuple[np.ndarray, Solved]:
        """A head without each fold, and one of all images. -> answers (N, C), the last head

        shares, against: (N, C), as `fit_exact` has them; 0 in both leaves an image out for a
        class. The penalty and the scaling of a fold's head are chosen by folds of the other
        images, so that no image chooses what it is answered by.
        """
        answers = np.empty(shares.shape, np.float32)
        for out in range(int(self.fold.max()) + 1):
            rows, judged = np.flatnonzero(self.fold != out), self.fold == out
            made = self._fit(rows, shares, against)
            answers[judged] = made.logits(self.features[torch.from_numpy(judged)]).numpy()
        return answers, self._fit(np.arange(len(self.fold)), shares, against)

    def _fit(self, rows: np.ndarray, shares: torch.Tensor, against: torch.Tensor | None) -> Solved:
        few, given = self.looked.of_rows(rows), self.prepared.settings
        at, inner = torch.from_numpy(rows), inner_folds(few.samples, given.data.split_seed)
        outs = [inner == number for number in range(int(inner.max()) + 1)]
        judged = np.stack([np.zeros(len(rows), bool), *outs])
        targets = shares.argmax(dim=1) if against is None else (shares > 0).long()
        own = None if against is None else against[at]
        shift = torch.zeros(shares.shape[1], dtype=torch.float64)
        task = Task(self.features[at], targets[at].numpy(), shares[at], shift, ~judged, judged, own)
        features = given.features
        ways = features.scalings or KINDS, features.penalties or PENALTIES
        return fit_exact(task, *ways, self.looking, alone=True)


def solve_all(study: StudyDir, resolved: Resolved, wanted: Asked, console: Console) -> None:
    """Every class against the rest, and all classes at once: answers, one bundle, seconds.

    The bundle answers with one class: of the heads that were trained on all images, the prior
    corrected, at the temperature that the answers chose. Raises any FieldmarkError.
    """
    begun = time.monotonic()
    looked, fold = kept(study)
    samples = looked.samples
    prepared = prepare(resolved, console, held_out(looked, fold == 0, resolved.settings))
    with listening() as stop, threads(int(prepared.settings.run.threads)):

        def looking() -> None:
            if stop.asked:
                raise StoppedError("stopped; the same command goes on where it was")

        through = passing(prepared, lambda: stop.asked)
        features = embed(through, samples, cache=open_cache(), console=console).plain.cpu().float()
        embedded = time.monotonic()
        classes = range(len(samples.classes))
        own, took = lots(samples, fold, classes, wanted.take, prepared.settings.data.split_seed)
        bench = Bench(looked, fold, features, prepared, looking)
        shares, against = (torch.from_numpy(each.T).double() for each in (own, took))
        with console.bar("solving the heads", 2) as bar:
            margins, whole = bench.solve(shares, against)
            bar.advance(1)
            seconds = {OVR: time.monotonic() - begun}
            if wanted.softmax and wanted.name is None:
                before = time.monotonic()
                of_all, _ = bench.solve(shares, None)
                seconds[SOFTMAX] = embedded - begun + time.monotonic() - before
                _keep(study, SOFTMAX, looked, fold, of_all)
            bar.advance(1)
    _keep(study, OVR, looked, fold, margins)
    _save(study, prepared, whole, corrected(margins, own, took, fold), samples.hash())
    about = _about(prepared, study.question["command"], seconds)
    about = replace(about, samples_hash=samples.hash())
    ways = {"scaling": whole.scaling, "penalty": whole.penalty}
    write_json(study.solved, {"seconds": seconds, **ways, "about": about.to_json()})


def corrected(
    margins: np.ndarray, own: np.ndarray, took: np.ndarray, fold: np.ndarray
) -> tuple[np.ndarray, float]:
    """What the last heads' log odds have too little (C,), and their temperature of all classes."""
    by_fold = np.array([shifts(*pair, fold) for pair in zip(own, took, strict=True)])
    targets = own.argmax(axis=0)
    temperature = fit_temperature(margins + by_fold.T[fold], targets, prior=SOLVED)
    return np.log(took.sum(axis=1) / (~own).sum(axis=1)), temperature


def _keep(study: StudyDir, name: str, looked: Looked, fold: np.ndarray, logits: np.ndarray) -> None:
    """The answers to all images, with the fold that each is of."""
    run, samples = study.run(name), looked.samples
    with writing(run.path):
        run.path.mkdir(exist_ok=True)
    table_of(samples, fold, logits, samples.classes, name).write(run.predictions)


def _save(
    study: StudyDir,
    prepared: Prepared,
    made: Solved,
    correction: tuple[np.ndarray, float],
    samples_hash: str,
) -> None:
    """The heads of all images as one linear layer, whose bias has the correction."""
    shift, temperature = correction
    made = replace(made, biases=made.biases + torch.from_numpy(shift))
    network, info = with_head(prepared, "linear", options_of({"scaling": made.scaling}))
    head = body_and_head(network)[1]
    head.load_state_dict(head_weights(head, made, 0))
    info = replace(info, temperature=temperature, samples_hash=samples_hash)
    bundle.save(study.run(OVR).path, network.state_dict(), info)


def _about(prepared: Prepared, command: str, seconds: dict[str, float]) -> About:
    settings = prepared.settings
    return About(
        finished=datetime.now().astimezone().isoformat(timespec="seconds"),
        seconds=round(seconds[OVR], 1),
        seed=settings.run.seed,
        split_seed=settings.data.split_seed,
        parameters=sum(each.numel() for each in prepared.model.parameters()),
        command=command,
        versions=versions(PACKAGES),
        machine=machine(prepared.device),
    )
