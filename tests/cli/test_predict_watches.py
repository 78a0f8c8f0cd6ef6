"""`fieldmark predict --watch`."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from smallruns import draw_photos
from tinybundles import one_label

from fieldmark.cli.main import run as fieldmark
from fieldmark.use import watched

WORDS = ["predict", "run", "inbox", "--watch", "--out", "t.csv"]


class EnoughError(Exception):
    """The looks that a test has planned are over."""


@pytest.fixture
def looks(tmp_path, monkeypatch):
    """Runs a command whose waiting between two looks does what is planned. -> what it says"""
    one_label(tmp_path / "run", ["cat"])
    draw_photos(tmp_path / "drawn", each=3)
    (tmp_path / "inbox").mkdir()
    clock = [0.0]
    monkeypatch.setattr(watched.time, "monotonic", lambda: clock[0])

    def run(words, *steps):
        plan = iter(steps)

        def rest(inbox):
            clock[0] += watched.EVERY
            step = next(plan, None)
            if step is None:
                raise EnoughError
            step()

        monkeypatch.setattr(watched.Inbox, "rest", rest)
        assert fieldmark(words) == 1  # for the end that a test makes is an error

    return run


def nothing():
    pass


def brought(*names, content=None):
    def bring():
        for name in names:
            source = Path("drawn/red") / f"0{name}.png"
            Path("inbox", f"{name}.png").write_bytes(content or source.read_bytes())

    return bring


def later(seconds):
    return [nothing] * round(seconds / watched.EVERY)


def images():
    return [line.partition(",")[0] for line in Path("t.csv").read_text().splitlines()[1:]]


def said(capsys):
    told = capsys.readouterr()
    errors = [
        line
        for line in told.err.splitlines()
        if line.startswith(("fieldmark: inbox", "note: inbox"))
    ]
    return told.out.splitlines(), errors


def test_pictures_are_answered_as_they_come_and_once(looks, capsys):
    looks(WORDS, brought(0), nothing, brought(1, 2), nothing, nothing)
    assert images() == ["inbox/0.png", "inbox/1.png", "inbox/2.png"]
    assert said(capsys)[0] == [
        "watching inbox for t.csv; Ctrl-C ends it",
        "1 image answered in t.csv",
        "3 images answered in t.csv",
    ]


def test_the_same_command_goes_on_and_reads_only_what_is_new(looks, capsys):
    looks(WORDS, brought(0), nothing, nothing)
    looks(WORDS, brought(1), nothing, nothing)
    assert images() == ["inbox/0.png", "inbox/1.png"]
    assert "watching inbox for t.csv; 1 image answered before; Ctrl-C ends it" in said(capsys)[0]
    os.utime("inbox/0.png", ns=(0, 0))  # another picture, for all that is known
    looks(WORDS, nothing, nothing)
    assert images() == ["inbox/0.png", "inbox/1.png", "inbox/0.png"]


def test_a_picture_that_grows_waits_until_its_size_rests(looks):
    content = Path("drawn/red/00.png").read_bytes()
    growing = [brought(0, content=content[:n]) for n in (10, 20, 30)]
    seen = []
    looks(WORDS, *growing, brought(0), lambda: seen.append(Path("t.csv").exists()), nothing)
    assert seen == [False]
    assert images() == ["inbox/0.png"]


def test_a_broken_picture_is_told_once_when_it_has_rested_for_long(looks, capsys):
    broken = brought(0, content=b"\xff\xd8\xffno")
    looks(WORDS, broken, *later(watched.PATIENCE - 4))
    assert said(capsys)[1] == []
    looks(WORDS, *later(watched.PATIENCE + 20))
    assert len(said(capsys)[1]) == 1
    looks(WORDS, brought(0), nothing, nothing)  # it came anew, and whole
    assert images() == ["inbox/0.png"]


def test_pictures_are_sorted_out_of_the_folder_that_is_watched(looks):
    words = [*WORDS, "--sort-into", "inbox/sorted", "--move"]
    looks(words, brought(0, 1), nothing, nothing, nothing)
    names = [str(path) for path in sorted(Path("inbox").rglob("*.png"))]
    assert names == ["inbox/sorted/cat/0.png", "inbox/sorted/cat/1.png"]
    Path("inbox/sorted/cat/1.png").rename("inbox/1.png")  # as if a kill had come before the move
    looks(words, nothing)
    assert [str(path) for path in sorted(Path("inbox").rglob("*.png"))] == names


def test_a_new_picture_of_a_name_that_was_moved_is_moved_too(looks):
    words = [*WORDS, "--sort-into", "sorted", "--move"]
    other = Path("drawn/red/01.png").read_bytes()
    looks(words, brought(0), nothing, brought(0, content=other), nothing, nothing)
    assert images() == ["inbox/0.png"] * 2
    names = sorted(str(path) for path in Path("sorted").rglob("*.png"))
    assert names == ["sorted/cat/0-2.png", "sorted/cat/0.png"]


@pytest.mark.parametrize("lost", [3, 1000])
def test_a_row_that_a_kill_has_torn_is_written_anew(looks, lost):
    looks(WORDS, brought(0, 1), nothing, nothing)
    whole = Path("t.csv").read_bytes()
    last = json.loads(Path("t.csv.unfinished.jsonl").read_text().splitlines()[-1])
    begin, length = last["row"]
    os.truncate("t.csv", begin + max(0, length - lost))
    looks(WORDS, nothing, nothing)
    assert Path("t.csv").read_bytes() == whole


def test_json_lines_grow_too_and_a_folder_that_goes_away_is_waited_for(looks, capsys):
    away = [lambda: Path("inbox").rename("away"), nothing, lambda: Path("away").rename("inbox")]
    looks([*WORDS[:-1], "t.jsonl"], brought(0), nothing, *away, brought(1), nothing, nothing)
    rows = [json.loads(line) for line in Path("t.jsonl").read_text().splitlines()]
    assert [(row["image"], row["label"]) for row in rows] == [
        ("inbox/0.png", "cat"),
        ("inbox/1.png", "cat"),
    ]
    assert said(capsys)[1] == [
        "note: inbox: is not there just now, or cannot be read; it is waited for"
    ]


def test_what_stands_against_watching_is_told_before_any_work(looks, capsys):
    words = ["predict", "run", "nowhere", "--watch", "--continue", "--by", "x", "--page", "p.html"]
    assert fieldmark([*words, "--crops", "c", "--format", "kaggle", "--images", "i"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "fieldmark: --watch: appends to the file of --out; name that too",
        "fieldmark: --watch with --continue: it goes on by itself where it was; leave --continue "
        "out",
        "fieldmark: --watch with --by: an event is answered when all of it is there; leave one of "
        "the two out",
        "fieldmark: --watch with --crops: boxes are found before, and new pictures have none; "
        "leave one of the two out",
        "fieldmark: --watch with --page: a page is of pictures that are all there; leave one of "
        "the two out",
        "fieldmark: --watch with --format: such a file is written whole, and this one grows; leave "
        "one of the two out",
        "fieldmark: --watch with --images: is for a table of images, and these are folders; leave "
        "it out",
        "fieldmark: --watch: looks at folders, and 'nowhere' is none; name a folder",
    ]
    assert fieldmark([*WORDS[:-1], "t.parquet"]) == 2
    assert capsys.readouterr().err == (
        "fieldmark: --out t.parquet with --watch: rows can be appended to .csv or .jsonl alone; "
        "choose one of these endings\n"
    )
    Path("t.csv").write_text("mine")
    assert fieldmark(WORDS) == 2
    assert capsys.readouterr().err == (
        "fieldmark: --out t.csv: exists already; choose another name, or replace it with "
        "--overwrite\n"
    )
    looks([*WORDS, "--overwrite"], brought(0), nothing, nothing)
    assert images() == ["inbox/0.png"]
    capsys.readouterr()
    assert fieldmark([*WORDS, "--top", "1"]) == 2
    assert capsys.readouterr().err == (
        "fieldmark: --watch: t.csv.unfinished.jsonl cannot be gone on with, for other options were "
        "given; ask as before, or begin anew with --overwrite\n"
    )


HOLD = """
import sys
from pathlib import Path
from fieldmark.files import held
with held(Path(".t.csv.lock")) as is_ours:
    print(is_ours, flush=True)
    sys.stdin.read()
