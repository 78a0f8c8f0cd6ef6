"""`fieldmark predict` in this process: tables, what is said beside them, and exit codes."""

import json
import re

import polars as pl
import pytest
from PIL import Image
from smallruns import draw_photos
from tinybundles import one_label, several_labels, with_known

from fieldmark.cli.main import run as fieldmark
from fieldmark.data.images import SUFFIXES


def said(capsys):
    return [
        re.sub("^(fieldmark|note): ", "", line) for line in capsys.readouterr().err.splitlines()
    ]


@pytest.mark.parametrize("out", [[], ["--out", "t.csv"]])
def test_an_empty_folder_leaves_no_table_and_says_what_to_do(capsys, a_run, tmp_path, out):
    (tmp_path / "empty").mkdir()
    assert fieldmark(["predict", str(a_run), "empty", *out]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == (
        f"fieldmark: 'empty': holds no pictures ({', '.join(SUFFIXES)}); name pictures, or "
        "their folder\n"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


def test_files_that_are_all_broken_leave_no_table(capsys, a_run, tmp_path):
    (tmp_path / "a.png").touch()
    assert fieldmark(["predict", str(a_run), "a.png", "--out", "t.csv"]) == 1
    assert said(capsys) == [
        "a.png: is empty (0 bytes); copy it anew or take it out",
        "1 file had no answer; there is no table",
    ]
    assert not (tmp_path / "t.csv").exists()


def test_files_that_are_passed_over_are_told_beside_the_table(capsys, a_run, photos, tmp_path):
    mixed = draw_photos(tmp_path / "mixed", each=1)
    (mixed / "red" / "1.jxl").touch()
    assert fieldmark(["predict", str(a_run), "mixed", "--out", "t.csv"]) == 0
    told = capsys.readouterr()
    assert told.out == "3 images labelled in t.csv\n"
    assert told.err == (
        "note: mixed: 1 file passed over: 'red/1.jxl' is JPEG XL: it is not read; "
        "save it as JPEG or PNG\n"
    )


def test_a_picture_of_which_hardly_any_is_seen_is_named(capsys, tmp_path):
    photos = draw_photos(tmp_path / "photos", each=1)
    info = one_label(tmp_path / "bundle") / "model.json"
    for stored, told in (
        (
            "shorter:16",
            "1 of 3 images is so long that less than a quarter is seen, the square in "
            "the middle ('photos/red/00.png'); cut such pictures into parts, and let the model "
            "answer these",
        ),
        ("square:16", ""),
    ):
        Image.new("RGB", (90, 20)).save(photos / "red" / "00.png")
        about = json.loads(info.read_text())
        about["spec"]["stored"] = stored
        info.write_text(json.dumps(about))
        assert fieldmark(["predict", "bundle", "photos", "--out", "t.csv", "--overwrite"]) == 0
        assert said(capsys) == [told] * bool(told)


def test_a_table_that_exists_is_replaced_only_on_demand(capsys, a_run, photos, tmp_path):
    (tmp_path / "t.csv").write_text("mine")
    words = ["predict", str(a_run), str(photos / "red"), "--out", "t.csv"]
    assert fieldmark(words) == 2
    assert said(capsys) == [
        "--out t.csv: exists already; choose another name, or replace it with --overwrite"
    ]
    assert (tmp_path / "t.csv").read_text() == "mine"
    assert fieldmark([*words, "--overwrite"]) == 0
    assert (tmp_path / "t.csv").read_text().startswith("image,label,score\n")


def test_abstaining_leaves_labels_out_and_closes_with_what_it_rests_on(
    capsys, a_run, photos, tmp_path
):
    for name in ("model.safetensors", "model.json"):
        (tmp_path / name).write_bytes((a_run / name).read_bytes())
    values = json.loads((a_run / "model.json").read_text())
    values["answers"] = [[0.9999999, 10, 10], [0.1, 20, 15]]
    (tmp_path / "model.json").write_text(json.dumps(values))
    words = ["predict", str(tmp_path), str(photos / "red"), "--abstain", "0.95"]
    assert fieldmark(words) == 0
    told = capsys.readouterr()
    header, *rows = told.out.splitlines()
    assert header == "image,label,score,reason"
    assert [row.split(",")[1] for row in rows] == [""] * 8
    assert [row.split(",")[3] for row in rows] == ["unsure"] * 8
    assert told.err == (
        f"note: {tmp_path}: lacks known.safetensors, by which images unlike the training ones "
        "are told; copy it from the run beside the other two files; so images are left out for "
        "their score alone\n"
        "note: 8 of 8 images left without a label, for their score is below 1; of 20 "
        "validation images 10 would be labelled, 100.0 % (72.2 to 100.0 %) of them rightly "
        "(pictures of none of the classes may get a label all the same)\n"
    )
    assert fieldmark([*words, "--out", "t.csv"]) == 0
    assert capsys.readouterr().out == "0 images labelled in t.csv\n"


@pytest.mark.parametrize("share", ["0", "1.01"])
def test_a_share_outside_0_to_1_is_refused(capsys, a_run, photos, share):
    words = ["predict", str(a_run), str(photos), "--abstain", share, "--out", "t.csv"]
    assert fieldmark(words) == 2
    assert said(capsys) == [f"--abstain: must be more than 0 and at most 1, not {share}"]


def test_predict_on_a_device_that_is_not_there_is_one_sentence(capsys, a_run, photos):
    words = ["predict", str(a_run), str(photos), "--device", "banana"]
    assert fieldmark(words) == 2
    assert said(capsys) == ["--device: must be auto, cpu, cuda, cuda:N or mps, not banana"]


def test_a_missing_input_is_told_before_anything_is_written(capsys, a_run, photos):
    words = ["predict", str(a_run), str(photos), "nowhere.jpg", "--out", "t.csv"]
    assert fieldmark(words) == 2
    assert said(capsys) == ["nowhere.jpg: there is no such file or folder; check the path"]


def test_predict_writes_a_table_goes_on_after_broken_files_and_says_so(
    capsys, a_run, photos, tmp_path
):
    (tmp_path / "broken.png").touch()
    words = ["predict", str(a_run), str(photos), "broken.png", "--out", "t.csv", "--scores"]
    assert fieldmark(words) == 1
    told = capsys.readouterr()
    assert told.out == "24 images labelled in t.csv\n"
    assert told.err.splitlines() == [
        "fieldmark: broken.png: is empty (0 bytes); copy it anew or take it out",
        "fieldmark: 1 file had no answer",
    ]
    header, *rows = (tmp_path / "t.csv").read_text().splitlines()
    assert header == "image,label,score,score:blue,score:green,score:red"
    assert len(rows) == 24


def test_predict_without_out_writes_csv_to_the_screen(capsys, a_run, photos):
    assert fieldmark(["predict", str(a_run), str(photos / "red")]) == 0
    header, *rows = capsys.readouterr().out.splitlines()
    assert header == "image,label,score"
    assert len(rows) == 8


def test_a_table_becomes_a_kaggle_file_with_a_row_an_image(capsys, photos, tmp_path):
    run = several_labels(tmp_path / "run", photos / "red")
    (tmp_path / "test.csv").write_text("ImageID,Caption\n03.png,a\n9.png,b\n00.png,c\n")
    words = ["predict", str(run), "test.csv", "--images", str(photos / "red")]
    assert fieldmark([*words, "--out", "plain.csv", "--at-least-one"]) == 1
    rows = [line.split(",") for line in (tmp_path / "plain.csv").read_text().splitlines()]
    assert [row[0] for row in rows] == ["image", "03.png", "00.png"]
    capsys.readouterr()
    kaggle = [*words, "--format", "kaggle", "--at-least-one"]
    assert fieldmark([*kaggle, "--out", "submission.csv"]) == 1
    told = capsys.readouterr()
    assert told.out == "2 images labelled in submission.csv\n"
    assert told.err.splitlines() == [
        f"fieldmark: test.csv, line 3: there is no file '9.png' in {photos / 'red'}; add it, or "
        "take the row out",
        "fieldmark: 1 file had no answer and has no label",
    ]
    header, *lines = (tmp_path / "submission.csv").read_text().splitlines()
    assert header == "ImageID,Labels"
    sets = {row[0]: set(row[1].split("|")) for row in rows[1:]}
    assert [line.split(",")[0] for line in lines] == ["03.png", "9.png", "00.png"]
    for line in lines:
        name, _, labels = line.partition(",")
        assert set(labels.split()) == sets.get(name, set())
    assert fieldmark(kaggle) == 1
    assert capsys.readouterr().out == (tmp_path / "submission.csv").read_text()


def test_a_column_of_another_name_is_said(capsys, a_run, photos, tmp_path):
    (photos / "t.csv").write_text("what\nred 03\n")
    words = ["predict", str(a_run), str(photos / "t.csv")]
    assert fieldmark(words) == 2
    assert said(capsys) == [
        f"{photos / 't.csv'}: no column is of images by its name (image, path, filename, "
        "file, image_path, ...) among 'what'; say which it is: data.image_column=what"
    ]
    (photos / "t.csv").write_text("what\nred/03.png\n")
    assert fieldmark([*words, "data.image_column=what"]) == 0
    assert capsys.readouterr().out.splitlines()[1].startswith("red/03.png,")
    assert fieldmark(words) == 0
    (photos / "t.csv").unlink()
    out, told = capsys.readouterr()
    assert out.splitlines()[1].startswith("red/03.png,")
    assert (
        f"{photos / 't.csv'}: the images are read from 'what', by what is in it; "
        "data.image_column=NAME says otherwise"
    ) in told


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ["--format", "excel"],
            "--format: there is no format 'excel'; there is 'kaggle', 'megadetector' and "
            "'camtrap-dp'",
        ),
        (
            ["--format", "kaggle", "--scores"],
            "--scores with --format kaggle: has columns of its own; leave one of the two out",
        ),
        (
            ["--format", "kaggle", "--out", "t.parquet"],
            "--out t.parquet: must end in .csv for --format kaggle",
        ),
        (
            ["--format", "kaggle"],
            "--format kaggle: is a row for each row of a table; name one table of images, and "
            "nothing else",
        ),
        (
            ["--images", "there"],
            "--images there: is for a table of images (.csv, .tsv, .parquet, .xlsx, .json, .jsonl, "
            ".txt); name one, or leave it out",
        ),
        (
            ["data.crops_above=0.3"],
            "data.crops_above: goes with --crops, MegaDetector's results; name them, or leave it "
            "out",
        ),
        (
            ["data.crops_above=much", "--crops", "md.json"],
            "data.crops_above: must be a confidence from 0 to 1, not much",
        ),
        (
            ["--crops", "nowhere.json"],
            "--crops nowhere.json: there is no such file; name MegaDetector's results",
        ),
        (
            ["--at-least-one"],
            "--at-least-one: is for several labels an image, and this model answers with one; "
            "leave it out",
        ),
    ],
)
def test_what_does_not_go_together_is_one_sentence(capsys, a_run, photos, words, sentence):
    assert fieldmark(["predict", str(a_run), str(photos), *words]) == 2
    assert said(capsys) == [sentence]


