"""Labels in the cells of tables: what divides them, lists, odd numbers."""

from itertools import product
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from smallruns import QUIET
from tablerows import labels_of, refusal

from fieldmark.data.columns import Columns
from fieldmark.data.intake import take_in
from fieldmark.data.label_cells import labels_in
from fieldmark.data.sources import Reading, read_listing
from fieldmark.names import written
from fieldmark.settings.data import DataSettings
from fieldmark.task import SEVERAL_LABELS

CAPTIONS = Path(__file__).parents[2].parent / "shared" / "data" / "captions18"
needs_captions = pytest.mark.skipif(
    not CAPTIONS.is_dir(), reason="the captions do not lie beside the checkout"
)


def read(cells, name="labels", separator="auto"):
    found = labels_in(pl.Series(name, cells), "t", separator)
    return found.labels.to_list(), found.notes


def divided_by(words, name="labels"):
    return [f"t: the labels in a cell of '{name}' are divided by {words}"]


# ------------------------------------------------------------------ what divides


@pytest.mark.parametrize("name", ["labels", "label", "Species"])
@pytest.mark.parametrize(
    ("mark", "words"), [(" ", "spaces"), (";", "semicolons"), ("|", "vertical bars")]
)
def test_numbers_are_divided_in_any_column(name, mark, words):
    assert read([f"1{mark}19", "3", f"{mark}1{mark}{mark}2{mark}", "1 "], name) == (
        [["1", "19"], ["3"], ["1", "2"], ["1"]],
        divided_by(words, name),
    )


@pytest.mark.parametrize("name", ["labels", "Tags", "Finding Labels", "all-classes", "categories"])
def test_names_are_divided_where_the_columns_name_is_a_plural(name):
    assert read(["traffic light, car", "car", "stop sign,car,"], name) == (
        [["traffic light", "car"], ["car"], ["stop sign", "car"]],
        divided_by("commas", name),
    )


def test_a_bar_or_a_semicolon_is_taken_before_a_comma():
    assert read(["red, big|car", "car"]) == (
        [["red, big", "car"], ["car"]],
        divided_by("vertical bars"),
    )
    assert read(["red, big;car", "car"]) == (
        [["red, big", "car"], ["car"]],
        divided_by("semicolons"),
    )


@pytest.mark.parametrize("name", ["label", "labels"])
@pytest.mark.parametrize(
    "cells",
    [
        ["bald uakari", "patas monkey", "black headed night monkey"],
        ["traffic light", "fire truck", "fire hydrant", "truck"],
        [f"{colour} {animal}" for colour, animal in product(("red", "gray", "arctic"), "abcdefg")],
        [f"{one} {other}" for one, other in product("abcdefgh", "abcdefgh")],
    ],
)
def test_names_of_several_words_are_one_label(cells, name):
    found, notes = read(cells, name)
    assert found == [[cell] for cell in cells]
    assert notes == [] or name == "labels"


def test_words_are_labels_where_each_stands_alone_too():
    cells = ["cat dog", "dog", "cat", "dog  cat"]
    assert read(cells) == (
        [["cat", "dog"], ["dog"], ["cat"], ["dog", "cat"]],
        divided_by("spaces"),
    )
    assert read(cells, "label")[0] == [["cat dog"], ["dog"], ["cat"], ["dog cat"]]


def test_words_are_labels_where_few_make_many_cells_of_many_lengths():
    cells = ["clear", "haze primary", "clear primary water", "clear road primary water"]
    cells += ["haze road primary", "haze road water", "clear road", "haze water", "clear water"]
    cells += ["haze road primary water", "clear primary"]
    assert read(cells, "tags")[0] == [cell.split() for cell in cells]


@pytest.mark.parametrize(
    ("separator", "labels"),
    [
        ("space", ["a,b", "c;d|e"]),
        ("comma", ["a", "b c;d|e"]),
        ("semicolon", ["a,b c", "d|e"]),
        ("bar", ["a,b c;d", "e"]),
        ("none", ["a,b c;d|e"]),
    ],
)
@pytest.mark.parametrize("name", ["label", "labels"])
def test_what_divides_can_be_said(separator, labels, name):
    assert read(["a,b c;d|e", "x"], name, separator)[0] == [labels, ["x"]]


@pytest.mark.parametrize(
    ("name", "cells", "shown", "separator"),
    [
        ("label", ["a|b", "c"], "a|b", "bar"),
        ("label", ["a;b", "c"], "a;b", "semicolon"),
        ("tags", ["a b", "a c", "c b", "c a", "b"], "a b", "space"),
    ],
)
def test_a_cell_that_looks_like_several_and_is_taken_for_one_is_told(name, cells, shown, separator):
    assert read(cells, name) == (
        [[cell] for cell in cells],
        [
            f"t: '{shown}' in '{name}' is one label; where it is several, say so: "
            f"data.label_separator={separator}"
        ],
    )


