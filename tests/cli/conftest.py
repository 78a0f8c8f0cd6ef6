"""A small run that the verbs are tried on, each test in an empty folder of its own."""

import pytest
from smallruns import FAST, draw_photos

from fieldmark.cli.main import run as fieldmark


@pytest.fixture(scope="session")
def photos(tmp_path_factory):
    return draw_photos(tmp_path_factory.mktemp("drawn") / "photos", each=8)


@pytest.fixture(scope="session")
def a_run(photos, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs")
    assert fieldmark(["train", str(photos), *FAST, "--out", str(out), "--name", "a"]) == 0
    return out / "a"


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FIELDMARK_DEBUG", raising=False)
