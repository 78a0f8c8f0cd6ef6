"""Points of a figure against its cost."""

import re

from fieldmark.console import duration
from fieldmark.report.scatter import Spot, scatter_chart

SPOTS = [
    Spot("a", 0, 10.0, 0.9, 0.8, 0.95),
    Spot("b & c", 1, 600.0, 0.5),
    Spot("d", 2, 0.0, 0.7),  # nothing is known of its cost
    Spot("e", 3, 20.0, float("nan")),
]


def test_each_point_tells_its_name_its_figure_and_its_cost():
    found = scatter_chart(SPOTS, "accuracy", "training time", "by-time", duration)
    titles = re.findall(r"<title>(.*?)</title></circle>", found.svg)
    assert titles == ["a: 90.0 %, 10 s", "b &amp; c: 50.0 %, 10 min"]
    assert found.title == "Accuracy by training time"
    assert found.words == "Accuracy by training time; a: 90.0 %, 10 s; b & c: 50.0 %, 10 min"
    assert "var(--run0)" in found.svg


def test_a_dearer_point_lies_to_the_right_and_a_better_one_above():
    found = scatter_chart(SPOTS, "accuracy", "training time", "by-time", duration)
    cheap, dear = re.findall(r'cx="([\d.]+)" cy="([\d.]+)"', found.svg)
    assert float(cheap[0]) < float(dear[0])
    assert float(cheap[1]) < float(dear[1])


def test_points_of_one_cost_are_no_chart():
    alike = [Spot("a", 0, 10.0, 0.9), Spot("b", 1, 10.0, 0.5)]
    for spots in (alike, SPOTS[:1], []):
        assert scatter_chart(spots, "accuracy", "training time", "by-time", duration) is None
