"""The folder of a card: the names inside it, and whether it may be written, or pushed as it is."""

from pathlib import Path

from fieldmark import metrics_json
from fieldmark.errors import Mistake, RunError, SettingsError, writing
from fieldmark.hub.facts import Facts, Stated
from fieldmark.rundir import INFO, KNOWN, WEIGHTS, RunDir

README, CONFIG, METRICS = "README.md", "config.json", "metrics.json"
DRAFT = ".card.part"  # the folder in it where a card is written, until all of it is there
WHOLE = ".card.whole"  # what it is called then, until each file is in its place
FILES = {  # and what the card says of each
    README: "",
    WEIGHTS: "the weights",
    INFO: "classes, how an image becomes the input, temperature, thresholds",
    KNOWN: "numbers that the network made of training images, by which others are told unlike them",
    CONFIG: "what timm, transformers and the hub read",
    METRICS: "every figure with its interval",
}


def refuse_place(run: RunDir, folder: Path, *, overwrite: bool) -> None:
    """Raise RunError where the folder holds something that is not to be written over."""
    if folder.resolve() == run.path.resolve():
        raise RunError(f"--out {folder}: is the run's own folder; name another one")
    if folder.exists() and not folder.is_dir():
        raise RunError(f"--out {folder}: is a file; name a folder")
    if (folder / run.settings.name).is_file():
        raise RunError(f"--out {folder}: is the folder of a run; name another one")
    holds = folder.is_dir() and any(each.name != DRAFT for each in folder.iterdir())
    if holds and not overwrite:
        raise RunError(f"{folder}: exists already; choose another --out, or add --overwrite")


def finish(folder: Path) -> None:
    """Put each file of a card that is whole in its place, also what a kill has left of that.

    What stood there goes first, all of it, README.md before the others. Raises DiskError.
    """
    whole = folder / WHOLE
    if not whole.is_dir():
        return
    last_first = tuple(reversed(FILES))
    with writing(folder):
        if (whole / last_first[0]).is_file():  # every card has it: nothing was moved yet
            for name in FILES:
                (folder / name).unlink(missing_ok=True)
        for name in last_first:
            if (whole / name).is_file():
                (whole / name).rename(folder / name)
        whole.rmdir()


def holds_card(folder: Path) -> bool:
    """Whether a card is there, whole: README.md is written last."""
    return (folder / README).is_file() and (folder / METRICS).is_file()


def refuse_stale(folder: Path, facts: Facts, stated: Stated) -> None:
    """Raise where a card that is there is not to be pushed as it stands.

    RunError where it is of another run, or of before that was trained further; SettingsError
    where more was said for it than it can have in it.
    """
    found = metrics_json.read(folder / METRICS).about
    own = facts.metrics.about
    if (found.finished, found.samples_hash) != (own.finished, own.samples_hash):
        raise RunError(
            f"{folder}: holds the card of another run, or of this one before it was trained "
            "further; write it anew with --overwrite"
        )
    said = {"--licence": stated.licence, "--dataset": stated.dataset}
    what = f"{folder} is there already and is pushed as it stands; write it anew with --overwrite"
    mistakes = [Mistake(name, what) for name, value in said.items() if value is not None]
    if mistakes:
        raise SettingsError(mistakes)
