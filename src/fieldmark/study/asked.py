"""A study is begun, or gone on with: the same question has the same folder."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from fieldmark import rundir
from fieldmark.console import Console
from fieldmark.data.asked_images import listing_hash
from fieldmark.data.intake import changed_images
from fieldmark.errors import DataError, Mistake, RunError, counted, listed, refuse
from fieldmark.runs.concrete import make_paths_absolute
from fieldmark.settings.layers import TYPED, Resolved
from fieldmark.settings.tree import Settings
from fieldmark.study.claims import Had, claimed
from fieldmark.study.folder import PLACES, StudyDir
from fieldmark.study.planned import (
    Planned,
    carried,
    decisive,
    digest,
    files_of,
    identity,
    refuse_other_files,
)

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
    refuse_of_one_run(resolved, console)
    resolved = with_absolute_paths(resolved)
    settings, options = resolved.settings, as_json(options)
    study = StudyDir(
        Path(settings.run.out) / (settings.run.name or name_of(kind, options, settings))
    )
    if not rundir.is_study(study.path):
        refuse_taken(study)
        study.prepare()
        with claimed(study, PLANNING) as had:
            if had is Had.NOT:
                raise RunError(f"{study.path}: another process is planning it; wait until it has")
            if not rundir.is_study(study.path):
                study.forget_plans()
                study.plan(plan(study, resolved))
                question = {
                    "kind": kind,
                    "options": options,
                    "settings": settings.model_dump(mode="json"),
                    "files": files_of(settings),
                    "listed": listing_hash(settings.data),
                    "command": command,
                }
                study.ask({**question, **(beside or {})})
                return study
    go_on(study, {"kind": kind, **options}, settings, console)
    return study


def name_of(kind: str, options: dict[str, Any], settings: Settings) -> str:
    """What the folder of a question is called where it is given no name."""
    question = digest({"kind": kind, "options": options, "settings": identity(settings)})
    words = [rundir.source_name(settings.data.source), kind, settings.run.tag, question]
    return rundir.plain("-".join(filter(None, words)))


def as_json(options: dict[str, Any]) -> dict[str, Any]:
    """The options as they are read back from a file."""
    return dict(json.loads(json.dumps(options, default=str)))


def go_on(study: StudyDir, options: dict[str, Any], settings: Settings, console: Console) -> None:
    """See that a study is of this question and these images, and say how far it is."""
    kept, before = study.question, study.settings
    others = different(decisive(before), decisive(settings))
    others = others or different({"kind": kept["kind"], **kept["options"]}, options)
    if others:
        raise RunError(
            f"{study.path}: asks something else ({listed(others, most=3)}), as its "
            f"{kept['command']!r} says; choose another --name"
        )
    refuse_changed(study, settings)
    if failed := study.forget_failures():
        runs = counted(failed, "run")
        console.say(f"{runs} that had failed {'is' if failed == 1 else 'are'} tried again")
    carry_on(study, before, settings, console)
    if plans := study.plans():
        through = sum(study.state(each.name) == "done" for each in plans)
        console.say(f"{study.path}: {through} of {counted(len(plans), 'run')} done before")


def different(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """The names whose values are others than before."""
    return [name for name in {**before, **now} if before.get(name) != now.get(name)]


def carry_on(study: StudyDir, before: Settings, now: Settings, console: Console) -> None:
    """Have what is left done as this command says, on its device and with its trackers."""
    if carried(before, before, now) == before:
        return
    for each in study.left():
        settings = carried(each.resolved.settings, before, now)
        study.plan_anew(replace(each, resolved=replace(each.resolved, settings=settings)))
    study.ask({**study.question, "settings": now.model_dump(mode="json")})
    if before.track != now.track:
        console.warn("runs that were begun before keep the trackers that they began with")


def refuse_of_one_run(resolved: Resolved, console: Console) -> None:
    """Raise SettingsError for what has no meaning for many runs, and for a name that is none."""
    mistakes, name = [], resolved.settings.run.name
    if resolved.settings.budget.target:
        what = "is for one run; the figures of a study stand on its page; leave it out"
        mistakes.append(Mistake("--target", what))
    if name is not None and not rundir.is_plain(name):
        mistakes.append(Mistake("--name", f"'{name}' is no plain folder name; use --out beside it"))
    if resolved.settings.run.naming:
        origin = resolved.origins.get("run.naming")
        own = "those of a study have names of their own"
        if origin == TYPED:
            mistakes.append(Mistake("run.naming", f"names single runs; {own}; leave it out"))
        else:
            console.warn(f"run.naming of {origin} is for single runs; {own}")
    refuse(mistakes)


def with_absolute_paths(resolved: Resolved) -> Resolved:
    """The same settings, so that runs can be done from any folder."""
    values = resolved.settings.model_dump()
    make_paths_absolute(values)
    return replace(resolved, settings=Settings.model_validate(values))


def refuse_taken(study: StudyDir) -> None:
    """Raise RunError where something else has the study's name; a half-made study is no matter."""
    path = study.path
    half = path.is_dir() and {each.name for each in path.iterdir()} <= set(PLACES)
    if path.exists() and not half:
        raise RunError(f"{path}: exists already and is no study; choose another --name")


def refuse_changed(study: StudyDir, settings: Settings) -> None:
    """A study goes on only with the images, labels and files that it began with."""
    if study.question.get("listed") != listing_hash(settings.data):
        raise DataError(
            f"{settings.data.source}: there are other images or labels than when the study "
            "began; put them back, or choose another --name"
        )
    files = dict(study.question.get("files", {}))
    for each in study.plans():
        files |= each.files
    refuse_other_files(files)
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


def tell_places(console: Console, **places: Path) -> None:
    """The last lines: where the study lies, and what is in it to be looked at."""
    wide = max(map(len, places))
    console.say("\n".join(["", *(f"{name:{wide}}  {path}" for name, path in places.items())]))
