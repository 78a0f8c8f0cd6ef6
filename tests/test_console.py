import io
import re
from types import SimpleNamespace

import pytest

from fieldmark import console as console_module
from fieldmark.console import Console, duration
from fieldmark.errors import DiskError


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self):
        return True

    @property
    def screen(self):
        """What a person would see: the lines, with cursor moves and erasing carried out."""
        rows, row, column = [""], 0, 0
        for code, text in re.findall(r"\x1b\[([?0-9;]*[A-Za-z])|([^\x1b])", self.getvalue()):
            if text == "\n":
                row, column = row + 1, 0
                rows += [""] * (row + 1 - len(rows))
            elif text == "\r":
                column = 0
            elif text:
                rows[row] = rows[row][:column].ljust(column) + text + rows[row][column + 1 :]
                column += 1
            elif code.endswith("A"):
                row = max(0, row - int(code[:-1] or 1))
            elif code == "2K":
                rows[row] = ""
        return "\n".join(line.rstrip() for line in rows).rstrip("\n")


@pytest.fixture
def terminal(monkeypatch):
    for name, value in {"TERM": "xterm", "COLUMNS": "100", "LINES": "25"}.items():
        monkeypatch.setenv(name, value)
    return Terminal()


@pytest.fixture
def clock(monkeypatch):
    """The seconds that have passed, for the test to move."""
    now = SimpleNamespace(seconds=0.0)
    monkeypatch.setattr(console_module, "time", SimpleNamespace(monotonic=lambda: now.seconds))
    return now


def test_lines_are_plain_where_there_is_no_terminal():
    stream = io.StringIO()
    console = Console(stream=stream)
    console.say("one")
    console.say("two\nthree")
    console.say()
    console.warn("odd [bold]thing[/bold]")
    assert stream.getvalue() == "one\ntwo\nthree\n\nnote: odd [bold]thing[/bold]\n"


def test_a_bar_without_a_terminal_says_nothing_of_short_work():
    stream = io.StringIO()
    with Console(stream=stream).bar("reading", 3) as bar:
        for _ in range(3):
            bar.advance()
    assert stream.getvalue() == ""


def test_long_work_without_a_terminal_is_a_line_soon_and_then_one_a_minute(clock):
    stream = io.StringIO()
    with Console(stream=stream).bar("reading", 100) as bar:
        for step in range(30):
            clock.seconds = 5.0 * (step + 1)
            bar.advance(1, "loss 0.5")
    assert stream.getvalue() == (
        "reading: 3/100  loss 0.5  8 min 5 s left\nreading: 16/100  loss 0.5  7 min left\n"
        "reading: 29/100  loss 0.5  5 min 55 s left\n"
    )


def test_work_that_ends_with_a_line_of_its_own_may_be_silent_for_longer(clock):
    stream = io.StringIO()
    with Console(stream=stream).bar("epoch 1", 100, first=60.0) as bar:
        for clock.seconds in (30.0, 60.0, 61.0):
            bar.advance()
    assert stream.getvalue() == "epoch 1: 3/100  25 min 4 s left\n"


def test_of_work_that_is_done_no_line_says_how_far_it_is(clock):
    stream = io.StringIO()
    with Console(stream=stream).bar("reading images", 1) as bar:
        clock.seconds = 48.0
        bar.advance()
    assert stream.getvalue() == ""


def test_work_that_has_not_begun_or_is_more_than_was_said_has_no_odd_time_left(clock):
    stream = io.StringIO()
    with Console(stream=stream).bar("reading", 1) as bar:
        clock.seconds = 100.0
        bar.advance(0)
        assert stream.getvalue() == ""
        bar.advance(2)
        assert stream.getvalue() == "reading: 2/1\n"


def test_of_work_whose_end_nobody_knows_a_line_says_how_long_it_has_been(clock):
    stream = io.StringIO()
    with Console(stream=stream).bar("making the head", None) as bar:
        for clock.seconds in (5.0, 12.0, 30.0, 80.0):
            bar.advance()
    assert stream.getvalue() == "making the head: 12 s so far\nmaking the head: 1 min 20 s so far\n"


def test_a_bar_learns_its_length_later(clock):
    stream = io.StringIO()
    with Console(stream=stream).bar("reading", 1) as bar:
        bar.resize(11)
        for clock.seconds in (10.0, 30.0, 70.0):
            bar.advance(2)
    assert stream.getvalue() == "reading: 4/11  1 min 10 s left\n"


@pytest.mark.parametrize("words", ["", "loss 0.5"])
def test_no_time_is_left_before_steps_after_the_first_have_shown_their_pace(clock, words):
    stream = io.StringIO()
    with Console(stream=stream).bar("onnx by dynamo", 85) as bar:
        for clock.seconds in (12.0, 12.1, 12.2, 13.0, 14.9, 80.0):
            bar.advance(1, words)
            bar._next = 0.0  # a line each
    with_words = f"  {words}" if words else ""
    started = "".join(f"onnx by dynamo: {step}/85{with_words}\n" for step in range(1, 6))
    paced = f"onnx by dynamo: 6/85{with_words}  17 min 54 s left\n"
    assert stream.getvalue() == started + paced


