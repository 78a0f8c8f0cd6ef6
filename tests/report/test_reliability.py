"""The section on scores: what it draws, and what it says of when to answer."""

import re
from dataclasses import replace

import numpy as np
import pytest

from fieldmark.judge.calibrate import answer_curve
from fieldmark.judge.evidence import Evidence
from fieldmark.metrics_json import Answer, Bin, Calibration, Change, Figures
from fieldmark.models.bundle_info import BundleInfo
from fieldmark.records import InputSpec
from fieldmark.report.reliability import (
    answers_chart,
    calibration_part,
    came_of_it,
    reliability_chart,
    saying,
    targets,
)
from fieldmark.report.skeleton import environment
from fieldmark.report.words import sureness
from fieldmark.use.abstention import abstention

BINS = [
    Bin(0.4, 0.467, 3, 0.45, 1 / 3),
    Bin(0.867, 0.933, 46, 0.9, 40 / 46),
    Bin(0.933, 1.0, 151, 0.99, 0.98),
]
VAL = [
    Answer(0.99, 0.5, 1.0),
    Answer(0.9, 0.8, 0.95),
    Answer(0.3, 1.0, 0.85),
]
TEST = [
    Answer(0.995, 0.4, 1.0),
    Answer(0.91, 0.75, 0.9),
    Answer(0.4, 1.0, 0.8),
]
CURVES = {  # of 200 images each
    "val": ((0.99, 100, 100), (0.9, 160, 152), (0.3, 200, 170)),
    "test": ((0.995, 80, 80), (0.91, 150, 135), (0.4, 200, 160)),
}
CALIBRATION = Calibration(
    temperature=1.314,
    n=90,
    sides={
        "val": Change({"log_loss": 0.5, "ece": 0.04}, {"log_loss": 0.4, "ece": 0.01}),
        "test": Change({"log_loss": None, "ece": None}, {"log_loss": None, "ece": None}),
    },
)


def figures(answers):
    values = {"accuracy": answers[-1].accuracy, "ece": 0.03}
    found = Figures(200, values, intervals={"ece": (0.01, 0.05)})
    return replace(found, reliability=tuple(BINS), answers=tuple(answers))


def drawn(figures, calibration=None, curves=CURVES, **options):
    template = environment().get_template("calibration.html")
    text = template.render(calibrated=calibration_part(figures, calibration, curves, **options))
    return re.sub(r"\s+", " ", text.replace("\N{NO-BREAK SPACE}", " ").replace("&nbsp;", " "))


def test_a_bin_near_ninety_per_cent_is_said_in_words():
    assert saying(BINS) == "When it says about 90.0 %, it is right on 87.0 % (46 images)."


def test_a_bin_of_few_images_is_not_what_is_said():
    few = [replace(BINS[1], n=9), BINS[2]]
    assert saying(few).startswith("When it says about 99.0 %")
    assert saying([replace(BINS[1], n=1)]).endswith("(1 image).")


def test_the_diagram_has_a_dot_a_bin_and_the_same_in_words():
    curve = reliability_chart(BINS)
    assert curve.words.split("; ") == [
        "score about 45.0 %: 33.3 % right of 3 images",
        "score about 90.0 %: 87.0 % right of 46 images",
        "score about 99.0 %: 98.0 % right of 151 images",
    ]
    assert curve.svg.count("<title>") == 3
    assert "var(--val)" in curve.svg
    assert curve.svg == reliability_chart(BINS).svg


def test_a_diagram_of_one_image_can_be_drawn():
    one = [Bin(0.933, 1.0, 1, 1.0, 0.0)]
    assert "0 % right of 1 image" in reliability_chart(one).words


def test_the_answers_chart_says_where_its_lines_end():
    words = answers_chart({"val": VAL, "test": TEST}).words
    assert "validation: 85.0 % right where 100 % are answered, 100 % where 50.0 % are" in words
    assert "test: 80.0 % right where 100 % are answered" in words
    assert "test" not in answers_chart({"val": VAL, "test": []}).words


def test_the_score_to_ask_for_is_chosen_on_validation_alone():
    found = targets(CURVES)
    assert [(row["wanted"], row["score"]) for row in found] == [
        (0.9, 0.9),
        (0.95, 0.9),
        (0.98, 0.99),
    ]
    assert found[1]["val"] == {"share": 0.8, "accuracy": pytest.approx(0.95)}
    assert found[1]["test"]["share"] == 0.75
    low, high = found[1]["test"]["interval"]
    assert low < 0.9 < high
    other = targets({**CURVES, "test": CURVES["val"]})
    assert [row["score"] for row in other] == [row["score"] for row in found]


