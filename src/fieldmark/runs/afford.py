"""Which network is worth its time on these images and this machine: measured, then ranked.

Speed is measured with whatever weights. Those that are at hand are tried on training images
alone: the test is not looked at to choose a network either.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch.nn import functional

from fieldmark.cache import open_cache
from fieldmark.console import Console
from fieldmark.data.intake import Dataset, take_in
from fieldmark.data.loader import Images
from fieldmark.data.splits import classes_in_few_folds, folds
from fieldmark.errors import (
    DataError,
    Mistake,
    SettingsError,
    UserError,
    WeightsError,
    counted,
)
from fieldmark.fit.exact import fit_exact
from fieldmark.fit.features import embed
from fieldmark.fit.logistic import Task
from fieldmark.machine import threads
from fieldmark.models import published
from fieldmark.models.candidates import Candidate, title
from fieldmark.models.engines import TORCH
from fieldmark.models.precision import autocast
from fieldmark.models.speed import frozen_speed, trained_pace
from fieldmark.records import Samples
from fieldmark.runs.concrete import gather
from fieldmark.runs.network import Prepared
from fieldmark.runs.on_features import passing
from fieldmark.runs.run import prepare

MOST, MOST_CLASSES = 400, 50  # images and classes that networks are ranked on
FOLDS = 5
DECODED = 16  # images that are read for an estimate
PASSED, FEWEST = 0.08, 2  # of a batch whose training is timed on a processor: seconds, images


@dataclass(frozen=True)
class Row:
    """What was found of a candidate.

    size: of what it sees, pixels. megabytes: 1e6 bytes, of its weights. speed: images a second
    through the frozen network, of all that compute here. frozen, tuned: seconds that a run on
    these images takes, with --freeze and without; None where its memory is not there. is_steady:
    whether the steps behind `tuned` took alike. losses: of each image of the sample, by a head that
    did not see it, (n,); None where the weights are not at hand. note: why they could not be had.
    """

    candidate: Candidate
    size: int
    megabytes: float
    speed: float
    frozen: float
    tuned: float | None
    is_steady: bool = True
    losses: np.ndarray | None = None
    note: str = ""

    @property
    def log_loss(self) -> float:
        """The mean of `losses`; inf where there are none."""
        return float("inf") if self.losses is None else float(self.losses.mean())


@dataclass(frozen=True)
class Afforded:
    """What was found of all candidates.

    rows: by log loss, then those that could not be tried. slow: what takes too long. refused:
    what cannot be used here, and why. images: that the times are for. sample: that was tried on.
    """

    rows: list[Row]
    slow: list[Row]
    refused: list[tuple[Candidate, str]]
    images: int
    sample: Samples


def afford(
    source: str,
    words: Sequence[str],
    candidates: Sequence[Candidate],
    console: Console,
    *,
    fetch: bool = False,
    most_minutes: float | None = None,
) -> Afforded:
    """Measure each candidate on these images, and rank those whose weights are at hand.

    words: further settings, as they are typed. fetch: weights that are not at hand are asked for.
    most_minutes: what takes longer, even frozen, is not ranked. Raises SettingsError, DataError.
    """
    given = gather(source, words, {}).settings
    if given.run.engine != TORCH:
        what = "networks are measured in torch here; leave it out"
        raise SettingsError([Mistake("run.engine", what)])
    data = take_in(given.data, console)
    few, fold = sample(data.validated("cross" if given.data.val == "auto" else "hold").samples)
    found = Afforded([], [], [], len(data.samples), few)
    asked = {"hub", "address"} if fetch else set[str]()
    reading, cores = None, torch.get_num_threads()
    for line in beginning(candidates, fetch=fetch, most_minutes=most_minutes):
        console.say(line)
    with console.bar("measuring networks", len(candidates)) as bar:
        for place, each in enumerate(candidates):
            bar.advance(min(1, place), title(each, candidates))
            at_hand, note = had(each, asked)
            try:
                with threads(1):
                    made = prepared(source, words, each, data, console, load=at_hand)
                    reading = reading or seconds_to_read(made)
                    row = replace(measured(made, each, reading, cores), note=note)
                    is_slow = most_minutes is not None and row.frozen > 60 * most_minutes
                    row = row if is_slow else with_tuning(row, made, cores)
            except UserError as error:
                found.refused.append((each, str(error)))
                continue
            if is_slow:
                found.slow.append(row)
                continue
            found.rows.append(replace(row, losses=losses_of(made, few, fold)) if at_hand else row)
    found.rows.sort(key=lambda row: row.log_loss)
    return found


def beginning(
    candidates: Sequence[Candidate], *, fetch: bool, most_minutes: float | None
) -> Iterator[str]:
    """What is done now, which takes its time, and what the minutes are a limit of."""
    told = f"measuring {counted(len(candidates), 'network')}, some seconds each"
    if away := sum(not had(each, set())[0] for each in candidates):
        then = "; they are fetched where they can be" if fetch else ", so these are only timed"
        told += f"; the weights of {away} are not here{then}"
    yield told
    if most_minutes is not None:
        yield (
            f"--max-minutes {most_minutes:g}: what takes longer in training, frozen, is left out; "
            "it is no limit on this command"
        )


def losses_of(made: Prepared, few: Samples, fold: np.ndarray) -> np.ndarray:
    """The log loss of each image of the sample by heads that did not see it. -> (n,)"""
    quiet = Console(quiet=True)  # within a bar
    features = embed(passing(made), few, cache=open_cache(), console=quiet).plain
    flat = features.float().flatten(2).mean(dim=2) if features.ndim > 2 else features
    return held_out(flat.float(), few.targets(few.classes), fold)


def sample(samples: Samples) -> tuple[Samples, np.ndarray]:
    """Training images to rank networks on, evenly over the classes, and the fold of each.

    At most MOST of MOST_CLASSES classes. Where these are all, a run's own folds, if it has some,
    are those here, so that the log loss is its. A class that lies in one fold is left out: whatever
    is asked for it was trained without it. Raises DataError where fewer than two classes are left.
    """
    train = samples.rows("train")
    targets = samples.targets(samples.classes)
    rows_of = [train[targets[train] == number] for number in range(len(samples.classes))]
    numbers = _evenly(np.flatnonzero([len(rows) > 1 for rows in rows_of]), MOST_CLASSES)
    some = [rows_of[number] for number in numbers]
    each = max(2, MOST // max(1, len(some)))
    rows = np.sort(np.concatenate([_evenly(rows, each) for rows in some] or [train]))
    few = replace(samples, frame=samples.frame[rows])
    if samples.folds is not None and len(rows) == len(train):
        fold = samples.folds[0][rows]
    else:
        fold = folds(few, k=min(FOLDS, len(few)), seed=0)
    alone = [name for name, many in classes_in_few_folds(few, fold).items() if many == 1]
    stays = ~few.frame["labels"].list.first().is_in(alone).to_numpy()
    few = replace(few, frame=few.frame.filter(stays))
    if len(few.classes) < 2:
        raise DataError(
            f"{samples.root}: to rank networks, two classes or more need two training images each, "
            "of different groups; add images"
        )
    return few, fold[stays]


def had(candidate: Candidate, asked: set[str]) -> tuple[bool, str]:
    """Whether its weights are at hand, and why not where they were asked for, or what brings them.

    asked: the kinds of places that may be asked; one that does not answer is taken out.
    """
    weights = candidate.published
    if weights is None:
        return not candidate.file_only, ""
    if published.at_hand(weights) is not None:
        return True, ""
    if weights.kept == "package":
        return False, f"{published.installing(weights)} brings its weights"
    if weights.kept not in asked:
        return False, ""
    try:
        published.fetch(weights)
    except WeightsError as error:
        asked.discard(weights.kept)
        return False, str(error)
    return True, ""


def prepared(
    source: str,
    words: Sequence[str],
    candidate: Candidate,
    data: Dataset,
    console: Console,
    *,
    load: bool,
) -> Prepared:
    """The candidate as a run would have it; frozen where there is no memory to tune it.

    Raises UserError where it cannot be had at all.
    """
    weights = "default" if candidate.file_only else candidate.weights
    own = (f"model.name={candidate.name}", f"model.weights={weights}", *candidate.words)
    try:
        return prepare(gather(source, [*own, *words], {}), console, data, load=load)
    except UserError:
        frozen = gather(source, [*own, *words, "model.freeze=true"], {})
        return prepare(frozen, console, data, load=load)


def measured(made: Prepared, candidate: Candidate, reading: float, cores: int) -> Row:
    """How fast it is here, and what follows for these images.

    reading: seconds that a thread takes to read an image. cores: threads that compute in a run.
    """
    settings, samples, size = made.settings, made.samples, made.spec.size
    context = autocast(settings.run.precision, made.device)
    how = passing(made)
    each = frozen_speed(how.body, size, how.batch_size, autocast=context)
    is_processor = made.device.type == "cpu"
    if is_processor:  # a worker reads and computes its images one after the other
        speed, second = each * cores, (1 / each + reading) / cores
    else:
        speed, second = each, max(1 / each, reading / cores)
    weights = made.model.network.state_dict().values()
    megabytes = sum(tensor.nbytes for tensor in weights) / 1e6
    return Row(candidate, size, megabytes, speed, len(samples) * second, None)


def with_tuning(row: Row, made: Prepared, cores: int) -> Row:
    """The row with what a run takes that tunes more after the head, where it may.

    Each stage is taken to cost what the last does, which trains the most.
    """
    train = made.settings.train
    later = [stage for stage in train.stages if not stage.head_alone]
    if not later:
        return row
    count = train.batch_size
    if made.device.type == "cpu":  # where an image of many takes about as long as one of few
        count = min(count, max(FEWEST, round(PASSED * row.speed)))
    context = autocast(made.settings.run.precision, made.device)
    with threads(cores):
        pace = trained_pace(
            *(made.model.network, row.size, count),
            trained=later[-1].train,
            norm_frozen=train.norm_frozen,
            autocast=context,
        )
    held = made.held_out().samples
    epoch = len(held.rows("train")) / pace.speed + len(held.rows("val")) / row.speed
    epochs = sum(stage.epochs or train.epochs for stage in later)
    return replace(row, tuned=row.frozen + epochs * epoch, is_steady=pace.is_steady)


def seconds_to_read(made: Prepared) -> float:
    """To read and resize an image, by one thread."""
    images = Images(made.samples, made.classes, made.spec)
    rows = _evenly(np.arange(len(made.samples)), DECODED)
    begun = time.perf_counter()
    images.__getitems__([(0, int(row), 0) for row in rows])
    return (time.perf_counter() - begun) / len(rows)


def held_out(features: torch.Tensor, targets: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """The log loss of each image by a head that was trained on the other folds. -> (n,)

    features: (n, D). targets, fold: (n,). The head is that of a frozen network, solved exactly in
    the way that these folds choose: which is right differs from network to network.
    """
    outs = fold == np.unique(fold)[:, None]
    judged = np.concatenate([np.zeros_like(outs[:1]), outs])  # the first head is of all images
    shares = functional.one_hot(torch.from_numpy(targets)).double()
    no_shift = torch.zeros(shares.shape[1], dtype=torch.float64)
    made = fit_exact(Task(features, targets, shares, no_shift, ~judged, judged))
    losses = np.empty(len(targets))
    for problem, rows in enumerate(outs, 1):
        out = torch.from_numpy(rows)
        logs = made.logits(features[out], problem).double().log_softmax(dim=1)
        losses[rows] = -(logs * shares[out]).sum(dim=1)
    return losses


def _evenly(rows: np.ndarray, most: int) -> np.ndarray:
    """At most so many of the rows, evenly over them."""
    places = np.linspace(0, len(rows) - 1, min(most, len(rows))).round().astype(int)
    return np.asarray(rows[places])
