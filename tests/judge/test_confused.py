import numpy as np

from fieldmark.judge.confused import Pair, pairs

MATRIX = np.array([[9, 1, 0], [0, 4, 4], [0, 0, 0]])
CLASSES = ("a", "b", "c")


def test_pairs_come_most_frequent_first_and_hold_mistakes_only():
    assert pairs(MATRIX, CLASSES, most=9) == [Pair("b", "c", 4, 8), Pair("a", "b", 1, 10)]
    assert pairs(MATRIX, CLASSES, most=1) == [Pair("b", "c", 4, 8)]


def test_pairs_as_frequent_as_each_other_keep_the_order_of_the_classes():
    even = np.array([[5, 1, 1], [1, 5, 1], [1, 1, 5]])
    assert [(pair.truth, pair.guess) for pair in pairs(even, CLASSES, most=3)] == [
        ("a", "b"),
        ("a", "c"),
        ("b", "a"),
    ]


def test_no_mistakes_are_no_pairs():
    assert pairs(np.diag([3, 4, 5]), CLASSES, most=3) == []
