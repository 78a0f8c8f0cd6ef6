"""Sheets of Excel: cells as texts, several sheets, what is no workbook, the extra that lacks."""

import sys
import zipfile
from xml.sax.saxutils import escape

import pytest
from tablerows import refusal, rows_of

from fieldmark.data.sources import read_listing
from fieldmark.machine import INSTALL

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
SHEET = "application/vnd.openxmlformats-officedocument.spreadsheetml"


def workbook(path, sheets):
    """A workbook by hand, {sheet: rows of texts, numbers, booleans and None}."""
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{PACKAGE}/content-types">'
        '<Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Default Extension="xml" ContentType="application/xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{SHEET}.sheet.main+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{PACKAGE}/relationships"><Relationship Id="r" '
        f'Type="{OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
    }
    names, links = "", ""
    for number, (name, rows) in enumerate(sheets.items(), 1):
        names += f'<sheet name="{name}" sheetId="{number}" r:id="r{number}"/>'
        links += (
            f'<Relationship Id="r{number}" Type="{OFFICE}/worksheet" '
            f'Target="worksheets/sheet{number}.xml"/>'
        )
        body = "".join(
            f'<row r="{r}">{"".join(cell(f"{chr(64 + c)}{r}", v) for c, v in enumerate(row, 1))}'
            "</row>"
            for r, row in enumerate(rows, 1)
        )
        parts[f"xl/worksheets/sheet{number}.xml"] = (
            f'<worksheet xmlns="{MAIN}"><sheetData>{body}</sheetData></worksheet>'
        )
    parts["xl/workbook.xml"] = (
        f'<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}"><sheets>{names}</sheets></workbook>'
    )
    parts["xl/_rels/workbook.xml.rels"] = (
        f'<Relationships xmlns="{PACKAGE}/relationships">{links}</Relationships>'
    )
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in parts.items():
            archive.writestr(name, '<?xml version="1.0" encoding="UTF-8"?>' + text)
    return str(path)


def cell(place, value):
    if value is None:
        return ""
    if isinstance(value, bool):
        return f'<c r="{place}" t="b"><v>{int(value)}</v></c>'
    if isinstance(value, str):
        return f'<c r="{place}" t="inlineStr"><is><t>{escape(value)}</t></is></c>'
    return f'<c r="{place}"><v>{value}</v></c>'


needs_excel = pytest.mark.skipif(
    __import__("importlib.util").util.find_spec("fastexcel") is None,
    reason="needs the extra 'excel'",
)


@needs_excel
def test_a_sheet_is_a_table_and_its_numbers_are_the_texts_of_a_csv(table, tmp_path):
    rows = [["image", "label", "site"], ["1.jpg", 1, "a"], ["2.jpg", 2.0, None], ["3", 10, "b"]]
    source = workbook(tmp_path / "t.xlsx", {"Sheet": [*rows, [None, None, None]]})
    table("image,label\n")
    listing = read_listing(source)
    assert rows_of(listing) == [
        ("1.jpg", ["1"], None),
        ("2.jpg", ["2"], None),
        ("3.jpg", ["10"], None),
    ]
    assert listing.samples.frame["site"].to_list() == ["a", None, "b"]


@needs_excel
def test_the_first_sheet_with_cells_is_read_and_the_others_are_told(table, tmp_path):
    rows = [["image", "label"], ["1.jpg", "fox"], ["no.jpg", "fox"]]
    sheets = {"Notes": [], "Photos": rows, "Old": rows}
    source = workbook(tmp_path / "t.xlsx", sheets)
    table("image,label\n")
    listing = read_listing(source)
    assert rows_of(listing) == [("1.jpg", ["fox"], None)]
    assert listing.notes == (
        f"{source}: the sheet 'Photos' is read, and not 'Old'; save that one as CSV where it is "
        "meant",
    )
    assert listing.left_out == {
        f"{source}, row 3": f"{source}, row 3: there is no file 'no.jpg' in {tmp_path}; add it, or "
        "take the row out"
    }


@needs_excel
def test_what_is_no_workbook_is_refused(tmp_path):
    path = tmp_path / "t.xlsx"
    path.write_bytes(b"image,label\n")
    assert refusal(path).startswith(f"{path}: cannot be read as a workbook (")
    assert refusal(path).endswith("); save it anew, or as CSV in UTF-8")
    workbook(path, {"Sheet": []})
    assert refusal(path) == (f"{path}: is empty; the first row should name columns: image, label")
    workbook(path, {"Sheet": [["image", "image"], ["1.jpg", "a"]]})
    assert refusal(path) == f"{path}, row 1: 'image' is named twice; rename one of the two"


def test_without_the_extra_the_sentence_names_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "fastexcel", None)
    path = tmp_path / "t.xlsx"
    path.write_bytes(b"x")
    assert refusal(path) == (
        f"{path}: to read it needs another package: {INSTALL} 'fieldmark[excel]'; or save it as "
        "CSV in UTF-8"
    )
