from dataclasses import replace

import pytest
from smallruns import draw_photos, train

from fieldmark.export.formats import FORMATS


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    """A run whose photos are there; nobody changes it."""
    folder = tmp_path_factory.mktemp("trained")
    return train(draw_photos(folder / "photos", side=19), folder, "run", epochs="2")


@pytest.fixture
def quick(monkeypatch):
    """The exporter that takes a second, and not ten."""
    monkeypatch.setitem(FORMATS, "onnx", replace(FORMATS["onnx"], ways=("torchscript",)))