def test_the_page_asks_for_the_very_score_that_predict_asks_for():
    draw = np.random.default_rng(1)
    logits, classes = draw.normal(size=(3000, 3)) * 3, np.arange(3000) % 3
    logits[np.arange(3000), classes] += 2
    curve = tuple(answer_curve(Evidence.of(logits, classes)))
    info = BundleInfo("small", ("1", "2", "3"), InputSpec("square:8", 8), answers=curve)
    for row in targets({"val": curve}):
        theirs = abstention(info, row["wanted"], "run")
        assert row["score"] == theirs.score
        assert row["val"]["share"] == theirs.answered / theirs.images
        assert row["val"]["accuracy"] == theirs.right / theirs.answered


def test_what_validation_never_reaches_has_no_score():
    poor = {"val": ((0.3, 200, 100),)}
    assert [row["score"] for row in targets(poor)] == [None, None, None]
    assert "not reached on these images" in drawn({"val": figures(VAL)}, curves=poor)


def test_a_score_that_no_test_image_has_answers_none():
    low = {**CURVES, "test": ((0.5, 200, 160),)}
    assert targets(low)[0]["test"] is None
    assert "<td>none</td>" in drawn({"val": figures(VAL), "test": figures(TEST)}, curves=low)


def test_a_bundle_that_cannot_abstain_has_nothing_said_of_it():
    text = drawn({"val": figures(VAL), "test": figures(TEST)}, curves={"val": ()})
    assert "Answering less" in text
    assert "--abstain" not in text
    assert "little to gain" not in text


def test_where_nearly_all_is_right_there_is_little_to_gain():
    text = drawn({"val": figures(VAL)}, curves={"val": ((0.5, 200, 200),)})
    assert "Answering everything, it is right on 100 % of the validation images" in text


@pytest.mark.parametrize(
    ("temperature", "words"), [(1.3, "too sure"), (0.7, "not sure enough"), (1.01, "about right")]
)
def test_what_a_temperature_says_of_the_scores(temperature, words):
    assert sureness(temperature) == words


def test_the_section_says_what_the_temperature_brought():
    text = drawn({"val": figures(VAL), "test": figures(TEST)}, CALIBRATION)
    assert "On 200 test images." in text
    assert (
        "On 90 validation images the scores were too sure: the logits are divided by the "
        "temperature 1.31, found there. That changes scores, and no guess."
    ) in " ".join(text.replace("\N{NO-BREAK SPACE}", " ").split())
    assert "<td>4.0 %</td>" in text
    assert "predict RUN --abstain 0.9<" in text
    assert "not defined for these images" in text


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (
            0.0161,
            0.0168,
            "The calibration error of the test images grows by it from 1.6 % to 1.7 %.",
        ),
        (0.0161, 0.0163, "The calibration error of the test images stays at 1.6 %."),
        (0.0161, None, ""),
    ],
)
def test_what_came_of_a_temperature_is_said_as_it_came(before, after, words):
    change = Change({"ece": before, "log_loss": 0.2}, {"ece": after, "log_loss": 0.2})
    assert came_of_it(change, "test") == words
    assert came_of_it(None, "test") == ""
    text = drawn({"test": figures(TEST)}, replace(CALIBRATION, sides={"test": change}))
    assert words in text.replace("\N{NO-BREAK SPACE}", " ")


def test_without_a_temperature_the_section_says_so():
    text = drawn({"test": figures(TEST)}, None)
    assert "No temperature was fitted" in text
    assert "Log loss before" not in text


def test_new_images_are_called_new():
    names = {"val": "validation", "test": "new"}
    text = drawn({"val": figures(VAL), "test": figures(TEST)}, CALIBRATION, names=names)
    assert "On 200 new images." in text
    assert "test" not in re.sub(r"<style.*?</style>|<svg.*?</svg>", "", text)


def test_figures_without_a_diagram_have_no_section():
    assert calibration_part({"test": Figures(3, {"accuracy": 0.5})}, CALIBRATION, CURVES) is None
    assert calibration_part({}, None, {}) is None
    assert drawn({}, None).strip() == ""


def test_no_value_of_a_figure_breaks_the_section():
    bare = replace(figures(TEST), values={}, intervals={}, answers=())
    assert "Over all scores" not in drawn({"test": bare}, None)
    assert "Answering less" not in drawn({"test": bare}, None)


def test_with_groups_nothing_has_an_interval_that_counts_images_one_by_one():
    grouped = replace(figures(TEST), groups=4)
    found = calibration_part({"test": grouped}, CALIBRATION, CURVES)
    assert not found["bounds"]
    assert [row["test"]["interval"] for row in found["targets"] if row["test"]]
    assert not any(row["test"]["interval"] for row in found["targets"] if row["test"])
    assert found["diagram"].svg != reliability_chart(BINS).svg
