import numpy as np
import pytest

from fieldmark.insight import label_counts as module
from fieldmark.insight.label_counts import Pair, count_labels


def drawn(n=400, seed=0):
    """Labels of images, drawn so that "b" brings "a" along; some have none."""
    draw = np.random.default_rng(seed)
    rows = []
    for _ in range(n):
        its = [name for name in "abcd" if draw.random() < 0.25]
        if "b" in its and "a" not in its and draw.random() < 0.7:
            its.append("a")
        draw.shuffle(its)
        rows.append(its)
    return rows


def of(rows, captions=None, classes=None):
    names = classes or {label for its in rows for label in its}
    return count_labels(rows, captions or [None] * len(rows), sorted(names))


def test_counts_are_those_of_brute_force():
    rows = drawn()
    found = of(rows)
    assert found.images == 400
    assert found.counts == {name: sum(name in its for its in rows) for name in "abcd"}
    most = max(map(len, rows))
    assert found.labels_an_image == {
        k: sum(len(its) == k for its in rows)
        for k in range(most + 1)
        if any(len(its) == k for its in rows)
    }
    expected = [[sum(a in its and b in its for its in rows) for b in "dbca"] for a in "dbca"]
    assert found.together("dbca").tolist() == expected
    assert found.together("ca").tolist() == [
        [expected[2][2], expected[2][3]],
        [expected[3][2], expected[3][3]],
    ]


def test_the_strongest_pairs_are_those_of_brute_force():
    rows = drawn()
    lifts = {}
    for a in "abcd":
        for b in "abcd":
            both = sum(a in its and b in its for its in rows)
            alone = sum(a in its for its in rows) * sum(b in its for its in rows) / len(rows)
            if a < b and both >= module.LEAST_TOGETHER and both > alone:
                lifts[frozenset((a, b))] = both / alone
    found = of(rows).strongest(10)
    assert found
    assert [frozenset((each.one, each.other)) for each in found] == sorted(
        lifts, key=lambda pair: -lifts[pair]
    )
    for each in found:
        assert each.lift == pytest.approx(lifts[frozenset((each.one, each.other))])
        assert each.share == sum(each.one in its and each.other in its for its in rows) / sum(
            each.one in its for its in rows
        )
        assert each.alone == sum(each.other in its for its in rows) / len(rows)
        assert each.of_one <= each.of_other


def test_pairs_on_few_images_are_not_strong():
    few = [["a", "b"]] * (module.LEAST_TOGETHER - 1) + [["c"]] * 50
    assert of(few).strongest(3) == []
    enough = [*few, ["b", "a"]]
    assert of(enough).strongest(3) == [Pair("a", "b", 10, 10, 10, 60)]


def test_a_label_that_a_row_names_twice_counts_once():
    found = of([["a", "a"], ["a"]])
    assert found.counts == {"a": 2}
    assert found.labels_an_image == {1: 2}
    assert not found.several


def test_imbalance_is_the_largest_over_the_smallest():
    found = of([["a"]] * 30 + [["b"]] * 4 + [["c"]] * 10)
    assert (found.largest, found.smallest, found.imbalance) == ("a", "b", 7.5)
    assert of([["a"]]).imbalance is None
    assert of([["a"]], classes=["a", "b"]).imbalance is None


@pytest.mark.parametrize(
    ("labels", "absent"),
    [
        (["1", "2", "4"], ("3",)),
        (["0", "1", "2"], ()),
        (["3", "4", "6", "8", "9"], ("5", "7")),
        (["1", "100"], ()),
        (["1", "2", "cat"], ()),
        (["7"], ()),
    ],
)
def test_a_number_that_the_run_of_labels_lacks_is_absent(labels, absent):
    assert of([[label] for label in labels]).absent == absent


def test_numbers_are_in_the_order_of_numbers():
    assert list(of([["10"], ["9"], ["1"]]).counts) == ["1", "9", "10"]


def test_captions_are_counted_and_measured():
    rows = [["1"]] * 3 + [["2"]] * 3 + [["3"]]
    captions = ["a cat", "the cats", "one cat sleeps long", "a dog", "dog", "dog runs", " "]
    found = of(rows, captions).captions
    assert found.images == 6
    assert found.lengths == (1, 2, 4)
    assert found.common[:2] == (("cat", 3), ("dog", 3))
    assert of(rows).captions is None


def test_words_go_with_any_labels_and_names_with_numbers_alone():
    rows = [["x"]] * 40 + [["y"]] * 40
    captions = ["a cat"] * 40 + ["a dog"] * 40
    found = of(rows, captions).captions
    assert {label: [each.word for each in its] for label, its in found.particular.items()} == {
        "x": ["cat"],
        "y": ["dog"],
    }
    assert found.names == ()
    numbers = of([["1" if its == ["x"] else "2"] for its in rows], captions).captions
    assert [(each.label, each.name) for each in numbers.names] == [("1", "cat"), ("2", "dog")]


def test_no_images_are_no_trouble():
    found = count_labels([], [], [])
    assert (found.images, found.counts, found.several, found.absent) == (0, {}, False, ())
    assert found.imbalance is None
    assert found.strongest(3) == []
