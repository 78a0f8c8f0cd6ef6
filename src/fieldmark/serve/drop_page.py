"""The page at "/": pictures are dropped on it, and labelled where they lie."""

import json
from pathlib import Path

from fieldmark.metrics_json import Figures, read
from fieldmark.models.bundle_info import BundleInfo
from fieldmark.report import words
from fieldmark.report.skeleton import render_page
from fieldmark.rundir import RunDir
from fieldmark.serve.limits import Limits
from fieldmark.task import TASKS
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
    """What it does, and how good it is on its test images, where that is known."""
    task, test = TASKS[info.task], _of_test(run)
    said = " ".join(words.headline("test", test, task)).strip() if test is not None else ""
    return words.capital(words.doing(info.classes, task)), said


def _of_test(run: str | Path) -> Figures | None:
    """The test's figures of a run's folder or an export, if they are known."""
    if is_export(run):
        said = json.loads(metadata(onnx_file(run)).get("figures", "{}")).get("test")
        return said and Figures(said["images"], said["values"], intervals=said["intervals"])
    file = RunDir(Path(run)).metrics
    return read(file).sides.get("test") if file.is_file() else None


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
