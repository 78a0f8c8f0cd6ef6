"""Labels in the names of files."""

import pytest
from tablerows import refusal, rows_of

from fieldmark.data.formats.name_patterns import compiled
from fieldmark.data.sources import Reading, read_listing
from fieldmark.errors import SettingsError
from fieldmark.settings.layers import read
from fieldmark.settings.texts import read_given


@pytest.mark.parametrize(
    ("pattern", "name", "label"),
    [
        ("{label}_{}.jpg", "red_fox_12.jpg", "red_fox"),
        ("{label}_{}.jpg", "cat_1.JPG", "cat"),
        ("{}_{label}.jpg", "12_red_fox.jpg", "red_fox"),
        ("{label}.{}.jpg", "cat.0.jpg", "cat"),
        ("{label}{}.jpg", "beagle12.jpg", "beagle"),
        ("{label}_{}_{}.png", "cat_2020_12.png", "cat"),
        ("{group}/{label}/{}.jpg", "north/fox/1.jpg", "fox"),
    ],
)
def test_a_pattern_finds_the_label(pattern, name, label):
    assert compiled(pattern).fullmatch(name)["label"] == label


def test_a_pattern_without_a_suffix_fits_all_and_its_words_are_columns(tmp_path):
    for path in ("a/fox-p1-1.jpg", "a/fox-p2-2.png", "b/cat-p1-3.jpeg", "b/odd.jpg"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(b"x")
    asked = Reading(pattern="{label}-{group}-{number}")
    listing = read_listing(str(tmp_path), asked)
    assert rows_of(listing) == [
        ("a/fox-p1-1.jpg", ["fox"], None),
        ("a/fox-p2-2.png", ["fox"], None),
        ("b/cat-p1-3.jpeg", ["cat"], None),
    ]
    assert listing.samples.frame["group"].to_list() == ["p1", "p2", "p1"]
    assert listing.samples.frame["number"].to_list() == ["1", "2", "3"]
    assert listing.left_out == {
        "b/odd.jpg": f"{tmp_path}/b/odd.jpg: its path does not fit "
        "data.pattern={label}-{group}-{number}; rename it, or take it out"
    }
    assert listing.notes == (
        f"{tmp_path}: the labels are read from the names, by data.pattern="
        "{label}-{group}-{number}: 'a/fox-p1-1.jpg' is 'fox' (2 labels in all)",
    )


def test_a_pattern_that_fits_none_is_refused(tmp_path):
    (tmp_path / "1.jpg").write_bytes(b"x")
    assert refusal(tmp_path, pattern="{label}_{}.jpg") == (
        f"{tmp_path}: none of its 1 pictures fits data.pattern={{label}}_{{}}.jpg, '1.jpg' for "
        "one; braces stand for what differs: '{label}_{}.jpg', '{group}/{label}/{}.jpg'"
    )
    (tmp_path / "t.csv").write_text("image,label\n1.jpg,a\n")
    assert refusal(tmp_path / "t.csv", pattern="{label}") == (
        f"{tmp_path}/t.csv: data.pattern is for folders, zips and lists of paths; take it away"
    )


@pytest.mark.parametrize(
    ("pattern", "sentence"),
    [
        ("{lable}_{}", "must have {label}, and each word in braces once, not {lable}_{}"),
        ("{label}_{label}", "must have {label}, and each word in braces once, not {label}_{label}"),
        ("{label", "must have words or nothing between its braces, not {label"),
        ("{label}_{:d}", "must have words or nothing between its braces, not {label}_{:d}"),
    ],
)
def test_a_pattern_that_is_none_is_refused_as_a_setting(pattern, sentence):
    with pytest.raises(SettingsError) as caught:
        read([read_given([f"data.pattern={pattern}"], {}, "digits")])
    assert str(caught.value) == f"data.pattern: {sentence}"