def test_reasons_and_sets_are_columns_and_their_ground_is_told(capsys, a_run, photos):
    words = ["predict", str(a_run), str(photos / "red"), "--unlike", "--sets", "0.5"]
    assert fieldmark(words) == 0
    told = capsys.readouterr()
    header, *rows = told.out.splitlines()
    assert header == "image,label,score,reason,set"
    assert len(rows) == 8
    unlike, of_sets = said_of(told.err)
    assert re.fullmatch(
        r"\d of 8 images (is|are) unlike the training images and left without labels; so (is|are) "
        r"\d of \d validation images",
        unlike,
    )
    assert re.fullmatch(
        r"a set holds the truth of 50 % of images like those of validation, by \d validation "
        r"images; of \d\.\d\d classes on average here, \d\.\d\d there",
        of_sets,
    )


def said_of(text):
    return [re.sub("^(fieldmark|note): ", "", line) for line in text.splitlines()]


def test_sets_are_no_column_of_kaggles(capsys, a_run, photos):
    words = ["predict", str(a_run), str(photos), "--format", "kaggle", "--sets", "0.9"]
    assert fieldmark(words) == 2
    assert said(capsys) == [
        "--sets with --format kaggle: has columns of its own; leave one of the two out"
    ]


def test_of_several_labels_distance_alone_tells_what_is_unlike(capsys, photos, tmp_path):
    bundle = several_labels(tmp_path / "bundle", photos / "red")
    with_known(bundle, photos / "red/00.png", most=-1)
    usual = ["predict", str(bundle), str(photos / "red"), "--at-least-one"]
    assert fieldmark(usual) == 0
    told = capsys.readouterr()
    assert {bool(row.split(",")[1]) for row in told.out.splitlines()[1:]} == {True}
    assert said_of(told.err) == [
        "8 of 8 images are unlike the training ones (so is 1 of 40 validation images); --unlike "
        "leaves them without a label"
    ]
    assert fieldmark([*usual, "--unlike"]) == 0
    told = capsys.readouterr()
    rows = [row.split(",") for row in told.out.splitlines()]
    assert rows[0] == ["image", "labels", "score", "reason"]
    assert {(row[1], row[3]) for row in rows[1:]} == {("", "unlike the training images")}
    assert said_of(told.err) == [
        "8 of 8 images are unlike the training images and left without labels; so is 1 of 40 "
        "validation images (of several labels an image this goes by distance alone)"
    ]


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["predict", "PH", "RUN"], "predict RUN PH"),
        (["explain", "PH", "RUN"], "explain RUN PH"),
        (["evaluate", "PH", "RUN"], "evaluate RUN PH"),
        (["evaluate", "PH", "--unknown", "RUN"], "evaluate RUN --unknown PH"),
    ],
)
def test_a_run_that_does_not_stand_first_is_told_how_it_is_typed(
    capsys, a_run, photos, words, meant
):
    place = {"PH": str(photos), "RUN": str(a_run)}
    assert fieldmark([place.get(word, word) for word in words]) == 2
    meant = " ".join(place.get(word, word) for word in meant.split())
    assert said(capsys) == [
        f"{photos}: holds no trained model (model.json); did you mean `fieldmark {meant}`?"
    ]


