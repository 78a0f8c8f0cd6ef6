"""One HTML file that looks at photos by itself: the network, its runtime and its proof inside."""

import base64
import io
import json
import re
from pathlib import Path
from typing import Any

import onnx
from markupsafe import Markup
from PIL import ExifTags, Image

from fieldmark.data.images import Content, seen, unresized
from fieldmark.errors import DataError
from fieldmark.export.formats import Asked, least_score
from fieldmark.export.onnx_file import make_onnx, runner_of
from fieldmark.export.packed import Packed, pack, rounded, unpack, zipped
from fieldmark.export.parity import Shown, images_for, torch_scores
from fieldmark.export.runtime import SCRIPT, VERSION, WASM, read_runtime
from fieldmark.export.whole import About, Maker, Runner, Source
from fieldmark.files import write_text
from fieldmark.judge.metrics import Shown as Place
from fieldmark.judge.metrics import prominent
from fieldmark.judge.thresholds import in_order
from fieldmark.report.skeleton import TEMPLATES, render_page
from fieldmark.report.words import capital, doing, headline
from fieldmark.task import TASKS
from fieldmark.use.abstention import Abstention

FILE = "page.html"
CARRIED = 10  # pictures, by which the page checks itself
LARGER = 1.25  # times the side that the network's images are resized to: a carried picture's
QUALITY = 90  # of their JPEGs
BLOCK = r'<script type="[^"]+" id="block-{}">(.*?)</script>'


def carried(source: Source, shown: Shown) -> list[dict[str, Any]]:
    """The pictures as they lie in the page, each a JPEG in base64 and the scores that torch gives.

    They are made smaller; every second one lies on its side and says so, as a phone's.
    """
    spec, score = source.info.spec, torch_scores(source)
    side = round(LARGER * spec.evaluated_form[1])
    found = []
    for place, read in enumerate(shown.pictures):
        try:
            name, content = read()
            jpeg = _as_jpeg(content, source, name, side, turned=place % 2 == 1)
        except DataError:
            continue  # what is wrong with it, the parity tells
        scores = score(seen(jpeg, spec, name))[0].tolist()
        found.append({"jpeg": base64.b64encode(jpeg).decode(), "scores": scores})
    return found


def _as_jpeg(content: Content, source: Source, name: str, side: int, *, turned: bool) -> bytes:
    image = Image.fromarray(unresized(content, source.info.spec, name))
    scale = side / min(image.size)
    if scale < 1:
        image = image.resize([max(1, round(scale * length)) for length in image.size])
    about, stream = Image.Exif(), io.BytesIO()
    if turned:
        image = image.transpose(Image.Transpose.ROTATE_90)
        about[ExifTags.Base.Orientation] = 6
    image.save(stream, "JPEG", quality=QUALITY, exif=about)
    return stream.getvalue()


def with_all(network: onnx.ModelProto, source: Source, asked: Asked) -> str:
    """The page's text, with the network's weights rounded. Raises SettingsError, RunError."""
    packed, runtime = pack(rounded(network)), read_runtime(asked.runtime)
    shown = images_for(source, asked.images, CARRIED)
    pictures = carried(source, shown) if asked.pictures else []
    least = least_score(source.path, source.info, asked)
    facts = _facts(source, packed, pictures, least)
    values = {
        **_told(source, least),
        "pictures": len(pictures),
        "runtime_version": VERSION,
        "facts": Markup(json.dumps(facts).replace("<", "\\u003c")),
        "engine": Markup((TEMPLATES / "classify_engine.js").read_text(encoding="utf-8")),
        "blocks": {
            "runtime": base64.b64encode(runtime[SCRIPT]).decode(),
            "wasm": zipped(runtime[WASM]),
            "graph": packed.graph,
            "weights": packed.weights,
        },
    }
    return render_page(
        "classify.html", values, sheets=("classify.css",), scripts=("csv.js", "classify.js")
    )


def _facts(
    source: Source, packed: Packed, pictures: list[dict[str, Any]], least: Abstention | None
) -> dict[str, Any]:
    """What the page's script goes by."""
    info = source.info
    thresholds = in_order(info.thresholds, info.classes)
    return {
        "classes": info.classes,
        "several": TASKS[info.task].several,
        "thresholds": None if thresholds is None else thresholds.tolist(),
        "least": least and least.score,
        "side": info.spec.evaluated_form[1],
        "places": packed.places,
        "pictures": pictures,
    }


def _told(source: Source, least: Abstention | None) -> dict[str, Any]:
    """What the page says of the model."""
    info, task, metrics = source.info, TASKS[source.info.task], source.metrics()
    split = next((name for name in ("test", "val") if name in metrics.sides), None)
    figures = metrics.sides[split] if split else None
    said, bounds = headline(split, figures, task) if figures else ("Not measured", "")
    return {
        "title": source.name,
        "headline": (capital(doing(info.classes, task)), f"{said} {bounds}".strip()),
        "info": info,
        "task": task,
        "split": split,
        "figures": figures,
        "metrics": prominent(Place.KEY, task),
        "least": least,
        "about": {
            "Network": info.model,
            "Licence": info.licence or "not stated",
            "Sees": f"{info.spec.size} x {info.spec.size} pixels",
            "Pretrained": "no" if info.weights == "random" else "yes",
            **{
                name: info.versions[name]
                for name in ("fieldmark", "torch")
                if name in info.versions
            },
            "onnxruntime-web": VERSION,
        },
    }


def open_page(folder: Path) -> Runner:
    """The network that lies in the page, in onnxruntime."""
    text = (folder / FILE).read_text(encoding="utf-8")
    facts = json.loads(_block(text, "facts"))
    places = tuple((start, count) for start, count in facts["places"])
    packed = Packed(_block(text, "graph"), _block(text, "weights"), places)
    return runner_of(unpack(packed))


def _block(text: str, name: str) -> str:
    found = re.search(BLOCK.format(name), text, re.DOTALL)
    assert found, name
    return found[1]


def _told_of(folder: Path, asked: Asked) -> list[str]:
    """What whoever made a page should know before it is passed on."""
    file = folder / FILE
    inside = (
        f"{CARRIED} of the photos that it was held to are inside, made smaller, so whoever has the "
        "file has them; --no-pictures leaves them out"
        if asked.pictures
        else "no photo is inside, so it does not check itself where it is opened"
    )
    return [f"{file}: {file.stat().st_size / 1e6:.1f} MB; {inside}"]


def _save(page: str, about: About, folder: Path) -> None:
    write_text(folder / FILE, page)


PAGE = Maker(
    make_onnx,
    _save,
    lambda folder, _: open_page(folder),
    finish=with_all,
    told=_told_of,
)