LABEL = st.text("ab xyz", min_size=1, max_size=5).map(written).filter(bool)


@given(
    st.lists(st.lists(LABEL, max_size=4), min_size=1, max_size=6),
    st.sampled_from([("comma", ", "), ("semicolon", ";"), ("bar", " | ")]),
)
def test_what_was_joined_is_divided_again_each_label_once(rows, how):
    separator, mark = how
    cells = [mark.join(row) for row in rows]
    assert read(cells, "label", separator)[0] == [list(dict.fromkeys(row)) for row in rows]


WHOLES = [
    ["Fox, red", "Fox, arctic", "Deer, roe"],
    ["tench, Tinca tinca", "goldfish, Carassius auratus", "shark, white shark, man-eater"],
    ["Paris, France", "Lyon, France", "Rome, Italy", "Milan, Italy"],
    ["Cat; domestic", "Dog; domestic", "Fox; wild"],
    ["10 000", "20 000"],
]


@pytest.mark.parametrize("name", ["labels", "tags"])
@pytest.mark.parametrize("cells", WHOLES)
def test_few_whole_texts_that_come_again_are_one_label_each_and_the_way_out_is_told(cells, name):
    found, notes = read(cells * 4, name)
    assert found == [[cell] for cell in cells] * 4
    assert len(notes) == 1
    assert (
        f"in '{name}' is one label; where it is several, say so: data.label_separator="
        in (notes[0])
    )
    mark = "semicolon" if ";" in cells[0] else "comma" if "," in cells[0] else "space"
    assert max(map(len, read(cells * 4, name, mark)[0])) > 1


@pytest.mark.parametrize(
    "cells", [["cat, dog", "cat", "dog"], ["a, b", "c, d"], ["a|b, c", "d|b"], ["1 2", "1", "2"]]
)
def test_parts_that_stand_alone_or_a_bar_divide_and_so_do_texts_that_do_not_come_again(cells):
    again = 1 if cells == ["a, b", "c, d"] else 4
    assert max(map(len, read(cells * again)[0])) > 1


@pytest.mark.parametrize(
    ("task", "several"), [("auto", False), ("single-label", False), ("multi-label", True)]
)
def test_a_column_that_is_named_is_not_divided_unless_several_are_asked_for(table, task, several):
    source = table('image,labels\n1.jpg,"a, b"\n2.jpg,a\n3.jpg,b\n4.jpg,"a, b"\n')
    listing = read_listing(source, Reading(columns=Columns(label="labels"), task=task))
    assert labels_of(listing)[0] == (["a", "b"] if several else ["a, b"])
    if not several:
        assert listing.notes == (
            f"{source}: 'a, b' in 'labels' is one label; where it is several, say so: "
            "data.label_separator=comma",
        )


def test_texts_that_are_labels_of_a_model_are_not_divided(table):
    source = table('image,labels\n1.jpg,"Fox, red"\n2.jpg,"Deer, roe"\n')
    known = Reading(task="single-label", known=("Deer, roe", "Elk", "Fox, red"))
    assert labels_of(read_listing(source, known)) == [["Fox, red"], ["Deer, roe"]]
    assert labels_of(read_listing(source))[0] == ["Fox", "red"]


# ------------------------------------------------------------------ lists


@pytest.mark.parametrize(
    ("cell", "labels"),
    [
        ("['red fox', 'elk']", ["red fox", "elk"]),
        ('["red fox","elk"]', ["red fox", "elk"]),
        ("[1, 2, 1]", ["1", "2"]),
        ("[1 2 19]", ["1", "2", "19"]),  # as NumPy prints
        ("['red fox' 'elk']", ["red fox", "elk"]),
        ("[red fox, elk]", ["red fox", "elk"]),
        ('["Baird\'s tapir", "a, b"]', ["Baird's tapir", "a, b"]),
        ("['Baird\\'s tapir', 'elk']", ["Baird's tapir", "elk"]),
        (" ['elk', ''] ", ["elk"]),
        ("['elk', None]", ["elk"]),
        ("[]", []),
    ],
)
@pytest.mark.parametrize("name", ["labels", "label"])
def test_a_list_in_a_cell_is_several_labels(cell, labels, name):
    assert read([cell, "['x']"], name) == (
        [labels, ["x"]],
        [f"t: each cell of '{name}' is a list of labels"],
    )


def test_lists_of_one_are_several_labels_an_image_by_their_making():
    assert labels_in(pl.Series("label", ["['a']", "['b']", None]), "t").several
    assert labels_in(pl.Series("label", [["a"], ["b"]]), "t").several
    assert not labels_in(pl.Series("label", ["[a]", "b"]), "t").several
    assert read(["[a]", "b"], "label")[0] == [["[a]"], ["b"]]


