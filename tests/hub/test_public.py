"""Texts that others may read have no folders of a person's machine, and no pictures' names."""

import pytest

from fieldmark.hub.markdown import plain, table
from fieldmark.hub.public import public_values, without_names
from fieldmark.models.at_home import public


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "fieldmark train /home/me/photos/ --weights ~/w/a.pth",
            "fieldmark train photos --weights a.pth",
        ),
        ("data.source=/home/me/photos", "data.source=photos"),
        (r"C:\Users\me\photos", "photos"),
        ("--over model=timm/resnet18,resnet18", "--over model=timm/resnet18,resnet18"),
        ("[/a/b.csv, /a/c.csv]", "[b.csv, c.csv]"),
        ("the head is solved exactly", "the head is solved exactly"),
    ],
)
def test_paths_become_names(text, told):
    assert public(text) == told


def test_values_keep_their_shape():
    assert public_values({"a": ["/x/y", 1, None], "b": {"c": "/z"}}) == {
        "a": ["y", 1, None],
        "b": {"c": "z"},
    }


@pytest.mark.parametrize(
    ("sentence", "told"),
    [
        ("2 images left out ('a.jpg' and 'b.jpg'); they are empty", "2 images left out"),
        (
            "10 images taken out, being copies: 'a.jpg = b.jpg' and 7 more",
            "10 images taken out, being copies",
        ),
        (
            "5 images stand more than once, e.g. 'a.jpg' = 'b.jpg'; ...",
            "5 images stand more than once",
        ),
        (
            "3 images left out: 2 are HEIC, 1 is empty; uv pip install 'fieldmark[heic]' lets HEIC "
            "be read, and `fieldmark inspect mine --json` names each",
            "3 images left out: 2 are HEIC, 1 is empty",
        ),
        ("12 files in /home/me have no row", ""),
        ("the folder 'val' is the test set", ""),
        ("weights: 312 tensors taken from /home/me/w.safetensors", ""),
        (
            "3 images have no label: none of the classes",
            "3 images have no label: none of the classes",
        ),
    ],
)
def test_examples_are_left_out_of_sentences(sentence, told):
    assert without_names(sentence) == told


def test_no_sign_of_a_name_is_taken_for_markdown():
    assert plain("a_b|*c*\n<d>") == r"a\_b\|\*c\* \<d\>"
    assert table(["a", "b"], [["1", "2"]]) == ["| a | b |", "| --- | ---: |", "| 1 | 2 |"]
