"""Several labels an image, from the table to the split: found or declared, kept and told."""

import shutil
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from scenes import SAVED_AGAIN, photo
from smallruns import QUIET, draw_photos

from fieldmark.data.intake import Dataset, take_in
from fieldmark.data.splits import folds, judged_rows, split
from fieldmark.data.told import task_notes
from fieldmark.errors import DataError
from fieldmark.records import Samples
from fieldmark.runs.concrete import gather, make_concrete
from fieldmark.settings.data import DataSettings
from fieldmark.task import ONE_LABEL, SEVERAL_LABELS


@pytest.fixture
def photos(tmp_path):
    return draw_photos(tmp_path / "photos", each=12, side=80)


@pytest.fixture
def labelled(photos):
    """Writes a table of the photos of both colours, with the labels that are given for each."""

    def write(red, blue, name="t.csv"):
        rows = [
            {"file": f"{colour}/{number:02}.png", "labels": labels}
            for colour, its in (("red", red), ("blue", blue))
            for number, labels in enumerate(its)
        ]
        pl.DataFrame(rows).write_csv(photos / name)
        return str(photos / name)

    return write


def took(source, **settings):
    return take_in(DataSettings(source=source, **settings), QUIET)


def of_the_task(dataset):
    return [note for note in dataset.notes if "label" in note]


def test_one_image_of_two_labels_makes_it_several_and_that_is_said(labelled):
    found = took(labelled(["red|big", *["red"] * 11], ["blue"] * 12))
    assert found.samples.task is SEVERAL_LABELS
    assert found.samples.frame["labels"].to_list()[:2] == [["red", "big"], ["red"]]
    assert found.notes[1] == (
        "several labels an image were found (1 of 24 images has two or more), so each label is a "
        "question of its own: multi-label; data.task=single-label refuses them"
    )


def test_one_label_everywhere_is_one_label_an_image(labelled):
    found = took(labelled(["red"] * 12, ["blue"] * 12))
    assert found.samples.task is ONE_LABEL
    assert of_the_task(found) == []


def test_declared_several_with_one_label_everywhere_is_several_with_the_same_split(labelled):
    source = labelled(["red"] * 12, ["blue"] * 12)
    found, usual = took(source, task="multi-label"), took(source)
    assert found.samples.task is SEVERAL_LABELS
    assert of_the_task(found) == []
    assert found.samples.frame.equals(usual.samples.frame)
    np.testing.assert_array_equal(found.in_folds.samples.folds, usual.in_folds.samples.folds)


def test_declared_one_refuses_two_with_a_sentence(labelled):
    source = labelled(["red|big"] * 6, ["blue"] * 12)
    with pytest.raises(DataError) as caught:
        took(source, task="single-label")
    assert str(caught.value) == (
        f"{source}: 6 images have several labels, and one is asked for; keep one label an image, "
        "or ask for several: data.task=multi-label; or, where a cell is one label with its marks, "
        "say so: data.label_separator=none"
    )


def test_a_folder_may_be_declared_to_have_several(photos):
    found = took(str(photos), task="multi-label")
    assert (found.samples.task, found.classes) == (SEVERAL_LABELS, ("blue", "green", "red"))


def test_images_without_a_label_are_kept_and_counted_where_there_are_several(labelled):
    found = took(labelled(["red|big"] * 10 + [""] * 2, ["blue"] * 11 + [""]))
    assert len(found.samples) == 24
    assert found.samples.frame["labels"].list.len().to_list().count(0) == 3
    assert found.notes[2] == "3 images have no label: none of the classes"
    assert (found.samples.targets(found.classes)[10:12] == 0).all()


def test_images_without_a_label_are_left_out_where_there_is_one(labelled):
    source = labelled(["red"] * 11 + [""], ["blue"] * 12)
    found = took(source)
    assert len(found.samples) == 23
    assert found.notes == (
        f"1 image left out ('{source}, line 13'); {source}, line 13: 'red/11.png' has no label; "
        "give it one, or take the row out",
    )


