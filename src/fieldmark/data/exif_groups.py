"""Groups by what a camera wrote into its pictures: which camera it was, and when."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
from PIL import ExifTags, Image

from fieldmark.data.kinds import HEIF_SUFFIXES
from fieldmark.data.listing import Listing
from fieldmark.data.opening import FORMATS, opened
from fieldmark.data.sources import content_of
from fieldmark.errors import DataError, counted

# after which a visit counts as another one: O'Brien, Kinnaird and Wibisono, "Crouching tigers,
# hidden prey", 2003
APART = timedelta(minutes=30)
CAMERA = (ExifTags.Base.Make, ExifTags.Base.Model)
Taken = tuple[str, datetime]


def with_exif_groups(listing: Listing) -> Listing:
    """The same images, those of one camera in one group where each follows the one before within
    APART. An image without a time has no group. Raises DataError where none has one.
    """
    samples = listing.samples
    with ThreadPoolExecutor() as threads:
        taken = list(threads.map(lambda place: taken_at(samples.root, *place), samples.places()))
    groups = _groups(taken)
    known = len(taken) - groups.count(None)
    if not known:
        raise DataError(
            f"{samples.root}: no image has a time in its EXIF (data.group=exif); leave it out, or "
            "name a column: data.group_column=NAME"
        )
    cameras = len({each[0] for each in taken if each is not None})
    note = (
        f"{counted(known, 'image')} of {counted(cameras, 'camera')} in "
        f"{counted(len(set(groups) - {None}), 'group')} by their EXIF: taken by one camera, each "
        f"at most {APART.seconds // 60} minutes after the one before"
    )
    if known < len(taken):
        note += f"; {counted(len(taken) - known, 'image')} without a time in no group"
    frame = samples.frame.with_columns(pl.Series("group", groups, pl.String))
    samples = replace(samples, frame=frame)
    return replace(listing, samples=samples, notes=(*listing.notes, note))


def taken_at(root: str, path: str, row: int | None) -> Taken | None:
    """The camera and the time in a picture's EXIF; None where no time can be read."""
    file = Path(root, path)
    try:
        source: AbstractContextManager[Image.Image]
        if row is None and file.is_file() and not path.lower().endswith(HEIF_SUFFIXES):
            source = Image.open(file, formats=FORMATS)  # of the file no more than it takes
        else:
            source = opened(content_of(root, path, row), path)
        with source as image:
            exif = image.getexif()
            more = exif.get_ifd(ExifTags.IFD.Exif)
    except Exception:  # EXIF is a guest in the file: where it is garbage, there is none
        return None
    told = more.get(ExifTags.Base.DateTimeOriginal) or exif.get(ExifTags.Base.DateTime)
    camera = [exif.get(tag) for tag in CAMERA] + [more.get(ExifTags.Base.BodySerialNumber)]
    words = [str(each).strip("\0 ") for each in camera if each]
    try:
        when = datetime.strptime(str(told).strip("\0 ")[:19], "%Y:%m:%d %H:%M:%S")
    except ValueError:
        return None
    return " ".join(words) or "a camera without a name", when


def _groups(taken: list[Taken | None]) -> list[str | None]:
    """Each image's group, named by its camera and its first picture's time."""
    known = [place for place, each in enumerate(taken) if each is not None]
    groups: list[str | None] = [None] * len(taken)
    before: Taken | None = None
    name = ""
    for place in sorted(known, key=lambda place: (taken[place], place)):
        now = taken[place]
        assert now is not None
        if before is None or before[0] != now[0] or now[1] - before[1] > APART:
            name = f"{now[0]}, {now[1]:%Y-%m-%d %H:%M:%S}"
        groups[place], before = name, now
    return groups
