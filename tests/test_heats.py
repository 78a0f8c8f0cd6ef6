"""The table of heat maps: what goes in comes out, and whether a map may be drawn."""

import numpy as np
import pytest

from fieldmark.errors import DataError
from fieldmark.heats import Heat, Heats

CELLS = np.arange(16, dtype=np.uint8).reshape(4, 4) * 17


def test_a_table_reads_as_it_was_written(tmp_path):
    checked = Heat("a/1.jpg", None, "cat", 0.9, CELLS, 0.4, (0.8, 0.85), True, sampled=True)
    flat = Heat("shard.parquet", 3, "dog", 0.2, None)
    written = Heats((checked, flat), "layer-cam", "features.3", "abc")
    written.write(tmp_path / "heat.parquet")
    read = Heats.read(tmp_path / "heat.parquet")
    assert (read.method, read.layer, read.weights) == ("layer-cam", "features.3", "abc")
    found = read.of("a/1.jpg", None, "cat")
    assert np.array_equal(found.cells, CELLS)
    assert (found.score, found.blurred, found.random) == (0.9, 0.4, (0.8, 0.85))
    assert (found.beats, found.sampled, found.standing) == (True, True, "true")
    again = read.of("shard.parquet", 3, "dog")
    assert (again.cells, again.beats, again.random, again.standing) == (None, None, (), "flat")
    assert np.isnan(again.blurred)
    assert read.of("a/1.jpg", None, "dog") is None


def test_a_table_without_maps_keeps_the_reason(tmp_path):
    Heats(reason="no layer has places").write(tmp_path / "heat.parquet")
    read = Heats.read(tmp_path / "heat.parquet")
    assert (read.rows, read.reason, read.weights) == ((), "no layer has places", None)


@pytest.mark.parametrize(
    ("cells", "beats", "standing", "drawn"),
    [
        (CELLS, True, "true", True),
        (CELLS, None, "unchecked", True),
        (CELLS, False, "untrue", False),
        (None, True, "flat", False),
    ],
)
def test_what_is_flat_or_beats_no_random_part_is_not_drawn(cells, beats, standing, drawn):
    heat = Heat("a", None, "cat", 0.9, cells, beats=beats)
    assert (heat.standing, heat.is_drawn) == (standing, drawn)


def test_where_no_blurring_moves_the_score_nothing_is_told():
    def standing(blurred, random, beats):
        return Heat("a", None, "cat", 0.999, CELLS, blurred, random, beats).standing

    assert standing(0.998, (0.9989, 0.9985), True) == "still"
    assert standing(0.998, (0.997, 0.9985), False) == "still"
    assert standing(0.998, (0.90, 0.9985), False) == "untrue"  # another part moves it
    assert standing(0.98, (0.9989, 0.9985), True) == "true"


def test_a_damaged_table_says_how_to_make_it_anew(tmp_path):
    (tmp_path / "heat.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError) as caught:
        Heats.read(tmp_path / "heat.parquet")
    assert str(caught.value) == (
        f"{tmp_path / 'heat.parquet'}: is no table of heat maps; make it anew with: "
        "fieldmark explain RUN"
    )
