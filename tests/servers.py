"""A server of a tiny model in this process, and a client that speaks to it over a socket."""

import http.client
import json
import socket
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Thread

import pytest
from pictures import encoded
from PIL import Image

from fieldmark.serve.desk import Desk
from fieldmark.serve.limits import Limits
from fieldmark.serve.server import PACKAGES, bound, running
from fieldmark.use.predictor import Predictor

for package in PACKAGES:  # of the extra
    pytest.importorskip(package)
PATIENCE = 20.0  # seconds; a machine may be busy
LINE = b"--line"


@dataclass
class Served:
    """Where a server is, and its desk."""

    port: int
    desk: Desk

    def ask(self, way, path, body=None, headers=None, chunked=False):
        """-> Told, of a connection of its own."""
        with self.connected() as line:
            line.request(way, path, body, headers or {}, encode_chunked=chunked)
            return told(line.getresponse())

    def post(self, *files, path="/predict", headers=None):
        """Files (name, content) as a form. -> Told"""
        body, kind = form(*files)
        return self.ask("POST", path, body, {"Content-Type": kind, **(headers or {})})

    @contextmanager
    def connected(self):
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            yield line
        finally:
            line.close()

    @contextmanager
    def raw(self):
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE) as line:
            yield line

    def begin(self, *files):
        """The same in a thread. -> it, and a list that has Told at its end"""
        found = []
        thread = Thread(target=lambda: found.append(self.post(*files)), daemon=True)
        thread.start()
        return thread, found


@dataclass
class Told:
    """What a server answered."""

    status: int
    headers: dict
    text: str
    json: dict = field(default_factory=dict)

    @property
    def error(self):
        return self.json["error"]


def told(response):
    text = response.read().decode()
    headers = {name.lower(): value for name, value in response.getheaders()}
    is_json = headers.get("content-type") == "application/json"
    return Told(response.status, headers, text, json.loads(text) if is_json else {})


def form(*parts):
    """Parts as multipart/form-data: (name, content) is a file, (field, None, text) is a text."""
    body = b""
    for name, content, *text in parts:
        file = f'"files"; filename="{name}"' if content is not None else f'"{name}"'
        head = f"Content-Disposition: form-data; name={file}\r\n\r\n"
        content = text[0].encode() if content is None else content
        body += LINE + b"\r\n" + head.encode() + content + b"\r\n"
    return body + LINE + b"--\r\n", f"multipart/form-data; boundary={LINE.decode()[2:]}"


def picture(shade=0, side=16, form="PNG"):
    """The bytes of a picture file."""
    return encoded(Image.new("RGB", (side, side), (shade, 255 - shade, 90)), form)


@contextmanager
def serving(folder, limits=None, **how):
    """A server of the bundle in a folder. -> Served"""
    desk = Desk(Predictor(folder, device="cpu"), limits or Limits())
    place = bound("127.0.0.1", 0)
    with running(desk, place, **how):
        yield Served(place.getsockname()[1], desk)


@contextmanager
def held(predictor):
    """Inside, the model answers nothing until the Event that is given is set, or at the end."""
    go, before = Event(), predictor.answers

    def answers(batch):
        go.wait(PATIENCE)
        return before(batch)

    predictor.answers = answers
    try:
        yield go
    finally:
        go.set()
        del predictor.answers


def wait_until(is_so):
    until = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.005)
