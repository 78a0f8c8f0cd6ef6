"""The same command goes on with a study wherever its folder was moved to."""

import shutil

import pytest
from smallruns import QUIET, SMALL
from sweeps import sweep_file

from fieldmark.console import Console
from fieldmark.runs.concrete import gather
from fieldmark.study import cross_validate, grid, one_vs_rest, sweep
from fieldmark.study.axes import axes_of, cells_of
from fieldmark.study.ovr_answers import Asked
from fieldmark.study.varied import read_space


def settings(photos, out, name, *more):
    given = {"out": str(out), "name": name}
    return gather(str(photos), SMALL, given, new=False, more=more)


def folds(photos, out, name, console):
    return cross_validate.cross_validate(settings(photos, out, name), console, "a test", k=2)


def rest(photos, out, name, console):
    asked = Asked(2, 0.5)
    return one_vs_rest.one_vs_rest(settings(photos, out, name), console, "a test", asked)


def cells(photos, out, name, console):
    axes = axes_of(["train.epochs=1,2", "run.workers=0,1"])

    def gathered(values):
        words = dict(word.split("=", 1) for word in SMALL[:-1]) | values
        return gather(str(photos), words, {"out": str(out), "name": name}, new=False)

    return grid.grid(axes, cells_of(axes, (), gathered), console, "a test")


def trials(photos, out, name, console):
    file = sweep_file(out.parent, "method: random\nparameters: {train.epochs: {values: [1, 2]}}")
    space = read_space(file, {}, lambda *more: settings(photos, out, name, *more))
    return sweep.sweep(space, console, "a test", trials=2)


@pytest.mark.parametrize(
    ("module", "begin"),
    [(cross_validate, folds), (one_vs_rest, rest), (grid, cells), (sweep, trials)],
)
@pytest.mark.parametrize("name", [None, "mine"])
def test_a_moved_folder_is_the_same_study(
    photos, tmp_path, monkeypatch, capsys, module, begin, name
):
    monkeypatch.setattr(module, "run_all", lambda *_, propose=lambda: None, **__: propose())
    first = begin(photos, tmp_path / "here", name, QUIET)
    plans = first.plans()
    there = tmp_path / "there"
    there.mkdir()
    renamed = first.name if name is None else "renamed"
    shutil.move(first.path, there / renamed)
    again = begin(photos, there, name and renamed, Console())
    assert f"0 of {len(plans)} runs done before" in capsys.readouterr().out
    assert again.path == there / renamed
    assert again.plans() == plans
    assert len(plans) > 1
