"""The formats that a trained model leaves in, as a table; what is refused before torch comes."""

import importlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING

from fieldmark.errors import Mistake, RunError, listed, nearest, refuse
from fieldmark.export.runtime import read_runtime
from fieldmark.machine import INSTALL, is_installed
from fieldmark.models.bundle_info import BundleInfo
from fieldmark.rundir import EXPORT, RunDir
from fieldmark.settings.meant import of_choice
from fieldmark.use.abstention import Abstention, abstention
from fieldmark.use.asked import info_of_any
from fieldmark.use.ensemble import alone, is_ensemble, read_joining
from fieldmark.use.exported_info import is_export
from fieldmark.use.info import info_of

if TYPE_CHECKING:
    from fieldmark.export.whole import Maker

CHECKED = 200  # images that a file is held to, where there are so many
INSIDE, OUTSIDE = "resize inside", "resize outside"
EXPORTERS = ("dynamo", "torchscript")  # torch's two, in the order in which they are tried
FLOAT32, FLOAT16, INT8 = "float32", "float16", "int8"
PER_CHANNEL, PER_TENSOR, PERCENTILE = "per channel", "per tensor", "per channel, percentile"
# how a file in fewer bits is made; all of them are tried
RECIPES = {FLOAT16: ("halves",), INT8: (PER_CHANNEL, PER_TENSOR, PERCENTILE)}
AT_MOST_WORSE = 1.0  # points that it may be worse by than that in float32


@dataclass(frozen=True)
class Asked:
    """How a file is to be. embedding: a third output. images: to hold it to, in place of the
    run's validation; most: at most so many. accept_drift: also where it decides otherwise. Of a
    page, abstain: "not sure" by that share of right answers; pictures: whether it carries some;
    runtime: where onnxruntime-web lies; browser: whether it is tried in Chromium, too.
    precision: FLOAT32, or of RECIPES; at_most_worse: points, of fewer bits; None: AT_MOST_WORSE.
    """

    embedding: bool = False
    images: tuple[str, ...] = ()
    most: int = CHECKED
    accept_drift: bool = False
    abstain: float | None = None
    pictures: bool = True
    runtime: str | None = None
    browser: bool = False
    precision: str = FLOAT32
    at_most_worse: float | None = None


@dataclass(frozen=True)
class Format:
    """One line of the table.

    about: for whom. made_by: "module:name" of its `Maker`, imported when it is asked for. ways: of
    making it, in the order in which they are tried; the first that decides as the model is taken.
    outside: those whose file takes images in the network's size alone. needs: packages, which
    `pip install fieldmark[extra]` brings. embeds: whether it can have a third output. fewer: the
    precisions that it has beside FLOAT32.
    """

    about: str
    made_by: str
    ways: tuple[str, ...] = ("",)
    outside: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    extra: str = ""
    embeds: bool = True
    fewer: tuple[str, ...] = ()

    def maker(self) -> "Maker":
        """What makes it. Imports torch, and what the format needs."""
        module, _, name = self.made_by.partition(":")
        found: Maker = getattr(importlib.import_module(module), name)
        return found


FORMATS = {
    "onnx": Format(
        "one file for onnxruntime, the resize inside",
        "fieldmark.export.onnx_file:ONNX",
        EXPORTERS,
        needs=("onnx", "onnxruntime", "onnxscript"),
        extra="onnx",
        fewer=(FLOAT16, INT8),
    ),
    "page": Format(
        "one HTML file that looks at photos in a browser, offline",
        "fieldmark.export.page:PAGE",
        EXPORTERS,
        needs=("onnx", "onnxruntime", "onnxscript"),
        extra="onnx",
        embeds=False,
    ),
    "openvino": Format(
        "two files for OpenVINO, the resize left to the caller",
        "fieldmark.export.openvino_file:OPENVINO",
        EXPORTERS,
        outside=EXPORTERS,
        needs=("openvino", "onnx", "onnxscript"),
        extra="openvino",
        fewer=(FLOAT16,),
    ),
    "torch": Format(
        "torch.export's file for torch alone, the resize inside where that decides alike",
        "fieldmark.export.torch_file:TORCH",
        (INSIDE, OUTSIDE),
        outside=(OUTSIDE,),
    ),
    "pth": Format(
        "a plain state dict for torch, by the names of the network's library",
        "fieldmark.export.pth:PTH",
        outside=("",),
        embeds=False,
    ),
}


def refuse_before_work(
    path: str | Path, to: str, place: Path, asked: Asked, *, overwrite: bool
) -> BundleInfo:
    """What the model is for, where it can be asked for in this format, as far as is seen at once.

    Raises SettingsError for a format that there is not or whose packages are lacking, RunError and
    WeightsError where there is no such model or its folder is taken.
    """
    refuse(_mistakes(to, asked))
    info = info_of(path) if is_export(path) else info_of_any(path)  # of an export that is refused
    if info.spec.words and to != "pth":
        raise RunError(
            f"{path}: reads captions, and an exported file takes images alone; train a model "
            "without model.captions"
        )
    _refuse_of_several(path, to, asked)
    least_score(path, info, asked)
    refuse_place(place, overwrite=overwrite)
    if to == "page":
        read_runtime(asked.runtime)
    return info


