"""Mistakes in how a bundle is asked, which are told before torch is imported."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from fieldmark.data.sources import gone
from fieldmark.errors import Mistake, RunError, counted, listed, nearest, refuse
from fieldmark.models.bundle_info import BundleInfo
from fieldmark.records import Samples
from fieldmark.rundir import INFO, RunDir, is_study
from fieldmark.settings.texts import read_file
from fieldmark.use.ensemble import alone, is_ensemble, joined_info, read_joining
from fieldmark.use.exported_info import exported_info, is_export
from fieldmark.use.info import info_of


def info_of_any(path: str | Path) -> BundleInfo:
    """As `info_of`, also of a study's folder whose models are one, and of an export."""
    if is_export(path):
        return exported_info(path)
    path = (alone(path) or path) if is_ensemble(path) else path
    return joined_info(path) if is_ensemble(path) else info_of(path)


def holds_model(path: str | Path) -> bool:
    """Whether a folder has a trained model, or several that are one, or is an export."""
    return (Path(path) / INFO).is_file() or is_ensemble(path) or is_export(path)


def refuse_swapped(verb: str, run: str, others: Iterable[str], option: str = "") -> None:
    """Raise RunError where not `run`, but one of the others is a run's folder.

    verb: what was typed, as "explain"; option: that the others were given with, as "--unknown".
    """
    its = next((each for each in others if holds_model(each)), None)
    if its is None or holds_model(run) or is_study(run):
        return
    typed = " ".join(filter(None, ("fieldmark", verb, its, option, run)))
    is_folder = Path(run).is_dir()
    wrong = f"holds no trained model ({INFO})" if is_folder else "is no run's folder"
    raise RunError(f"{run}: {wrong}; did you mean `{typed}`?")


def refuse_several(path: str | Path) -> None:
    """Raise RunError for a study whose models are one, where `explain` needs one alone."""
    if not is_ensemble(path):
        return
    members = read_joining(path).members
    several = "is several models that answer as one, and a heat map is of one; name one of them"
    what = several if members[1:] else "is a study that answers by one of its runs; name that"
    raise RunError(f"{path}: {what}: fieldmark explain {Path(path) / members[0].run}")


def refuse_gone(run: str) -> None:
    """Raise RunError where a run's own images are to be looked at, and none is where it was."""
    table = RunDir(Path(run)).samples
    if table.is_file() and (why := gone(Samples.read(table))):
        raise RunError(
            f"{run}: {why}; put them back, or name images: fieldmark explain {run} IMAGES"
        )


def crops_note(run: str | Path, crops: str | None) -> list[str]:
    """What to say where a run was trained on boxes and is shown whole pictures, or the reverse."""
    settings = RunDir(Path(run)).settings
    if not settings.is_file():
        return []
    own = read_file(settings).values.get("data.crops")
    if own is not None and crops is None:
        return [
            f"{run}: was trained on boxes of pictures (data.crops={own}), and these are whole; "
            "--crops FILE, MegaDetector's results of these, cuts their boxes out"
        ]
    if own is None and crops is not None:
        return [f"{run}: was trained on whole pictures, and --crops shows it boxes of them"]
    return []


def class_mistakes(names: Iterable[str], info: BundleInfo) -> Iterator[Mistake]:
    """The names of --class that the model does not know."""
    for name in names:
        if name not in info.classes:
            hint = nearest(name, info.classes) or f"; there are {listed(info.classes)}"
            yield Mistake("--class", f"the model knows no class '{name}'{hint}")


def refuse_top(top: int, info: BundleInfo) -> None:
    """Raise SettingsError where there are not as many classes."""
    if top > len(info.classes):
        what = f"the model knows {counted(len(info.classes), 'class')}; ask for no more"
        refuse([Mistake(f"--top {top}", what)])
