"""Tables in text as people have them: quoted well or badly, in any encoding."""

import csv
import io
import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldmark.data.text_tables import read_text_table
from fieldmark.errors import DataError

CAPTIONS = Path(__file__).parents[2].parent / "shared" / "data" / "captions18"


@pytest.fixture
def read(tmp_path):
    def reading(content, name="t.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        table = read_text_table(path)
        return table, [list(row) for row in table.frame.iter_rows()]

    return reading


def refusal(read, content, name="t.csv"):
    with pytest.raises(DataError) as caught:
        read(content, name)
    return str(caught.value)


def test_every_cell_is_text_and_an_empty_one_is_null(read):
    table, rows = read("image,label,n\n0012,1.0,\n1e3,true, \n")
    assert table.frame.columns == ["image", "label", "n"]
    assert rows == [["0012", "1.0", None], ["1e3", "true", None]]
    assert (table.left_out, table.notes) == ({}, ())


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_may_end_in_any_way_and_are_counted(read, tmp_path, end):
    table, rows = read(end.join(["a,b", "1,2", "", '3,"4"']) + end)
    assert rows == [["1", "2"], ["3", "4"]]
    assert table.places == [f"{tmp_path}/t.csv, line 2", f"{tmp_path}/t.csv, line 4"]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ('"x, y"', "x, y"),
        ('"he said ""hi"""', 'he said "hi"'),
        ('""', None),
        ('""""', '"'),
        ('"a\nb"', "a\nb"),
        ('"a\n\n  b"', "a\n\n  b"),
        ('"said ""hi""\nand left"', 'said "hi"\nand left'),
        ('5" nail', '5" nail'),
        # not doubled, as they should be
        ('"with "caution" tape"', 'with "caution" tape'),
        ('"reads "spray.""', 'reads "spray."'),
        ('""Stop" sign"', '"Stop" sign'),
        ('"the "stop", a sign"', 'the "stop", a sign'),
        ('"said "one", "two", "three""', 'said "one", "two", "three"'),
        ('"a "b" and ""c"""', 'a "b" and ""c""'),
        ('"the "first\nline"', 'the "first\nline'),
        ('"it says " Tag " ."', 'it says " Tag " .'),
    ],
)
def test_quotation_marks_in_the_last_column(read, written, meant):
    table, rows = read(f"a,b\n1,{written}\n2,z\n")
    assert rows == [["1", meant], ["2", "z"]]
    assert table.places[1].endswith(f"line {3 + written.count(chr(10))}")


@pytest.mark.parametrize(
    ("written", "meant"),
    [('"x, y"', "x, y"), ('"a ""b"""', 'a "b"'), ('"a "b" c"', 'a "b" c'), ('"a "b""', 'a "b"')],
)
def test_quotation_marks_in_a_middle_column(read, written, meant):
    assert read(f"a,b,c\n1,{written},3\n")[1] == [["1", meant, "3"]]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.lists(st.text(st.sampled_from('ab",; \n'), max_size=6), min_size=3, max_size=3),
        min_size=1,
        max_size=5,
    )
)
def test_what_a_proper_writer_wrote_is_read_back(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(
        [["x", "y", "z"], *rows]
    )
    path.write_text(stream.getvalue(), newline="")
    found = [list(row) for row in read_text_table(path).frame.iter_rows()]
    columns = zip(*([cell if cell.strip() else None for cell in row] for row in rows), strict=True)
    margins = [all(cell.startswith(" ") for cell in column if cell) for column in columns]
    expected = [
        [
            (cell.removeprefix(" ") if margin else cell) if cell.strip() else None
            for cell, margin in zip(row, margins, strict=True)
        ]
        for row in rows
    ]
    assert found == expected


def test_the_space_after_each_comma_is_no_part_of_a_cell(read):
    assert read('a, b, c\n1, x, "y, z"\n2, w, v\n')[1] == [["1", "x", "y, z"], ["2", "w", "v"]]


def test_a_space_in_some_cells_only_is_kept(read):
    assert read("a,b\n1, x\n2,x\n3,x \n")[1] == [["1", " x"], ["2", "x"], ["3", "x "]]


@pytest.mark.parametrize(
    ("name", "mark", "words"),
    [("t.csv", ";", "semicolons"), ("t.csv", "\t", "tabs"), ("t.tsv", ",", "commas")],
)
def test_another_mark_between_the_columns_is_found_and_said(read, tmp_path, name, mark, words):
    table, rows = read(f"image{mark}label\n1.jpg{mark}cat\n", name)
    assert rows == [["1.jpg", "cat"]]
    assert table.notes == (f"{tmp_path}/{name}: the columns are divided by {words}",)


def test_tabs_are_usual_in_tsv_and_a_text_may_hold_commas(read):
    table, rows = read("image\tlabel\n1.jpg\ta, b, c\n", "t.tsv")
    assert (rows, table.notes) == ([["1.jpg", "a, b, c"]], ())


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_unicode_with_and_without_its_mark_is_read(read, encoding):
    table, rows = read("image,label\né.jpg,Süß 海\n".encode(encoding))
    assert table.frame.columns == ["image", "label"]
    assert (rows, table.notes) == ([["é.jpg", "Süß 海"]], ())


def test_latin_1_is_read_and_said(read, tmp_path):
    table, rows = read("image,label\né.jpg,Süß\n".encode("latin-1"))
    assert rows == [["é.jpg", "Süß"]]
    assert table.notes == (
        f"{tmp_path}/t.csv: is not UTF-8 and is read as Latin-1; look at its accents",
    )
    assert read(b"image,label\n1.jpg,\x81\n")[1] == [["1.jpg", "\x81"]]  # no Windows-1252 either


def test_a_row_of_too_few_or_many_cells_is_left_out_by_its_line(read, tmp_path):
    table, rows = read("a,b\n1,2\n3\n4,5,6\n7,8,,\n")
    assert rows == [["1", "2"], ["7", "8"]]
    tail = "and the first line has 2; put texts that hold commas between quotation marks"
    assert table.left_out == {
        f"{tmp_path}/t.csv, line 3": f"{tmp_path}/t.csv, line 3: has 1 cells {tail}",
        f"{tmp_path}/t.csv, line 4": f"{tmp_path}/t.csv, line 4: has 3 cells {tail}",
    }


def test_columns_without_a_name_get_one(read):
    assert read(",a,\n0,1,2\n")[0].frame.columns == ["column 1", "a", "column 3"]


def test_what_is_no_table_is_refused_in_one_sentence(read, tmp_path):
    path = tmp_path / "t.csv"
    assert refusal(read, " \n\n") == (
        f"{path}: is empty; the first line should name columns: image,label"
    )
    assert refusal(read, b"PK\x03\x04\0\0\0") == (
        f"{path}: is not a table of text; save it as CSV in UTF-8"
    )
    assert refusal(read, "a,b,a\n1,2,3\n") == (
        f"{path}, line 1: 'a' is named twice; rename one of the two"
    )
    assert refusal(read, "x/1.JPG,cat\nx/2.JPG,dog\n") == (
        f"{path}, line 1: names no columns but the image 'x/1.JPG'; put a line above it that names "
        "them, such as image,label"
    )
    assert refusal(read, 'a,b\n1,2\n3,"4\n' + "5,6\n" * 2000) == (
        f"{path}, line 3: a quotation mark is opened and never closed; close it"
    )
    with pytest.raises(DataError) as caught:
        read_text_table(tmp_path / "gone.csv")
    assert str(caught.value) == (f"{tmp_path}/gone.csv: cannot be read (No such file or directory)")


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ('1,"x ""y"""\n2,5" nail\n3,"z"\n', None),
        ('1,"x"\n2,"x "y" z"\n', ("1 row has", 3, 'x "y" z')),
        ('1,"x "y", z"\n2,"a\n"b"\n3,"c ""d"""\n', ("2 rows have", 2, 'x "y", z')),
        (
            f'1,"{"word " * 9}"y" {"word " * 9}"\n',
            ("1 row has", 2, f'...{"word " * 5}"y" {"word " * 4}w...'),
        ),
    ],
)
def test_rows_whose_marks_are_not_doubled_are_told_once_with_the_first(read, tmp_path, rows, said):
    notes = read(f"a,b\n{rows}")[0].notes
    if said is None:
        assert notes == ()
    else:
        many, line, cell = said
        assert notes == (
            f"{tmp_path}/t.csv: {many} quotation marks inside of a quoted text that are not "
            f"doubled; they are kept as they stand, in line {line} for one: {cell}",
        )


