"""A study is begun, or gone on with: the same question has the same folder."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from fieldmark import rundir
from fieldmark.console import Console
from fieldmark.data.intake import changed_images, listing_hash
from fieldmark.errors import DataError, Mistake, RunError, counted, refuse
from fieldmark.runs.concrete import make_paths_absolute
from fieldmark.runs.filling import Filling
from fieldmark.settings.layers import Resolved
from fieldmark.settings.tree import Settings
from fieldmark.study.claims import Had, claimed
from fieldmark.study.folder import PLACES, StudyDir, is_study
from fieldmark.study.planned import PLACE, Planned, digest

PLANNING = "planning"  # a claim that is of no run


def asked(
    kind: str,
    resolved: Resolved,
    options: dict[str, Any],
    command: str,
    plan: Callable[[StudyDir, Resolved], Iterable[Planned]],
    console: Console,
    *,
    beside: Mapping[str, Any] | None = None,
) -> StudyDir:
    """The study of this question, planned, or as it stands where it was begun before.

    kind: such as cross-validate. options: of this kind, all plain values. plan: keeps images in
    the study's folder and gives the first runs. beside: what is written down with the question
    and is no part of it. Raises RunError where the folder is of another
    question, DataError where images have changed since it was begun.
    """
    refuse_of_one_run(resolved)
    resolved = with_absolute_paths(resolved)
    settings = resolved.settings.model_dump(mode="json")
    place = settings["run"]
    settings["run"] = {key: value for key, value in place.items() if key not in PLACE}
    question = {"kind": kind, "options": options, "settings": settings}
    stem = f"{rundir.source_name(settings['data']['source'])}-{kind}-{digest(question)}"
    study = StudyDir(Path(place["out"]) / (place["name"] or rundir.plain(stem)))
    if not is_study(study.path):
        refuse_taken(study)
        study.prepare()
        with claimed(study, PLANNING) as had:
            if had is Had.NOT:
                raise RunError(f"{study.path}: another process is planning it; wait until it has")
            if not is_study(study.path):
                study.forget_plans()
                study.plan(plan(study, resolved))
                listed = listing_hash(resolved.settings.data)
                study.ask({**question, **(beside or {}), "command": command, "listed": listed})
                return study
    go_on(study, question, resolved, console)
    return study


def go_on(study: StudyDir, question: dict[str, Any], resolved: Resolved, console: Console) -> None:
    """See that a study is of this question and these images, and say how far it is."""
    kept = study.question
    if {key: kept[key] for key in question} != question:
        raise RunError(
            f"{study.path}: asks something else, as its {kept['command']!r} says; choose "
            "another --name"
        )
    refuse_changed(study, resolved)
    if failed := study.forget_failures():
        runs = counted(failed, "run")
        console.say(f"{runs} that had failed {'is' if failed == 1 else 'are'} tried again")
    if plans := study.plans():
        through = sum(study.state(each.name) == "done" for each in plans)
        console.say(f"{study.path}: {through} of {counted(len(plans), 'run')} done before")


def refuse_of_one_run(resolved: Resolved) -> None:
    """Raise SettingsError for what has no meaning for many runs, and for a name that is none."""
    mistakes = []
    if resolved.settings.budget.target:
        what = "is for one run; the figures of a study stand on its page; leave it out"
        mistakes.append(Mistake("--target", what))
    name = resolved.settings.run.name
    if name is not None and not rundir.is_plain(name):
        mistakes.append(Mistake("--name", f"'{name}' is no plain folder name; use --out beside it"))
    refuse(mistakes)


def with_absolute_paths(resolved: Resolved) -> Resolved:
    """The same settings, so that runs can be done from any folder."""
    filling = Filling(resolved.settings.model_dump(), resolved.origins)
    make_paths_absolute(filling)
    return replace(resolved, settings=Settings.model_validate(filling.values))


def refuse_taken(study: StudyDir) -> None:
    """Raise RunError where something else has the study's name; a half-made study is no matter."""
    path = study.path
    half = path.is_dir() and {each.name for each in path.iterdir()} <= set(PLACES)
    if path.exists() and not half:
        raise RunError(f"{path}: exists already and is no study; choose another --name")


def refuse_changed(study: StudyDir, resolved: Resolved) -> None:
    """A study goes on only with the images and labels that it began with."""
    source = resolved.settings.data.source
    if study.question.get("listed") != listing_hash(resolved.settings.data):
        raise DataError(
            f"{source}: there are other images or labels than when the study began; put them "
            "back, or choose another --name"
        )
    seen = set[str]()
    for name in study.data_names():
        samples = study.read_data(name).samples
        new = [path not in seen for path in samples.frame["path"]]
        seen.update(samples.frame["path"])
        samples = replace(samples, frame=samples.frame.filter(new))
        if changed := changed_images(samples):
            raise DataError(
                f"{samples.root}: {len(changed)} images changed or vanished since the study "
                f"began ('{changed[0]}' is one); put them back, or choose another --name"
            )
