"""Taxonomies: which columns are ranks, and what is refused."""

import pytest

from fieldmark.data.taxonomy import Rank, read_taxonomy
from fieldmark.errors import DataError

CLASSES = ("wolf", "fox", "lynx", "deer")
TABLE = (
    "label,order,family,genus,note\n"
    "wolf,Carnivora,Canidae,Canis,a\n"
    "fox,Carnivora,Canidae,Vulpes,b\n"
    "lynx,Carnivora,Felidae,Lynx,c\n"
    "deer,Artiodactyla,Cervidae,,d\n"
    "boar,Artiodactyla,Suidae,Sus,e\n"
)


def told(tmp_path, text, classes=CLASSES):
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(DataError) as error:
        read_taxonomy(path, classes)
    return str(error.value).removeprefix(f"{path}: ")


def test_ranks_are_the_columns_that_put_classes_together_the_finest_first(tmp_path):
    (tmp_path / "t.csv").write_text(TABLE)
    assert read_taxonomy(tmp_path / "t.csv", CLASSES) == (
        Rank("label", CLASSES, (0, 1, 2, 3)),
        Rank("family", ("Canidae", "Felidae", "Cervidae"), (0, 0, 1, 2)),
        Rank("order", ("Carnivora", "Artiodactyla"), (0, 0, 0, 1)),
    )


def test_where_a_cell_is_empty_the_finer_taxon_stands(tmp_path):
    rows = ("a1,A,X", "a2,A,X", "b1,B,", "b2,B,", "c,C,X")
    (tmp_path / "t.csv").write_text("\n".join(["label,genus,family", *rows]))
    classes = ("a1", "a2", "b1", "b2", "c")
    family = read_taxonomy(tmp_path / "t.csv", classes)[-1]
    assert family == Rank("family", ("X", "B"), (0, 0, 1, 1, 0))


def test_what_is_no_taxonomy_of_these_classes_is_told(tmp_path):
    assert told(tmp_path, TABLE, (*CLASSES, "hare")) == (
        "its column 'label' has no row for 'hare', of 5 classes of the model; add what is missing"
    )
    assert told(tmp_path, "label,note\nwolf,a\nfox,b\nlynx,c\ndeer,d\n") == (
        "no column puts classes together beside 'label'; add one, such as family"
    )
    rows = ("wolf,Canis,Canidae", "fox,Canis,Felidae", "lynx,L,Felidae", "deer,D,Canidae")
    across = "\n".join(["label,genus,family", *rows])
    assert told(tmp_path, across) == (
        "the genus 'Canis' is in the family 'Canidae' and 'Felidae'; correct the rows"
    )
