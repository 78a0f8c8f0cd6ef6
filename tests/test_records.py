import json

import numpy as np
import polars as pl
import pytest
import torch
from scipy.special import softmax as scipy_softmax

from fieldmark.errors import DataError
from fieldmark.records import SAMPLE_COLUMNS, InputSpec, Predictions, Samples
from fieldmark.task import softmax

ODD_NAMES = ("a cat", "Été à la mer, 海", "one, two", 'the "dog"', "it's", "logit:x", "", "0")


def table(**changes):
    columns = {
        "path": ["a.png", "b.png", "c.png"],
        "hash": ["1", "2", "3"],
        "labels": [["cat"], ["dog"], ["cat"]],
        "split": ["train", "val", None],
    }
    return Samples.from_columns({**columns, **changes})


def odd_predictions():
    rng = np.random.default_rng(0)
    samples = Samples.from_columns(
        {"path": [f"{k}.png" for k in range(8)], "labels": [[name] for name in ODD_NAMES]}
    )
    logits = rng.normal(size=(8, 8)).astype(np.float32)
    about = {"classes": ODD_NAMES, "model": "m", "folds": np.full(8, 2)}
    return Predictions.of(samples, np.arange(8), logits, **about), logits


def test_columns_that_are_left_out_are_null_and_of_their_type():
    frame = table().frame
    assert dict(frame.schema) == SAMPLE_COLUMNS
    absent = set(SAMPLE_COLUMNS) - {"path", "hash", "labels", "split"}
    assert all(frame[name].is_null().all() for name in absent)


def test_the_users_own_columns_stay():
    assert table(camera=["x", "y", "z"]).frame["camera"].to_list() == ["x", "y", "z"]


def test_columns_are_cast_to_their_type():
    assert table(width=np.array([1, 2, 3], dtype=np.uint8)).frame["width"].dtype == pl.Int64


def test_classes_are_every_label_once_in_order():
    assert table(labels=[["dog", "ant"], ["cat"], ["dog"]]).classes == ("ant", "cat", "dog")
    assert table(labels=[["dog"], [], None]).classes == ("dog",)


def test_rows_of_a_split_leave_out_the_undecided():
    assert table().rows("train").tolist() == [0]
    assert table().rows("val").tolist() == [1]
    assert table().rows("test").tolist() == []


def test_targets_are_places_of_the_first_label_and_minus_one_where_unknown():
    samples = table(labels=[["dog", "cat"], ["emu"], []])
    assert samples.targets(["cat", "dog"]).tolist() == [1, -1, -1]
    assert samples.targets(["cat", "dog"]).dtype == np.int64


def test_counts_are_by_class_and_split_and_leave_out_the_undecided():
    samples = table(labels=[["cat", "dog"], ["dog"], ["cat"]])
    assert samples.counts() == {
        "cat": {"train": 1, "val": 0, "test": 0},
        "dog": {"train": 1, "val": 1, "test": 0},
    }


def test_places_are_plain_values():
    assert table(row=[None, 1, 2]).places() == [("a.png", None), ("b.png", 1), ("c.png", 2)]


def test_with_splits_changes_the_split_alone():
    after = table().with_splits(["test", None, "val"])
    assert after.frame["split"].to_list() == ["test", None, "val"]
    assert after.frame.drop("split").equals(table().frame.drop("split"))


@pytest.mark.parametrize(
    "change",
    [
        {"hash": ["1", "2", "4"]},
        {"labels": [["cat"], ["dog"], ["dog"]]},
        {"split": ["train", "val", "val"]},
        {"split": ["train", "test", None]},
    ],
)
def test_the_hash_changes_with_content_label_and_side(change):
    assert table(**change).hash() != table().hash()


def test_the_hash_stays_with_another_order_of_rows_another_root_and_other_columns():
    samples = table()
    turned = Samples(samples.frame.reverse(), "/elsewhere")
    assert turned.hash() == samples.hash()
    assert table(caption=["x", "y", "z"], camera=[1, 2, 3]).hash() == samples.hash()


