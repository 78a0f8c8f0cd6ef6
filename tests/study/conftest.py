"""A small cross-validation, planned, its runs not done."""

from contextlib import contextmanager
from dataclasses import replace

import pytest
from smallruns import QUIET, SMALL

from fieldmark.console import Console
from fieldmark.data.intake import Dataset
from fieldmark.runs.concrete import gather
from fieldmark.study import cross_validate as cv


@pytest.fixture
def planned_only(monkeypatch):
    """Let studies be planned, and nobody work on them."""
    monkeypatch.setattr(cv, "run_all", lambda *_, **__: None)


@pytest.fixture
def study_of():
    def study(photos, out, *words, k=3, name="cv", **more):
        given = {"out": str(out), "name": name, "epochs": "2"}
        resolved = gather(str(photos), [*SMALL, *words], given, new=False)
        return cv.cross_validate(resolved, QUIET, "a test", k=k, **more)

    return study


@contextmanager
def noted(study):
    """Its runs say one thing of their images that all say, and the first one that it alone says."""
    before = {run: Dataset.read(run.samples) for _, run in study.runs()}
    try:
        for number, (run, data) in enumerate(before.items()):
            told = ("true of all images", *(["true of one run"] if not number else []))
            replace(data, notes=told).write(run.samples)
        yield
    finally:
        for run, data in before.items():
            data.write(run.samples)


@pytest.fixture
def times_told(capsys):
    """How often the screen and the page of a study tell what is true of all its runs, and both of
    them what is true of one."""

    def count(study, tell):
        with noted(study):
            tell(study, Console())
        said, page = capsys.readouterr().out, study.report.read_text()
        tell(study, QUIET)  # as it was
        of_all = said.count("note: true of all images"), page.count("True of all images")
        return (*of_all, (said + page).count("rue of one run"))

    return count