def test_where_the_test_has_several_labels_both_have(labelled):
    source = labelled(["red"] * 11 + [""], ["blue"] * 12)
    test = labelled([], ["blue|big"] * 12, "test.csv")
    found = took(source, test=test)
    assert found.samples.task is SEVERAL_LABELS
    assert len(found.samples.rows("test")) == 12
    assert [] in found.samples.frame["labels"].to_list()


def test_the_task_stays_through_splits_folds_and_files(labelled, tmp_path):
    found = took(labelled(["red|big"] * 12, ["blue"] * 12), val="cross")
    assert found.samples.folds is not None
    assert found.samples.held_out(0).task is SEVERAL_LABELS
    found.write(tmp_path / "samples.parquet")
    assert Dataset.read(tmp_path / "samples.parquet").samples.task is SEVERAL_LABELS
    assert Samples.read(tmp_path / "samples.parquet").classes == ("big", "blue", "red")


@pytest.mark.parametrize(("cell", "task"), [("red", "single-label"), ("red|big", "multi-label")])
def test_the_settings_hold_the_task_that_was_found(labelled, cell, task):
    source = labelled([cell] * 12, ["blue"] * 12)
    words = ("model=small_cnn", "epochs=1")
    resolved = gather(source, words, {})
    concrete = make_concrete(resolved, took(source), QUIET)
    assert concrete.settings.data.task == task


def test_rows_without_a_file_and_files_without_a_row_are_told_and_stop_nothing(photos):
    rows = [
        f"{colour}/{number:02}.png,{colour}" for colour in ("red", "blue") for number in range(12)
    ]
    gone = [f"red/{number}.png,red" for number in range(70, 77)]
    table = photos / "t.csv"
    table.write_text("\n".join(["file,label", *rows[1:], *gone, "red/01.png,"]))
    found = took(str(table))
    assert len(found.samples) == 23
    assert found.notes == (
        "7 rows have no file ('red/70.png', 'red/71.png', 'red/72.png', 'red/73.png', "
        f"'red/74.png' and 2 more); {table}, line 25: there is no file 'red/70.png' in {photos}; "
        "add it, or take the row out",
        f"1 image left out ('{table}, line 32'); {table}, line 32: 'red/01.png' has no label; give "
        "it one, or take the row out",
        f"1 file in {photos}/red has no row and is not used ('00.png')",
    )
    with pytest.raises(DataError, match=f"^{table}: 8 images cannot be used and data.on_bad=error"):
        took(str(table), on_bad="error")


def test_two_tables_of_one_folder_share_its_files(photos):
    rows = [f"{number:02}.png,{'ab'[number % 2]}" for number in range(12)]
    for name, its in (("train.csv", rows[:8]), ("test.csv", rows[8:11])):
        (photos / name).write_text("\n".join(["file,label", *its]))
    found = took(
        str(photos / "train.csv"), images=str(photos / "red"), test=str(photos / "test.csv")
    )
    assert [note for note in found.notes if "row" in note] == [
        f"1 file in {photos}/red has no row and is not used ('11.png')"
    ]


def test_copies_under_other_labels_are_told_and_for_training(labelled, photos):
    for name in ("red/01.png", "red/03.png", "blue/05.png"):
        shutil.copy(photos / "red" / "00.png", photos / name)
    source = labelled(["red|big", "big|red", "red", ""] * 3, ["blue"] * 5 + [""] + ["blue"] * 6)
    found = took(source)
    assert (
        "1 image stands under different labels, e.g. 'red/00.png' (big, red) = 'red/03.png' "
        "(no label); keep the copies whose labels are right"
    ) in found.notes
    copies = found.samples.frame.filter(pl.col("hash") == pl.col("hash").first())
    assert copies["split"].to_list() == ["train"] * 4


