import numpy as np
import pytest
from PIL import Image

from fieldmark.errors import DiskError
from fieldmark.report.rates import in_words, write_chart

RATES = np.geomspace(1e-6, 1, 40)
SMOOTHED = 2 + (np.log10(RATES) + 3) ** 2 / 9
ROWS = [
    {"step": n, "lr": rate, "loss": loss + 0.1 * (-1) ** n, "smoothed": loss}
    for n, (rate, loss) in enumerate(zip(RATES, SMOOTHED, strict=True))
]


def drawn(tmp_path, rows, suggestion):
    """The text of the chart as SVG."""
    write_chart(tmp_path / "chart.svg", rows, suggestion)
    return (tmp_path / "chart.svg").read_text()


def test_the_chart_names_its_axis_and_the_suggestion(tmp_path):
    svg = drawn(tmp_path, ROWS, 3.2e-4)
    assert ">learning rate</text>" in svg
    assert ">suggested 0.00032</text>" in svg


def test_without_a_suggestion_nothing_is_marked(tmp_path):
    assert "suggested" not in drawn(tmp_path, ROWS, None)
    assert in_words(ROWS, None).endswith("; no rate stands out")


def test_the_words_tell_the_loss_at_both_ends_and_at_its_least():
    assert in_words(ROWS, 3.2e-4) == (
        "Loss by learning rate: from 3.000 at 1e-06 to 2.001 at 0.00084, and 3.000 at 1; "
        "suggested is 0.00032"
    )


def test_one_row_or_a_flat_loss_is_drawn_too(tmp_path):
    assert drawn(tmp_path, ROWS[:1], None)
    assert drawn(tmp_path, [row | {"smoothed": 2.0} for row in ROWS], 1e-3)


def test_a_png_can_be_read_and_is_not_empty(tmp_path):
    path = tmp_path / "rates.png"
    write_chart(path, ROWS, 3.2e-4)
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB")).astype(int)
    assert min(pixels.shape[:2]) > 300
    assert (pixels.std(axis=(0, 1)) > 10).all()
    assert (np.abs(pixels - (0x12, 0x70, 0x6C)).sum(axis=2) < 12).sum() > 500  # the line


def test_an_svg_stands_alone_and_is_the_same_each_time(tmp_path):
    paths = [tmp_path / name for name in ("rates.svg", "again.SVG")]
    for path in paths:
        write_chart(path, ROWS, 3.2e-4)
    text, again = (path.read_text() for path in paths)
    assert text == again
    assert "var(" not in text
    assert ">suggested 0.00032</text>" in text


def test_a_place_that_cannot_be_written_is_told(tmp_path):
    with pytest.raises(DiskError, match=r"rates\.png: cannot be written"):
        write_chart(tmp_path / "missing" / "rates.png", ROWS, None)
