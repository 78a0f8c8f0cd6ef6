"""`fieldmark evaluate`: what it prints, writes and answers."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image
from smallruns import FAST, draw_photos, train

from fieldmark.cli.main import run as fieldmark


@pytest.fixture
def table(tmp_path):
    """Photos under other names of columns, in a folder of their own; site B is labelled wrongly."""
    photos = draw_photos(tmp_path / "mine", each=12, seed=4)
    rows = ["file,species,site"]
    for path in sorted(photos.glob("*/*.png")):
        site, label = ("B", "red") if path.stem > "05" else ("A", path.parent.name)
        rows.append(f"{path.relative_to(photos)},{label},{site}")
    (tmp_path / "labels.csv").write_text("\n".join(rows) + "\n")
    return tmp_path / "labels.csv"


def evaluate(capsys, *words):
    code = fieldmark(["evaluate", *map(str, words)])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_a_table_with_columns_of_its_own_is_evaluated_by_site(capsys, a_run, table):
    words = (table, "data.label_column=species", "--images", "mine", "--by", "site")
    code, said, _ = evaluate(capsys, a_run, *words)
    assert code == 0
    lines = said.splitlines()
    assert lines[0] == "labels.csv, 36 images         95 % interval"
    start = next(k for k, line in enumerate(lines) if line.startswith("labels.csv by site"))
    assert lines[start].split() == [
        *("labels.csv", "by", "site", "images", "accuracy"),
        *("95", "%", "interval", "balanced", "accuracy", "macro", "F1"),
    ]
    assert lines[start + 1].split()[:2] == ["A", "18"]
    assert lines[start + 2].split()[:2] == ["B", "18"]
    folder = next((a_run / "evaluations").iterdir())
    assert lines[-2:] == [f"kept    {folder}", f"report  {folder / 'report.html'}"]
    kept = json.loads((folder / "metrics.json").read_text())
    command = "fieldmark evaluate " + " ".join(map(str, (a_run, *words)))
    assert kept["about"]["command"] == command
    assert kept["about"]["data"]["label_column"] == "species"
    found = kept["by"]["site"]
    is_below = found["B"]["intervals"]["accuracy"][1] < kept["test"]["accuracy"]
    assert ("note: site B: " in said) == is_below


def test_json_is_what_was_kept_and_nothing_else_on_the_screen(capsys, a_run, table):
    before = set((a_run / "evaluations").glob("*"))
    words = (table, "data.label_column=species", "--images", "mine", "--json")
    code, said, others = evaluate(capsys, a_run, *words)
    assert code == 0
    (folder,) = set((a_run / "evaluations").glob("*")) - before
    assert json.loads(said) == json.loads((folder / "metrics.json").read_text())
    assert "labels.csv, 36 images" in others


def test_a_page_is_written_beside_the_folder_too(capsys, a_run, tmp_path):
    photos = draw_photos(tmp_path / "more", each=3, seed=9)
    code, said, _ = evaluate(capsys, a_run, photos, "--page", "p.html")
    assert code == 0
    assert said.splitlines()[-1] == "page    p.html"
    assert "of 9 new images" in (tmp_path / "p.html").read_text()


def test_stored_figures_by_the_width(capsys, a_run):
    code, said, _ = evaluate(capsys, a_run, "--by", "width", "--page", "own.html")
    assert code == 0
    assert "test by width" in said
    assert [line for line in said.splitlines() if line.startswith("  16 ")]
    code, said, _ = evaluate(capsys, a_run, "--by", "width", "--json")
    assert list(json.loads(said)) == ["val", "test", "by"]


def test_a_built_in_set_is_evaluated(capsys, tmp_path):
    run = train("digits", tmp_path / "runs", "d", "train.batch_size=256", epochs="1").path
    code, said, _ = evaluate(capsys, run, "digits")
    assert code == 0
    assert "digits, 1797 images" in said
    assert "took part in training" in said


def test_a_page_gets_its_folder_and_is_replaced_by_the_next(capsys, a_run, tmp_path):
    for _ in range(2):
        assert evaluate(capsys, a_run, "--page", "new/folder/p.html")[0] == 0
    assert "Right on" in (tmp_path / "new" / "folder" / "p.html").read_text()


@pytest.mark.parametrize("name", ["p.txt", "mine.html"])
def test_a_page_never_takes_another_files_place_and_nothing_is_looked_at(
    capsys, a_run, tmp_path, monkeypatch, name
):
    (tmp_path / name).write_text("mine")
    monkeypatch.setattr("fieldmark.reviews.stored.evaluate_stored", None)
    code, _, errors = evaluate(capsys, a_run, "--page", name)
    assert code == 2
    assert len(errors.splitlines()) == 1
    assert errors.startswith(f"fieldmark: --page {name}: ")
    assert (tmp_path / name).read_text() == "mine"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (
            ["--by", "site"],
            "--by site: the images have no columns of yours (there are only 'width' and "
            "'height'), as those of folders never have; give a table of images and labels with "
            "this column",
        ),
        (
            ["--images", "x"],
            "--images: goes with DATA, other images; name them, or leave it out",
        ),
        (
            ["--device", "cpu"],
            "--device: goes with DATA, other images; name them, or leave it out",
        ),
        (
            ["nowhere"],
            "nowhere: there is no such folder or table; name one, or one of 'digits' and 'cifar10'",
        ),
        (
            ["digits", "train.epochs=3"],
            "train.epochs: means nothing to images that are only looked at; there are "
            "data.images, data.data_dir, data.image_column, data.label_column, "
            "data.label_separator, data.group_column, data.split_column, data.pattern, data.crops, "
            "data.crops_above, data.levels, data.on_bad",
        ),
        (
            ["digits"],
            "digits: none of its classes ('0', '1', '2', '3', '4', '5', '6', '7' and 2 more) is "
            "known to the model, which has 'blue', 'green' and 'red'; name the classes as it does",
        ),
    ],
)
def test_a_mistake_is_one_sentence_and_leaves_nothing(capsys, a_run, words, line):
    before = sorted((a_run / "evaluations").glob("*"))
    code, _, errors = evaluate(capsys, a_run, *words)
    assert code == 2
    assert errors.splitlines() == [f"fieldmark: {line}"]
    assert sorted((a_run / "evaluations").glob("*")) == before


def test_evaluate_prints_what_metrics_json_holds(capsys, a_run):
    assert fieldmark(["evaluate", str(a_run), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    kept = json.loads((a_run / "metrics.json").read_text())
    assert found == {side: kept[side] for side in ("val", "test")}


def test_evaluate_says_when_the_images_changed(capsys, tmp_path):
    photos = draw_photos(tmp_path / "mine", each=8)
    assert fieldmark(["train", str(photos), *FAST, "--name", "c"]) == 0
    assert fieldmark(["evaluate", "runs/c"]) == 0
    assert "since the run" not in capsys.readouterr().out
    (photos / "red" / "00.png").unlink()
    (photos / "red" / "01.png").write_bytes((photos / "blue" / "01.png").read_bytes())
    assert fieldmark(["evaluate", "runs/c"]) == 0
    assert (
        f"note: 2 images of 24 in {photos} changed or vanished since the run "
        "('red/00.png' is one); these figures are of what it saw then"
    ) in capsys.readouterr().out


def test_evaluate_on_other_images_matches_classes_by_name(capsys, a_run, tmp_path):
    photos = draw_photos(tmp_path / "other", each=5, seed=1)
    (photos / "blue").rename(photos / "violet")
    assert fieldmark(["evaluate", str(a_run), str(photos)]) == 0
    said = capsys.readouterr().out
    assert said.count("5 images") == 1  # told once
    assert (
        "note: 5 images of 'violet', which the model does not know, are out of the figures" in said
    )
    assert "other, 10 images" in said
    assert "took part in training" not in said
    kept = json.loads((a_run / "evaluations" / "other-1" / "metrics.json").read_text())
    assert kept["test"]["n"] == 10
    assert kept["test"]["absent"] == ["blue"]
    assert kept["test"]["unknown"] == 5


def test_evaluate_on_the_images_of_training_says_so(capsys, a_run, photos):
    assert fieldmark(["evaluate", str(a_run), str(photos)]) == 0
    said = capsys.readouterr().out
    assert (
        "note: 21 images of these 24 took part in training, so the figures flatter; "
        "evaluate on images that did not"
    ) in said


def test_pictures_of_no_class_are_counted_beside_the_runs_own(capsys, a_run, tmp_path):
    (tmp_path / "odd").mkdir()
    for number in range(4):
        pixels = np.zeros((16, 16, 3), np.uint8)
        pixels[:: number + 1] = 255
        Image.fromarray(pixels).save(tmp_path / "odd" / f"{number}.png")
    (tmp_path / "odd" / "broken.png").write_bytes(b"")
    code, said, others = evaluate(capsys, a_run, "--unknown", "odd", "--json")
    assert code == 0
    found = json.loads(said)
    assert found["side"] == "test"
    assert found["unknown"]["n"] == 4
    assert found["unknown"]["flagged"]["value"] >= found["unknown"]["by"]["distance"]["value"]
    assert set(found["areas"]) == {"distance", "scores"}
    assert 0 <= found["own"]["flagged"]["interval"][0] <= found["own"]["flagged"]["value"]
    assert "odd/broken.png: is empty (0 bytes)" in others
    assert "odd, 4 images of no class\n  told unlike the training images: " in others
    assert "\nAUROC of one against the other: distance " in others


def test_pictures_of_no_class_need_what_the_run_kept_and_no_network_for_saying_so(
    capsys, a_run, tmp_path, monkeypatch
):
    bare = tmp_path / "bare"
    shutil.copytree(a_run, bare)
    (bare / "known.safetensors").unlink()
    monkeypatch.setattr("fieldmark.reviews.unknown.open_bundle", None)
    (tmp_path / "odd").mkdir()
    code, _, said = evaluate(capsys, bare, "--unknown", "odd")
    assert code == 2
    assert said == (
        f"fieldmark: {bare}: lacks known.safetensors, by which images unlike the training ones are "
        "told; copy it from the run beside the other two files; else name another run\n"
    )
    shutil.copy(a_run / "known.safetensors", bare)
    (bare / "predictions.parquet").unlink()
    code, _, said = evaluate(capsys, bare, "--unknown", "odd")
    assert code == 2
    assert said == (
        f"fieldmark: {bare}: has no predictions of its own images to compare with; train it anew\n"
    )


def test_pictures_of_no_class_go_alone(capsys, a_run, tmp_path):
    code, _, said = evaluate(capsys, a_run, "new", "--unknown", "odd", "--sets", "0.5")
    assert code == 2
    what = "does not go with --unknown, which looks at pictures of no class; leave one out"
    assert f"DATA: {what}" in said
    assert f"--sets: {what}" in said


def test_how_often_sets_hold_the_truth_is_printed_and_kept(capsys, a_run):
    code, said, _ = evaluate(capsys, a_run, "--sets", "0.5")
    assert code == 0
    test = said[said.index("test, ") :]
    assert "  told unlike the training images: " in test
    assert "  sets of 50 % hold the truth of " in test
    assert "sets of" not in said[: said.index("test, ")]  # validation has chosen them
    code, said, _ = evaluate(capsys, a_run, "--sets", "0.5", "--json")
    (found,) = json.loads(said)["test"]["sets"]
    assert found["level"] == 0.5
    assert found["held"]["interval"][0] <= found["held"]["value"] <= 1
    kept = json.loads((a_run / "metrics.json").read_text())["test"]
    assert kept["unlike"] == json.loads(said)["test"]["unlike"]


def test_sets_that_validation_cannot_promise_are_refused(capsys, a_run):
    code, _, said = evaluate(capsys, a_run, "--sets", "0.999")
    assert code == 2
    assert "--sets 0.999: " in said
    assert " cannot promise that; ask for 0." in said
