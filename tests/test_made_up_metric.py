"""Law 9 for metrics: one function and one row add one everywhere."""

import re
import shutil

import numpy as np
import polars as pl
import pytest
from smallruns import QUIET, draw_photos, train
from test_recipes import metrics_table

from fieldmark.errors import SettingsError
from fieldmark.judge.evidence import Margins
from fieldmark.judge.metrics import METRICS, Metric, OfCounts, OfScores, Shown
from fieldmark.reviews.compare import as_json, as_lines, compare
from fieldmark.reviews.compare_page import render
from fieldmark.reviews.evaluated import Asked
from fieldmark.reviews.long_table import long_table
from fieldmark.reviews.stored import evaluate_stored


def kappa(margins: Margins) -> np.ndarray:
    """Agreement of guess and truth beyond what chance gives (Cohen, 1960). (..., C) -> (...)"""
    images = margins.support.sum(axis=-1)
    by_chance = (margins.support * margins.guessed).sum(axis=-1) / images**2
    return (margins.hits.sum(axis=-1) / images - by_chance) / (1 - by_chance)


KAPPA = Metric(
    "agreement of guess and truth beyond chance; 0 is chance",
    OfCounts(kappa, least=-1.0),
    "Cohen's kappa",
    is_share=False,
    shown=Shown.COLUMN,
)
SURENESS = Metric(
    "mean score of the guess",
    OfScores(lambda evidence: evidence.confidence.mean(), "it says nothing of the truth"),
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Trained, and its epoch chosen, by metrics that the table has not."""
    root = draw_photos(tmp_path_factory.mktemp("photos") / "images")
    rows = [f"{path},{path.parent.name},{path.stem[-1]}" for path in sorted(root.glob("*/*.png"))]
    table = root.parent / "photos.csv"
    table.write_text("\n".join(["image,label,site", *rows]) + "\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(METRICS, "kappa", KAPPA)
        patch.setitem(METRICS, "sureness", SURENESS)
        words = ("train.monitor=kappa", "train.figures=[kappa,sureness]")
        yield train(table, tmp_path_factory.mktemp("runs"), "one", *words, page=True, epochs="2")


def test_it_chooses_the_epoch_and_is_in_the_history_and_on_the_screen(run):
    history = pl.read_csv(run.history)
    assert {"train_kappa", "val_kappa", "train_sureness", "val_sureness"} <= set(history.columns)
    best = run.read_metrics().about.best_epoch
    assert history["val_kappa"][best - 1] == history["val_kappa"].max()
    said = run.log.read_text()
    assert f"val kappa {history['val_kappa'][0]:.4f}  val sureness " in said
    assert re.search(r"Cohen's kappa +\S+ +\S+ to \S+", said)


def test_it_is_among_the_figures_with_an_interval_where_its_kind_has_one(run):
    found = run.read_metrics().sides["test"]
    low, high = found.intervals["kappa"]
    assert -1 <= low < found["kappa"] < high <= 1
    assert 0 < found["sureness"] < 1
    assert found.intervals["sureness"] == (None, None)


def test_the_page_has_it_large_and_with_its_meaning(run):
    text = run.report.read_text()
    assert "<h3>Cohen&#39;s kappa</h3>" in text
    assert text.count(KAPPA.meaning) == 2  # as a key figure, and in the table of all
    assert SURENESS.meaning in text
    assert "Cohen&#39;s kappa by epoch" in text


def test_two_runs_are_compared_by_it_and_a_table_has_every_value(run, tmp_path):
    shutil.copytree(run.path, tmp_path / "two")
    (tmp_path / "two" / "model.safetensors").write_bytes(b"of another model")
    found = compare([str(run.path), str(tmp_path / "two")], metric="kappa")
    assert "two and one are too close to tell" in found.sentences()[0]
    assert "the same Cohen's kappa" in found.sentences()[0]
    assert "Cohen's kappa (95 % interval)" in as_lines(found)[0]
    assert as_json(found)["comparisons"][0]["differences"]["kappa"]["difference"] == 0
    assert "Cohen&#39;s kappa" in render(found, "")
    table = long_table(found.runs).filter(pl.col("metric").is_in(["kappa", "sureness"]))
    assert set(table["split"]) == {"train", "val", "test"}


def test_it_has_a_column_by_site(run, tmp_path):
    page = tmp_path / "page.html"
    found = evaluate_stored(str(run.path), Asked(by=("site",), page=page), QUIET)
    assert all("kappa" in value.values for value in found.by["site"].values())
    section = page.read_text().partition('id="by-1"')[2].partition("</section>")[0]
    assert "Cohen&#39;s kappa" in section


def test_the_guides_table_would_have_it(run):
    assert "| `kappa` | agreement of guess and truth beyond chance; 0 is chance | more | one |" in (
        metrics_table().splitlines()
    )


def test_what_has_no_pairing_says_why(run):
    with pytest.raises(SettingsError, match="no paired interval, since it says nothing of the"):
        compare([str(run.path)], metric="sureness")
