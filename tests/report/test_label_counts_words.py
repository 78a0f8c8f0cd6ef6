import json

import pytest

from fieldmark.insight.label_counts import Pair, count_labels
from fieldmark.report.label_counts_words import as_json, how_many, lines, pair_words, times

NAMES = {"1": "person", "2": "fire hydrant", "4": "dog"}


def shown(label):
    return NAMES.get(label, label)


def seen(captions=True):
    """60 persons, 30 of them with a dog, 15 hydrants, 5 images without a label; no label 3."""
    rows = [["1"]] * 30 + [["4", "1"]] * 30 + [["2"]] * 15 + [[]] * 5
    texts = ["a man"] * 30 + ["a man and his dog"] * 30 + ["an old fire hydrant"] * 15 + [None] * 5
    return count_labels(rows, texts if captions else [None] * 80, ["1", "2", "4"])


def test_the_essence_is_told_in_a_few_lines():
    assert lines(seen(), str) == [
        "labels    of an image: none 5, one 45, two 30",
        "balance   '1' has 60 images, '2' 15: 4.0 times as many",
        "absent    3 is never a label, though the labels run from 1 to 4",
        "together  '4' with '1': 30 of 30 (100 %; of all images 75 %), 1.3 times as often",
        "captions  75 of 80 images have one, of 4 words (2 to 5)",
        "words     man 60, dog 30, fire 15, hydrant 15, old 15",
        "may mean  1 man, 2 fire hydrant, 4 dog",
    ]


def test_names_that_were_accepted_take_the_place_of_labels_and_none_is_proposed():
    found = lines(seen(), shown)
    assert found[1] == "balance   'person' has 60 images, 'fire hydrant' 15: 4.0 times as many"
    assert found[3].startswith("together  'dog' with 'person': ")
    assert found[-1].startswith("words ")


def test_one_label_an_image_has_a_line_at_most():
    assert lines(count_labels([["a"], ["b"]], [None] * 2, ["a", "b"]), str) == []
    assert lines(count_labels([["a"], ["b"], ["b"]], [None] * 3, ["a", "b"]), str) == [
        "balance   'b' has 2 images, 'a' 1: 2.0 times as many"
    ]


def test_images_without_any_labels_have_no_lines():
    assert lines(count_labels([[]] * 3, [None] * 3, []), str) == []


def test_json_has_all_of_it_with_the_labels_of_the_data():
    found = json.loads(json.dumps(as_json(seen(), shown)))
    assert found["names"] == {"1": "person", "2": "fire hydrant", "4": "dog"}
    assert found["labels"] == {"1": 60, "2": 15, "4": 30}
    assert found["labels_an_image"] == {"0": 5, "1": 45, "2": 30}
    assert (found["imbalance"], found["absent"]) == (4.0, ["3"])
    assert found["together"] == [
        {
            "one": "4",
            "other": "1",
            "both": 30,
            "of_one": 30,
            "of_other": 60,
            "images": 80,
            "share": 1.0,
            "alone": 0.75,
            "lift": pytest.approx(4 / 3),
        }
    ]
    captions = found["captions"]
    assert captions["words"] == {"least": 2, "median": 4, "most": 5}
    assert captions["particular"]["4"][0]["word"] == "dog"
    assert [each["name"] for each in captions["proposed_names"]] == ["man", "fire hydrant", "dog"]
    assert as_json(seen(captions=False), str)["captions"] is None


def test_a_pair_is_told_from_the_rarer_labels_side():
    words = pair_words(Pair("2", "1", 10, 40, 1_500, 12_000), str)
    assert words == "'2' with '1': 10 of 40 (25 %; of all images 12 %), 2.0 times as often"


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (how_many(0), "none"),
        (how_many(10), "ten"),
        (how_many(11), "11"),
        (times(3.44), "3.4 times"),
        (times(1234.5), "1,234 times"),
    ],
)
def test_numbers_are_said_as_people_say_them(found, words):
    assert found == words
