"""One text for a label, wherever it comes from."""

import unicodedata

import pytest

from fieldmark.names import as_known, folded, one_text, written

COMPOSED, APART = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))


@pytest.mark.parametrize(
    "typed", [COMPOSED, APART, f" {COMPOSED}", f"{APART}\t", f"\ufeff{COMPOSED}", f"{APART}\u00a0"]
)
def test_accents_are_composed_and_blanks_at_the_ends_are_no_part(typed):
    assert written(typed) == COMPOSED


def test_one_blank_stands_between_words():
    assert written("red  fox") == written("red\u00a0fox") == "red fox"


@pytest.mark.parametrize(
    ("names", "texts"),
    [
        (["True", "FALSE", "true"], ["true", "false", "true"]),
        (["1.0", "2", "3.00"], ["1", "2", "3"]),
        (["True", "maybe"], ["True", "maybe"]),
        (["1.0", "x"], ["1.0", "x"]),
        (["1.5", "2.0"], ["1.5", "2.0"]),
        (["01", "1"], ["01", "1"]),
    ],
)
def test_truth_and_whole_numbers_have_one_text_where_there_is_nothing_else(names, texts):
    assert list(one_text(names).values()) == texts


def test_a_label_is_known_under_another_coding():
    known = ["cafe\u0301", "true", "1", "dog "]
    found = as_known([COMPOSED, "True", "1.0", "dog", "cat"], known)
    assert found == {COMPOSED: "cafe\u0301", "True": "true", "1.0": "1", "dog": "dog "}


def test_no_label_is_guessed_between_two_known_ones():
    assert as_known(["dog"], ["dog ", " dog"]) == {}


@pytest.mark.parametrize("other", ["black bear", "Black_Bear ", "BLACK-BEAR", "black\u00a0bear"])
def test_what_is_easily_typed_in_two_ways_is_folded_alike(other):
    assert folded(other) == "black bear"


def test_zeros_before_a_number_are_folded_away():
    assert folded("007") == folded("7") == folded("7.0") == "7"
    assert folded("0") == "0"


def test_a_number_below_zero_is_not_spelt_as_the_one_above():
    assert folded("-1") == folded(" -1.0") == "-1" != folded("1")
