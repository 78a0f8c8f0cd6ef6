"""The engines besides torch, each as a parameter that is skipped where it is not installed."""

import pytest

from fieldmark.machine import is_installed
from fieldmark.models import engines, precision

QUICK = "bf16" if precision.has_fast_bf16() else "float32"
KINDS = {"onnxruntime": "float32", "openvino": QUICK}  # the precision that the table has for each


def needs(engine):
    """The mark of a test that needs this engine."""
    missing = [name for name in engines.PACKAGES[engine] if not is_installed(name)]
    return pytest.mark.skipif(bool(missing), reason=f"{missing} is not installed")


ENGINES = [pytest.param(name, marks=needs(name)) for name in KINDS]
