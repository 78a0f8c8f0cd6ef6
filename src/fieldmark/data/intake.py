"""From a source to images that can be trained on: listed, scanned, checked, split."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from fieldmark.cache import open_cache
from fieldmark.console import Console
from fieldmark.data.columns import Columns
from fieldmark.data.copies import copy_groups
from fieldmark.data.finding import Finding
from fieldmark.data.health import findings
from fieldmark.data.listing import Listing
from fieldmark.data.scan import scan, with_facts
from fieldmark.data.sources import open_files, read_listing
from fieldmark.data.splits import drop_copies_of_test, merge_val_into_train, split
from fieldmark.data.told import NOTHING, Told, few_groups_note, group_note, split_words
from fieldmark.errors import DataError, counted, listed
from fieldmark.records import Samples
from fieldmark.settings.tree import DataSettings


@dataclass(frozen=True)
class Intake:
    """Images with their splits, and what is told of them."""

    samples: Samples
    told: Told = NOTHING
    mirrored: bool = True
    embedded: bool = False


def list_images(data: DataSettings, *, labelled: bool = True) -> Listing:
    """What the source holds; nothing is opened. Raises DataError."""
    columns = Columns(data.image_column, data.label_column, data.group_column, data.split_column)
    return read_listing(
        data.source,
        test=data.test,
        columns=columns,
        images=data.images,
        data_dir=data.data_dir,
        labelled=labelled,
        validated=data.val != "none",
    )


def take_in(data: DataSettings, console: Console) -> Intake:
    """List, scan and split. Raises DataError where the images cannot be trained on."""
    listing = list_images(data)
    with scanning(console) as advance:
        facts = scan(listing.samples, open_cache(), advance)
    samples, unread = with_facts(listing.samples, facts)
    refuse_several_labels(samples)
    left_out = {**listing.left_out, **unread}
    if left_out and data.on_bad == "error":
        name, reason = next(iter(left_out.items()))
        raise DataError(
            f"{data.source}: {counted(len(left_out), 'image')} cannot be used and "
            f"data.on_bad=error; '{name}' is one: {reason}"
        )
    copies, good = copy_groups(facts), facts["problem"].is_null().to_numpy()
    found = tuple(findings(listing.samples, facts, copies=copies))
    notes = [*listing.notes, *left_out_notes(left_out), *health_notes(found)]
    samples, copies, taken_out = without_copies(samples, copies[good], data.test_copies)
    wanted = 0.0 if data.val == "none" else data.val_fraction
    test = 0.0 if data.test == "none" else data.test_fraction
    parted = split(samples, val=wanted, test=test, seed=data.split_seed, copies=copies)
    done = merge_val_into_train(parted) if data.val == "none" else parted
    open_files(done)
    story = split_words(data, listing.samples.frame["split"].to_list(), done, copies)
    told = Told(
        (*notes, *taken_out, *group_note(done), *few_groups_note(done)), found, tuple(story)
    )
    return Intake(done, told, listing.mirrored, listing.embedded)


def without_copies(
    samples: Samples, copies: np.ndarray, what: str
) -> tuple[Samples, np.ndarray, list[str]]:
    """Take copies of test images out of training, and say which."""
    kept, numbers, taken = drop_copies_of_test(samples, copies)
    if not taken:
        return samples, copies, []
    pairs = listed([f"{each.path} = {each.original}" for each in taken], most=3)
    if what == "keep":
        return (
            samples,
            copies,
            [
                f"{counted(len(taken), 'image')} stand on two sides of the split and are kept "
                f"(data.test_copies=keep), so the figures flatter: {pairs}"
            ],
        )
    return (
        kept,
        numbers,
        [
            f"{counted(len(taken), 'image')} taken out of training or validation, being copies of "
            f"images that are judged: {pairs}"
        ],
    )


def left_out_notes(left_out: dict[str, str]) -> list[str]:
    """Which files are not used, with the reason of the first."""
    if not left_out:
        return []
    number = counted(len(left_out), "image")
    reason = next(iter(left_out.values()))
    return [f"{number} left out ({listed(left_out, most=5)}); {reason}"]


def health_notes(found: Sequence[Finding]) -> list[str]:
    """The findings that may spoil a score, but those that are told in words of their own."""
    own = ("unreadable", "truncated", "zero-byte", "bomb", "missing", "leakage")
    return [each.sentence for each in found if each.severity == "error" and each.kind not in own]


def refuse_several_labels(samples: Samples) -> None:
    """One label an image is what can be trained today."""
    several = int((samples.frame["labels"].list.n_unique() > 1).sum())
    if several:
        raise DataError(
            f"{samples.root}: {counted(several, 'image')} have several labels, which cannot be "
            "trained on yet; keep one label an image, or look with: fieldmark inspect"
        )


@contextmanager
def scanning(console: Console) -> Iterator[Callable[[int, int], None]]:
    """A bar for `scan`, whose `advance(done, total)` it gives."""
    with console.bar("reading images", 1) as bar:
        seen = 0

        def advance(done: int, total: int) -> None:
            nonlocal seen
            bar.resize(total)
            bar.advance(done - seen)
            seen = done

        yield advance
