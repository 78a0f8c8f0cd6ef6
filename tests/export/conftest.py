from dataclasses import replace

import pytest

from fieldmark.export.formats import FORMATS


@pytest.fixture
def quick(monkeypatch):
    """The exporter that takes a second, and not ten."""
    only = replace(FORMATS["onnx"], ways=("torchscript",))
    monkeypatch.setitem(FORMATS, "onnx", only)
