"""`fieldmark explain` on tiny bundles and runs: maps, table, page, and what it refuses."""

import csv
import json
import re

import numpy as np
import polars as pl
import pytest
from PIL import Image
from smallruns import draw_photos, train
from tinybundles import one_label, several_labels, with_known

from fieldmark import stopping
from fieldmark.cli.main import run as fieldmark
from fieldmark.heats import Heats

NBSP = "\N{NO-BREAK SPACE}"


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return draw_photos(tmp_path_factory.mktemp("drawn") / "photos", each=8)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return one_label(tmp_path_factory.mktemp("bundles") / "one")


@pytest.fixture(scope="module")
def a_run(photos, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs")
    return train(photos, out, "a", "run.explain=true", epochs="1")


def explain(capsys, *words):
    code = fieldmark(["explain", *map(str, words)])
    said = capsys.readouterr()
    return code, said.out, said.err


def rows_of(folder):
    with (folder / "heat.csv").open() as stream:
        return list(csv.DictReader(stream))


def test_images_get_maps_as_pictures_a_table_and_a_page(capsys, bundle, photos, tmp_path):
    out = tmp_path / "why"
    code, said, _ = explain(capsys, bundle, photos / "red", "--out", out)
    assert code == 0
    rows = rows_of(out)
    assert [row["image"] for row in rows] == sorted(map(str, (photos / "red").iterdir()))
    pictures = {path.name for path in (out / "maps").iterdir()}
    assert pictures == {row["picture"] for row in rows if row["map"] == "true"}
    for row in rows:
        assert row["map"] in ("true", "untrue", "still", "flat")
        assert 1 / 3 <= float(row["score"]) <= 1
        if row["map"] != "flat":
            low, mean, high = (float(row[f"random_{word}"]) for word in ("least", "mean", "most"))
            assert low <= mean <= high
    page = (out / "explain.html").read_text()
    assert "Are the maps true?" in page
    assert f"page    {out / 'explain.html'}" in said
    [count] = [line for line in said.splitlines() if line.startswith(f"{len(rows)} heat maps: ")]
    headline = page.partition("</h1>")[0].rpartition("<h1>")[2].replace(NBSP, " ")
    assert " ".join(re.sub("<[^>]+>", " ", headline).split()) == count  # in the same words


def test_an_image_is_judged_alone_as_it_is_in_its_folder(capsys, bundle, photos, tmp_path):
    words = ("--no-attention", "--out")
    explain(capsys, bundle, photos / "red", *words, tmp_path / "all")
    explain(capsys, bundle, photos / "red/05.png", *words, tmp_path / "one")
    [among] = [row for row in rows_of(tmp_path / "all") if row["image"].endswith("05.png")]
    [alone] = rows_of(tmp_path / "one")
    assert {**among, "picture": ""} == {**alone, "picture": ""}


def test_classes_that_are_asked_for_have_a_map_each(capsys, bundle, photos, tmp_path):
    words = ("--class", "c", "--class", "a", "--no-trust", "--out", tmp_path / "why")
    code, said, _ = explain(capsys, bundle, photos / "red/00.png", *words)
    assert code == 0
    rows = rows_of(tmp_path / "why")
    assert [(row["class"], row["random_mean"]) for row in rows] == [("c", ""), ("a", "")]
    assert "2 heat maps: 2 are unchecked" in said
    page = (tmp_path / "why" / "explain.html").read_text().replace(NBSP, " ")
    assert page.count('<p class="fell">unchecked</p>') == 2
    assert page.count("1 map, unchecked") == 2  # the mean of each class
    with Image.open(tmp_path / "why/maps" / rows[0]["picture"]) as picture:
        assert picture.size == (128, 128)


def test_of_several_labels_each_that_reaches_its_threshold_has_a_map(capsys, photos, tmp_path):
    bundle = several_labels(tmp_path / "b", photos / "red")
    info = json.loads((bundle / "model.json").read_text())
    explain(capsys, bundle, photos / "red", "--no-trust", "--out", tmp_path / "why")
    rows, least = rows_of(tmp_path / "why"), info["thresholds"]
    images = {row["image"] for row in rows}
    assert len(images) == 8
    above = [row for row in rows if float(row["score"]) >= least[row["class"]] - 1e-6]
    alone = [image for image in images if sum(row["image"] == image for row in rows) == 1]
    assert len(rows) > 8
    assert {row["image"] for row in rows if row not in above} <= set(alone)  # the likeliest
    page = (tmp_path / "why" / "explain.html").read_text()
    assert page.count('alt="what the model saw of') == 8  # each photo once, whatever its labels
    assert page.count('alt="where the model looked for') == sum(
        row["map"] == "unchecked" for row in rows
    )


def test_images_unlike_the_training_ones_are_told_and_marked(capsys, photos, tmp_path):
    bundle = with_known(one_label(tmp_path / "b"), photos / "red/00.png", most=1e-3)
    words = (bundle, photos / "red/00.png", photos / "blue/00.png", "--no-trust", "--out")
    _, said, _ = explain(capsys, *words, tmp_path / "why")
    assert said.splitlines()[0] == (
        "note: 1 of 2 images is unlike the training ones (so is 1 of 40 validation images); where "
        "the model looks in it says little"
    )
    assert [row["unlike"] for row in rows_of(tmp_path / "why")] == ["false", "true"]
    page = (tmp_path / "why" / "explain.html").read_text()
    assert page.count(">unlike the training images<") == 1
    assert "1 of 2 images is unlike the training ones" in page
    with_known(bundle, photos / "red/00.png", most=1e-3, images=30)  # of so few nothing is said
    _, said, _ = explain(capsys, *words, tmp_path / "again")
    assert "unlike the training" not in said
    assert {row["unlike"] for row in rows_of(tmp_path / "again")} == {""}


@pytest.mark.parametrize("method", ["layer-cam", "occlusion", "integrated-gradients"])
def test_other_methods_make_maps_too(capsys, bundle, photos, tmp_path, method):
    words = ("--method", method, "--no-trust", "--out", tmp_path / "why")
    code, _, _ = explain(capsys, bundle, photos / "red/00.png", *words)
    assert code == 0
    assert len(rows_of(tmp_path / "why")) == 1


def test_a_broken_file_is_told_and_the_rest_goes_on(capsys, bundle, photos, tmp_path):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no picture")
    words = (broken, photos / "red/00.png", "--no-trust", "--out", tmp_path / "why")
    code, said, _ = explain(capsys, bundle, *words)
    assert code == 1
    assert len(rows_of(tmp_path / "why")) == 1
    assert f"note: {broken}: is not a picture that can be read" in said
    page = (tmp_path / "why/explain.html").read_text()
    assert "is not a picture that can be read" in page
    assert "looks for its answers on 1 of 2 images." in page


def test_where_no_file_can_be_read_there_is_no_page(capsys, bundle, tmp_path):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no picture")
    code, _, error = explain(capsys, bundle, broken, "--out", tmp_path / "why")
    assert code == 1
    assert "no image could be read" in error
    assert not (tmp_path / "why").exists()


def test_a_run_without_images_explains_its_own_and_draws_its_report_anew(capsys, a_run):
    before = Heats.read(a_run.heat)
    assert before.rows
    code, said, _ = explain(capsys, a_run.path)
    assert code == 0
    folder = a_run.path / "explanations" / "own-1"
    assert f"table   {folder / 'heat.csv'}" in said
    page = (folder / "explain.html").read_text()
    assert page.count("Surest hits") >= 1
    found = Heats.read(a_run.heat)
    assert all(each.standing != "unchecked" for each in found.rows)
    assert found.weights == before.weights
    assert "Where it looks" in a_run.report.read_text()


def test_a_run_whose_photos_are_gone_says_what_to_do_and_its_report_is_drawn_without(
    capsys, photos, a_run, tmp_path
):
    moved = tmp_path / "moved"
    photos.rename(moved)
    try:
        code, _, error = explain(capsys, a_run.path)
        drawn = fieldmark(["report", str(a_run.path)])
        told = capsys.readouterr().out
        fieldmark(["evaluate", str(a_run.path)])
        figures = capsys.readouterr().out
        page = a_run.report.read_text()
    finally:
        moved.rename(photos)
    assert code == 2
    assert error == (
        f"fieldmark: {a_run.path}: the photos are no longer in {photos}; put them back, or name "
        f"images: fieldmark explain {a_run.path} IMAGES\n"
    )
    assert told == (
        f"note: the photos are no longer in {photos}, so the page has no pictures; put them back, "
        f"and draw it again\nreport  {a_run.report}\n"
    )
    assert figures.splitlines()[-1] == (
        f"note: the photos are no longer in {photos}; the figures are of what the run saw there"
    )
    assert drawn == 0
    assert "Not shown among the pictures" in page


def test_of_many_broken_files_the_first_are_told_and_the_rest_counted(
    capsys, bundle, photos, tmp_path
):
    for number in range(13):
        (tmp_path / f"{number:02}.jpg").write_bytes(b"no picture")
    words = (tmp_path, photos / "red/00.png", "--no-trust", "--out", tmp_path / "why")
    _, said, _ = explain(capsys, bundle, *words)
    assert said.count("is not a picture that can be read") == 10
    assert "note: 3 more images could not be read" in said


def test_one_class_of_a_run_leaves_its_report_as_it_was(capsys, a_run):
    before = a_run.report.read_bytes()
    label = Heats.read(a_run.heat).rows[0].label
    code, _, _ = explain(capsys, a_run.path, "--class", label, "--no-trust")
    assert code == 0
    assert a_run.report.read_bytes() == before


def refused(capsys, *words):
    code, _, error = explain(capsys, *words)
    assert code == 2
    return error.removeprefix("fieldmark: ").strip()


def test_an_unknown_class_names_the_nearest(capsys, a_run, photos):
    words = (a_run.path, photos / "red", "--class", "rde")
    assert refused(capsys, *words) == (
        "--class: the model knows no class 'rde'; did you mean 'red'?"
    )
    assert refused(capsys, a_run.path, "--class", "violet") == (
        "--class: the model knows no class 'violet'; there are 'blue', 'green' and 'red'"
    )


def test_all_mistakes_are_told_together(capsys, bundle, photos, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    words = (bundle, photos, "--method", "grad-kam", "--out", tmp_path / "full")
    assert refused(capsys, *words).splitlines() == [
        "--method: there is no method 'grad-kam'; did you mean 'grad-cam'?",
        f"fieldmark: --out {tmp_path / 'full'}: holds files already, which stay; name a new folder",
    ]
    words = (bundle, photos, "--method", "occlusion", "--layer", "blocks")
    assert refused(capsys, *words) == "--layer: 'occlusion' looks at no layer; leave it out"


def test_a_bundle_without_images_of_its_own_wants_some(capsys, bundle):
    assert refused(capsys, bundle) == (
        f"{bundle}: has no images of its own; name some: fieldmark explain {bundle} IMAGES"
    )


def test_a_layer_that_there_is_not_is_refused_and_leaves_no_folder(
    capsys, bundle, photos, tmp_path
):
    words = (bundle, photos / "red", "--layer", "blocks.9", "--out", tmp_path / "why")
    assert refused(capsys, *words).startswith("--layer: ")
    assert not (tmp_path / "why").exists()


def test_many_models_that_answer_as_one_are_explained_one_by_one(capsys, bundle, photos, tmp_path):
    whole = {"classes": ["a", "b", "c"], "members": [{"run": "runs/fold-1"}], "format": 1}
    (tmp_path / "ensemble.json").write_text(json.dumps(whole))
    assert refused(capsys, tmp_path, photos) == (
        f"{tmp_path}: is a study that answers by one of its runs; name that: fieldmark explain "
        f"{tmp_path / 'runs/fold-1'}"
    )
    whole["members"].append({"run": "runs/fold-2"})
    (tmp_path / "ensemble.json").write_text(json.dumps(whole))
    assert refused(capsys, tmp_path, photos) == (
        f"{tmp_path}: is several models that answer as one, and a heat map is of one; name one of "
        f"them: fieldmark explain {tmp_path / 'runs/fold-1'}"
    )


def test_a_page_of_many_images_shows_some_and_stays_small(capsys, bundle, tmp_path, monkeypatch):
    monkeypatch.setattr("fieldmark.reviews.explain.MOST", 50)
    noise = np.random.default_rng(0).integers(0, 256, (65, 16, 16, 3)).astype(np.uint8)
    (tmp_path / "many").mkdir()
    for number, pixels in enumerate(noise):
        Image.fromarray(pixels).save(tmp_path / "many" / f"{number:03}.png")
    explain(capsys, bundle, tmp_path / "many", "--no-trust", "--out", tmp_path / "why")
    assert len(rows_of(tmp_path / "why")) == 65
    page = (tmp_path / "why" / "explain.html").read_text()
    assert "32 more lie beside this page, in its table and, where they are drawn," in page
    assert len(page) < 2_000_000


def test_however_many_classes_are_asked_for_a_page_has_so_many_maps_and_counts_images(
    capsys, bundle, photos, tmp_path, monkeypatch
):
    monkeypatch.setattr("fieldmark.reviews.explain.MOST", 10)
    words = ("--class", "a", "--class", "b", "--class", "c", "--no-trust")
    explain(capsys, bundle, photos / "red", *words, "--out", tmp_path / "why")
    assert len(rows_of(tmp_path / "why")) == 24
    page = (tmp_path / "why" / "explain.html").read_text()
    assert "18 more lie beside this page" in page  # every fourth is on it
    assert "on 8 images." in page
    assert "Where it looks on 8 pictures" in page.replace("\N{NO-BREAK SPACE}", " ")


def test_a_signal_in_the_midst_of_it_leaves_no_folder(
    capsys, bundle, photos, tmp_path, monkeypatch
):
    def signalled(*_):
        assert (tmp_path / "why" / "maps").is_dir()
        for undo in stopping._undos:  # what the handler does before the process ends
            undo()
        assert not (tmp_path / "why").exists()
        raise KeyboardInterrupt

    monkeypatch.setattr("fieldmark.reviews.explain.proof_of", signalled)
    code, _, _ = explain(capsys, bundle, photos / "red", "--out", tmp_path / "why")
    assert code == 130
    assert not (tmp_path / "why").exists()


def test_maps_that_nobody_judged_leave_a_runs_report_as_it_was(capsys, a_run):
    before = a_run.report.read_bytes(), a_run.heat.read_bytes()
    code, _, _ = explain(capsys, a_run.path, "--no-trust")
    assert code == 0
    assert (a_run.report.read_bytes(), a_run.heat.read_bytes()) == before


def test_the_maps_of_a_run_go_by_its_predictions(a_run):
    heats = Heats.read(a_run.heat)
    table = pl.read_parquet(a_run.predictions)
    known = set(table.filter(pl.col("split") == "test")["path"])
    assert {each.path for each in heats.rows} <= known
