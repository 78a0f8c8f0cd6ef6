"""What `fieldmark models --for DATA` prints: the networks that can be afforded, best first."""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fieldmark.cli.options import print_wrapped
from fieldmark.errors import Mistake, SettingsError, WeightsError, counted

if TYPE_CHECKING:
    from fieldmark.models.candidates import Candidate
    from fieldmark.runs.afford import Afforded, Row

NAME = 36  # columns: the whole is 80 wide
UNSURE = "?"  # behind a number that is
NO_NAME = "no network's name holds this"
FOR_HAND = "--weights FILE gives those of a file, --fetch asks where they are published"


def print_afforded(
    source: str,
    pattern: str,
    words: Sequence[str],
    files: Sequence[str],
    *,
    fetch: bool,
    most_minutes: float | None,
) -> None:
    """Measure, rank and print. Raises SettingsError, DataError, WeightsError."""
    from fieldmark.console import Console
    from fieldmark.models.candidates import title
    from fieldmark.runs.afford import afford

    candidates = [*map(of_file, files), *candidates_of(pattern)]
    found = afford(source, words, candidates, Console(), fetch=fetch, most_minutes=most_minutes)
    if not found.rows:
        raise SettingsError([nothing(found, most_minutes)])
    print(
        f"{'network':<{NAME}}{'MB':>5}{'top-1':>6}{'images/s':>10}{'frozen':>7}{'tuned':>7}"
        f"{'log loss':>9}"
    )
    for row in found.rows:
        print(line(row, title(row.candidate, candidates)))
        print_wrapped("; ".join(beneath(row)), "    ")
    print()
    for sentence in closing(found, source, most_minutes, candidates):
        print_wrapped(sentence)


def candidates_of(pattern: str) -> "list[Candidate]":
    """The networks to measure. Raises SettingsError where the pattern finds none, or too many."""
    from fieldmark.models.candidates import CANDIDATES, named
    from fieldmark.models.catalog import MOST_COUNTED, rows

    if not pattern:
        return list(CANDIDATES)
    names = [row.name for row in rows(pattern)]
    if len(names) > MOST_COUNTED:
        what = f"{len(names)} networks hold this, and each is measured; name {MOST_COUNTED} or less"
        raise SettingsError([Mistake(pattern, what)])
    found = list(named(names))
    if not found:
        which = "no network of this name has published weights" if names else NO_NAME
        what = f"{which}; leave it out for those worth a try"
        raise SettingsError([Mistake(pattern, what)])
    return found


def of_file(given: str) -> "Candidate":
    """The candidate of FILE, or of NAME=FILE where the tensors do not tell the name.

    Raises SettingsError, WeightsError.
    """
    from fieldmark.models.candidates import Candidate, named
    from fieldmark.models.catalog import MODELS
    from fieldmark.models.published import no_file
    from fieldmark.models.recognise import recognise
    from fieldmark.models.weights import read_weights

    name, _, path = given.rpartition("=")
    if name not in MODELS:
        name, path = "", given
    if not Path(path).is_file():
        raise SettingsError([Mistake("--weights", no_file(path))])
    if not name:
        try:
            name = recognise(read_weights(Path(path)))
        except WeightsError as error:
            what = str(error).replace("say which it is with --model", "give it as NAME=FILE")
            raise WeightsError(f"{path}: {what}") from error
    known = next(named([name]), Candidate(name))
    return replace(known, weights=path, top1=None, about="", licence=None, file_only=False)


def line(row: "Row", called: str) -> str:
    """A network's numbers, under each other; a long name has a line of its own."""
    published = row.candidate.published
    top1 = row.candidate.top1 or (published.top1 if published else None)
    tuned = "-" if row.tuned is None else minutes(row.tuned)
    first = f"{called:<{NAME}}" if len(called) <= NAME else f"{called}\n{'':<{NAME}}"
    return (
        f"{first}{row.megabytes:>5.0f}{'-' if top1 is None else f'{top1:.1f}':>6}"
        f"{digits(row.speed):>10}{minutes(row.frozen):>7}"
        f"{f'{tuned}{UNSURE * (not row.is_steady)}':>7}"
        f"{'-' if row.losses is None else f'{row.log_loss:.3f}':>9}"
    )


