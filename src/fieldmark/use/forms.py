"""Files of the trade that predictions can be written as, by the names of `predict --format`."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from fieldmark.data.crops import Finder
from fieldmark.data.formats import camtrap_dp
from fieldmark.data.inside import ZIP
from fieldmark.data.sources import STREAM
from fieldmark.errors import Mistake, SettingsError, listed
from fieldmark.models.bundle_info import BundleInfo
from fieldmark.task import TASKS
from fieldmark.use.camtrap_file import CamtrapDP
from fieldmark.use.inputs import Found
from fieldmark.use.kaggle import Kaggle, kaggle
from fieldmark.use.megadetector_file import MegaDetector

ENDINGS = {"kaggle": ".csv", "megadetector": ".json", "camtrap-dp": ".csv"}
OF_MODEL = ("kaggle", "megadetector")  # whose classes are the model's
Form = Kaggle | MegaDetector | CamtrapDP


def refuse_form(form: str | None, out: Path | None, options: Mapping[str, bool]) -> None:
    """Raise SettingsError for a form that there is not, or that cannot be had with the rest.

    options: that make a column or other answers, by name, and whether each was given.
    """
    if form is None:
        return
    if form not in ENDINGS:
        what = f"there is no format '{form}'; there is {listed(ENDINGS)}"
        raise SettingsError([Mistake("--format", what)])
    if form in OF_MODEL and options.get("--taxonomy"):
        what = "answers by taxa, and the file has the model's classes alone; leave one of the two"
        raise SettingsError([Mistake(f"--taxonomy with --format {form}", f"{what} out")])
    columns = {name: given for name, given in options.items() if name != "--taxonomy"}
    more = next((name for name, given in columns.items() if given), None)
    if more is not None:
        what = "has columns of its own; leave one of the two out"
        raise SettingsError([Mistake(f"{more} with --format {form}", what)])
    if out is not None and out.suffix.lower() != ENDINGS[form]:
        what = f"must end in {ENDINGS[form]} for --format {form}"
        raise SettingsError([Mistake(f"--out {out}", what)])


def package_in(inputs: Sequence[str]) -> Path:
    """The file that describes the Camtrap DP package that is named, by itself or by its folder.

    Raises SettingsError where none is, or more than that.
    """
    if len(inputs) == 1 and inputs[0] != STREAM:
        named = Path(inputs[0])
        folder = named.parent if named.name in camtrap_dp.FILES else named
        if camtrap_dp.is_package(folder):
            return folder / camtrap_dp.PACKAGE
    what = f"is for a Camtrap DP package; name its folder, which holds {camtrap_dp.PACKAGE}, alone"
    raise SettingsError([Mistake("--format camtrap-dp", what)])


def form_of(
    name: str, found: Found, info: BundleInfo, inputs: Sequence[str], boxes: Finder | None = None
) -> Form:
    """What writes answers to `found` in the form of this name. inputs: as they were typed.

    Raises SettingsError where these images cannot be written so, DataError.
    """
    if name == "kaggle":
        return kaggle(found, info.classes, several=TASKS[info.task].several)
    classifier = _name_of(info)
    if boxes is not None:
        _refuse_pixels(name, boxes)
    if name == "camtrap-dp":
        return CamtrapDP(camtrap_dp.media_of(package_in(inputs).parent), classifier)
    base = Path(inputs[0]) if len(inputs) == 1 else None
    is_folder = base is not None and (base.is_dir() or base.suffix.lower() == ZIP)
    form = MegaDetector(info.classes, classifier, base if is_folder else None)
    if boxes is None:
        return form
    detector, threshold = f"boxes of {boxes.boxes.path.name}", boxes.above
    return replace(form, detector=detector, threshold=threshold, confidence=boxes.confidence)


def _refuse_pixels(name: str, boxes: Finder) -> None:
    if any(box.pixels for its in boxes.boxes.of.values() for _, box in its or ()):
        what = (
            f"needs boxes in shares of the picture, and {boxes.boxes.path} has pixels; take a "
            "results file of version 1 of MegaDetector's format, or leave --format out"
        )
        raise SettingsError([Mistake(f"--format {name}", what)])


def _name_of(info: BundleInfo) -> str:
    """The model in words: who reads the file later must know which it was."""
    of = f" {info.weights_sha256[:12]}" if info.weights_sha256 else ""
    return f"Fieldmark {version('fieldmark')} {info.model}{of}"
