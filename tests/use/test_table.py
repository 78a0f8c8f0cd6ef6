"""Predictions as a sheet of Excel: texts stay texts, and what cannot be written is told."""

import pytest

from fieldmark.data.formats.excel import read_sheet
from fieldmark.errors import DataError, SettingsError
from fieldmark.machine import INSTALL
from fieldmark.use import table
from fieldmark.use.predictor import Prediction

pytest.importorskip("xlsxwriter")
fastexcel = pytest.importorskip("fastexcel")


def answers(*labels):
    names = ("=A1+1", "007", "fox")
    for number, label in enumerate(labels):
        rest = 0.25 / 2
        scores = {name: 0.75 if name == label else rest for name in names}
        yield Prediction(f"photos/{number}.jpg", label, 0.75, scores, (label,) if label else ())


def test_a_sheet_holds_the_table_and_texts_stay_texts(tmp_path):
    out = tmp_path / "answers.xlsx"
    given = answers("=A1+1", "007", "fox", None)
    table.write_table(out, given, ("=A1+1", "007", "fox"), scores=True)
    frame = read_sheet(out).frame
    assert frame.columns == ["image", "label", "score", "score:=A1+1", "score:007", "score:fox"]
    assert frame["label"].to_list() == ["=A1+1", "007", "fox", None]
    assert frame["score:fox"].to_list() == ["0.125", "0.125", "0.75", "0.125"]
    (sheet,) = fastexcel.read_excel(out).sheet_names
    assert sheet == "predictions"
    kinds = fastexcel.read_excel(out).load_sheet(0).to_polars()
    assert kinds["score"].sum() == 3.0  # numbers, which a sheet can add up


def test_more_images_than_rows_are_told_and_leave_no_file(tmp_path, monkeypatch):
    monkeypatch.setattr(table, "MOST_ROWS", 3)
    out = tmp_path / "answers.xlsx"
    with pytest.raises(DataError) as error:
        table.write_table(out, answers("fox", "fox", "fox"), ("fox",), scores=False)
    assert str(error.value) == ("a sheet of Excel has 3 rows, and there are more images; take .csv")
    assert list(tmp_path.iterdir()) == []


def test_without_the_package_a_sheet_is_refused_before_any_work(tmp_path, monkeypatch):
    monkeypatch.setattr(table, "find_spec", lambda name: None)
    out = tmp_path / "answers.xlsx"
    with pytest.raises(SettingsError) as error:
        table.refuse_lacking(out)
    assert str(error.value) == (
        f"--out {out}: to write it needs another package: {INSTALL} 'fieldmark[excel]'; or take "
        ".csv"
    )
    table.refuse_lacking(tmp_path / "answers.csv")
