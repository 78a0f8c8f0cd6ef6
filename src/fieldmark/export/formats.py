"""A bundle in another format: written, held to the bundle on real images, and put in its place."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fieldmark.errors import Mistake, RunError, SettingsError, listed, nearest
from fieldmark.export.about import about_of
from fieldmark.export.folder import refuse_place, write_folder
from fieldmark.export.onnx_file import (
    EXPORTERS,
    network_as_onnx,
    open_onnx,
    with_resizing,
    write_onnx,
)
from fieldmark.export.parity import CHECKED, Parity, compare, given_images, own_images
from fieldmark.export.pth import FILE, open_pth, to_pth
from fieldmark.export.whole import Runner, Source, read_source
from fieldmark.rundir import RunDir

About = dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """How a file is to be. embedding: a third output. images: to hold it to, in place of the
    run's validation; most: at most so many. accept_drift: also where it decides otherwise."""

    embedding: bool = False
    images: tuple[str, ...] = ()
    most: int = CHECKED
    accept_drift: bool = False


@dataclass(frozen=True)
class Format:
    """One line of the table.

    ways: of making it, in the order in which they are tried; the first that decides as the bundle
    is taken. write: (source, way, asked, about, folder) fills the folder. open: what answers by the
    files. resizes: whether that takes images of any size. needs: packages.
    """

    what: str
    write: Callable[[Source, str, Asked, About, Path], None]
    open: Callable[[Path, Source], Runner]
    ways: tuple[str, ...] = ("",)
    resizes: bool = True
    needs: tuple[str, ...] = ()


def _write_onnx(source: Source, way: str, asked: Asked, about: About, folder: Path) -> None:
    network = network_as_onnx(source, way, embedding=asked.embedding)
    write_onnx(with_resizing(network, source), about, folder)


def _write_pth(source: Source, way: str, asked: Asked, about: About, folder: Path) -> None:
    to_pth(source.path, folder / FILE)


FORMATS = {
    "onnx": Format(
        "one file for onnxruntime, the resize inside",
        _write_onnx,
        lambda folder, _: open_onnx(folder),
        EXPORTERS,
        needs=("onnx", "onnxruntime", "onnxscript"),
    ),
    "pth": Format(
        "a plain state dict for torch, by the names of the network's library",
        _write_pth,
        open_pth,
        resizes=False,
    ),
}


def export(
    path: str | Path, to: str, out: Path | None = None, asked: Asked = Asked(), *, overwrite: bool
) -> tuple[Path, Parity]:
    """Write a bundle in another format. -> its folder, and what holding it to the bundle showed

    out: by default exports/FORMAT in the bundle's folder. Raises SettingsError for a format that
    there is not, RunError where the folder is taken, the network cannot be written, or the file
    decides otherwise on an image; then nothing is written.
    """
    if to not in FORMATS:
        what = f"there is no format '{to}'{nearest(to, FORMATS)}; there are {listed(FORMATS)}"
        raise SettingsError([Mistake("--to", what)])
    form, place = FORMATS[to], out or RunDir(Path(path)).exports / to
    refuse_place(place, overwrite=overwrite)
    source = read_source(path)
    shown = (
        given_images(asked.images, asked.most)
        if asked.images
        else own_images(source.first, asked.most)
    )
    tried: list[Parity] = []

    def fill(folder: Path) -> About:
        failed: list[RunError] = []
        for way in form.ways:
            for file in folder.iterdir():
                file.unlink()
            about = about_of(source, to)
            try:
                form.write(source, way, asked, about, folder)
            except RunError as error:
                failed.append(error)
                continue
            tried.append(compare(source, form.open(folder, source), shown, resizes=form.resizes))
            if tried[-1].holds:
                break
        if not tried:
            raise failed[0]
        if not tried[-1].holds and not asked.accept_drift:
            raise RunError(drifted(source, tried[-1]))
        return {**about, "parity": asdict(tried[-1])}

    write_folder(place, fill)
    return place, tried[-1]


def drifted(source: Source, parity: Parity) -> str:
    """Why a file is not handed over, in a sentence."""
    named = ", ".join(parity.differ[:3])
    more = f" and {len(parity.differ) - 3} more" if parity.differ[3:] else ""
    which = f" ({named}{more})" if parity.differ else ""
    return (
        f"{source.path}: the exported file does not answer as the model does: {parity.words()}"
        f"{which}; nothing was written; --accept-drift writes it all the same"
    )
