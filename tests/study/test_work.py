"""A process that works on a study does what is left of it on this machine, whoever began it."""

from dataclasses import replace

import pytest
import yaml
from smallruns import QUIET

from fieldmark import machine
from fieldmark.console import Console
from fieldmark.errors import RunError, StoppedError
from fieldmark.runs import concrete
from fieldmark.study import local
from fieldmark.study import work as module
from fieldmark.study.work import do, work


@pytest.fixture
def planned_study(photos, tmp_path, study_of, planned_only):
    """Two runs that are to be done."""
    return study_of(photos, tmp_path, k=2)


def begin(study, monkeypatch):
    """Do the first run until the user stops it after an epoch. -> it"""

    def watch(history):
        raise StoppedError("stopped")

    with monkeypatch.context() as patch:
        patch.setattr(module, "watching", lambda *_: watch)
        with pytest.raises(StoppedError):
            do(study, study.plans()[0], QUIET)
    return study.plans()[0]


def on_device(planned, device):
    settings = planned.resolved.settings
    settings = settings.model_copy(
        update={"run": settings.run.model_copy(update={"device": device})}
    )
    return replace(planned, resolved=replace(planned.resolved, settings=settings))


@pytest.mark.slow
def test_a_run_goes_on_where_the_device_that_it_was_begun_on_is_missing(planned_study, monkeypatch):
    first = begin(planned_study, monkeypatch)
    run = planned_study.run(first.name)
    settings = run.read_settings()
    settings["run"]["device"] = "cuda:99"
    run.settings.write_text(yaml.safe_dump(settings))
    assert do(planned_study, first, QUIET)
    assert planned_study.state(first.name) == "done"
    assert len(run.read_history()) == 2


def test_a_run_goes_on_as_its_plan_says_by_now_and_on_a_device_that_is_here(planned_study, capsys):
    first = planned_study.plans()[0]  # run.workers=0
    run = planned_study.run(first.name)
    run.path.mkdir()
    run.settings.write_text("run: {device: cpu, workers: 0}")
    assert module.changed_by(run, first, QUIET) == {}
    run.settings.write_text("run: {device: mps, workers: 2}")
    changes = {"run.device": "cpu", "run.workers": 0}
    assert module.changed_by(run, on_device(first, "cpu"), QUIET) == changes
    run.settings.write_text("run: {device: cuda:99, workers: 0}")
    assert module.changed_by(run, first, Console()) == {"run.device": "auto"}
    said = capsys.readouterr().out
    assert said.startswith("note: fold 1 was begun on cuda:99, not here; it goes on on c")


def test_runs_that_are_for_another_machine_are_left_to_it(planned_study):
    planned_study.plan_anew(on_device(planned_study.plans()[0], "cuda:99"))
    with pytest.raises(RunError) as told:
        work(planned_study, QUIET, alone=True)
    assert str(told.value) == (
        "fold 1 is to be done on cuda:99, which is not here; leave the study to machines that "
        "have it, or go on with its command and --device auto"
    )
    assert planned_study.state(planned_study.plans()[0].name) == "planned"


@pytest.mark.parametrize(
    ("jobs", "given", "threads", "workers"),
    [(1, None, None, 4), (2, None, 4, 3), (4, None, 2, 1), (2, "1", 1, 3), (2, "8", 4, 3)],
)
def test_processes_of_a_study_share_the_cores(monkeypatch, jobs, given, threads, workers):
    """Of eight: the threads that compute and the processes that load, where nobody has said."""
    monkeypatch.setattr(machine.os, "sched_getaffinity", lambda _: range(8), raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS")
    if given:
        monkeypatch.setenv("OMP_NUM_THREADS", given)
    shared = local.sharing(jobs)
    assert shared.get("OMP_NUM_THREADS") == (None if threads is None else str(threads))
    for name, value in shared.items():
        monkeypatch.setenv(name, value)
    assert machine.loaders() == workers


def test_a_run_loads_with_its_share_of_the_cores_where_nobody_has_said(photos, monkeypatch):
    from fieldmark.data.intake import take_in

    monkeypatch.setattr(concrete, "loaders", lambda: 3)
    found = []
    for words in ((), ("run.workers=2",)):
        resolved = concrete.gather(str(photos), ["augment.by=image", *words], {}, new=False)
        data = take_in(resolved.settings.data, QUIET)
        found.append(concrete.make_concrete(resolved, data, QUIET).settings.run.workers)
    assert found == [3, 2]
