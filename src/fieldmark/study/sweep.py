"""`fieldmark sweep`: trials of many settings, the best by validation, and its test, once."""

from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from typing import Any

from fieldmark.console import Console
from fieldmark.data.intake import take_in
from fieldmark.errors import SettingsError, WorkError, counted
from fieldmark.settings.layers import Resolved
from fieldmark.study.asked import asked, tell_places, with_absolute_paths
from fieldmark.study.folder import LEFT, StudyDir
from fieldmark.study.local import run_all
from fieldmark.study.names import more_is_better
from fieldmark.study.planned import Planned, planned, without_defaults
from fieldmark.study.propose import (
    TRIES,
    count_of,
    drawn,
    points_of_grid,
    proposed,
)
from fieldmark.study.prune import KEY, Rule
from fieldmark.study.space import same_as
from fieldmark.study.trials import (
    Point,
    Trial,
    best_of,
    in_words,
    point_of,
    read_trial,
    read_trials,
    same,
)
from fieldmark.study.varied import Space, rule_of, trials_wanted, with_images

KIND, IMAGES = "sweep", "images"


def sweep(
    space: Space,
    console: Console,
    command: str,
    *,
    trials: int | None = None,
    pruner: str | None = "median",
    jobs: int = 1,
) -> StudyDir:
    """Trials until there are so many, each point once. -> the study's folder

    trials: None as the file's run_cap, or a whole grid. pruner: median or hyperband, where the
    file has no early_terminate of its own; None: none. Raises any FieldmarkError; what was done
    by then is kept, and the same call goes on.
    """
    wanted = trials_wanted(space.file, trials)
    base = space.settings({})
    data = take_in(base.settings.data, console)
    space = with_images(space, data)
    rule = rule_of(space, pruner)
    if trials is not None and wanted < trials:
        console.warn(f"{space.file.path} ends after {counted(wanted, 'trial')}, not {trials}")
    tell_start(space, rule, wanted, console)

    def plan(study: StudyDir, resolved: Resolved) -> Sequence[Planned]:
        study.keep_data(IMAGES, data)
        return ()

    beside: dict[str, Any] = {"sweep": space.file.about}
    if space.file.method == "bayes":
        beside["optuna"] = version("optuna")
    study = asked(KIND, base, options_of(space, rule), command, plan, console, beside=beside)
    before, now = study.question.get("optuna"), beside.get("optuna")
    if before != now:
        what = "which may propose otherwise"
        console.warn(f"the study began with Optuna {before}, and this is {now}, {what}")
    told = {each.name for each in study.plans()} - {each.name for each in study.left()}
    plan_more = proposing(study, space, wanted, jobs, console)

    def propose() -> bool:
        tell_ended(study, space.figure, told, console)
        return plan_more()

    with study.open():
        run_all(study, console, jobs=jobs, propose=propose, expected=wanted)
    tell_ended(study, space.figure, told, console)
    return study


def options_of(space: Space, rule: Rule | None) -> dict[str, Any]:
    """What makes it this sweep and no other; not how many trials there are."""
    return {
        "method": space.file.method,
        "parameters": {name: [p.distribution, p.numbers] for name, p in space.parameters.items()},
        "targets": {name: list(each) for name, each in space.names.targets.items()},
        "figure": space.figure,
        "target": space.file.metric.get("target"),
        KEY: rule and without_defaults(rule),
    }


def proposing(
    study: StudyDir, space: Space, wanted: int, jobs: int, console: Console
) -> Callable[[], bool]:
    """What plans further trials as long as there is a need. -> whether more may come

    A grid and drawn points are planned at once; what depends on trials waits for them.
    """
    waits = space.file.method == "bayes" or "target" in space.file.metric
    seed = study.settings.run.seed
    grid = iter(points_of_grid(space.varied) if space.file.method == "grid" else ())
    taken = {same(point_of(each)) for each in study.plans()}
    is_told = False

    def propose() -> bool:
        nonlocal is_told
        while len(taken) < wanted:
            if waits and len(study.left()) >= jobs:
                return True
            found = read_trials(study, space.figure) if waits else []
            if reached(space, found):
                return False
            point = next_point(space, grid, taken, found, seed)
            if point is None:
                if not is_told:
                    console.warn(none_left(space, len(taken)))
                is_told = True
                return False
            taken.add(same(point))
            plan_trial(study, space, len(taken), point)
        return False

    return propose


