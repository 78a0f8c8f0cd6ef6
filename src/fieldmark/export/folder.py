"""The folder that an export is: it appears whole, and its file and export.json say what it is.

Both have classes, input, calibration, licence and figures; export.json has what was seen of it too.
"""

import contextlib
import hashlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any

from fieldmark.export.formats import FORMATS, Asked
from fieldmark.export.parity import Shown
from fieldmark.export.whole import NAMES, About, Maker, Runner, Source
from fieldmark.files import drafted, put_folder, write_json
from fieldmark.models.at_home import public
from fieldmark.models.bundle_info import BundleInfo
from fieldmark.rundir import EXPORT
from fieldmark.task import HALF, TASKS

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

LOCK = ".lock"  # in a folder that is being written
FORMAT = 1
PACKAGES = ("fieldmark", "torch")


@dataclass(frozen=True)
class Job:
    """What is to be written, the images that it is held to, and the folder that it is put into."""

    source: Source
    to: str
    asked: Asked
    shown: Shown
    folder: Path

    @property
    def maker(self) -> Maker:
        """Of the format."""
        return FORMATS[self.to].maker()

    def write(self, made: Any, about: About) -> tuple[Runner, int]:
        """Put what the maker made into the folder, alone. -> what answers by it, and its bytes"""
        for file in self.folder.glob("[!.]*"):
            file.unlink()
        self.maker.save(made, without_names(about), self.folder)
        size = sum(file.stat().st_size for file in self.folder.glob("[!.]*"))
        return self.maker.open(self.folder, self.source), size


def about_of(source: Source, to: str, way: str, *, embedding: bool) -> About:
    """Plain values by name, for a file's metadata and for export.json.

    name: of the run. exporter: the way that it was made, where there are several. resizes: whether
    the file takes images of any size. model: all of model.json, by which Fieldmark opens it again.
    """
    info, form = source.info, FORMATS[to]
    word, side, *smooth = info.spec.evaluated_form
    return {
        "to": to,
        "name": source.name,
        **({"exporter": way} if way else {}),
        "resizes": way not in form.outside,
        "outputs": list(NAMES[: 2 + embedding]) if form.embeds else [],
        "task": info.task,
        "classes": list(info.classes),
        "thresholds": _thresholds(info),
        "temperature": info.temperature,
        "licence": info.licence,
        "input": {
            "resize": word,  # "shorter": that side becomes `to` pixels; "square": both do
            "to": side,
            "filter": smooth[0] if smooth else "bilinear",
            "size": info.spec.size,  # of the centre crop that the network sees
            "mean": list(info.spec.mean),
            "std": list(info.spec.std),
        },
        "figures": _figures(source),
        "versions": {name: version(name) for name in (*PACKAGES, *form.needs)},
        "model": info.to_json(),
    }


def without_names(about: About) -> About:
    """The same for the file itself, which others get: of the images that are named the number, and
    of files of weights no folder. export.json beside it names them."""
    model = {**about["model"], "weights": public(about["model"]["weights"])}
    found = {**about, "model": model}
    for key, named in (("drift", "differ"), ("beside_float32", "changed")):
        if key in about:
            found[key] = {**about[key], named: len(about[key][named])}
    return found


def _thresholds(info: BundleInfo) -> dict[str, float] | None:
    """Of several labels an image the least score of each; None of one label."""
    several = TASKS[info.task].several
    return info.thresholds or (dict.fromkeys(info.classes, HALF) if several else None)


def left_to_do(about: About) -> str:
    """What whoever runs a file that does not resize has to do first, in words."""
    form = about["input"]
    which = "both sides" if form["resize"] == "square" else "the shorter side"
    size = form["size"]
    return (
        f"takes images of {size} x {size} px alone: {which} resized to {form['to']} px by Pillow's "
        f"{form['filter']} filter, or one as antialiased, then the middle, as export.json says"
    )


def _figures(source: Source) -> dict[str, Any]:
    """What was measured, by split: values and intervals."""
    return {
        name: {
            "images": figures.n,
            "values": dict(figures.values),
            "intervals": dict(figures.intervals),
        }
        for name, figures in source.metrics().sides.items()
    }


@contextlib.contextmanager
def written(place: Path) -> Iterator[Path]:
    """Inside, a new folder to be filled, which ends with `write_about`; then it is put at `place`.

    Where that raises, what was at `place` stays, and nothing half written. What a killed export
    left is taken away. Raises DiskError.
    """
    draft = place.with_name(f".{place.name}.{os.urandom(6).hex()}.part")
    _clear_left(place)
    with drafted(draft, place), (draft / LOCK).open("a") as lock:
        _hold(lock)
        yield draft
        put_folder(draft, place)
        (place / LOCK).unlink()


def write_about(folder: Path, about: dict[str, Any]) -> None:
    """export.json, with the size and the hash of each file of the folder. Raises DiskError."""
    files = {file.name: _told(file) for file in sorted(folder.glob("[!.]*"))}
    write_json(folder / EXPORT, {"format": FORMAT, **about, "files": files})


def _told(file: Path) -> dict[str, Any]:
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return {"bytes": file.stat().st_size, "sha256": digest}


def _clear_left(place: Path) -> None:
    """Take away the drafts of exports that were killed; one that goes on holds its lock."""
    for lock in place.parent.glob(f".{place.name}.*.part/{LOCK}"):
        with contextlib.suppress(OSError), lock.open("a") as stream:
            if _hold(stream):
                shutil.rmtree(lock.parent)


def _hold(lock: IO[str]) -> bool:
    """Hold a lock until its file is closed, or the process ends. -> whether it is held now"""
    try:
        if fcntl is not None:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # another process has it, or the disk knows no locks
        return False
    return True
