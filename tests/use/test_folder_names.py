"""Names of folders for labels."""

import pytest

from fieldmark.use.folder_names import folder_names


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("cat", "cat"),
        ("Été à 海", "Été à 海"),
        ("cats/tabby", "cats_tabby"),
        ("..", "__"),
        (".hidden", "_hidden"),
        ("end. ", "end__"),
        ("", "_"),
        ("CON", "_CON"),
        ("lpt1.txt", "_lpt1.txt"),
        ("a\x00b:c", "a_b_c"),
        ("é" * 150, "é" * 100),
    ],
)
def test_a_label_becomes_a_name_that_any_file_system_takes(label, name):
    assert folder_names([label]) == {label: name}


def test_labels_that_fold_to_one_name_have_folders_of_their_own():
    assert folder_names(["a/b", "a:b", "a_b", "A_B"]) == {
        "a/b": "a_b-3",
        "a:b": "a_b-4",
        "a_b": "a_b",  # is a name as it is, and keeps it
        "A_B": "A_B-2",
    }
