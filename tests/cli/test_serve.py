"""`fieldmark serve` refused, in one sentence each, and a whole server that is ended by a signal."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import closing

import pytest
from servers import form, picture
from tinybundles import one_label

from fieldmark.cli.main import run as fieldmark
from fieldmark.machine import INSTALL
from fieldmark.serve.door import read_token


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return str(one_label(tmp_path_factory.mktemp("one") / "run"))


def refused(capsys, *words):
    """The sentences of a server that does not start."""
    assert fieldmark(["serve", *map(str, words)]) == 2
    return capsys.readouterr().err.replace("fieldmark: ", "").rstrip("\n")


def test_a_port_in_use_is_told(capsys, bundle):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert refused(capsys, bundle, "--port", port) == (
            f"--port {port}: 127.0.0.1 cannot be listened to at this port (address already in "
            "use); choose another, or 0 for any"
        )


def test_what_cannot_be_served_is_told(capsys, bundle, tmp_path, monkeypatch):
    assert refused(capsys, tmp_path) == (
        f"{tmp_path}: holds no trained model (model.json); name a run's folder, or go on with one "
        "that was stopped: fieldmark train --resume RUN"
    )
    assert refused(capsys, bundle, "--queue", 8) == (
        "--queue 8: is less than the 64 images of a request (--max-images), which could never be "
        "taken; ask for more, or for fewer of those"
    )
    assert refused(capsys, bundle, "--top", 9) == (
        "--top 9: the model knows 3 classes; ask for no more"
    )
    assert refused(capsys, bundle, "--port", 0, "--abstain", 95) == (
        "--abstain: must be more than 0 and at most 1, not 95; did you mean 0.95?"
    )
    monkeypatch.setattr("fieldmark.serve.server.is_installed", lambda package: False)
    assert refused(capsys, bundle) == (
        "fieldmark serve: needs 'fastapi', which is not installed; install it with: "
        f"{INSTALL} 'fieldmark[serve]'"
    )


def test_a_host_that_is_none_of_this_machine_is_told(capsys, bundle, monkeypatch):
    def unknown(*words, **more):
        raise socket.gaierror

    monkeypatch.setattr("socket.getaddrinfo", unknown)
    assert refused(capsys, bundle, "--host", "nowhere.invalid") == (
        "--host nowhere.invalid: is no name or address of this machine; take 127.0.0.1, or 0.0.0.0 "
        "for all of them"
    )


def test_a_token_file_is_ones_own_and_holds_a_token(capsys, bundle, tmp_path):
    file = tmp_path / "token"
    where = f"--token-file {file}"

    def told():
        return refused(capsys, bundle, "--token-file", file)

    assert told() == (
        f"{where}: cannot be read (No such file or directory); name a file that holds the token"
    )
    file.write_text("\n")
    file.chmod(0o644)
    assert told() == (
        f"{where}: can be read or written by others (mode 644); keep it to yourself: chmod 600 "
        f"{file}"
    )
    file.chmod(0o600)
    assert told() == f"{where}: is empty; write the token into it"
    file.write_text("two words")
    assert told() == (f"{where}: must hold one word of ASCII; make one with: openssl rand -hex 32")
    file.write_text("s3cret\n")
    assert read_token(file) == b"s3cret"


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_answers_what_was_taken_and_ends_with_0(bundle, number):
    command = [sys.executable, "-m", "fieldmark", "serve", bundle, "--port", "0"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        first = process.stdout.readline()
        found = re.fullmatch(
            rf"{re.escape(bundle)} is served at http://127\.0\.0\.1:(\d+) \(Ctrl-C ends it\)\n",
            first,
        )
        line, other = (
            http.client.HTTPConnection("127.0.0.1", int(found[1]), timeout=60) for _ in range(2)
        )
        with closing(line), closing(other):
            body, kind = form(*[("a.png", picture(side=3000))] * 24)
            line.request("POST", "/predict", body, {"Content-Type": kind})
            taken = 0
            while not taken:
                other.request("GET", "/metrics")
                text = other.getresponse().read().decode()
                taken = int(re.search(r"^fieldmark_queue_images (\d+)", text, re.M)[1])
            process.send_signal(number)
            response = line.getresponse()
            answers = json.loads(response.read())["answers"]
        told = process.communicate(timeout=60)
    assert (response.status, len(answers)) == (200, 24)
    assert [each["error"] for each in answers] == [None] * 24
    assert told == ("", "fieldmark: answering what was taken; once more to stop at once\n")
    assert process.returncode == 0