def beneath(row: "Row") -> Iterator[str]:
    """What stands under a network's numbers: licence, size, what else to type, what it is for."""
    from fieldmark.models.candidates import TERMS

    each = row.candidate
    licence = each.licence or (each.published.licence if each.published else None)
    yield f"licence {licence or 'unknown'}{f' ({TERMS[licence]})' if licence in TERMS else ''}"
    yield f"{row.size} px"
    typed = [*([] if each.weights == "default" else [f"--weights {each.weights}"]), *each.words]
    if typed:
        yield " ".join(typed)
    yield from filter(None, (each.about, row.note))


def closing(
    found: "Afforded",
    source: str,
    most_minutes: float | None,
    candidates: "Sequence[Candidate]",
) -> Iterator[str]:
    """What the columns mean, on how many images, and what to do with it."""
    from fieldmark.models.candidates import title

    ranked = [row for row in found.rows if row.losses is not None]
    yield (
        "top-1: percent of ImageNet's validation images, as published; - where that is not known "
        "here. images/s: through the frozen network, measured just now on this machine, however "
        "busy it is. frozen, tuned: about so many minutes in the network for these "
        f"{found.images} images, with --freeze and without."
    )
    if not all(row.is_steady for row in found.rows):
        yield (
            f"{UNSURE}: steps of training took unlike times, since something else computes here; "
            "ask again when nothing does."
        )
    if most_minutes is not None:
        slow = f", {counted(len(found.slow), 'network')} left out" if found.slow else ""
        yield f"Kept is what takes at most {most_minutes:g} minutes frozen{slow}."
    for candidate, why in found.refused:
        yield f"{title(candidate, candidates)} is left out: {why}"
    if ranked:
        classes = len(found.sample.classes)
        yield (
            f"log loss: of {len(found.sample)} training images of {classes} classes by a linear "
            "head on frozen features that did not see them (cross-validated); less is better, and "
            f"guessing has {np.log(classes):.2f}."
        )
    if len(ranked) < len(found.rows):
        yield f"Those without it have no weights on this machine: {FOR_HAND}."
    yield from ahead(ranked, candidates)
    if ranked:
        best = ranked[0].candidate
        typed = ["--model", best.name]
        typed += [] if best.weights == "default" else ["--weights", best.weights]
        command = shlex.join(["fieldmark", "train", source, *typed, *best.words, "--freeze"])
        yield f"Train it: {command}"


def ahead(ranked: "Sequence[Row]", candidates: "Sequence[Candidate]") -> Iterator[str]:
    """By how much the first is ahead of the second, image by image, with a 95 % interval."""
    from fieldmark.models.candidates import title

    if len(ranked) < 2:
        return
    first, second = ranked[:2]
    assert first.losses is not None
    assert second.losses is not None
    more = second.losses - first.losses
    error = 1.96 * more.std(ddof=1) / np.sqrt(len(more))
    low, high = more.mean() - error, more.mean() + error
    leader, other = (title(row.candidate, candidates) for row in (first, second))
    by = f"{more.mean():.3f}"
    interval = f"95 % interval {low:.3f} to {high:.3f}"
    if low > 0:
        yield f"{leader} is ahead of {other} by {by} ({interval})."
    else:
        yield (
            f"Too few images to tell {leader} and {other} apart (log loss {by} less, {interval})."
        )


def nothing(found: "Afforded", most_minutes: float | None) -> Mistake:
    """What to say where no network is left."""
    if found.slow:
        fastest = min(found.slow, key=lambda row: row.frozen)
        what = (
            f"no network is done in {most_minutes:g} minutes; the fastest, "
            f"{fastest.candidate.name}, takes about {minutes(fastest.frozen)}: allow more"
        )
        return Mistake("--max-minutes", what)
    candidate, why = found.refused[0]
    return Mistake("--for", f"none of the networks can be used; {candidate.name}: {why}")


def minutes(seconds: float) -> str:
    """Seconds as minutes."""
    return digits(seconds / 60)


def digits(number: float) -> str:
    """A number as far as it can be trusted: "<0.1", "3.4", "25", "1230"."""
    return "<0.1" if number < 0.05 else f"{number:.1f}" if number < 9.95 else f"{number:.0f}"
