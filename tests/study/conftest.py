"""A small cross-validation, planned, its runs not done."""

import pytest
from smallruns import QUIET, SMALL

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