def test_a_word_that_is_no_folder_before_a_run_is_told_as_swapped(capsys, a_run):
    assert fieldmark(["explain", "a.jpg", str(a_run)]) == 2
    assert said(capsys) == [
        f"a.jpg: is no run's folder; did you mean `fieldmark explain {a_run} a.jpg`?"
    ]


def test_predictions_become_a_file_of_another_form_and_a_page(capsys, a_run, photos, tmp_path):
    words = ["predict", str(a_run), str(photos), "--page", "p.html"]
    assert fieldmark([*words, "--format", "megadetector", "--out", "t.json"]) == 0
    told = capsys.readouterr()
    assert "images labelled in t.json" in told.out
    assert "page     p.html" in told.err
    found = json.loads((tmp_path / "t.json").read_text())["images"]
    assert found[0]["file"].split("/")[0] in {"red", "green", "blue"}
    assert "data:image/png;base64," in (tmp_path / "p.html").read_text()
    assert fieldmark([*words[:3], "--format", "megadetector", "--out", "t.csv"]) == 2
    assert said(capsys) == ["--out t.csv: must end in .json for --format megadetector"]


def test_what_is_known_beside_the_pixels_decides_too(capsys, a_run, photos, tmp_path):
    names = sorted(path.relative_to(photos).as_posix() for path in photos.rglob("*.png"))[:6]
    rows = [f"{name},{'burst' if row < 3 else ''}" for row, name in enumerate(names)]
    (tmp_path / "t.csv").write_text("\n".join(["image,sequence", *rows]))
    (tmp_path / "only.txt").write_text("red\nblue\n")
    words = ["predict", str(a_run), "t.csv", "--images", str(photos), "--scores"]
    assert fieldmark([*words, "--by", "sequence", "--only", "only.txt", "--out", "a.csv"]) == 0
    assert any(line.startswith("images of one event have one answer") for line in said(capsys))
    table = pl.read_csv(tmp_path / "a.csv")
    assert set(table["label"]) <= {"red", "blue"}
    assert table["score:green"].to_list() == [0.0] * 6
    assert table["score:red"][:3].n_unique() == 1
    assert table["score:red"].n_unique() > 1
    assert fieldmark([*words, "--by", "sequenze"]) == 2
    assert said(capsys) == [
        "t.csv: there is no column 'sequenze' (data.group_column); did you mean 'sequence'?"
    ]
    assert fieldmark(["predict", str(a_run), str(photos), "--by", "sequence"]) == 2
    assert said(capsys)[0].startswith("--by sequence: is for a table of images (.csv, ")


def test_answers_go_up_a_taxonomy(capsys, a_run, photos, tmp_path):
    (tmp_path / "t.csv").write_text("label,kind\nred,warm\ngreen,cold\nblue,cold\n")
    words = ["predict", str(a_run), str(photos), "--taxonomy", "t.csv"]
    assert fieldmark(words) == 2
    assert said(capsys) == [
        "--taxonomy: goes up where a class is not sure enough; say how sure: --abstain 0.95"
    ]
    code = fieldmark([*words, "--abstain", "0.5", "--out", "a.csv"])
    told = said(capsys)
    assert (code, told[-1].split(" by ")[0].split()[0]) == (0, "labelled")
    assert pl.read_csv(tmp_path / "a.csv").columns[:5] == [
        "image", "label", "score", "rank", "reason"
    ]  # fmt: skip