def test_nothing_in_a_list_is_run():
    cell = "[__import__('os').getcwd()]"
    assert read([cell, "['x']"])[0][0] != [str(Path.cwd())]


# ------------------------------------------------------------------ numbers


def test_numbers_with_a_point_and_nan_among_numbers():
    assert read(["1.0 3.0", "nan", "12.0", "3"], "labels") == (
        [["1", "3"], [], ["12"], ["3"]],
        [*divided_by("spaces"), "t: the labels of 'labels' are whole numbers: '1.0' is '1'"],
    )
    assert read(["1.0", "NaN", None, "1"], "label")[0] == [["1"], [], [], ["1"]]
    assert read(["1.0", "nan", "x"], "label") == ([["1.0"], ["nan"], ["x"]], [])
    assert read(["1.5", "2.0"], "label")[0] == [["1.5"], ["2.0"]]
    assert read([1.0, float("nan"), 3.0], "label")[0] == [["1"], [], ["3"]]
    assert read([[1.0, 2.0], [2.0]], "label")[0] == [["1", "2"], ["2"]]


def test_a_label_that_stands_twice_in_a_cell_counts_once():
    assert read(["1 1 3", "3"])[0] == [["1", "3"], ["3"]]
    assert read(["1.0 1", "3"])[0] == [["1"], ["3"]]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("start", ["", "\ufeff"])
def test_semicolons_between_columns_and_commas_between_labels(table, end, start):
    lines = [
        "ImageID;Labels;Caption",
        "1.jpg;1,2;a, b",
        "2.jpg;3;",
        "3.jpg;;c",
        '4.jpg;"2,1,";"d;e"',
    ]
    source = table(start + end.join(lines) + end)
    listing = read_listing(source)
    assert labels_of(listing) == [["1", "2"], ["3"], [], ["2", "1"]]
    assert listing.samples.frame["caption"].to_list() == ["a, b", None, "c", "d;e"]
    assert listing.notes == (
        f"{source}: the columns are divided by semicolons",
        f"{source}: the labels in a cell of 'Labels' are divided by commas",
    )


# ------------------------------------------------------------------ as published


@needs_captions
def test_the_photos_of_the_captions_are_taken_in_with_18_labels_in_order():
    train, test = (str(CAPTIONS / f"subset_{side}.csv") for side in ("train", "test"))
    images = str(CAPTIONS / "images")
    found = take_in(DataSettings(source=train, images=images, test=test, val="cross"), QUIET)
    samples = found.samples
    assert samples.task is SEVERAL_LABELS
    assert samples.classes == tuple(str(number) for number in range(1, 20) if number != 12)
    assert (len(samples.rows("train")), len(samples.rows("test"))) == (1200, 300)
    fold = samples.folds[0]
    for name, column in zip(samples.classes, samples.targets(samples.classes).T, strict=True):
        assert np.ptp(np.bincount(fold[(column == 1) & (fold >= 0)])) <= 2, name
    assert "labels 1 to 19 occur but for 12" in found.notes
    assert sum("several labels an image were found" in note for note in found.notes) == 1
    assert samples.frame["caption"].null_count() == 0
    captions = dict(samples.frame.select("path", "caption").rows())
    assert captions["61.jpg"] == "A motorcycle is parked outside of a cafe."


def test_what_divides_labels_is_refused_for_a_folder(tmp_path):
    for name in ("cat/1.jpg", "dog/2.jpg"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(b"x")
    assert refusal(tmp_path, separator="comma") == (
        f"{tmp_path}: 'data.label_separator' is for tables of paths and labels; take it away, or "
        "name a table"
    )


# ------------------------------------------------------------------ captions


@pytest.mark.parametrize("name", ["Caption", "captions", "TEXT", "Description", "descriptions"])
def test_a_caption_is_found_by_its_usual_names(table, name):
    listing = read_listing(table(f'image,label,{name}\n1.jpg,a,"one, two"\n2.jpg,b,\n'))
    assert listing.samples.frame["caption"].to_list() == ["one, two", None]
    assert name not in listing.samples.frame.columns


def test_of_two_columns_the_caption_is_it_and_the_other_is_kept(table):
    listing = read_listing(table("image,label,text,caption\n1.jpg,a,x,y\n2.jpg,b,z,w\n"))
    assert listing.samples.frame["caption"].to_list() == ["y", "w"]
    assert listing.samples.frame["text"].to_list() == ["x", "z"]


def test_several_captions_of_an_image_are_one_text(tmp_path, table):
    table("")
    columns = {"image": ["1.jpg", "2.jpg"], "label": ["a", "b"]}
    path = tmp_path / "t.parquet"
    pl.DataFrame(columns | {"captions": [["one", None, "two"], []]}).write_parquet(path)
    listing = read_listing(str(path))
    assert listing.samples.frame["caption"].to_list() == ["one two", None]
