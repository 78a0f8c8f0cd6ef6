"""`fieldmark predict --sort-into` and `--move`."""

import re
import zipfile
from pathlib import Path

import pytest
from smallruns import draw_photos
from tinybundles import one_label, several_labels

from fieldmark.cli.main import run as fieldmark
from fieldmark.use import predictor


@pytest.fixture
def asked(tmp_path):
    run = one_label(tmp_path / "run", ["a/b"])
    draw_photos(tmp_path / "photos", each=2)
    (tmp_path / "photos" / "red" / "broken.png").touch()
    return ["predict", str(run), "photos", "--sort-into", "photos/sorted"]


def said(capsys):
    return [
        re.sub("^(fieldmark|note): ", "", line) for line in capsys.readouterr().err.splitlines()
    ]


def names(folder):
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*.png"))


SORTED = [
    *(f"a_b/0{n}{end}.png" for n in (0, 1) for end in ("-2", "-3", "")),
    "no answer/broken.png",
]


def test_pictures_go_into_folders_that_the_next_call_does_not_look_at(asked, capsys):
    assert fieldmark([*asked, "--out", "t.csv"]) == 1  # for the broken one
    assert said(capsys)[-2:] == [
        "photos/sorted: 7 pictures copied, 6 to 'a_b', 1 to 'no answer'",
        "the folder of 'a/b' is 'a_b'",
    ]
    assert names("photos/sorted") == SORTED
    assert fieldmark([*asked, "--out", "again.csv"]) == 1
    told = said(capsys)
    note = "photos/sorted: 7 pictures left out, for pictures are sorted into it"
    assert told[0] == note
    assert told[-1] == "photos/sorted: 0 pictures copied; 7 were there already"
    assert Path("again.csv").read_bytes() == Path("t.csv").read_bytes()
    assert fieldmark(["predict", "run", "photos", "--sort-into", "photos"]) == 2
    assert said(capsys) == [
        "photos: 14 pictures left out, for pictures are sorted into it, and there is no other; "
        "name another folder"
    ]


@pytest.mark.parametrize("move", [[], ["--move"]])
def test_a_command_that_was_stopped_goes_on_with_its_folders(asked, capsys, monkeypatch, move):
    asked = [*asked, *move, "--out", "t.csv", "--batch-size", "2"]
    stream = predictor.Predictor.stream

    def fails(self, images):
        for number, answer in enumerate(stream(self, images)):
            if number == 4:
                raise ValueError("odd")
            yield answer

    monkeypatch.setattr(predictor.Predictor, "stream", fails)
    assert fieldmark(asked) == 1
    monkeypatch.setattr(predictor.Predictor, "stream", stream)
    assert len(names("photos/sorted")) == 4
    assert fieldmark([*asked, "--continue"]) == 1
    assert names("photos/sorted") == SORTED
    done = "moved" if move else "copied"
    told = said(capsys)
    assert told[-2].startswith(f"photos/sorted: 3 pictures {done}, 2 to 'a_b'")
    assert told[-2].endswith("; 4 were there already")
    assert not any("any more" in line for line in told)
    assert len(Path("t.csv").read_text().splitlines()) == 1 + 6
    assert (len(names("photos")) == 7) is bool(move)


@pytest.mark.parametrize("inputs", [["photos"], ["photos/red/00.png", "photos/red/01.png"]])
def test_a_command_that_was_stopped_when_all_were_moved_has_its_table(
    asked, capsys, monkeypatch, inputs
):
    Path("photos/red/broken.png").unlink()
    asked = ["predict", "run", *inputs, "--sort-into", "sorted", "--move", "--out", "t.csv"]

    def fails(out, answers, *words, **columns):
        assert list(answers)
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("fieldmark.use.table.write_table", fails)
        assert fieldmark(asked) == 1
    assert names("photos") == [] or len(inputs) > 1
    capsys.readouterr()
    assert fieldmark([*asked, "--continue"]) == 0
    images = len(names("sorted"))
    there = f"sorted: 0 pictures moved; {images} were there already"
    assert there in said(capsys)
    assert len(Path("t.csv").read_text().splitlines()) == 1 + images


def test_what_stands_against_moving_is_told_before_any_work(asked, tmp_path, capsys):
    with zipfile.ZipFile("p.zip", "w") as packed:
        packed.write("photos/red/00.png", "00.png")
    Path("t.csv").write_text("image\nphotos/red/00.png\n")
    words = [
        "predict",
        "run",
        "p.zip/00.png",
        "t.csv",
        "--move",
        "--page",
        "p.html",
        "--crops",
        "c.json",
    ]
    assert fieldmark(words) == 2
    assert said(capsys) == [
        "--move: goes with --sort-into, the folder to move into; name that too",
        "--move with --crops: a picture may have boxes of several labels, and goes to one folder; "
        "leave it out",
        "--move with --page: the page is drawn from the pictures where they were; leave one of the "
        "two out",
        "--move: nothing is taken out of a zip ('p.zip/00.png'); leave it out",
        "--move: 't.csv' would name pictures that are gone; name their folder, or leave it out",
    ]
    assert fieldmark([*asked, "--move", "photos/red/00.png"]) == 2
    assert said(capsys) == ["--move: 'photos/red/00.png' is named twice; name it once"]
    run = several_labels(tmp_path / "several", [Path("photos/red/00.png")] * 2)
    assert fieldmark(["predict", str(run), "photos", "--sort-into", "s", "--move"]) == 2
    assert said(capsys) == [
        "--move: a picture may have several labels, and goes to one folder; leave it out to copy"
    ]
    assert fieldmark([*asked[:-1], "t.csv"]) == 2
    assert said(capsys) == ["--sort-into t.csv: is a file; name a folder"]
    assert fieldmark([*asked[:-1], "t.csv/sorted"]) == 2
    assert said(capsys) == [
        f"--sort-into t.csv/sorted: '{tmp_path / 't.csv'}' is no folder; choose another place"
    ]


def test_a_runs_folder_is_not_sorted_into(asked, capsys):
    Path("run/settings.yaml").touch()
    assert fieldmark([*asked[:-1], "run"]) == 2
    assert said(capsys) == ["--sort-into run: is a run's folder; name another one"]


def test_a_folder_below_the_sorted_ones_is_sorted_anew(asked, capsys):
    fieldmark(asked)
    capsys.readouterr()
    Path("photos/sorted/unsure").mkdir()
    Path("photos/sorted/a_b/00.png").rename("photos/sorted/unsure/u.png")
    words = ["predict", "run", "photos/sorted/unsure", "--sort-into", "photos/sorted", "--move"]
    assert fieldmark(words) == 0
    assert names("photos/sorted/unsure") == []
    assert Path("photos/sorted/a_b/u.png").exists()
