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


def render(run: str | Path, info: BundleInfo, limits: Limits) -> str:
    """The page of a model that anybody who reaches the server may see."""
    said = metadata(onnx_file(run)) if is_export(run) else None
    about = {
        "Model": info.model,
        "Classes": str(len(info.classes)),
        "Licence": info.licence or "",
        "Weights": (info.weights_sha256 or "")[:12],
    }
    task, test = TASKS[info.task], _of_test(run, said)
    bounds = " ".join(words.headline("test", test, task)).strip() if test else ""
    headline = (words.capital(words.doing(info.classes, task)), bounds)
    name = json.loads((said or {}).get("name", "null")) or Path(run).resolve().name
    return _rendered(name, headline=headline, limits=limits, info=info, about=about, token=False)


def render_closed(limits: Limits) -> str:
    """The page where a token is needed: it tells nothing of the model, and asks for the token."""
    return _rendered("Fieldmark", headline=("Pictures in, labels out", ""), limits=limits)


def _of_test(run: str | Path, said: dict[str, str] | None) -> Figures | None:
    """The test's figures of a run's folder, or of what an export has said, if they are known."""
    if said is not None:
        test = json.loads(said.get("figures", "{}")).get("test")
        return test and Figures(test["images"], test["values"], intervals=test["intervals"])
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
    return render_page("drop.html", values, sheets=("drop.css",), scripts=("csv.js", "drop.js"))
