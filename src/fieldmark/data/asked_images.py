"""The images that the settings ask for: listed, scanned, and those of them that can be used."""

import shlex

import polars as pl

from fieldmark.cache import open_cache
from fieldmark.console import Console
from fieldmark.data.columns import Columns, Reading
from fieldmark.data.corrections import correct, read_corrections
from fieldmark.data.crops import cropped, finder_of
from fieldmark.data.exif_groups import with_exif_groups
from fieldmark.data.left_out import left_out_notes
from fieldmark.data.listing import Listing
from fieldmark.data.scan import problems_of, scan, with_facts
from fieldmark.data.sources import read_listing
from fieldmark.data.told import several_labels
from fieldmark.errors import DataError, counted
from fieldmark.records import Samples
from fieldmark.settings.data import DataSettings

WHERE = (  # settings that say what the images and labels of a source are
    *("task", "images", "test", "image_column", "label_column", "label_separator"),
    *("group_column", "split_column", "pattern", "crops", "crops_above", "levels", "data_dir"),
)


def listed_of(data: DataSettings, *, labelled: bool = True, known: tuple[str, ...] = ()) -> Listing:
    """What the source holds; no image is decoded. Raises DataError.

    known: the labels that there are, where a model is asked.
    """
    columns = Columns(data.image_column, data.label_column, data.group_column, data.split_column)
    above = None if data.crops_above == "auto" else data.crops_above
    finder = None if data.crops is None else finder_of(data.crops, above)
    way = Reading(
        *(columns, data.images, data.data_dir, data.levels),
        *(data.label_separator, data.task, data.pattern, known),
    )
    listing = read_listing(
        data.source,
        way,
        test=data.test,
        labelled=labelled,
        validated=data.val != "none",
    )
    if data.group == "exif":  # of whole pictures, for a part of one has no EXIF
        listing = with_exif_groups(listing)
    return listing if finder is None else cropped(listing, finder)


def listing_hash(data: DataSettings) -> str:
    """A hash of the places, labels and sides that the source names."""
    samples = listed_of(data).samples
    return correct(samples, read_corrections(data.corrections, samples)).samples.hash()


def scanned(samples: Samples, console: Console) -> pl.DataFrame:
    """The facts of a scan, a row an image."""
    with console.bar("reading images", 1) as bar:
        seen = 0

        def advance(done: int, total: int) -> None:
            nonlocal seen
            bar.resize(total)
            bar.advance(done - seen)
            seen = done

        return scan(samples, open_cache(), advance)


def readable(
    data: DataSettings, listing: Listing, facts: pl.DataFrame
) -> tuple[Samples, dict[str, str]]:
    """The images that can be used, and of the others {name: reason}.

    Raises DataError where there are others and may be none, or an image has several labels where
    one is asked for.
    """
    samples, unread = with_facts(listing.samples, facts)
    left_out = {**listing.left_out, **unread}
    if left_out and data.on_bad == "error":
        name, reason = next(iter(left_out.items()))
        raise DataError(
            f"{data.source}: {counted(len(left_out), 'image')} cannot be used and "
            f"data.on_bad=error; '{name}' is one: {reason}"
        )
    several = several_labels(samples)
    if several and not samples.task.several:
        have = "has" if several == 1 else "have"
        raise DataError(
            f"{data.source}: {counted(several, 'image')} {have} several labels, and one is "
            f"asked for; keep {samples.task.words}, or ask for several: data.task=multi-label"
            f"{_one_each(listing.separator)}"
        )
    return samples, left_out


def left_out_told(
    data: DataSettings, listing: Listing, facts: pl.DataFrame, left_out: dict[str, str]
) -> list[str]:
    """What is to be said of the images that `readable` leaves out."""
    kinds = {**listing.kinds, **problems_of(listing.samples, facts)}
    given = data.model_dump(include={*WHERE}, exclude_defaults=True)
    words = [f"data.{name}={value}" for name, value in given.items()]
    see = shlex.join(["fieldmark", "inspect", str(data.source), *words, "--json"])
    return left_out_notes(left_out, kinds, listing.missing, see)


def _one_each(separator: str) -> str:
    """The way out where a cell was divided by a mark that may be part of a label."""
    if separator == "auto":
        return ""
    return "; or, where a cell is one label with its marks, say so: data.label_separator=none"
