"""What stands against sorting pictures into folders, and which are looked at all the same."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from fieldmark.data.inside import into_zip
from fieldmark.data.tables import Named
from fieldmark.errors import DataError, Mistake, counted
from fieldmark.files import folder_trouble
from fieldmark.models.bundle_info import BundleInfo
from fieldmark.rundir import RunDir
from fieldmark.task import TASKS
from fieldmark.use.inputs import Found, is_table


def sorting_mistakes(
    into: Path | None,
    inputs: Sequence[str],
    *,
    move: bool,
    crops: str | None = None,
    page: Path | None = None,
) -> Iterator[Mistake]:
    """What stands against it before any image is looked at.

    into: the folder of folders that pictures are sorted into, if any; move: not copied.
    """
    if into is not None:
        if into.exists() and not into.is_dir():
            yield Mistake(f"--sort-into {into}", "is a file; name a folder")
        elif RunDir(into).settings.is_file():
            yield Mistake(f"--sort-into {into}", "is a run's folder; name another one")
        elif wrong := folder_trouble(into):
            yield Mistake(f"--sort-into {into}", wrong)
    if not move:
        return
    if into is None:
        yield Mistake("--move", "goes with --sort-into, the folder to move into; name that too")
    if crops is not None:
        what = "a picture may have boxes of several labels, and goes to one folder; leave it out"
        yield Mistake("--move with --crops", what)
    if page is not None:
        what = "the page is drawn from the pictures where they were; leave one of the two out"
        yield Mistake("--move with --page", what)
    for each in inputs:
        if is_table(each):
            what = f"'{each}' would name pictures that are gone; name their folder, or leave it out"
            yield Mistake("--move", what)
        elif into_zip(Path(each)) is not None:
            yield Mistake("--move", f"nothing is taken out of a zip ('{each}'); leave it out")


def move_mistakes(info: BundleInfo, found: Found) -> Iterator[Mistake]:
    """What stands against moving by the model, and by the pictures that were found."""
    if TASKS[info.task].several:
        what = "a picture may have several labels, and goes to one folder; leave it out to copy"
        yield Mistake("--move", what)
    seen: set[Path] = set()
    for each in found.images:
        path = each.path if isinstance(each, Named) else each
        if not isinstance(path, Path):
            continue
        if path.absolute() in seen:
            yield Mistake("--move", f"'{path}' is named twice; name it once")
            return
        seen.add(path.absolute())


def without_sorted(found: Found, inputs: Iterable[str], into: Path) -> Found:
    """What there is to look at, without what lies in folders that pictures are sorted into.

    Raises DataError where nothing else is there.
    """
    below = [place for each in inputs if (place := place_in(Path(each), into))]
    images = tuple(each for each in found.images if not any(_is_in(each, place) for place in below))
    left_out = len(found.images) - len(images)
    if not left_out:
        return found
    note = f"{into}: {counted(left_out, 'picture')} left out, for pictures are sorted into it"
    if not images:
        raise DataError(f"{note}, and there is no other; name another folder")
    return replace(found, images=images, notes=(*found.notes, note))


def place_in(folder: Path, into: Path) -> Path | None:
    """Where `into` lies in a folder that is looked at, by the folder's own path."""
    if not folder.is_dir():
        return None
    real, place = into.resolve(), folder.resolve()
    return folder / real.relative_to(place) if real.is_relative_to(place) else None


def _is_in(image: object, folder: Path) -> bool:
    return isinstance(image, Path) and image.is_relative_to(folder)


def with_moved(found: Found, answered: Sequence[str]) -> Found:
    """The pictures that a stopped command had before it, those too that it has moved away.

    answered: the names of those that have their answers, in order.
    """
    there = {_name(each): each for each in found.images}
    before = [there.pop(name, Path(name)) for name in answered]
    return replace(found, images=(*before, *there.values()))


def _name(image: Any) -> str:
    return image.name if isinstance(image, Named) else str(image)
