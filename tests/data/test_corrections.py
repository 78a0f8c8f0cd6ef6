"""Corrections that a person made: what a file may say, and that they move no other image."""

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from smallruns import QUIET, draw_photos

from fieldmark.data.asked_images import listing_hash
from fieldmark.data.corrections import (
    NONE,
    correct,
    corrected_rows,
    decided,
    read_corrections,
)
from fieldmark.data.intake import Dataset, look, take_in
from fieldmark.errors import DataError, SettingsError
from fieldmark.records import Samples
from fieldmark.runs.concrete import gather
from fieldmark.settings.data import DataSettings
from fieldmark.study.cross_validate import fold_numbers
from fieldmark.task import SEVERAL_LABELS

HEAD = "path,row,action,label\n"


@pytest.fixture
def photos(tmp_path):
    return draw_photos(tmp_path / "photos", each=20, side=8)


@pytest.fixture
def fixed(tmp_path):
    """A file of corrections from its lines."""

    def write(*lines: str) -> str:
        path = tmp_path / "fixed.csv"
        path.write_text(HEAD + "".join(f"{line}\n" for line in lines))
        return str(path)

    return write


def samples_of(*labels, several=False):
    paths = [f"{number}.png" for number in range(len(labels))]
    made = Samples.from_columns({"path": paths, "labels": [list(each) for each in labels]}, "in")
    return replace(made, task=SEVERAL_LABELS) if several else made


def said(file, samples):
    with pytest.raises(DataError) as caught:
        read_corrections(file, samples)
    return str(caught.value).removeprefix(file)


def test_a_label_is_replaced_an_image_removed_and_what_was_given_is_kept(fixed):
    before = samples_of("a", "b", "a", "b")
    file = fixed("0.png,,label,b", "1.png,,remove,", "2.png,,right,", "")
    done = correct(before, read_corrections(file, before))
    assert done.samples.frame.select("path", "labels", "given_labels").rows() == [
        ("0.png", ["b"], ["a"]),
        ("2.png", ["a"], ["a"]),
        ("3.png", ["b"], None),
    ]
    assert done.stays.tolist() == [True, False, True, True]
    assert corrected_rows(done.samples).tolist() == [0]
    assert decided(done.samples) == {(name, None): frozenset("ab") for name in ("0.png", "2.png")}
    assert done.notes == (
        f"labels of 1 image corrected, 1 image removed, 1 found right, from {file}",
    )


def test_of_several_labels_one_is_added_and_another_dropped(fixed):
    before = samples_of("ab", "b", "", several=True)
    file = fixed("0.png,,drop,a", "0.png,,right,b", "2.png,,add,a", "2.png,,add,b", "1.png,,add,b")
    done = correct(before, read_corrections(file, before))
    assert done.samples.frame["labels"].to_list() == [["b"], ["b"], ["a", "b"]]
    assert done.notes == (
        f"labels of 2 images corrected, 0 images removed, 1 found right, from {file}",
    )


def test_of_several_labels_those_that_were_named_are_decided_on_and_else_all(fixed):
    before = samples_of("ab", "b", "c", "a", several=True)
    file = fixed("0.png,,drop,a", "0.png,,right,b", "1.png,,right,", "2.png,,add,b")
    done = correct(before, read_corrections(file, before))
    assert decided(before) == {}
    assert {path: "".join(sorted(its)) for (path, _), its in decided(done.samples).items()} == {
        "0.png": "ab",
        "1.png": "abc",
        "2.png": "b",
    }


def test_without_a_file_nothing_is_changed():
    before = samples_of("a", "b")
    assert correct(before, read_corrections(None, before)).samples is before
    assert read_corrections(None, before) is NONE


def test_rows_of_one_file_are_told_apart(fixed):
    before = Samples.from_columns({"path": ["x"] * 2, "row": [0, 1], "labels": [["a"], ["b"]]})
    done = correct(before, read_corrections(fixed("x,1,label,a"), before))
    assert done.samples.frame["labels"].to_list() == [["a"], ["a"]]


def test_a_file_as_spreadsheets_write_it_is_read(fixed, tmp_path):
    before = samples_of("a", "b")
    path = tmp_path / "sheet.csv"
    path.write_bytes("\ufeffLabel;Action;Path\r\nb; LABEL ;0.png\r\n".encode())
    done = correct(before, read_corrections(str(path), before))
    assert done.samples.frame["labels"].to_list() == [["b"], ["b"]]
    path.write_text("path\trow\taction\tlabel\n0.png\t\tlabel\tb\n")
    assert len(corrected_rows(correct(before, read_corrections(str(path), before)).samples)) == 1