"""


def test_a_table_grows_by_one_process_alone_until_that_has_died(looks, capsys):
    looks(WORDS, brought(0), nothing, nothing)
    whole = Path("t.csv").read_bytes()
    capsys.readouterr()
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", HOLD], **pipes) as other:
        assert other.stdout.readline() == b"True\n"
        for words in (WORDS, [*WORDS, "--overwrite"], ["predict", "run", "inbox", *WORDS[4:]]):
            assert fieldmark(words) == 2
            assert capsys.readouterr().err == (
                "fieldmark: --out t.csv: another process watches for this table; stop that one, or "
                "name another file\n"
            )
        other.kill()
    assert Path("t.csv").read_bytes() == whole
    looks(WORDS, brought(1), nothing, nothing)
    assert images() == ["inbox/0.png", "inbox/1.png"]


@pytest.mark.slow
def test_a_killed_watch_goes_on_and_a_signal_ends_it_with_a_sentence(tmp_path):
    one_label(tmp_path / "run", ["cat"])
    drawn = draw_photos(tmp_path / "drawn", each=40)
    (tmp_path / "inbox").mkdir()
    words = [sys.executable, "-m", "fieldmark", *WORDS, "--sort-into", "s", "--batch-size", "1"]
    pictures = [*enumerate(sorted(drawn.rglob("*.png")))]

    def bring(part):
        for number, path in part:
            (tmp_path / "inbox" / f"{number}.png").write_bytes(path.read_bytes())

    def rows():
        table = tmp_path / "t.csv"
        return table.read_text().count("\n") - 1 if table.exists() else 0

    def wait_for(number):
        until = time.monotonic() + 60
        while rows() < number and time.monotonic() < until:
            time.sleep(0.005)
        assert rows() >= number

    bring(pictures[:60])
    with subprocess.Popen(words, cwd=tmp_path) as process:
        wait_for(10)
        process.send_signal(signal.SIGKILL)
    assert rows() < 60
    with subprocess.Popen(words, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        bring(pictures[60:])
        wait_for(120)
        time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        assert process.stderr is not None
        told = process.stderr.read()
    assert process.returncode == 130
    assert told.startswith("fieldmark: stopped; ")
    assert told.endswith("the same command goes on\n")
    names = [line.split(",")[0] for line in (tmp_path / "t.csv").read_text().splitlines()[1:]]
    assert sorted(names) == sorted(f"inbox/{number}.png" for number in range(120))
    assert len(list((tmp_path / "s").rglob("*.png"))) == 120