def test_the_hash_tells_a_label_of_two_words_from_two_labels():
    assert table(labels=[["a, b"]] * 3).hash() != table(labels=[["a", "b"]] * 3).hash()


def test_samples_come_back_from_parquet_as_they_were(tmp_path):
    samples = table(labels=[[name] for name in ODD_NAMES[:3]], camera=[1.5, 2.5, None])
    samples = Samples(samples.frame, root="x")
    samples.write(tmp_path / "s.parquet")
    again = Samples.read(tmp_path / "s.parquet")
    assert again.frame.equals(samples.frame)
    assert again.frame.schema == samples.frame.schema
    assert again.hash() == samples.hash()
    assert again.root == "x"


def test_a_table_of_no_rows_is_a_table():
    empty = Samples.from_columns({"path": []})
    assert (len(empty), empty.classes, empty.counts(), empty.places()) == (0, (), {}, [])
    assert empty.targets(["cat"]).shape == empty.rows("train").shape == (0,)
    assert empty.with_splits([]).frame.schema == SAMPLE_COLUMNS


def test_predictions_hold_the_rows_that_were_asked_for():
    logits = np.array([[1, 2], [3, 4]], dtype=np.float32)
    found = Predictions.of(table(), np.array([2, 0]), logits, classes=("cat", "dog"))
    assert found.frame["path"].to_list() == ["c.png", "a.png"]
    assert found.frame["truth"].to_list() == [["cat"], ["cat"]]
    assert found.frame["fold"].to_list() == found.frame["model"].to_list() == [None, None]
    assert np.array_equal(found.logits, logits)
    assert list(found.frame.columns) == [
        *("path", "row", "hash", "split", "group", "fold", "model", "truth"),
        *("logit:cat", "logit:dog"),
    ]


def test_predictions_come_back_from_parquet_with_names_of_any_kind(tmp_path):
    before, logits = odd_predictions()
    before.frame.write_parquet(tmp_path / "p.parquet")
    after = Predictions.read(tmp_path / "p.parquet")
    assert after.classes == ODD_NAMES
    assert after.logits.dtype == np.float32
    assert np.array_equal(after.logits, logits)
    assert after.targets.tolist() == list(range(8))
    assert after.frame.equals(before.frame)
    assert set(after.frame["fold"]) == {2}


def test_logits_keep_the_order_of_the_classes_and_not_of_the_alphabet():
    logits = np.array([[5, 6]], dtype=np.float32)
    found = Predictions.of(table(), np.array([0]), logits, classes=("zebra", "ant"))
    assert found.classes == ("zebra", "ant")
    assert found.logits.tolist() == [[5, 6]]


@pytest.mark.parametrize("temperature", [1.0, 0.37, 2.5])
def test_scores_are_the_softmax_of_scipy_and_torch(temperature):
    found, logits = odd_predictions()
    raised = logits.astype(np.float64) / temperature
    scores = found.scores(temperature)
    assert scores.dtype == np.float64
    assert np.allclose(scores, scipy_softmax(raised, axis=1), rtol=1e-12, atol=0)
    assert np.allclose(scores, torch.softmax(torch.from_numpy(raised), 1), rtol=1e-12, atol=0)


def test_the_softmax_of_huge_logits_does_not_overflow():
    scores = softmax(np.array([[1e30, 0, -1e30], [-1e30, -1e30, -1e30]], dtype=np.float32))
    assert np.allclose(scores, [[1, 0, 0], [1 / 3, 1 / 3, 1 / 3]])


def test_a_row_with_nan_or_infinity_has_no_score_and_spoils_no_other():
    scores = softmax(np.array([[np.nan, 1], [np.inf, 1], [0, 0], [-np.inf, 0]]))
    assert np.isnan(scores[:2]).all()
    assert scores[2:].tolist() == [[0.5, 0.5], [0, 1]]


