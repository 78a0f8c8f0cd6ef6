"""The page at "/": pictures are dropped on it, and labelled where they lie."""

import json
from pathlib import Path

from fieldmark.errors import counted
from fieldmark.metrics_json import Interval, read
from fieldmark.models.bundle_info import BundleInfo
from fieldmark.report import words
from fieldmark.report.skeleton import render_page
from fieldmark.rundir import RunDir
from fieldmark.serve.limits import Limits
from fieldmark.use.exported_info import is_export, metadata, onnx_file

SHOWN = 40  # names of classes


def render(name: str, info: BundleInfo, run: str | Path, limits: Limits) -> str:
    """The page of a model that anybody who reaches the server may see."""
    about = {
        "Model": info.model,
        "Classes": str(len(info.classes)),
        "Licence": info.licence or "",
        "Weights": (info.weights_sha256 or "")[:12],
    }
    return _rendered(
        name, headline=_headline(info, run), limits=limits, info=info, about=about, token=False
    )


def render_closed(limits: Limits) -> str:
    """The page where a token is needed: it tells nothing of the model, and asks for the token."""
    return _rendered("Fieldmark", headline=("Pictures in, labels out", ""), limits=limits)


def _headline(info: BundleInfo, run: str | Path) -> tuple[str, str]:
    """How often it is right on its test images, or what it tells apart."""
    classes = counted(len(info.classes), "class")
    images, accuracy, ends = _of_test(run)
    if accuracy is None or info.task != "single-label":
        return f"{classes} told apart", ""
    share = words.figure(accuracy, "accuracy")
    between = f", {words.interval(ends, 'accuracy')}" if ends else ""
    return f"{classes} told apart", f"right on {share} of {counted(images, 'test image')}{between}"


def _of_test(run: str | Path) -> tuple[int, float | None, Interval | None]:
    """Images of the test, accuracy and its interval, of a run's folder or an export, if known."""
    if is_export(run):
        said = json.loads(metadata(onnx_file(run)).get("figures", "{}")).get("test")
        images, values, intervals = said.values() if said else (0, {}, {})
    else:
        file = RunDir(Path(run)).metrics
        test = read(file).sides.get("test") if file.is_file() else None
        images, values, intervals = (test.n, test.values, test.intervals) if test else (0, {}, {})
    return images, values.get("accuracy"), intervals.get("accuracy")


def _rendered(
    title: str,
    *,
    headline: tuple[str, str],
    limits: Limits,
    info: BundleInfo | None = None,
    about: dict[str, str] | None = None,
    token: bool = True,
) -> str:
    values = {
        "title": title,
        "headline": headline,
        "token": token,
        "captions": bool(info is not None and info.spec.words),
        "limits": limits,
        "classes": info.classes[:SHOWN] if info is not None else (),
        "more": max(0, len(info.classes) - SHOWN) if info is not None else 0,
        "about": {name: text for name, text in (about or {}).items() if text},
    }
    return render_page("drop.html", values, sheets=("drop.css",), scripts=("drop.js",))
