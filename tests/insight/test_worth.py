"""Of each class the images that say most of it, and which images of a run have heat maps."""

import numpy as np

from fieldmark.insight.galleries import even_places, ordinary
from fieldmark.insight.worth import class_galleries, worth_explaining
from fieldmark.records import Predictions, Samples
from fieldmark.task import SEVERAL_LABELS

CLASSES = ("cat", "dog")


def predictions(rows, task=None):
    """Rows of (labels, logits), in files 00.png, 01.png, ..."""
    samples = Samples.from_columns(
        {"path": [f"{k:02}.png" for k in range(len(rows))], "labels": [own for own, _ in rows]}
    )
    samples = Samples(samples.frame, task=task) if task else samples
    logits = np.array([row for _, row in rows], dtype=np.float32)
    return Predictions.of(samples, np.arange(len(rows)), logits, classes=CLASSES)


def paths(shown):
    return [each.path for each in shown]


ROWS = [
    *[(["cat"], [k + 1.0, 0.0]) for k in range(6)],  # ever surer hits of cat
    (["dog"], [3.0, 0.0]),  # taken for a cat
    (["dog"], [0.0, 2.0]),
]


def test_a_class_has_its_surest_hits_its_mistakes_and_its_least_sure_hits():
    cat, dog = class_galleries(predictions(ROWS))
    assert {kind: paths(shown) for kind, shown in cat.kinds.items()} == {
        "Surest hits": ["05.png", "04.png", "03.png"],
        "Surest mistakes": ["06.png"],
        "Least sure hits": ["00.png", "01.png", "02.png"],
    }
    assert paths(dog.kinds["Surest hits"]) == ["07.png"]
    assert paths(dog.kinds["Least sure hits"]) == []  # it is shown already


def test_of_several_labels_what_was_missed_is_a_mistake_too():
    rows = [(["cat"], [2.0, -1.0]), (["dog"], [1.0, -3.0]), (["cat", "dog"], [3.0, 2.0])]
    cat, dog = class_galleries(predictions(rows, SEVERAL_LABELS))
    assert {kind: paths(shown) for kind, shown in cat.kinds.items()} == {
        "Surest hits": ["02.png", "00.png"],
        "Surest mistakes": ["01.png"],
        "Missed": [],
    }
    assert paths(dog.kinds["Missed"]) == ["01.png"]


def test_a_class_that_is_named_is_shown_however_many_there_are(monkeypatch):
    monkeypatch.setattr("fieldmark.insight.worth.MOST_CLASSES", 1)
    table = predictions(ROWS)
    assert [each.label for each in class_galleries(table)] == ["cat"]
    assert [each.label for each in class_galleries(table, labels=["dog"])] == ["dog"]


def test_ordinary_hits_are_spread_evenly_over_the_scores_and_three_are_among_nine():
    table = predictions([(["cat"], [k / 10, 0.0]) for k in range(1, 31)])
    three, nine = (paths(ordinary(table, each=each)["cat"]) for each in (3, 9))
    assert three == ["05.png", "15.png", "25.png"]
    assert set(three) < set(nine)
    assert len(nine) == 9


def test_places_are_even_and_no_more_than_there_are():
    assert even_places(10, 5).tolist() == [1, 3, 5, 7, 9]
    assert even_places(2, 3).tolist() == [0, 1]
    assert even_places(0, 3).tolist() == []


def test_each_image_is_worth_one_map_for_its_guess_the_mistakes_first():
    wanted = worth_explaining(predictions(ROWS))
    assert (wanted[0].path, wanted[0].label, wanted[0].sampled) == ("06.png", "cat", False)
    assert len({(each.path, each.label) for each in wanted}) == len(wanted)
    assert {each.path for each in wanted} == {f"{k:02}.png" for k in range(8)}
    assert {each.path for each in wanted if each.sampled} == {f"{k:02}.png" for k in (*range(6), 7)}
    assert all(0.5 < each.score < 1 for each in wanted)


def test_each_class_has_an_ordinary_hit_before_a_second_of_any():
    rows = [(["cat"], [k + 1.0, 0.0]) for k in range(3)] + [
        (["dog"], [0.0, k + 1.0]) for k in (0, 1)
    ]
    assert [each.label for each in worth_explaining(predictions(rows))] == [
        *("cat", "dog", "cat", "dog", "cat")
    ]


def test_of_several_labels_a_missed_one_is_worth_a_map_for_itself():
    rows = [(["dog"], [1.0, -3.0]), (["cat", "dog"], [3.0, 2.0])]
    wanted = worth_explaining(predictions(rows, SEVERAL_LABELS))
    first = [(each.path, each.label) for each in wanted[:2]]
    assert first == [("00.png", "cat"), ("00.png", "dog")]
