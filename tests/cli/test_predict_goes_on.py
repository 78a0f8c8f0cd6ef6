"""`fieldmark predict` that was stopped: what it leaves, and how it goes on with --continue."""

import json
import signal
import subprocess
import sys
import time

import pytest
from smallruns import draw_photos
from tinybundles import one_label

from fieldmark.cli.main import run as fieldmark
from fieldmark.use import predictor

KEPT = "t.csv.unfinished.jsonl"


@pytest.fixture
def photos(tmp_path):
    folder = draw_photos(tmp_path / "photos", each=3)
    (folder / "red" / "broken.png").touch()
    return folder


@pytest.fixture
def asked(tmp_path, photos):
    """The words of a command whose table has every column."""
    run = one_label(tmp_path / "run")
    words = ["predict", str(run), str(photos), "--out", "t.csv", "--scores", "--top", "2"]
    return [*words, "--batch-size", "2"]


def whole_and_stopped(asked, tmp_path, monkeypatch, after=4):
    """The table of a command that was never stopped; then one that fails after some answers.

    -> the table's bytes
    """
    assert fieldmark(asked) == 1  # for the broken one
    whole = (tmp_path / "t.csv").read_bytes()
    assert not (tmp_path / KEPT).exists()
    (tmp_path / "t.csv").unlink()
    stream, looked = predictor.Predictor.stream, []

    def fails(self, images):
        for number, answer in enumerate(stream(self, images)):
            if number == after:
                raise ValueError("odd")
            looked.append(answer.image)
            yield answer

    monkeypatch.setattr(predictor.Predictor, "stream", fails)
    assert fieldmark(asked) == 1
    monkeypatch.setattr(predictor.Predictor, "stream", stream)
    assert len(looked) == after
    return whole


def test_a_table_that_goes_on_is_that_of_a_command_never_stopped(asked, tmp_path, monkeypatch):
    whole = whole_and_stopped(asked, tmp_path, monkeypatch)
    assert not (tmp_path / "t.csv").exists()
    with (tmp_path / KEPT).open("a") as stream:
        stream.write('{"image": "tor')  # as a kill may leave the last line
    seen, stream = [], predictor.Predictor.stream

    def watched(self, images):
        seen.extend(images)
        return stream(self, images)

    monkeypatch.setattr(predictor.Predictor, "stream", watched)
    assert fieldmark([*asked, "--continue"]) == 1
    assert (tmp_path / "t.csv").read_bytes() == whole
    assert not (tmp_path / KEPT).exists()
    assert len(seen) == 10 - 4  # what was done is not looked at again


def test_answers_of_before_are_lost_only_on_demand(asked, tmp_path, monkeypatch, capsys):
    whole = whole_and_stopped(asked, tmp_path, monkeypatch)
    capsys.readouterr()
    assert fieldmark(asked) == 2
    assert capsys.readouterr().err == (
        f"fieldmark: --out t.csv: was begun before, and {KEPT} has its answers so far; go on with "
        "them by adding --continue, or begin anew with --overwrite\n"
    )
    assert fieldmark([*asked, "--overwrite"]) == 1
    assert (tmp_path / "t.csv").read_bytes() == whole


def test_a_table_that_is_replaced_goes_on_and_one_that_was_not_to_be_stays(
    asked, tmp_path, monkeypatch
):
    whole = whole_and_stopped([*asked, "--overwrite"], tmp_path, monkeypatch)
    (tmp_path / "t.csv").write_text("of before")
    kept = (tmp_path / KEPT).read_text()
    (tmp_path / KEPT).write_text(kept.replace('"overwrite": true', '"overwrite": false'))
    assert fieldmark([*asked, "--continue"]) == 2
    assert (tmp_path / "t.csv").read_text() == "of before"
    (tmp_path / KEPT).write_text(kept)
    assert fieldmark([*asked, "--continue"]) == 1
    assert (tmp_path / "t.csv").read_bytes() == whole


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (["more.png"], "other images were named"),
        (["--abstain", "0.5"], "other options were given"),
    ],
)
def test_answers_to_another_question_are_not_gone_on_with(
    asked, tmp_path, monkeypatch, capsys, more, why
):
    whole_and_stopped(asked, tmp_path, monkeypatch)
    (tmp_path / "more.png").write_bytes(b"")
    capsys.readouterr()
    assert fieldmark([*asked, *more, "--continue"]) == 2
    assert capsys.readouterr().err == (
        f"fieldmark: --continue: {KEPT} cannot be gone on with, for {why}; ask as before, or begin "
        "anew with --overwrite\n"
    )