def test_every_label_and_none_has_its_share_of_each_side_and_fold():
    draw = np.random.default_rng(0)
    has = draw.random((600, 4)) < (0.6, 0.3, 0.1, 0.05)
    labels = [[name for name, its in zip("abcd", row, strict=True) if its] for row in has.tolist()]
    columns = {"path": [f"{row}.png" for row in range(600)], "labels": labels}
    samples = replace(Samples.from_columns(columns), task=SEVERAL_LABELS)
    done = split(samples, val=0.2, test=0.3, seed=0)
    assert done.task is SEVERAL_LABELS
    none = done.frame.filter(pl.col("labels").list.len() == 0)["split"].to_list()
    sides = done.counts() | {"none": {side: none.count(side) for side in ("train", "val", "test")}}
    totals = dict(zip("abcd", has.sum(axis=0).tolist(), strict=True)) | {"none": len(none)}
    for name, counts in sides.items():
        assert sum(counts.values()) == totals[name]
        for side, share in (("train", 0.5), ("val", 0.2), ("test", 0.3)):
            assert abs(counts[side] - share * totals[name]) <= 1
    fold = folds(done, k=5, seed=0)
    for name, column in zip("abcd", has.T, strict=True):
        counts = np.bincount(fold[column & (fold >= 0)], minlength=5)
        assert np.ptp(counts) <= 2, name


def test_of_several_labels_folds_judge_every_image_they_hold_out():
    labels = [["a"]] * 4 + [["b"]] * 4 + [["a", "c"], []]
    columns = {"path": [f"{row}.png" for row in range(10)], "labels": labels}
    samples = Samples.from_columns(columns).with_folds(np.arange(10)[None] % 5)
    assert judged_rows(samples).tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 9]
    assert judged_rows(replace(samples, task=SEVERAL_LABELS)).tolist() == list(range(10))


def test_numbers_are_in_the_order_of_numbers_and_one_that_is_missing_is_told(labelled):
    cells = [f"{number} {number + 1}" for number in range(1, 11)]
    found = took(labelled([*cells, "13", "1"], ["1"] * 12))
    assert found.classes == tuple(map(str, [*range(1, 12), 13]))
    assert "labels 1 to 13 occur but for 12" in found.notes
    assert Samples(found.samples.frame).classes[:3] == ("1", "10", "11")  # of one label: as ever


@pytest.mark.parametrize(
    ("classes", "notes"),
    [
        (["1", "2", "3", "4", "5", "7", "8", "9", "10"], ["labels 1 to 10 occur but for 6"]),
        ([*map(str, range(10)), "12"], ["labels 0 to 12 occur but for 10 and 11"]),
        (["1", "2", "4"], []),  # too few to tell
        (["1", "2", "3"], []),
        (["1", "2", "3", "4", "x"], []),
        (["01", "02", "03", "04", "05", "07"], []),
        ([], []),
    ],
)
def test_a_number_is_missing_only_in_a_run_of_numbers(classes, notes):
    columns = {"path": classes, "labels": [[name] for name in classes]}
    samples = Samples.from_columns(columns)
    assert task_notes(DataSettings(source="x"), samples) == notes


def test_a_table_made_for_several_labels_is_told_where_no_image_has_two(labelled):
    source = labelled(["['red']"] * 12, ["['blue']"] * 12)
    found = took(source)
    assert found.samples.task is SEVERAL_LABELS
    assert found.notes[1] == (
        "the table is made for several labels an image, though none has two, so each label is a "
        "question of its own: multi-label; data.task=single-label asks for the one"
    )
    alone = took(source, task="single-label")
    assert (alone.samples.task, len(alone.notes)) == (ONE_LABEL, 1)
    assert alone.samples.frame.equals(found.samples.frame)


