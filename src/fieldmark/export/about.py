"""What a file that leaves the house takes along: classes, input, calibration, licence, figures."""

from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fieldmark.export.formats import FORMATS, Asked
from fieldmark.export.parity import Shown
from fieldmark.export.whole import NAMES, About, Maker, Runner, Source
from fieldmark.models.at_home import public
from fieldmark.models.bundle_info import BundleInfo
from fieldmark.task import HALF, TASKS

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


def about_of(source: Source, to: str, way: str, *, embedding: bool = False) -> About:
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
