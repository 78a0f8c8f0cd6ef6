"""A folder with four files, and tables beside them."""

import pytest


@pytest.fixture
def table(tmp_path):
    """Writes a table; the files 1.jpg to 4.jpg lie beside it."""
    for number in range(1, 5):
        (tmp_path / f"{number}.jpg").write_bytes(b"x")

    def write(text, name="t.csv"):
        (tmp_path / name).write_text(text, encoding="utf-8")
        return str(tmp_path / name)

    return write
