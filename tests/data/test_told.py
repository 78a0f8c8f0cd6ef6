"""What is told of the images: findings and the story of the split, kept with the run."""

import numpy as np
import pytest
from smallruns import draw_photos

from fieldmark.data.finding import Finding
from fieldmark.data.told import FILES, Told, few_groups_note, group_note, split_words
from fieldmark.records import Samples
from fieldmark.settings.tree import DataSettings


def samples(sides, groups=None):
    columns = {"path": [f"{k}.png" for k in range(len(sides))], "split": sides}
    return Samples.from_columns(columns | ({"group": groups} if groups else {}))


def words(sides, *, listed=None, groups=None, copies=None, **data):
    table = samples(sides, groups)
    numbers = np.arange(len(sides)) if copies is None else np.array(copies)
    settings = DataSettings(source="photos", **data)
    return list(split_words(settings, listed or [None] * len(sides), table, numbers))


def test_a_drawn_split_says_shares_and_seed():
    assert words(["train", "val", "test"], split_seed=3) == [
        "Shares of the images were drawn, 0.15 for validation and 0.15 for test, of each class "
        "alike, by data.split_seed 3; --seed does not move them."
    ]


def test_a_given_split_says_what_was_given_and_what_was_drawn():
    sides = ["train", "val", "test"]
    assert words(sides, listed=["train", "train", "test"]) == [
        "The source says which images are for training and test.",
        "Shares of the training images were drawn, 0.15 for validation, of each class alike, by "
        "data.split_seed 0; --seed does not move them.",
    ]
    assert words(sides, listed=sides) == [
        "The source says which images are for training, validation and test."
    ]


def test_no_validation_and_no_test_are_said():
    assert words(["train"], val="none", test="none") == [
        "There is no validation (data.val=none): its images were trained on.",
        "There is no test (data.test=none).",
    ]


def test_copies_and_whole_groups_are_counted():
    said = words(["train", "train", "test"], copies=[0, 0, 2], groups=["a", "a", "b"])
    assert said[1:] == [
        "1 picture stands there more than once, also saved again; copies share a side.",
        "2 groups: none is on two sides.",
    ]


def test_groups_that_a_given_split_parts_are_told_twice():
    sides, groups = ["train", "test", "test"], ["a", "a", "b"]
    said = words(sides, listed=sides, groups=groups, group_column="site")
    assert said[-1] == "2 groups (site): 1 on more than one side."
    assert group_note(samples(sides, groups)) == [
        "1 group stands on more than one side of the given split ('a'), so the figures may "
        "flatter; give no split, and whole groups are drawn"
    ]
    assert group_note(samples(sides)) == []


def test_what_is_told_comes_back_from_the_samples_table(tmp_path):
    files = tuple(f"{k}.png" for k in range(FILES + 9))
    finding = Finding("blurred", "warning", "many look blurred", files, (files[:2],))
    told = Told(("a note",), (finding,), ("a sentence",))
    samples(["train"]).write(tmp_path / "samples.parquet", told.to_json())
    back = Told.read(tmp_path / "samples.parquet")
    assert (back.notes, back.split) == (told.notes, told.split)
    assert back.findings[0].sentence == "many look blurred"
    assert back.findings[0].files == files[:FILES]


def test_samples_of_an_older_run_tell_nothing(tmp_path):
    samples(["train"]).frame.write_parquet(tmp_path / "samples.parquet", metadata={"root": "."})
    assert Told.read(tmp_path / "samples.parquet") == Told()


@pytest.fixture
def photos(tmp_path):
    return draw_photos(tmp_path / "photos", each=12, side=80)


def test_files_that_are_left_out_are_among_the_findings(photos):
    from smallruns import QUIET

    from fieldmark.data.intake import take_in

    (photos / "red" / "empty.png").touch()
    told = take_in(DataSettings(source=str(photos)), QUIET).told
    assert [each.kind for each in told.findings if each.severity == "error"] == ["zero-byte"]
    assert "drawn" in told.split[0]


def test_a_test_of_few_groups_is_told():
    many = samples(["test"] * 3, ["a", "b", "c"])
    assert few_groups_note(many) == []
    assert few_groups_note(samples(["train", "test"], ["a", "b"])) == [
        "the test images are of 1 group only ('b'), so the figures say little of other groups; "
        "gather more groups, or raise data.test_fraction"
    ]
    assert few_groups_note(samples(["train", "test"])) == []
