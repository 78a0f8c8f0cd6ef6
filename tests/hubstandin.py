"""A stand-in of the Hugging Face hub's API on a local socket, as far as a push needs it.

Requests and answers are those of huggingface_hub 2.4: a repository is made, README.md's front
matter is validated, large files are told apart (preupload), sent by LFS, and one commit names all.
"""

import base64
import hashlib
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOKEN = "hf_of_the_test"
LARGE = (".safetensors", ".onnx")


class Hub:
    """What was asked, and the repositories that came of it: {name: {file: bytes}}."""

    def __init__(self):
        self.asked, self.repos, self.private, self.kept = [], {}, {}, {}
        self.commits, self.refuses, self.address = 0, {}, ""


@contextmanager
def standing_in():
    """A hub that answers on a free port inside. -> Hub"""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(hub))
    hub.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(hub):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *words):
            pass

        def do_POST(self):
            self._answer("POST")

        def do_PUT(self):
            self._answer("PUT")

        def do_GET(self):
            self._answer("GET")

        def _answer(self, verb):
            body = self._body()
            hub.asked.append(f"{verb} {self.path}")
            code = next((c for part, c in hub.refuses.items() if part in self.path), None)
            if verb != "PUT" and self.headers.get("Authorization") != f"Bearer {TOKEN}":
                code = 401
            value = {"error": "no"} if code else answer(hub, verb, self.path, body)
            code = code or (404 if value is None else 200)
            content = json.dumps({"error": "no such thing"} if value is None else value).encode()
            self.send_response(code)
            if code == 404:
                self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def _body(self):
            if self.headers.get("Transfer-Encoding") == "chunked":
                parts = []
                while size := int(self.rfile.readline(), 16):
                    parts.append(self.rfile.read(size))
                    self.rfile.readline()
                self.rfile.readline()
                return b"".join(parts)
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    return Handler


def answer(hub, verb, path, body):
    path = path.partition("?")[0]
    if path == "/api/repos/create":
        asked = json.loads(body)
        name = f"{asked['organization'] or 'me'}/{asked['name']}"
        hub.repos.setdefault(name, {})
        hub.private.setdefault(name, asked.get("visibility") == "private")
        return {"url": f"{hub.address}/{name}"}
    if path == "/api/validate-yaml":
        return {"errors": [], "warnings": []}
    if verb == "PUT":
        hub.kept[path.rpartition("/")[2]] = body
        return {}
    if path.endswith("/info/lfs/objects/batch"):
        return {"objects": [_large(hub, each) for each in json.loads(body)["objects"]]}
    name = "/".join(path.removeprefix("/api/models/").split("/")[:2])
    if "/preupload/" in path:
        files = [each["path"] for each in json.loads(body)["files"]]
        return {"files": [_mode(each) for each in files]}
    if "/commit/" in path:
        return _commit(hub, name, body)
    if name not in hub.repos:
        return None
    return {"id": name, "private": hub.private[name], "sha": "0" * 40, "siblings": [], "tags": []}


def _mode(path):
    mode = "lfs" if path.endswith(LARGE) else "regular"
    return {"path": path, "uploadMode": mode, "shouldIgnore": False}


def _large(hub, each):
    to = {"href": f"{hub.address}/kept/{each['oid']}"}
    return {**each, "actions": {"upload": to}}


def _commit(hub, name, body):
    lines = [json.loads(line) for line in body.decode().splitlines()]
    for line in lines:
        value = line["value"]
        if line["key"] == "file":
            hub.repos[name][value["path"]] = base64.b64decode(value["content"])
        elif line["key"] == "lfsFile":
            content = hub.kept[value["oid"]]
            assert hashlib.sha256(content).hexdigest() == value["oid"]
            hub.repos[name][value["path"]] = content
    hub.commits += 1
    oid = "1" * 40
    return {"commitUrl": f"{hub.address}/{name}/commit/{oid}", "commitOid": oid, "hookOutput": ""}