def test_an_image_in_two_rows_with_and_without_a_label_is_left_out(photos):
    rows = [f"red/{number:02}.png,red big" for number in range(3)]
    rows += [f"blue/{number:02}.png,blue" for number in range(6)]
    table = photos / "t.csv"
    table.write_text("\n".join(["file,labels", *rows, "red/00.png,"]))
    found = took(str(table), task="multi-label", label_separator="space", val="none")
    assert len(found.samples) == 8
    assert found.notes[1] == (
        f"2 images left out ('{table}, line 2' and '{table}, line 11'); {table}, line 2: "
        "'red/00.png' is 'red' and 'big' here and without a label in line 11; keep one of the two"
    )


def test_a_test_table_is_read_as_the_training_table_was(labelled):
    train = labelled(["dog", "cat", "dog cat", "cow"], ["dog cow", "cat"])
    test = labelled(["dog cat"], ["cow dog"], "test.csv")
    found = took(train, test=test, copies="show", on_bad="leave_out")
    assert found.classes == ("cat", "cow", "dog")
    labels = found.samples.frame.filter(pl.col("split") == "test")["labels"].to_list()
    assert labels == [["dog", "cat"], ["cow", "dog"]]


def test_a_test_without_any_label_is_one_of_several(labelled):
    train = labelled(["a|b", "a", "b"] * 2, ["b", "a", ""] * 2)
    test = labelled([None, None], [None], "test.csv")
    found = took(train, test=test, copies="show")
    assert found.samples.task is SEVERAL_LABELS
    sides = found.samples.frame.filter(pl.col("split") == "test")["labels"].to_list()
    assert sides == [[], [], []]


@pytest.mark.parametrize("name", ["none", "NA", "nan"])
def test_a_class_beside_numbers_may_be_called_none(labelled, name):
    found = took(labelled(["0"] * 6 + ["1"] * 6, [name] * 12))
    assert found.classes == tuple(sorted(["0", "1", name]))
    assert len(found.samples) == 24


# ------------------------------------------------------------------ photos saved again


@pytest.fixture(scope="module")
def saved_again(tmp_path_factory):
    """24 photos, of which the first six were saved again under other labels, and their table."""
    root = tmp_path_factory.mktemp("again")
    how = next(iter(SAVED_AGAIN.values()))
    rows = []
    for number in range(24):
        photo(number).save(root / f"{number}.png")
        rows.append({"image": f"{number}.png", "labels": ("a|b", "b", "a|c", "")[number % 4]})
    for number in range(6):
        how(photo(number)).save(root / f"{number}-again.png")
        rows.append(
            {"image": f"{number}-again.png", "labels": ("b|c", "a|b", "c", "a")[number % 4]}
        )
    pl.DataFrame(rows).write_csv(root / "t.csv")
    return root


@pytest.mark.parametrize("seed", [0, 1])
def test_a_photo_saved_again_shares_a_side_and_a_fold_whatever_its_labels(saved_again, seed):
    found = took(str(saved_again / "t.csv"), split_seed=seed)
    assert len(found.samples) == 30
    folds = found.in_folds.samples
    sides = dict(found.samples.frame.select("path", "split").iter_rows())
    place = dict(zip(folds.frame["path"], folds.folds.T.tolist(), strict=True))
    for number in range(6):
        assert sides[f"{number}.png"] == sides[f"{number}-again.png"]
        assert place[f"{number}.png"] == place[f"{number}-again.png"]
    [said] = [each.sentence for each in found.findings if each.kind == "near-copies"]
    assert said.startswith(
        "6 photos stand more than once (6 under different labels: see which are right), e.g. "
    )


def test_a_photo_saved_again_under_other_labels_leaves_training_where_a_given_test_has_it(
    saved_again,
):
    table = pl.read_csv(saved_again / "t.csv")
    sides = pl.when(pl.col("image").str.contains("again")).then(pl.lit("test"))
    table.with_columns(split=sides.otherwise(pl.lit("train"))).write_csv(saved_again / "given.csv")
    found = took(str(saved_again / "given.csv"))
    left = {*found.samples.frame.filter(pl.col("split") != "test")["path"]}
    assert left == {f"{number}.png" for number in range(6, 24)}
