"""What is said of heat maps: whole sentences with the numbers behind them."""

import itertools

import numpy as np
import pytest

from fieldmark.heats import Heat, Heats
from fieldmark.insight.looks import ClassLook
from fieldmark.judge.places import Part
from fieldmark.records import InputSpec
from fieldmark.report.heat_words import (
    advice,
    fall_words,
    heat_part,
    said,
    seen,
    suspicion,
    told,
    unsuspected,
)

SPEC = InputSpec("shorter:256", 224)
CELLS = np.full((4, 4), 255, np.uint8)


def heat(score=0.93, blurred=0.41, random=(0.7, 0.88, 0.92), *, beats=True, cells=CELLS):
    return Heat("a.jpg", None, "cat", score, cells, blurred, random, beats)


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (
            heat(),
            "Score falls from 93.0 % to 41.0 % when the hottest fifth is blurred; random parts: to "
            "83.3 % (70.0 to 92.0 %).",
        ),
        (
            heat(blurred=0.95, beats=False),
            "No map: it does no better than random parts. Score goes from 93.0 % to 95.0 % when "
            "the hottest fifth is blurred; random parts: to 83.3 % (70.0 to 92.0 %).",
        ),
        (heat(cells=None), "No map: no place speaks for the class more than another."),
        (heat(beats=None), "Unchecked: not held against random parts."),
    ],
)
def test_each_map_has_its_sentence(found, sentence):
    assert said(found) == sentence


def test_maps_are_counted_by_whether_they_can_be_believed():
    still = heat(score=0.999, blurred=0.998, random=(0.9985, 0.9989))
    some = [*[heat()] * 10, *[heat(beats=False)] * 5, *[still] * 3]
    assert told(some) == (
        "18 heat maps: 10 beat random parts and are drawn; 5 do not; 3 cannot be judged (no "
        "blurring moves their score)"
    )
    assert told([heat(), heat(beats=False), still, heat(cells=None)]) == (
        "4 heat maps: 1 beats random parts and is drawn; 1 does not; 1 cannot be judged (no "
        "blurring moves its score); 1 is flat"
    )
    assert told([heat(beats=False)]) == "1 heat map: 1 does no better than random parts"
    assert told([heat(beats=None)] * 2) == "2 heat maps: 2 are unchecked"
    assert told([]) == "no heat map was made"


def test_the_parts_of_what_is_told_add_up_to_the_sum():
    still = heat(score=0.999, blurred=0.998, random=(0.9985, 0.9989))
    kinds = [heat(), heat(beats=False), still, heat(cells=None), heat(beats=None)]
    for counts in itertools.product((0, 1, 2), repeat=len(kinds)):
        some = [each for kind, many in zip(kinds, counts, strict=True) for each in [kind] * many]
        if some:
            whole, _, parts = told(some).partition(": ")
            numbers = [int(part.split()[0]) for part in parts.split("; ")]
            assert sum(numbers) == int(whole.split()[0]) == len(some)


def test_the_mean_fall_stands_beside_that_of_random_parts():
    assert fall_words([heat(), heat(score=0.8, blurred=0.8, random=(0.7, 0.7))]) == (
        "On average, blurring the hottest fifth takes 26 points off the score, and blurring random "
        "parts of the same shape takes 10 off it (2 maps)."
    )
    assert fall_words([heat(score=0.5, blurred=0.51, random=(0.57,))]) == (
        "On average, blurring the hottest fifth adds 1 point to the score, and blurring random "
        "parts of the same shape adds 7 to it (1 map)."
    )
    assert fall_words([heat(beats=None, random=())]) == ""


def test_a_suspicion_names_the_place_and_both_shares():
    parts = [Part("top left corner", 0.612, 1 / 16, 0.5), Part("right edge", 0.4, 1 / 8, 0.38)]
    assert suspicion("cat", parts) == (
        "for 'cat' the model looks at the top left corner (and the right edge): 61 % of the heat "
        "lies there, where an even map has 6 %; a watermark, a stamp or a border may give the "
        "class away"
    )


def test_it_is_said_what_of_a_picture_the_network_saw():
    square, middle = (seen(InputSpec(stored, 224)) for stored in ("square:224", "shorter:256"))
    assert "saw of the picture: all of it, made square." in square
    assert "saw of the picture: the square in its middle, nothing beside that." in middle


def test_nothing_is_said_of_corners_by_a_class_of_few_maps():
    few, enough = (ClassLook("cat", images, True, (), b"", "") for images in (4, 5))
    assert unsuspected([few]) == (
        "With fewer than 5 maps of a class nothing is said of its corners and edges."
    )
    rest = "has clearly more heat in a corner or along an edge than an even map would."
    assert unsuspected([enough]) == f"No class {rest}"
    assert unsuspected([few, enough]) == f"No class with 5 maps or more {rest}"


def test_a_run_without_maps_says_why_or_nothing():
    assert heat_part(Heats(), ("cat",), SPEC) is None
    assert heat_part(Heats(reason="no layer"), ("cat",), SPEC) == {"reason": "no layer"}
    part = heat_part(Heats((heat(), heat(cells=None))), ("cat",), SPEC)
    assert part["told"] == "2 heat maps: 1 beats random parts and is drawn; 1 is flat"
    assert (part["masks"], part["more"]) == (3, 20)
    part = heat_part(Heats((heat(random=(0.8,) * 20),)), ("cat",), SPEC)
    assert (part["masks"], part["more"]) == (20, 0)


def test_where_most_maps_say_nothing_another_way_is_named():
    few = (heat(), heat(beats=False), heat(beats=False), heat(cells=None))
    assert advice(Heats(few)) == [
        "2 heat maps do no better than random parts, and 1 does, so the maps say little of where "
        "the model looks; --method occlusion, or an earlier --layer, may say more"
    ]
    assert advice(Heats(few, "occlusion"))[0].endswith("--method integrated-gradients may say more")
    assert advice(Heats((heat(), heat(beats=False)))) == advice(Heats((heat(beats=None),))) == []


def test_of_a_score_that_no_blurring_moves_it_is_said_that_it_stays():
    still = heat(score=0.999, blurred=0.998, random=(0.9985, 0.9989))
    assert said(still) == ("No map: the score stays at 99.9 % whichever fifth is blurred.")
