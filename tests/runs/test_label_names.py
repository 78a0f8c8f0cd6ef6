"""Names of labels: on pages and the screen of a run, while its files keep the labels."""

import json
import re

import polars as pl
import pytest
from smallruns import FAST, draw_photos

from fieldmark.cli.main import run as fieldmark
from fieldmark.records import Predictions, Samples
from fieldmark.rundir import RunDir

NAMES = "label,name,other words\n1,white heron,x\n3,kingfisher,\n2,,y\n12,stop sign,\n"
LABELS = {"blue": "1", "green": "1 3", "red": "2"}


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A table of two labels an image at most, and photos beside it."""
    photos = draw_photos(tmp_path_factory.mktemp("named") / "photos", each=12)
    rows = [
        f"{path.relative_to(photos).as_posix()},{LABELS[path.parent.name]}"
        for path in sorted(photos.rglob("*.png"))
    ]
    (photos / "t.csv").write_text("\n".join(["ImageID,Labels", *rows]) + "\n")
    return photos / "t.csv"


@pytest.fixture(scope="module")
def trained(table, tmp_path_factory):
    """A run with names, whose file of names is gone since; and what its screen said."""
    out = tmp_path_factory.mktemp("runs")
    names = out / "names.csv"
    names.write_text(NAMES)
    words = ["train", str(table), *FAST, "--out", str(out), "--name", "a"]
    assert fieldmark([*words, f"data.label_names={names}"]) == 0
    names.unlink()
    return RunDir(out / "a")


def bare(page):
    """A page's texts: without scripts, styles, settings and tags."""
    page = re.sub(r"<(script|style|pre)\b.*?</\1>", " ", page, flags=re.S)
    return re.sub(r"<[^>]*>", " ", page)


def test_the_page_has_names_where_the_files_have_labels(trained):
    page = trained.report.read_text()
    for part in ("thresholds", "classes", "images", "together"):
        section = re.search(rf'<details class="section" id="{part}".*?</table>', page, re.S)[0]
        heads = re.findall(r'<th scope="row"[^>]*>(.*?)</th>', section, re.S)
        texts = [re.sub(r"<[^>]*>|\s+", " ", head).strip() for head in heads]
        assert texts[:3] == ["white heron", "2", "kingfisher"], part
    told = "Labels are called by names (1 is white heron, 3 is kingfisher); files keep the labels."
    assert told in page
    assert trained.read_metrics().classes == ("1", "2", "3")
    assert set(trained.read_metrics().sides["test"].per_class) == {"1", "2", "3"}
    assert json.loads((trained.path / "model.json").read_text())["classes"] == ["1", "2", "3"]
    assert Predictions.read(trained.predictions).classes == ("1", "2", "3")
    assert Samples.read(trained.samples).classes == ("1", "2", "3")


def test_the_page_is_drawn_again_with_the_names_that_were_kept(trained):
    before = trained.report.read_text()
    trained.report.unlink()
    assert fieldmark(["report", str(trained.path)]) == 0
    assert trained.report.read_text() == before
    assert "white heron" in bare(before)


def test_pictures_are_called_by_names_too(trained):
    page = trained.report.read_text()
    gallery = re.search(r'id="(wrong|missed)-labels".*?</ul>', page, re.S)[0]
    decided = re.findall(r"<dd><bdi>(.*?)</bdi></dd>", gallery)
    assert decided
    assert set(decided) <= {"white heron", "2", "kingfisher"}
    for truth in re.findall(r'<p class="file">has (.*?);', gallery):
        assert set(truth.split(", ")) <= {"white heron", "2", "kingfisher", "no label"}


def test_predictions_have_the_labels(trained, table, capsys):
    capsys.readouterr()
    words = ["predict", str(trained.path), str(table), "--at-least-one", "--format", "kaggle"]
    assert fieldmark(words) == 0
    labels = {row.partition(",")[2] for row in capsys.readouterr().out.splitlines()[1:]}
    assert {each for its in labels for each in its.split()} <= {"1", "2", "3"}


def test_an_evaluation_has_the_names_on_its_page_and_the_labels_in_its_files(
    trained, table, capsys, tmp_path
):
    some = pl.read_csv(table, infer_schema=False).filter(pl.col("Labels") != "1 3")
    new = table.with_name("new.csv")
    some.write_csv(new)
    capsys.readouterr()
    assert fieldmark(["evaluate", str(trained.path), str(new)]) == 0
    assert "  not in new.csv: kingfisher; the figures leave them out" in (
        capsys.readouterr().out.splitlines()
    )
    [folder] = trained.evaluations.iterdir()
    assert "white heron" in bare((folder / "report.html").read_text())
    assert json.loads((folder / "metrics.json").read_text())["classes"] == ["1", "2", "3"]
    page = tmp_path / "e.html"
    assert fieldmark(["evaluate", str(trained.path), "--page", str(page)]) == 0
    assert "white heron" in bare(page.read_text())


def test_a_file_that_is_not_there_is_told_before_any_image_is_read(table, capsys, tmp_path):
    words = ["train", str(table), *FAST, "--out", str(tmp_path)]
    assert fieldmark([*words, "data.label_names=gone.csv"]) == 2
    assert capsys.readouterr().err == (
        "fieldmark: data.label_names: there is no file 'gone.csv'; name one as `fieldmark inspect` "
        "writes it\n"
    )
    (tmp_path / "names.csv").write_text("label,name\n8,sign\n")
    assert fieldmark([*words, f"data.label_names={tmp_path}/names.csv"]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"fieldmark: {tmp_path}/names.csv, line 2: there is no label '8' in the images; there are "
        "'1', '2' and '3'"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["names.csv"]
