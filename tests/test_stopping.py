"""Ctrl-C and SIGTERM: one sentence and exit code 130, wherever the process is."""

import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from smallruns import draw_photos, points

from fieldmark.models.catalog import MODELS

WHOLE = "import sys; sys.argv[0] = 'fieldmark'; from fieldmark.__main__ import main; main()"
BEGIN = """
import os, signal, sys, time
from fieldmark.stopping import listening, take_over, undoing
take_over()
"""


def ended(code, *, number=signal.SIGINT, at="now\n"):
    """Run Python code of its own that prints `at`, send a signal then. -> code, errors, seconds"""
    with subprocess.Popen(
        [sys.executable, "-c", BEGIN + code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout.readline() == at
        other.send_signal(number)
        begun = time.monotonic()
        _, said = other.communicate(timeout=30)
    return other.returncode, said, time.monotonic() - begun


def test_a_signal_before_the_signals_are_in_hand_has_its_sentence():
    code = """
import os, signal, sys
class Finder:
    def find_spec(self, name, *_):
        if name == "fieldmark.stopping":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Finder())
from fieldmark.__main__ import main
main()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stderr) == (130, "fieldmark: stopped\n")


SWALLOWS = """
while True:
    try:
        print("now", flush=True)
        time.sleep(30)
    except BaseException:
        pass
"""
IN_A_LIBRARY = """
import hashlib
print("now", flush=True)
hashlib.pbkdf2_hmac("sha256", b"", b"", 100_000_000)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_nothing_can_swallow_a_signal(number):
    code, said, seconds = ended(SWALLOWS, number=number)
    assert (code, said) == (130, "fieldmark: stopped\n")
    assert seconds < 2


def test_a_signal_ends_what_is_deep_inside_a_library():
    code, said, seconds = ended(IN_A_LIBRARY)
    assert (code, said) == (130, "fieldmark: stopped\n")
    assert seconds < 3


def test_the_signals_that_libraries_listen_for_end_nothing():
    code = """
import fieldmark.stopping
fieldmark.stopping.SOON = 0.1
signal.signal(signal.SIGCHLD, lambda *_: None)
os.kill(os.getpid(), signal.SIGCHLD)
time.sleep(0.4)
print("now", flush=True)
time.sleep(30)
"""
    assert ended(code)[:2] == (130, "fieldmark: stopped\n")


def test_a_draft_does_not_stay_and_the_sentence_is_that_of_the_run(tmp_path):
    code = f"""
from pathlib import Path
from fieldmark.files import write_whole
def write(draft):
    draft.touch()
    print("now", flush=True)
    time.sleep(30)
with undoing(lambda: "stopped; go on with this"):
    write_whole(Path({str(tmp_path / "a")!r}), write)
"""
    assert ended(code)[:2] == (130, "fieldmark: stopped; go on with this\n")
    assert list(tmp_path.iterdir()) == []


def test_training_has_a_clean_end_and_a_second_signal_does_not_wait_for_it():
    code = """
with listening() as stop:
    print("now", flush=True)
    while not stop.asked:
        time.sleep(0.01)
sys.exit("a clean end")
"""
    asked = "fieldmark: stopping after this step; once more to stop at once\n"
    assert ended(code)[:2] == (1, f"{asked}a clean end\n")
    code = """
with listening() as stop:
    print("now", flush=True)
    while not stop.asked:
        time.sleep(0.01)
    time.sleep(0.6)
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(30)
"""
    code, said, seconds = ended(code)
    assert (code, said) == (130, f"{asked}fieldmark: stopped\n")
    assert seconds < 3


def test_one_press_that_comes_twice_as_through_uv_run_has_a_clean_end():
    code = """
import fieldmark.stopping
fieldmark.stopping.SOON = 0.2
with listening() as stop:
    print("now", flush=True)
    while not stop.asked:
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(0.6)
sys.exit("a clean end")
"""
    asked = "fieldmark: stopping after this step; once more to stop at once\n"
    assert ended(code)[:2] == (1, f"{asked}a clean end\n")


def test_a_clean_end_that_takes_too_long_is_cut_short():
    code = """
import fieldmark.stopping
fieldmark.stopping.CLEAN = 0.3
with listening():
    print("now", flush=True)
    while True:
        time.sleep(0.01)
"""
    code, said, seconds = ended(code)
    assert code == 130
    assert said.endswith("fieldmark: stopped\n")
    assert seconds < 2


def test_processes_that_were_forked_off_leave_it_to_their_parent():
    code = """
import multiprocessing
child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(30,), daemon=True)
child.start()
time.sleep(0.1)
os.kill(child.pid, signal.SIGINT)
time.sleep(0.2)
assert child.is_alive()
child.terminate()
child.join()
second = multiprocessing.get_context("fork").Process(target=time.sleep, args=(30,), daemon=True)
second.start()
print("now", flush=True)
time.sleep(30)
"""
    code, said, seconds = ended(code)  # the pipes close only when the child is gone, too
    assert (code, said) == (130, "fieldmark: stopped\n")
    assert seconds < 2


def test_a_signal_after_the_end_changes_nothing():
    code = """
class Last:
    def __del__(self):  # as Python takes itself apart
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.1)
sys.last = Last()
print("now", flush=True)
signal.sigtimedwait([], 0.3)
"""
    with subprocess.Popen([sys.executable, "-c", BEGIN + code], stderr=subprocess.PIPE) as other:
        _, said = other.communicate(timeout=30)
    assert (other.returncode, said) == (0, b"")


def test_a_program_of_somebody_elses_keeps_its_signals():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    from fieldmark.stopping import listening

    with listening() as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.asked
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def interrupted(words, folder, seconds, number):
    """Run the command, with a signal after so long. -> code, lines of errors, seconds till the end

    The seconds are None where it was done before.
    """
    command = [sys.executable, "-c", WHOLE, *words]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=folder, **pipes) as other:
        try:
            _, said = other.communicate(timeout=seconds)
            return other.returncode, said.splitlines(), None
        except subprocess.TimeoutExpired:
            other.send_signal(number)
            begun = time.monotonic()
            _, said = other.communicate()
    return other.returncode, said.splitlines(), time.monotonic() - begun


def test_the_command_can_be_stopped_while_it_imports(tmp_path):
    for seconds in (0.2, 0.6):  # of which the first is about the command line's own
        code, said, took = interrupted(["train", "digits"], tmp_path, seconds, signal.SIGINT)
        assert (code, said) == (130, ["fieldmark: stopped"])
        assert took < 2
    assert list(tmp_path.iterdir()) == []


AT_IMPORT = """
import os, signal, sys
module, sys.argv = sys.argv[1], ["fieldmark", "train", "digits", "--epochs", "1"]
class Finder:
    def find_spec(self, name, *_):
        if name == module:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Finder())
from fieldmark.__main__ import main
main()
"""


@pytest.mark.parametrize("module", ["fieldmark.cli.main", "typer", "numpy", "numpy.matrixlib"])
def test_a_signal_inside_an_import_is_one_sentence(module, tmp_path):
    """Libraries try an import and go on without it: the signal was lost, or numpy had no matrix."""
    command = [sys.executable, "-c", AT_IMPORT, module]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (130, "fieldmark: stopped\n")
    assert list(tmp_path.iterdir()) == []


SLOWLY = """
import importlib, sys, time
import fieldmark.stopping
fieldmark.stopping.CLEAN = 0.5
module, name = sys.argv[1].split(":")
holder = importlib.import_module(module)
real = getattr(holder, name)
def slow(*args):
    print("now", flush=True)
    time.sleep(4)
    return real(*args)
setattr(holder, name, slow)
sys.argv = ["fieldmark", *sys.argv[2:]]
from fieldmark.__main__ import main
main()
"""


@pytest.mark.parametrize(
    "point", points("fieldmark.data.stored:read_pixels", "fieldmark.fit.features:_pass")
)
def test_decoding_and_embedding_end_while_an_image_takes_long(point, tmp_path, monkeypatch):
    monkeypatch.setenv("FIELDMARK_CACHE", str(tmp_path / "cache"))
    torch.manual_seed(0)
    save_file(MODELS.build("small_cnn", {}, 7).state_dict(), tmp_path / "other.safetensors")
    words = ["train", str(draw_photos(tmp_path / "photos")), "run.workers=0"]
    words += ["--model", "small_cnn", "--weights", str(tmp_path / "other.safetensors")]
    command = [sys.executable, "-c", SLOWLY, point, *words]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=tmp_path, **pipes) as other:
        while other.stdout.readline() != "now\n":
            assert other.poll() is None
        other.send_signal(signal.SIGTERM)
        begun = time.monotonic()
        _, said = other.communicate(timeout=60)
    assert time.monotonic() - begun < 3
    assert (other.returncode, said.splitlines()[-1]) == (130, "fieldmark: stopped at the start")
    assert list((tmp_path / "runs").iterdir()) == []


ASKED = "fieldmark: stopping after this step; once more to stop at once"
SENTENCE = r"fieldmark: stopped($| at the start$|.*; go on with: fieldmark train --resume \S+$)"


@pytest.mark.slow
def test_a_signal_at_any_moment_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("FIELDMARK_CACHE", str(tmp_path / "cache"))
    moments, wrong = random.Random(0), []
    for number in range(8):
        folder, seconds = tmp_path / str(number), moments.uniform(0.1, 12)
        folder.mkdir()
        kind = moments.choice([signal.SIGINT, signal.SIGTERM])
        code, said, took = interrupted(["train", "digits"], folder, seconds, kind)
        if took is None or code == 0:  # it was done, or was at its last breath
            assert (code, said) == (0, [])
            continue
        clean = said[:1] == [ASKED]
        sentences = said[1:] if clean else said
        is_right = code == 130 and len(sentences) == 1 and re.match(SENTENCE, sentences[0])
        if not is_right or took > (8 if clean else 3) or list(Path(folder).rglob("*.part")):
            wrong.append((seconds, kind, code, said, took))
    assert wrong == []