def refuse_place(place: Path, *, overwrite: bool) -> None:
    """Raise RunError, before any work, for a place that is taken, or by what is no export."""
    if not place.exists() and not place.is_symlink():
        return
    if not overwrite:
        raise RunError(f"{place}: exists already; choose another --out, or add --overwrite")
    if not (place / EXPORT).is_file():
        raise RunError(f"{place}: is no export ({EXPORT}), so it stays; choose another --out")


def _refuse_of_several(path: str | Path, to: str, asked: Asked) -> None:
    """Raise RunError for what models that answer as one cannot have."""
    if not is_ensemble(path) or alone(path) is not None:
        return
    joining = read_joining(path)
    what = f"{path}: is {len(joining.members)} models that answer as one"
    if to == "pth":
        one = Path(path) / joining.members[0].run
        raise RunError(f"{what}, and pth holds the weights of one; name one of them, such as {one}")
    if asked.embedding:
        raise RunError(f"{what}, so that it has no one embedding; leave --embedding out")
    if joining.kind == "one-vs-rest" and asked.precision != FLOAT32:
        raise RunError(
            f"{what}, and the images of each are of one class and of the rest, so that "
            f"{asked.precision} cannot be judged by all classes; leave --precision out"
        )


def least_score(path: str | Path, info: BundleInfo, asked: Asked) -> Abstention | None:
    """What an answer's score must be; None where that is not asked. As `abstention` raises."""
    if asked.abstain is None:
        return None
    return abstention(info, asked.abstain, path)


def no_browser() -> str:
    """Why a page cannot be tried here, and what to do; "" where it can."""
    if not is_installed("playwright"):
        return f"needs playwright: {INSTALL} playwright; or leave it out"
    if shutil.which("chromium") is None:
        return "needs Debian's chromium: apt-get install chromium; or leave it out"
    return ""


def place_of(path: str | Path, to: str, out: Path | None, precision: str = FLOAT32) -> Path:
    """The folder that is written: `out`, or exports/FORMAT, or FORMAT-PRECISION, in the model's."""
    name = to if precision == FLOAT32 else f"{to}-{precision}"
    return out or RunDir(Path(path)).exports / name


def unknown(to: str) -> str:
    """What to say of a format that there is not."""
    hint = of_choice("format", to, FORMATS) or nearest(to, FORMATS)
    return f"there is no format '{to}'{hint or f'; there are {listed(FORMATS)}'}"


def _mistakes(to: str, asked: Asked) -> Iterator[Mistake]:
    if to not in FORMATS:
        yield Mistake("--to", unknown(to))
        return
    form = FORMATS[to]
    lacking = [name for name in form.needs if not is_installed(name)]
    if lacking:
        how = f"install it with: {INSTALL} 'fieldmark[{form.extra}]'"
        yield Mistake("--to", f"'{lacking[0]}' is not installed, which {to} needs; {how}")
    if asked.embedding and not form.embeds:
        what = "shows scores alone" if to == "page" else "holds weights and no outputs"
        yield Mistake("--embedding", f"{to} {what}; leave it out")
    if to != "page":
        named = {
            "--abstain": asked.abstain is not None,
            "--no-pictures": not asked.pictures,
            "--runtime": asked.runtime is not None,
            "--browser": asked.browser,
        }
        for option in (name for name, is_there in named.items() if is_there):
            yield Mistake(option, "is for a page; leave it out, or add --to page")
    elif asked.browser and (why := no_browser()):
        yield Mistake("--browser", why)
    yield from _of_precision(to, asked)


def _of_precision(to: str, asked: Asked) -> Iterator[Mistake]:
    precision, most, known = asked.precision, asked.at_most_worse, (FLOAT32, *RECIPES)
    if precision not in known:
        hint = of_choice("precision", precision, known) or nearest(precision, known)
        hint = hint or f"; there are {listed(known)}"
        yield Mistake("--precision", f"there is no precision '{precision}'{hint}")
        return
    if most is not None and not (isfinite(most) and most >= 0):
        yield Mistake("--at-most-worse", f"{most:g} is no number of points; give 0 or more")
    if precision == FLOAT32:
        if most is not None:
            what = "float32 is held to every decision; leave it out, or add --precision"
            yield Mistake("--at-most-worse", what)
        return
    there = (FLOAT32, *FORMATS[to].fewer)
    if precision not in there:
        more = [f"--to {name}" for name, form in FORMATS.items() if precision in form.fewer]
        what = f"{to} is written in {listed(there)} alone; leave it out, or take {listed(more)}"
        yield Mistake("--precision", what)
    if asked.images:
        what = f"{precision} is judged by labels, on the run's own images; leave it out"
        yield Mistake("--images", what)
