import numpy as np
import pytest
from sklearn.linear_model import Ridge

from fieldmark.insight.caption_words import RIDGE, common, particular, phrase, words_of


def test_words_are_small_and_singular_and_function_words_leave_gaps():
    assert words_of(["Two BUSES and a Bus.", "People's park; the men's grass isn't 2 high"]) == [
        ["", "bus", "", "", "bus"],
        ["people's", "park", "", "men's", "grass", "isn't", "high"],
    ]


@pytest.mark.parametrize(
    ("captions", "words"),
    [
        (["horses", "a horse"], ["horse", "horse"]),
        (["benches", "bench"], ["bench", "bench"]),
        (["ponies", "pony"], ["pony", "pony"]),
        (["knives", "knife"], ["knife", "knife"]),
        (["leaves", "leaf"], ["leaf", "leaf"]),
        (["people", "women"], ["person", "woman"]),
        (["horses", "grass"], ["horses", "grass"]),
        (["ours", "our"], ["ours", ""]),
    ],
)
def test_a_plural_is_its_singular_where_captions_have_that(captions, words):
    assert [its[-1] for its in words_of(captions)] == words


def test_common_words_are_counted_once_a_caption():
    words = [["cat", "cat", "", "bed"], ["cat", "dog"], ["dog", "bed"], ["ant"]]
    assert common(words, 3) == [("bed", 2), ("cat", 2), ("dog", 2)]


def sentences(n=600, seed=0):
    """Captions of three labels, of which the second brings the first along and its word."""
    draw = np.random.default_rng(seed)
    labels, captions = [], []
    for _ in range(n):
        its = [
            name for name, share in (("a", 0.3), ("b", 0.2), ("c", 0.4)) if draw.random() < share
        ]
        if "b" in its and "a" not in its and draw.random() < 0.8:
            its.append("a")
        words = [f"word{'xyz'[ord(name) - ord('a')]}" for name in its if draw.random() < 0.6]
        words += [word for word in ("sky", "tree", "grass") if draw.random() < 0.3]
        labels.append(its)
        captions.append(" ".join(words))
    return labels, words_of(captions)


def test_weights_are_those_of_a_ridge_regression_of_words_on_labels():
    labels, words = sentences()
    has = np.array([[name in its for name in "abc"] for its in labels], float)
    standard = (has - has.mean(axis=0)) / has.std(axis=0)
    found = particular(labels, words, most=10)
    assert found["b"][0].word == "wordy"
    compared = 0
    for place, name in enumerate("abc"):
        for each in found[name]:
            there = np.array([each.word in its for its in words], float)
            target = (there - there.mean()) / there.std()
            ridge = Ridge(alpha=RIDGE * len(labels), fit_intercept=False).fit(standard, target)
            assert each.weight == pytest.approx(ridge.coef_[place], abs=1e-9)
            assert each.captions == sum(
                name in its and each.word in its_words
                for its, its_words in zip(labels, words, strict=True)
            )
            compared += 1
    assert compared >= 3


def test_a_word_of_a_label_that_comes_along_is_not_particular():
    labels, words = sentences(3000)
    phi = np.corrcoef(["wordy" in its for its in words], ["a" in its for its in labels])[0, 1]
    assert phi > 0.25
    assert "wordy" not in [each.word for each in particular(labels, words, most=10)["a"]]


def test_words_by_chance_are_not_particular():
    labels, words = sentences(3000)
    found = particular(labels, words, most=10)
    assert {name: [each.word for each in its] for name, its in found.items()} == {
        "a": ["wordx"],
        "b": ["wordy"],
        "c": ["wordz"],
    }


def test_labels_without_captions_of_theirs_have_no_words():
    assert particular([["1"], ["2"]], [[], []], most=3) == {"1": [], "2": []}
    assert particular([], [], most=3) == {}


@pytest.mark.parametrize(
    ("captions", "name"),
    [
        ([["fire", "hydrant"], ["red", "fire", "hydrant"], ["hydrant"]], "fire hydrant"),
        ([["old", "cat"], ["fat", "cat"], ["cat"]], "cat"),
        ([["stop", "", "sign"], ["stop", "sign"], ["a", "stop", "sign"]], "stop sign"),
        ([["cat", "cat"], ["cat", "cat"]], "cat"),
        ([["dog"]], "cat"),
    ],
)
def test_a_neighbour_that_half_of_the_captions_have_belongs_to_the_name(captions, name):
    assert phrase(name.split()[-1] if name != "stop sign" else "stop", captions) == name
