"""The published table of captions18, where it lies beside the checkout, read without our reader."""

import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1].parent / "shared" / "data" / "captions18"
PHOTOS = FOLDER / "images"


def read(name: str) -> tuple[list[list[str]], list[str]]:
    """Labels and caption of each row, quotes that are not doubled and line breaks as they are."""
    path = FOLDER / name
    if not path.is_file():
        pytest.skip(f"needs {path.relative_to(FOLDER.parents[2])} beside the checkout")
    text = path.read_text(encoding="utf-8")
    rows = re.findall(r"^\d+\.jpg,([\d ]*),(.*?)$(?=\n\d+\.jpg,|\n*\Z)", text, re.M | re.S)
    return [labels.split() for labels, _ in rows], [caption.strip('"') for _, caption in rows]