def test_what_the_images_do_not_have_is_refused_with_its_line(fixed):
    one, several = samples_of(["cat"], ["dog"]), samples_of("ab", "c", several=True)
    assert said(fixed("0.png,,right,", "9.png,,remove,"), one) == (
        ", line 3: there is no image '9.png' in in; paths are those in samples.parquet of a run on "
        "these images"
    )
    assert said(fixed("0.png,2,remove,"), one).startswith(
        ", line 2: there is no image '0.png, row 2' in in"
    )
    assert said(fixed("0.png,,label,dgo"), one) == (
        ", line 2: there is no class 'dgo'; did you mean 'dog'?"
    )
    assert said(fixed("0.png,,label,zebra"), one) == (
        ", line 2: there is no class 'zebra'; there are 'cat' and 'dog', and a new class needs "
        "images in the source itself"
    )
    assert said(fixed("0.png,,add,dog"), one) == (
        ", line 2: 'add' is for several labels an image, and these have one; take 'label'"
    )
    assert said(fixed("0.png,,label,a"), several) == (
        ", line 2: 'label' is for one label an image, and these have several; take 'add' or 'drop'"
    )


def test_all_wrong_lines_are_told_together_in_their_order(fixed):
    file = fixed(
        "0.png,,label,dgo", "0.png,,delete,", "1.png,,right,", "1.png,,remove,", "8.png,,x"
    )
    assert said(file, samples_of(["cat"], ["dog"])).splitlines() == [
        ", line 2: there is no class 'dgo'; did you mean 'dog'?",
        f"{file}, line 3: the action 'delete' is none of 'label', 'add', 'drop', 'remove' and "
        "'right'; take one",
        f"{file}, line 5: 'remove' for '1.png', and line 4 says 'right'; take one of the two out",
        f"{file}, line 6: the action 'x' is none of 'label', 'add', 'drop', 'remove' and 'right'; "
        "take one",
    ]


def test_of_many_wrong_lines_the_first_ten_are_told_and_the_rest_counted(fixed):
    one = samples_of(["cat"], ["dog"])
    told = said(fixed(*["0.png,,label,dgo"] * 12), one).splitlines()
    assert [each.partition(", line ")[2].partition(":")[0] for each in told] == [
        *map(str, range(2, 12)),
        "",
    ]
    assert told[-1].endswith(": and 2 more mistakes of its lines")


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("patas/n11.jpg", "did you mean 'train/patas/n11.jpg'?"),
        ("train/pattas/n11.jpg", "did you mean 'train/patas/n11.jpg'?"),
        ("train/patas/n11.png", "did you mean 'train/patas/n11.jpg'?"),
        ("train/patas/n12.jpg", "paths are those in samples.parquet of a run on these images"),
        ("patas/nothere.jpg", "paths are those in samples.parquet of a run on these images"),
    ],
)
def test_an_image_is_suggested_where_it_has_the_same_number(fixed, path, hint):
    names = ["train/patas/n11.jpg", "train/red/n1165.jpg"]
    one = Samples.from_columns({"path": names, "labels": [["a"], ["b"]]}, "in")
    assert said(fixed(f"{path},,remove,"), one) == (
        f", line 2: there is no image '{path}' in in; {hint}"
    )


def test_lines_that_are_none_are_refused(fixed, tmp_path):
    one = samples_of("a", "b")
    assert said(fixed("0.png,x,remove,"), one) == (
        ", line 2: the row 'x' is no whole number; leave it empty"
    )
    assert said(fixed("0.png,,delete,"), one) == (
        ", line 2: the action 'delete' is none of 'label', 'add', 'drop', 'remove' and 'right'; "
        "take one"
    )
    assert said(fixed("0.png,,label,"), one) == ", line 2: 'label' needs a label; write it behind"
    bare = tmp_path / "bare.csv"
    bare.write_text("path,label\n")
    assert said(str(bare), one) == (
        ", line 1: there is no column 'action'; the columns are path, row, action, label"
    )
    bare.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError) as caught:
        read_corrections(str(bare), one)
    assert str(caught.value) == (
        f"data.corrections={bare}: cannot be read (it is not UTF-8); in a spreadsheet save it as "
        "'CSV UTF-8'"
    )


@pytest.mark.parametrize("second", ["remove,", "label,c"])
def test_a_class_that_corrections_leave_no_image_is_told(fixed, second):
    before = samples_of("a", "b", "b", "c")
    done = correct(before, read_corrections(fixed("1.png,,label,a", f"2.png,,{second}"), before))
    assert done.notes[1:] == (
        "no image of 'b' is left by the corrections, which is no class any more",
    )


@pytest.mark.parametrize(
    ("lines", "several", "sentence"),
    [
        (
            ("0.png,,label,b", "0.png,,right,"),
            False,
            ", line 3: 'right' for '0.png', and line 2 says 'label b'; take one of the two out",
        ),
        (
            ("0.png,,remove,", "1.png,,right,", "0.png,,label,b"),
            False,
            ", line 4: 'label b' for '0.png', and line 2 says 'remove'; take one of the two out",
        ),
        (
            ("0.png,,label,b", "0.png,,remove,"),
            False,
            ", line 3: 'remove' for '0.png', and line 2 says 'label b'; take one of the two out",
        ),
        (
            ("0.png,,add,b", "0.png,,drop,b"),
            True,
            ", line 3: 'drop b' for '0.png', and line 2 says 'add b'; take one of the two out",
        ),
    ],
)
def test_lines_that_contradict_each_other_are_refused(fixed, lines, several, sentence):
    assert said(fixed(*lines), samples_of("a", "b", several=several)) == sentence


