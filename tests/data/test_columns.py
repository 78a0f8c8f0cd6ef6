"""Which column of a table holds the images and which the labels: by its name, by what is in it."""

import polars as pl
import pytest
from tablerows import labels_of, refusal

from fieldmark.data.columns import Columns
from fieldmark.data.sources import Reading, read_listing

LABELS = ["fox", "elk", "hare"]


@pytest.fixture
def tabled(tmp_path):
    """Writes a table of twelve images, 0.jpg to 11.jpg; each column is a function of the row."""
    for number in range(12):
        (tmp_path / f"{number}.jpg").write_bytes(b"x")

    def write(**columns):
        rows = {name: [str(cell(k)) for k in range(12)] for name, cell in columns.items()}
        pl.DataFrame(rows).write_csv(tmp_path / "t.csv")
        return f"{tmp_path}/t.csv"

    return write


def file(k):
    return f"{k}.jpg"


def label(k):
    return LABELS[k % 3]


@pytest.mark.parametrize(
    "name",
    [
        *("species", "scientificName", "Scientific Name", "common.name", "taxon", "target", "dx"),
        *("breed", "y", "diagnosis", "tag", "class_name", "ClassName", "ground truth", "étiquette"),
    ],
)
def test_labels_are_found_by_any_usual_name_and_that_is_said(tabled, name):
    source = tabled(**{"image": file, name: label, "notes": lambda k: f"seen {k}"})
    listing = read_listing(source)
    assert listing.samples.classes == ("elk", "fox", "hare")
    said = f"{source}: the labels are read from '{name}'; data.label_column=NAME says otherwise"
    assert listing.notes == (() if name in ("class_name", "ClassName") else (said,))


def test_a_species_of_one_word_has_its_genus_before_it_unless_its_column_is_named(tabled):
    words = {"genus": lambda k: ["Canis", "Ursus", "Ursus"][k % 3]}
    words["species"] = lambda k: ["lupus", "arctos", "maritimus"][k % 3]
    source = tabled(image=file, **words)
    listing = read_listing(source)
    assert listing.samples.classes == ("Canis lupus", "Ursus arctos", "Ursus maritimus")
    assert listing.notes[-1] == (
        f"{source}: 'genus' goes before 'species', as in 'Canis lupus'; "
        "data.label_column=species takes that alone"
    )
    alone = read_listing(source, Reading(columns=Columns(label="species")))
    assert alone.samples.classes == ("arctos", "lupus", "maritimus")
    source = tabled(image=file, genus=words["genus"], species=lambda k: f"Canis {'ab'[k % 2]}x")
    assert read_listing(source).samples.classes == ("Canis ax", "Canis bx")


@pytest.mark.parametrize("name", ["Id", "whale", "what it is"])
@pytest.mark.parametrize("other", ["observer", "date", "site", "remarks"])
def test_the_one_other_column_of_few_texts_holds_the_labels(tabled, name, other):
    columns = {"image": file, name: label}
    if name != "Id":
        columns[other] = lambda k: f"2020-01-{k // 2 + 1:02}" if other == "date" else "ab"[k % 2]
    source = tabled(**columns)
    listing = read_listing(source)
    assert listing.samples.classes == ("elk", "fox", "hare")
    assert listing.notes == (
        f"{source}: the labels are read from '{name}', by what is in it; "
        "data.label_column=NAME says otherwise",
    )


def test_one_column_of_few_whole_numbers_beside_the_images_holds_the_labels(tabled):
    listing = read_listing(tabled(image=file, level=lambda k: k % 4))
    assert listing.samples.classes == ("0", "1", "2", "3")


@pytest.mark.parametrize("labelled", [True, False])
def test_of_two_likely_columns_neither_is_guessed_by_train_or_inspect(tabled, labelled):
    source = tabled(image=file, shape=label, colour=lambda k: "ab"[k % 2])
    assert refusal(source, labelled=labelled) == (
        f"{source}: no column is of labels by its name (label, labels, class, classes, class_name, "
        "...) among 'image', 'shape' and 'colour'; say which it is: data.label_column=colour"
    )


@pytest.mark.parametrize("labelled", [True, False])
def test_one_column_of_0_and_1_is_named_by_the_refusal(tabled, labelled):
    source = tabled(id=file, has_cactus=lambda k: k % 2)
    assert refusal(source, labelled=labelled).endswith("data.label_column=has_cactus")