def test_a_truth_that_no_class_has_is_minus_one():
    found = Predictions.of(table(), np.arange(3), np.zeros((3, 1)), classes=("dog",))
    assert found.targets.tolist() == [-1, 0, -1]


@pytest.mark.parametrize("width", [2, 0])
def test_predictions_of_no_rows_have_the_classes_all_the_same(width):
    none = np.zeros((0, width), dtype=np.float32)
    found = Predictions.of(table(), np.arange(0), none, classes=("cat", "dog"))
    assert found.classes == ("cat", "dog")
    assert found.logits.shape == found.scores().shape == (0, 2)
    assert found.targets.shape == (0,)
    some = Predictions.of(table(), np.arange(3), np.zeros((3, 2)), classes=("cat", "dog"))
    assert len(pl.concat([found.frame, some.frame])) == 3


def test_logits_of_another_number_of_rows_are_refused():
    with pytest.raises(pl.exceptions.ShapeError):
        Predictions.of(table(), np.arange(3), np.zeros((2, 2)), classes=("cat", "dog"))


def test_the_rows_of_one_split_are_taken_out():
    found = Predictions.of(table(), np.arange(3), np.zeros((3, 2)), classes=("cat", "dog"))
    assert found.of_split("val").frame["path"].to_list() == ["b.png"]
    assert len(found.of_split("test")) == 0


@pytest.mark.parametrize("kind", [Samples, Predictions])
def test_a_file_that_is_no_parquet_is_refused_by_name(kind, tmp_path):
    path = tmp_path / "x.parquet"
    with pytest.raises(DataError, match=r"x\.parquet: cannot be read as Parquet"):
        kind.read(path)
    path.write_text("path,label\n")
    with pytest.raises(DataError, match=r"x\.parquet: cannot be read as Parquet"):
        kind.read(path)


def test_a_parquet_file_of_something_else_is_refused_by_its_missing_column(tmp_path):
    path = tmp_path / "x.parquet"
    pl.DataFrame({"path": ["a"]}).write_parquet(path)
    with pytest.raises(DataError) as caught:
        Samples.read(path)
    assert str(caught.value) == (f"{path}: the column 'row' is missing; is this Fieldmark's table?")
    with pytest.raises(DataError, match="the column 'split' is missing"):
        Predictions.read(path)


def test_the_input_comes_back_from_json_as_it_was():
    spec = InputSpec("shorter:256", 224, mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6))
    assert InputSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec
    assert hash(InputSpec.from_json(spec.to_json())) == hash(spec)


@pytest.mark.parametrize(
    ("stored", "form", "evaluated"),
    [
        ("shorter:256", ("shorter", 256), ("shorter", 256)),
        ("square:8", ("square", 8), ("square", 8)),
        ("original", ("original", 224), ("shorter", 256)),
    ],
)
def test_the_stored_form_is_a_word_and_a_side(stored, form, evaluated):
    assert InputSpec(stored, 224).form == form
    assert InputSpec(stored, 224).evaluated_form == evaluated


def test_rows_of_one_group_share_a_number_and_rows_without_stand_alone():
    groups = ["b", None, "a", "b", None]
    samples = Samples.from_columns(
        {"path": [f"{k}.png" for k in range(5)], "labels": [["cat"]] * 5, "group": groups}
    )
    found = Predictions.of(samples, np.arange(5), np.zeros((5, 1), np.float32), classes=("cat",))
    numbers = found.groups
    assert numbers[0] == numbers[3]
    assert len(set(numbers.tolist())) == 4
    assert sorted(set(numbers.tolist())) == [0, 1, 2, 3]


def test_without_any_group_images_stand_for_themselves():
    samples = Samples.from_columns({"path": ["1.png"], "labels": [["cat"]]})
    found = Predictions.of(samples, np.arange(1), np.zeros((1, 1), np.float32), classes=("cat",))
    assert found.groups is None
    assert Predictions(found.frame.drop("group")).groups is None
