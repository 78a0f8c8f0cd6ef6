"""`fieldmark suspects` on small runs: its page, table and words, and the way back to training."""

import csv
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from smallruns import QUIET, draw_photos, train

from fieldmark.cli.main import run as fieldmark
from fieldmark.records import Samples
from fieldmark.report.page import report
from fieldmark.reviews import suspects
from fieldmark.reviews.alike import alike
from fieldmark.reviews.earlier import again, earlier


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run on photos of which one has a wrong label, and the photos."""
    folder = tmp_path_factory.mktemp("suspects")
    photos = draw_photos(folder / "photos", each=16, side=16)
    shutil.copy(photos / "red" / "03.png", photos / "blue" / "wrong.png")
    (photos / "red" / "03.png").unlink()
    run = train(photos, folder / "runs", "one", epochs="6")
    return run, photos


def test_the_page_and_the_table_lie_in_the_run_and_the_screen_says_so(trained, capsys):
    run, _ = trained
    assert fieldmark(["suspects", str(run.path)]) == 0
    told = capsys.readouterr().out
    assert " worth a look" in told or "No label is doubtful" in told
    assert "14 of 48 images were judged by a model that was trained without them; " in told
    assert f"page    {run.path}/suspects.html\ntable   {run.path}/suspects.csv\n" in told
    with (run.path / "suspects.csv").open() as stream:
        rows = list(csv.reader(stream))
    assert ",".join(rows[0]) == "path,row,split,label,suggested,score,kind,clear,twin"
    page = (run.path / "suspects.html").read_text(encoding="utf-8")
    assert 'name="generator" content="Fieldmark"' in page
    assert 'id="map"' in page
    assert len(page) < 2_000_000


def test_without_a_map_no_network_is_asked(trained, tmp_path, monkeypatch):
    run, _ = trained
    monkeypatch.setattr("fieldmark.reviews.suspects.alike", None)
    assert (
        fieldmark(["suspects", str(run.path), "--no-map", "--page", str(tmp_path / "p.html")]) == 0
    )
    assert 'id="map"' not in (tmp_path / "p.html").read_text(encoding="utf-8")
    assert (tmp_path / "p.csv").is_file()


def test_only_a_page_of_ours_is_replaced(trained, tmp_path, capsys):
    run, _ = trained
    (tmp_path / "mine.html").write_text("mine")
    assert fieldmark(["suspects", str(run.path), "--page", str(tmp_path / "mine.html")]) == 2
    assert "is no page of Fieldmark's, so it stays" in capsys.readouterr().err


def test_a_table_of_somebody_else_is_not_replaced(trained, tmp_path, capsys):
    run, _ = trained
    (tmp_path / "labels.csv").write_text("image,label\n")
    assert fieldmark(["suspects", str(run.path), "--page", str(tmp_path / "labels.html")]) == 2
    assert capsys.readouterr().err == (
        f"fieldmark: --page: {tmp_path}/labels.csv would hold the table, and is something else; "
        "choose another name\n"
    )
    assert (tmp_path / "labels.csv").read_text() == "image,label\n"


def test_where_no_image_is_there_any_more_the_labels_are_still_judged(trained, tmp_path, capsys):
    run, _ = trained
    moved = shutil.copytree(run.path, tmp_path / "run")
    samples = Samples.read(run.samples)
    Samples(samples.frame, str(tmp_path / "gone"), samples.task).write(moved / "samples.parquet")
    assert fieldmark(["suspects", str(moved)]) == 0
    assert (
        f"note: nothing is said of what is alike: the photos are no longer in {tmp_path}/gone; put "
        "them back\n"
    ) in capsys.readouterr().out


def test_images_that_have_gone_are_told_and_have_no_place_on_the_map(trained, tmp_path):
    run, photos = trained
    moved = shutil.copytree(photos, tmp_path / "photos")
    (moved / "red" / "05.png").unlink()
    samples = Samples.read(run.samples)
    samples = Samples(samples.frame, str(moved), samples.task)
    found, notes = alike(samples, run.path, QUIET, "auto")
    assert len(found.samples) == len(samples) - 1
    assert notes == [
        f"1 image in {moved} changed or vanished since the training ('red/05.png' is one) and have "
        "no place on the map"
    ]


def test_a_run_without_answers_cannot_judge(trained, tmp_path, capsys):
    _, photos = trained
    run = train(photos, tmp_path, "all", "data.val=none", "data.test=none", epochs="1")
    assert fieldmark(["suspects", str(run.path)]) == 2
    assert capsys.readouterr().err == (
        f"fieldmark: {run.path}: no image was kept from its training, so nothing can judge a "
        f"label; to have all judged: fieldmark cross-validate {photos}\n"
    )
    run.predictions.unlink()
    assert fieldmark(["suspects", str(run.path)]) == 2
    assert "has no predictions yet" in capsys.readouterr().err


def test_a_corrected_run_says_so_and_carries_its_corrections_on(trained, tmp_path, capsys):
    _, photos = trained
    file = tmp_path / "corrections.csv"
    file.write_text(
        "path,row,action,label\nblue/wrong.png,,label,red\ngreen/00.png,,remove,\n"
        "red/00.png,,right,\n"
    )
    run = train(photos, tmp_path, "fixed", epochs="1", corrections=str(file))
    report(run)
    assert f"Labels of 1 image corrected, 1 image removed, 1 found right, from {file}" in (
        run.report.read_text(encoding="utf-8").replace("<wbr>", "")
    )
    assert f"corrections: {file}" in run.settings.read_text()
    assert len(Samples.read(run.samples)) == 47
    capsys.readouterr()
    assert fieldmark(["suspects", str(run.path), "--no-map"]) == 0
    page = (run.path / "suspects.html").read_text(encoding="utf-8")
    assert '["green/00.png", "", "remove", ""]' in page
    file.unlink()
    assert fieldmark(["suspects", str(run.path), "--no-map"]) == 0
    assert (
        "note: what is saved here will lack the corrections of before: " in capsys.readouterr().out
    )


def test_the_command_of_the_next_training_has_the_corrections_once():
    settings = Path("run/settings.yaml")
    typed = "fieldmark train photos --corrections old.csv --freeze && fieldmark train --resume r"
    assert again(typed, settings) == "fieldmark train photos --freeze --corrections corrections.csv"
    assert again("fieldmark train photos data.corrections=a.csv", settings) == (
        "fieldmark train photos --corrections corrections.csv"
    )
    assert again("fieldmark.train('photos')", settings) == (
        "fieldmark train --config run/settings.yaml --corrections corrections.csv"
    )


def test_without_corrections_there_are_none_to_carry():
    assert earlier(None) == ([], [])


@pytest.mark.slow
def test_a_cross_validation_judges_every_image(trained, tmp_path, capsys):
    _, photos = trained
    small = ["model.width=4", "train.batch_size=16", "run.workers=0", "--epochs", "1"]
    command = ["cross-validate", str(photos), "--folds", "2", "--out", str(tmp_path), "--name", "s"]
    assert fieldmark([*command, *small]) == 0
    capsys.readouterr()
    assert fieldmark(["suspects", str(tmp_path / "s")]) == 0
    told = capsys.readouterr().out
    assert "nothing is said of what is alike" not in told
    assert "All 48 images were judged by a model that was trained without them." in told
    page = (tmp_path / "s" / "suspects.html").read_text(encoding="utf-8")
    assert "of the test" not in page
    assert "in the test" not in page  # of pairs: folds are no sides
    assert "fieldmark cross-validate" in page


@pytest.mark.parametrize(("many", "last"), [(5, "  5.jpg: cat"), (7, "  and 2 more, on the page")])
def test_the_screen_names_five_and_says_how_many_there_are_beside(many, last):
    words = SimpleNamespace(words="cat")
    each = [
        SimpleNamespace(caption=f"{place}.jpg", named=lambda names: words)
        for place in range(1, many + 1)
    ]
    found = SimpleNamespace(suspects=each, judged=20, sure=0, all=20)
    judged = SimpleNamespace(names={}, source="test")
    told = suspects.lines(judged, found, None)
    assert told[0] == f"{many} labels are worth a look, of 20 images that were judged"
    assert told[2] == "  1.jpg: cat"
    assert told[-1] == last