def tell_ended(study: StudyDir, figure: str, told: set[str], console: Console) -> None:
    """A line for every trial that has ended since this was last called; others tell of failures."""
    for its in study.plans():
        if its.name in told or (state := study.state(its.name)) in LEFT:
            continue
        told.add(its.name)
        trial = read_trial(study, its, figure)
        if state == "done":
            value = "not defined" if trial.value is None else f"{trial.value:.4f}"
            console.say(f"{its.label}: val {figure} {value}, {in_words(trial.point)}")
        elif state == "pruned":
            console.say(f"{its.label}: {trial.reason}; {in_words(trial.point)}")


def none_left(space: Space, planned: int) -> str:
    """Why no point comes after so many, in words."""
    count, points = count_of(space.varied), counted(planned, "point")
    if count is None or planned < count:
        return f"the sweep ends with {points}: no further one was found in {TRIES} draws"
    return f"all {points} of the sweep are planned"


def next_point(
    space: Space, grid: Iterator[Point], taken: set[str], trials: Sequence[Trial], seed: int
) -> Point | None:
    """The point after those that are taken; None where none is left.

    grid: all points of a grid, less those that it gave before. trials: for bayes alone.
    """
    method = space.file.method
    if method == "grid":
        return next((each for each in grid if same(each) not in taken), None)
    if method == "random":
        return drawn(space.varied, seed, len(taken), taken)
    better = more_is_better(space.figure)
    return proposed(space.varied, trials, seed, more_is_better=better)


def plan_trial(study: StudyDir, space: Space, number: int, point: Point) -> None:
    """Plan one trial; settings that cannot be are a failed one, with the reason."""
    about = {"trial": number, "settings": point}
    try:
        resolved, reason = with_absolute_paths(space.settings(point)), ""
    except SettingsError as error:
        resolved, reason = with_absolute_paths(space.settings({})), str(error)
    its = planned(resolved, about, IMAGES, sides=("val",))
    if reason:
        study.note_end(its.name, "failed", reason)
    study.plan([its], number=number - 1)


def reached(space: Space, trials: Sequence[Trial]) -> bool:
    """Whether the file's target is met."""
    target, best = space.file.metric.get("target"), best_of(trials, space.figure)
    if target is None or best is None or best.value is None:
        return False
    sign = 1 if more_is_better(space.figure) else -1
    return sign * best.value >= sign * float(target)


def tell_start(space: Space, rule: Rule | None, wanted: int, console: Console) -> None:
    """What is to know before the first trial."""
    file = space.file
    if file.ignored:
        console.warn(f"{file.path}: without meaning here: {', '.join(file.ignored)}")
    for each in filter(None, map(same_as, file.parameters.values())):
        console.warn(each)
    how = f", pruned by {rule.type}" if rule else ", none pruned"
    console.say(
        f"{counted(wanted, 'trial')} by {file.method}{how}; the best val {space.figure} wins"
    )


def tell(study: StudyDir, console: Console) -> int:
    """Measure the winner's test, and draw the page. -> 1 where a trial failed, else 0

    Raises WorkError where no trial came to its end.
    """
    from fieldmark.study.page import notes_of_all
    from fieldmark.study.sweep_page import lines, write_page
    from fieldmark.study.winner import crown

    figure = str(study.question["options"]["figure"])
    trials = read_trials(study, figure)
    best = best_of(trials, figure)
    if best is None:
        raise WorkError(f"{study.path}: no trial came to its end; the notes above say why")
    won = crown(study, trials, best, figure, console)
    told = notes_of_all([each.run for each in trials if each.state == "done"])
    write_page(study, trials, won, told)
    console.say("\n".join(lines(trials, won)))
    for note in told:
        console.warn(note)
    tell_places(console, study=study.path, report=study.report, settings=won.settings)
    return int(any(each.state == "failed" for each in trials))