def test_the_same_line_twice_is_one(fixed):
    before = samples_of("a", "b")
    done = correct(before, read_corrections(fixed(*["0.png,,label,b"] * 2), before))
    assert len(corrected_rows(done.samples)) == 1


def test_a_column_of_that_name_of_ones_own_is_refused(fixed):
    before = samples_of("a", "b")
    before = replace(before, frame=before.frame.with_columns(pl.lit(None).alias("given_labels")))
    assert said(fixed(), before) == (
        "in: has a column 'given_labels' of its own, and data.corrections writes one; call it "
        "otherwise"
    )


@pytest.mark.parametrize("val", ["hold", "cross"])
def test_a_correction_moves_no_other_image(photos, fixed, val):
    plain = take_in(DataSettings(source=str(photos), val=val), QUIET)
    file = fixed("red/00.png,,label,blue", "red/01.png,,remove,", "green/05.png,,label,red")
    done = take_in(DataSettings(source=str(photos), val=val, corrections=file), QUIET)
    columns = ["path", "split", "folds"]
    left = plain.samples.frame.filter(pl.col("path") != "red/01.png").select(columns)
    assert done.samples.frame.select(columns).equals(left)
    labels = dict(done.samples.frame.select("path", "labels").iter_rows())
    assert labels["red/00.png"] == ["blue"]
    assert labels["green/05.png"] == ["red"]
    assert done.notes[0] == f"labels of 2 images corrected, 1 image removed, from {file}"


def test_corrections_of_the_test_are_told(photos, fixed):
    plain = take_in(DataSettings(source=str(photos)), QUIET)
    one = plain.samples.frame["path"][int(plain.samples.rows("test")[0])]
    done = take_in(DataSettings(source=str(photos), corrections=fixed(f"{one},,remove,")), QUIET)
    assert done.notes[1] == (
        "1 of the corrected or removed is of the test, so its figures cannot be held against those "
        "of before; where only what a model got wrong was looked at, they flatter it"
    )


def test_folds_are_dealt_by_the_labels_as_they_came(photos, fixed):
    file = fixed("red/00.png,,label,blue", "red/01.png,,remove,")
    plain = look(DataSettings(source=str(photos)), QUIET)
    looked = look(DataSettings(source=str(photos), corrections=file), QUIET)
    numbers = [fold_numbers(each, k=3, seed=0) for each in (plain, looked)]
    assert (numbers[0] == numbers[1]).all()
    corrected, stays = looked.corrected()
    assert len(corrected.samples) == stays.sum() == 59
    assert corrected.corrections is NONE
    of_all = looked.samples.frame["copy_of"].filter(stays)
    assert of_all.equals(corrected.samples.frame["copy_of"])


def test_conflicting_copies_are_sound_once_one_is_corrected(photos, fixed):
    (photos / "red" / "copy.png").write_bytes((photos / "blue" / "00.png").read_bytes())
    conflict = [
        each.kind
        for each in take_in(DataSettings(source=str(photos)), QUIET).findings
        if each.severity == "error"
    ]
    assert conflict
    done = DataSettings(source=str(photos), corrections=fixed("red/copy.png,,label,blue"))
    assert not [each for each in take_in(done, QUIET).findings if each.severity == "error"]


def test_a_side_that_corrections_empty_is_refused(photos, fixed):
    plain = take_in(DataSettings(source=str(photos)), QUIET)
    tests = plain.samples.frame["path"][plain.samples.rows("test")].to_list()
    file = fixed(*(f"{path},,remove," for path in tests))
    with pytest.raises(DataError) as caught:
        take_in(DataSettings(source=str(photos), corrections=file), QUIET)
    assert str(caught.value) == f"{file}: leaves no image for test; take lines with 'remove' out"


def test_corrections_change_what_a_study_is_held_to(photos, fixed):
    plain = listing_hash(DataSettings(source=str(photos)))
    one = listing_hash(DataSettings(source=str(photos), corrections=fixed("red/00.png,,remove,")))
    assert plain != one
    other = fixed("red/00.png,,label,blue")
    assert one != listing_hash(DataSettings(source=str(photos), corrections=other))


def test_what_was_corrected_is_kept_with_a_run(photos, fixed, tmp_path):
    file = fixed("red/00.png,,label,blue")
    take_in(DataSettings(source=str(photos), corrections=file), QUIET).write(tmp_path / "kept")
    assert corrected_rows(Dataset.read(tmp_path / "kept").samples).tolist() == [40]


def test_a_file_that_is_not_there_is_told_with_the_other_mistakes(photos):
    with pytest.raises(SettingsError) as caught:
        gather(str(photos), ["train.epochs=x"], {"corrections": "gone.csv"})
    told = [str(each) for each in caught.value.mistakes]
    assert (
        "--corrections: there is no file 'gone.csv'; name one as the page of `fieldmark "
        "suspects` saves it" in told
    )
    assert len(told) == 2
    assert not Path("gone.csv").exists()
