"""`fieldmark compare`: what it prints, writes and answers."""

import json

import polars as pl
import pytest
from comparedruns import table_of, write_run

from fieldmark.cli.main import run as fieldmark


@pytest.fixture
def runs(tmp_path):
    write_run(tmp_path / "a", table_of(100, right=0.5))
    write_run(tmp_path / "b", table_of(100, seed=1, right=0.95))
    return ["a", "b"]


def compare(capsys, *words):
    code = fieldmark(["compare", *map(str, words)])
    return code, capsys.readouterr()


def test_a_table_a_sentence_and_a_page(capsys, runs, tmp_path):
    code, said = compare(capsys, *runs)
    lines = said.out.splitlines()
    assert code == 0
    assert [line.split()[0] for line in lines[:3]] == ["run", "a", "b"]
    assert lines[4].startswith("b is better than a: ")
    assert lines[-1] == "page     compare.html"
    page = (tmp_path / "compare.html").read_text()
    assert "b is better than a" in page
    assert "Seed" in page
    assert "Cores" in page
    assert "http:" not in page
    assert "https:" not in page


def test_json_is_all_that_is_printed(capsys, runs):
    code, said = compare(capsys, *runs, "--json", "--metric", "macro_f1")
    found = json.loads(said.out)
    assert code == 0
    assert found["metric"] == "macro_f1"
    assert "macro F1" in found["comparisons"][0]["sentence"]
    assert found["about"]["command"] == "fieldmark compare a b --json --metric macro_f1"


def test_a_rate_that_is_no_number_is_refused_before_the_page_is_written(capsys, runs, tmp_path):
    settings = tmp_path / "b" / "settings.yaml"
    settings.write_text(settings.read_text().replace("lr: 0.001", "lr: fast"))
    code, said = compare(capsys, *runs, "--out", "runs.csv")
    assert code == 2
    assert said.err == (
        "fieldmark: b/settings.yaml: optimizer.lr is 'fast', and not a number; "
        "put back the rate that the run was trained with\n"
    )
    assert not (tmp_path / "compare.html").exists()
    assert compare(capsys, *runs)[0] == 0  # without a table nobody asks for the rate


def test_the_table_of_all_figures_is_written(capsys, runs, tmp_path):
    _, said = compare(capsys, *runs, "--out", "runs.csv", "--page", "deep/p.html")
    assert said.out.splitlines()[-2:] == ["table    runs.csv", "page     deep/p.html"]
    assert set(pl.read_csv("runs.csv")["run"]) == {"a", "b"}
    assert (tmp_path / "deep" / "p.html").is_file()


def test_a_table_that_is_there_is_refused_before_any_work(runs, tmp_path, capsys):
    (tmp_path / "runs.csv").write_text("mine")
    code, said = compare(capsys, *runs, "--out", "runs.csv")
    assert code == 2
    assert said.err == (
        "fieldmark: --out runs.csv: exists already; choose another name, "
        "or replace it with --overwrite\n"
    )
    assert (tmp_path / "runs.csv").read_text() == "mine"
    assert not (tmp_path / "compare.html").exists()
    assert compare(capsys, *runs, "--out", "runs.csv", "--overwrite")[0] == 0
    assert pl.read_csv("runs.csv").height > 10


def test_a_page_that_is_not_ours_stays(runs, tmp_path, capsys):
    (tmp_path / "mine.html").write_text("mine")
    code, said = compare(capsys, *runs, "--page", "mine.html")
    assert code == 2
    assert said.err == (
        "fieldmark: --page mine.html: is no page of Fieldmark's, so it stays; choose another name\n"
    )
    assert (tmp_path / "mine.html").read_text() == "mine"


def test_a_mistake_is_one_sentence(capsys, runs):
    code, said = compare(capsys, "a")
    assert code == 2
    assert said.out == ""
    assert said.err == (
        "fieldmark: compare needs two runs at the least; name another run's folder\n"
    )
    assert compare(capsys, "a", "a")[1].err == "fieldmark: a: is named twice; name each run once\n"