def test_where_work_goes_on_what_was_done_before_is_no_pace(clock):
    stream = io.StringIO()
    with Console(stream=stream).bar("epoch 3", 100) as bar:
        bar.advance(90)
        for clock.seconds in (6.0, 12.0):
            bar.advance()
    assert stream.getvalue() == "epoch 3: 92/100  48 s left\n"


def test_a_bar_on_a_terminal_is_drawn_and_disappears(terminal):
    console = Console(stream=terminal)
    console.say("before")
    with console.bar("reading images", 4) as bar:
        bar.resize(8)
        bar.advance(3, "loss 0.25")
        bar._drawn.refresh()
        assert re.fullmatch(r"before\nreading images .*3/8 loss 0\.25 *", terminal.screen)
    console.say("after")
    assert terminal.screen == "before\nafter"


def test_a_bar_on_a_terminal_says_how_long_it_still_takes_once_that_shows(terminal, clock):
    with Console(stream=terminal).bar("reading images", 8) as bar:
        for clock.seconds in (9.0, 10.0, 13.0):
            bar.advance()
        bar._drawn.refresh()
        assert terminal.screen.endswith("3/8  10 s left")


def test_a_bar_disappears_when_its_work_fails(terminal):
    console = Console(stream=terminal)
    with pytest.raises(KeyError), console.bar("reading images", 4):
        raise KeyError("a")
    console.say("after")
    assert terminal.screen == "after"


def test_a_line_said_while_a_bar_is_drawn_stands_above_it_as_it_was_said(terminal):
    console = Console(stream=terminal)
    with console.bar("reading images", 4) as bar:
        bar.advance(2)
        console.warn("[odd] file 12 " + "x" * 120)
        bar.advance(1)
        bar._drawn.refresh()
        assert re.match(r"note: \[odd\] file 12 x{120}\nreading images .*3/4", terminal.screen)
    assert terminal.screen == "note: [odd] file 12 " + "x" * 120


def test_a_quiet_terminal_shows_no_bar(terminal):
    with Console(quiet=True, stream=terminal).bar("reading images", 4) as bar:
        bar.advance(2)
    assert terminal.getvalue() == ""


def test_the_log_begins_with_what_was_said_before_it(tmp_path):
    console = Console(stream=io.StringIO())
    console.say("first")
    console.warn("second\n\nthird")
    with console.log_to(tmp_path / "log.txt"):
        console.say("fourth")
    lines = (tmp_path / "log.txt").read_text().splitlines()
    told = [re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  fieldmark (.*)", line) for line in lines]
    assert [each and each[1] for each in told] == [
        "INFO     first",
        "WARNING  note: second",
        "WARNING  third",
        "INFO     fourth",
    ]


def test_a_log_that_exists_is_added_to(tmp_path):
    for words in ("one", "two"):
        console = Console(quiet=True)
        with console.log_to(tmp_path / "log.txt"):
            console.say(words)
        console.say("after it")
    lines = (tmp_path / "log.txt").read_text().splitlines()
    assert [line.partition("INFO     ")[2] for line in lines] == ["one", "two"]


def test_a_quiet_console_logs_all_the_same(tmp_path):
    stream = io.StringIO()
    console = Console(quiet=True, stream=stream)
    with console.log_to(tmp_path / "log.txt"):
        console.say("heard")
    assert stream.getvalue() == ""
    assert (tmp_path / "log.txt").read_text().endswith("  heard\n")


def test_a_log_that_cannot_be_written_is_told(tmp_path):
    console = Console(quiet=True)
    wrong = pytest.raises(DiskError, match=r"log\.txt: cannot be written \(No such file")
    with wrong, console.log_to(tmp_path / "nowhere" / "log.txt"):
        console.say("heard")


def test_what_a_stream_cannot_show_is_said_in_other_letters(tmp_path):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    console = Console(stream=stream)
    with console.log_to(tmp_path / "log.txt"):
        console.say("Été 海 \udce9")
    assert stream.buffer.getvalue() == b"\\xc9t\\xe9 \\u6d77 \\udce9\n"
    assert (tmp_path / "log.txt").read_text(encoding="utf-8").endswith("  Été 海 \\udce9\n")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (0.023, "0.02 s"),
        (0.004, "0 s"),
        (0.4, "0.4 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (8.2, "8.2 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (60, "1 min"),
        (200, "3 min 20 s"),
        (3599.4, "59 min 59 s"),
        (3599.6, "1 h"),
        (7500, "2 h 5 min"),
        (7559, "2 h 5 min"),
        (360_000, "100 h"),
    ],
)
def test_a_duration_is_as_a_person_says_it(seconds, words):
    assert duration(seconds) == words
