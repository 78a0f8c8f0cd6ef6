"""Captions as numbers: the same in every process, whatever their case."""

import numpy as np
import pytest

from fieldmark.data.words import bucket_of, counted, told_of_captions
from fieldmark.errors import DataError


def test_a_word_falls_into_the_same_bucket_everywhere():
    assert [bucket_of(word, 4096) for word in ("dog", "cat", "caf\u00e9")] == [1081, 1843, 1879]


def test_words_are_counted_whatever_their_case_and_marks():
    one, other = counted(["A dog, a Dog!", "dog a dog a"], 4096)
    np.testing.assert_array_equal(one, other)
    assert sorted(one[one > 0]) == [2, 2]


def test_a_caption_without_words_is_a_row_of_zeros():
    assert not counted([None, "", "... 12"], 64).any()


def test_captions_that_lack_are_told_and_none_at_all_are_refused():
    assert told_of_captions(["a dog", None, "12"], "photos") == [
        "2 of 3 images have no caption, so that the picture alone decides there"
    ]
    assert told_of_captions(["a dog"], "photos") == []
    with pytest.raises(DataError) as caught:
        told_of_captions([None, ""], "photos")
    assert str(caught.value) == (
        "photos: this model reads the caption of each image too, and none has one; name a table "
        "with a column 'Caption' beside that of the images"
    )