@pytest.mark.skipif(not CAPTIONS.is_dir(), reason="the captions do not lie beside the checkout")
def test_captions_with_marks_that_are_not_doubled_all_come_out():
    table = read_text_table(CAPTIONS / "train.csv")
    assert (len(table.frame), table.left_out) == (30_000, {})
    assert table.notes == (
        f"{CAPTIONS}/train.csv: 82 rows have quotation marks inside of a quoted text that are not "
        "doubled; they are kept as they stand, in line 554 for one: ...ing into the street "
        'with "caution" tape around it.',
    )
    assert table.frame["ImageID"].n_unique() == 30_000
    captions = table.frame["Caption"].to_list()
    assert sum("\n" in caption for caption in captions) == 4
    assert sum('"' in caption for caption in captions) == 82
    labels = Counter(int(label) for cell in table.frame["Labels"] for label in cell.split())
    counts = (
        "22797 1164 4365 1272 1132 1395 1221 2210 1042 1471 604 605 252 1934 1099 1430 1525 1020"
    )
    numbers = [number for number in range(1, 20) if number != 12]
    assert labels == dict(zip(numbers, map(int, counts.split()), strict=True))
    text = (CAPTIONS / "train.csv").read_text(encoding="utf-8").partition("\n")[2]
    records = re.split(r"\n(?=\d+\.jpg,)", text.rstrip("\n"))  # no caption begins a line so
    parts = [re.fullmatch(r'(\d+\.jpg),([0-9 ]+),"?(.*?)"?', each, re.DOTALL) for each in records]
    assert table.frame.rows() == [part.groups() for part in parts]
    row = table.frame["ImageID"].to_list().index("1338.jpg")
    assert captions[row] == 'A man surfing with titling that reads "spray."'
    assert table.places[-1] == f"{CAPTIONS}/train.csv, line 30018"


@pytest.mark.parametrize("line", ["sep=;", '"sep=;"', "SEP=;"])
def test_the_line_by_which_excel_names_the_mark_is_no_row(read, tmp_path, line):
    table, rows = read(f"{line}\nimage;label, kind\n1.jpg;a\n")
    assert table.frame.columns == ["image", "label, kind"]
    assert rows == [["1.jpg", "a"]]
    assert table.places == [f"{tmp_path}/t.csv, line 3"]
    assert table.notes == (f"{tmp_path}/t.csv: the columns are divided by semicolons",)
    assert refusal(read, line) == (
        f"{tmp_path}/t.csv: is empty; the first line should name columns: image,label"
    )