def test_a_table_that_is_there_is_done(asked, capsys):
    assert fieldmark(asked) == 1
    capsys.readouterr()
    assert fieldmark([*asked, "--continue"]) == 0
    assert capsys.readouterr().out == "t.csv is done\n"
    assert fieldmark([*asked, "--continue", "--page", "p.html"]) == 2
    assert capsys.readouterr().err == (
        "fieldmark: --page p.html: is not there, and t.csv is done without it; begin anew with "
        "--overwrite\n"
    )


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (["more.png"], "other images were named"),
        (["--abstain", "0.5"], "other options were given"),
        (["--top", "1"], "other columns were asked for"),
    ],
)
def test_a_table_that_answers_another_question_is_not_called_done(
    asked, tmp_path, capsys, more, why
):
    assert fieldmark(asked) == 1
    (tmp_path / "more.png").write_bytes(b"")
    capsys.readouterr()
    assert fieldmark([*asked, *more, "--continue"]) == 2
    assert capsys.readouterr().err == (
        f"fieldmark: --continue: t.csv is done, for {why}; ask as before, or begin anew with "
        "--overwrite\n"
    )


def test_what_a_changed_table_answers_is_known_no_longer(asked, tmp_path, capsys):
    assert fieldmark(asked) == 1
    (tmp_path / "t.csv").write_text("by hand")
    capsys.readouterr()
    assert fieldmark([*asked, "--continue"]) == 0
    told = "t.csv is done, for which images and options is known no longer\n"
    assert capsys.readouterr().out == told


def test_the_likeliest_classes_stand_beside_the_label(asked, tmp_path, capsys):
    assert fieldmark(asked) == 1
    header, row, *_ = (tmp_path / "t.csv").read_text().splitlines()
    assert header == "image,label,score,top_1,score_1,top_2,score_2,score:a,score:b,score:c"
    _, label, score, first, best, second, next_best, *scores = row.split(",")
    assert (first, best) == (label, score)
    assert sorted(map(float, scores))[::-1][:2] == [float(best), float(next_best)]
    assert second != first
    capsys.readouterr()
    assert fieldmark([*asked[:-3], "4", "--overwrite"]) == 2
    assert capsys.readouterr().err == (
        "fieldmark: --top 4: the model knows 3 classes; ask for no more\n"
    )


@pytest.mark.parametrize("out", ["t.csv", "t.jsonl", "t.parquet"])
def test_continue_wants_the_file_and_not_its_end(capsys, out):
    assert fieldmark(["predict", "run", "a.png", "--continue"]) == 2
    assert fieldmark(["predict", "run", "a.png", "--continue", "--overwrite", "--out", out]) == 2
    assert capsys.readouterr().err == (
        "fieldmark: --continue: goes on with the file of --out; name that too\n"
        "fieldmark: --continue: does not go with --overwrite; leave one out\n"
    )


@pytest.mark.slow
def test_a_killed_command_leaves_what_is_done_and_goes_on(tmp_path):
    run, photos = one_label(tmp_path / "run"), draw_photos(tmp_path / "photos", each=400)
    words = [sys.executable, "-m", "fieldmark", "predict", str(run), str(photos)]
    words += ["--out", "t.csv", "--batch-size", "1"]
    subprocess.run(words, check=True, cwd=tmp_path)
    whole = (tmp_path / "t.csv").read_bytes()
    (tmp_path / "t.csv").unlink()
    with subprocess.Popen(words, cwd=tmp_path) as process:
        kept = tmp_path / KEPT
        until = time.monotonic() + 60
        while time.monotonic() < until and (not kept.exists() or kept.stat().st_size < 5000):
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    done = [json.loads(line) for line in kept.read_text().split("\n")[1:-1]]
    assert 0 < len(done) < 1200
    assert not (tmp_path / "t.csv").exists()
    subprocess.run([*words, "--continue"], check=True, cwd=tmp_path)
    assert (tmp_path / "t.csv").read_bytes() == whole
    assert not kept.exists()


def test_a_file_for_kaggle_goes_on_in_the_order_of_its_table(tmp_path, photos, monkeypatch):
    run = one_label(tmp_path / "run")
    names = [f"photos/{path.parent.name}/{path.name}" for path in sorted(photos.rglob("*.png"))]
    names = [*names[::-1], names[3]]  # an order of its own, and an image that stands twice
    (tmp_path / "test.csv").write_text("Id\n" + "".join(f"{name}\n" for name in names))
    words = ["predict", str(run), "test.csv", "--format", "kaggle", "--out", "t.csv"]
    words.append("data.image_column=Id")
    whole = whole_and_stopped(words, tmp_path, monkeypatch)
    assert [row.split(",")[0] for row in whole.decode().splitlines()] == ["Id", *names[:-1]]
    assert fieldmark([*words, "--continue"]) == 1
    assert (tmp_path / "t.csv").read_bytes() == whole