def test_that_nothing_may_hold_labels_is_said_where_none_are_needed(tabled):
    source = tabled(image=file, site=label, seen=lambda k: f"by {k}")
    listing = read_listing(source, labelled=False)
    assert set(map(tuple, labels_of(listing))) == {()}
    assert listing.notes == (f"{source}: no column may hold labels, so the images have none",)


def test_a_rank_is_no_class_beside_other_ranks(tabled):
    source = tabled(
        filename=file,
        **{"class": lambda k: "Mammalia", "order": lambda k: "Carnivora", "species": label},
    )
    assert read_listing(source).samples.classes == ("elk", "fox", "hare")


def test_a_place_in_the_picture_is_no_label(tabled):
    source = tabled(image=file, x=str, y=lambda k: k % 3, animal=label)
    assert read_listing(source).samples.classes == ("elk", "fox", "hare")


@pytest.mark.parametrize("name", ["id", "uuid", "foto", "whatever", "name"])
@pytest.mark.parametrize("cell", [file, str])
def test_images_are_known_by_their_files(tabled, name, cell):
    source = tabled(**{"age": lambda k: 40 + k % 3, name: cell, "label": label})
    listing = read_listing(source)
    assert len(listing.samples) == 12
    assert listing.notes == (
        f"{source}: the images are read from '{name}', by what is in it; "
        "data.image_column=NAME says otherwise",
    )


def test_a_usual_name_whose_cells_are_no_files_gives_way_to_one_whose_are(tabled):
    source = tabled(image=lambda k: f"photo no {k} of the day", file=file, label=label)
    listing = read_listing(source)
    assert len(listing.samples) == 12
    assert listing.notes == (
        f"{source}: the images are read from 'file', not from 'image'; "
        "data.image_column=NAME says otherwise",
    )


def test_labels_have_one_text_from_csv_parquet_and_with_a_point(tmp_path, tabled):
    cells = {"bool": [True, False] * 6, "number": [1.0, 2.0] * 6, "text": ["café ", "tea"] * 6}
    found = {}
    for kind, column in cells.items():
        frame = pl.DataFrame({"image": [file(k) for k in range(12)], "label": column})
        frame.write_csv(tmp_path / "t.csv")
        frame.write_parquet(tmp_path / "t.parquet")
        tables = (read_listing(str(tmp_path / f"t.{end}")) for end in ("csv", "parquet"))
        found[kind] = {listing.samples.classes for listing in tables}
    assert found == {
        "bool": {("false", "true")},
        "number": {("1", "2")},
        "text": {("café", "tea")},
    }


def test_labels_that_differ_by_coding_or_blanks_are_one_and_that_is_said(tabled):
    spelt = ["café", "cafe\u0301 ", "tea"]
    source = tabled(image=file, label=lambda k: spelt[k % 3])
    listing = read_listing(source)
    assert listing.samples.classes == ("café", "tea")
    assert listing.notes == (
        f"{source}: 'cafe\\u0301 ' and 'café' in 'label' are one label, 'café'",
    )


def test_groups_that_differ_by_blanks_alone_are_one(tabled):
    source = tabled(image=file, label=label, site=lambda k: "north" + " " * (k % 2))
    listing = read_listing(source, Reading(columns=Columns(group="site")))
    assert set(listing.samples.frame["group"]) == {"north"}


@pytest.mark.parametrize("name", ["Finding Labels", "primary_label", "plantSpecies"])
def test_one_column_with_a_word_for_labels_in_its_name_is_it(tabled, name):
    source = tabled(**{"image": file, "view": lambda k: "ab"[k % 2], name: label})
    listing = read_listing(source)
    assert listing.samples.classes == ("elk", "fox", "hare")
    assert listing.notes == (
        f"{source}: the labels are read from '{name}'; data.label_column=NAME says otherwise",
    )


def test_a_column_is_named_whatever_the_coding_of_its_accents(tabled):
    apart = {"e\u0301tat": label}
    source = tabled(image=file, site=label, **apart)
    listing = read_listing(source, Reading(columns=Columns(label="\u00e9tat")))
    assert listing.samples.classes == ("elk", "fox", "hare")
