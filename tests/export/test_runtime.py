"""onnxruntime-web: from where it is named, the cache, npm's registry, or a mirror of that."""

import hashlib
import http.server
import io
import shutil
import tarfile
import threading

import pytest

from fieldmark.errors import SettingsError
from fieldmark.export import runtime
from fieldmark.export.runtime import PACKAGE, SCRIPT, WASM, read_runtime, registry

FILES = {SCRIPT: b"script", WASM: b"wasm"}
HOW = (
    "get it by 'npm pack onnxruntime-web@1.30.0' where there is a network, and name it: "
    "--runtime onnxruntime-web-1.30.0.tgz"
)


@pytest.fixture(autouse=True)
def _small_files(monkeypatch, tmp_path):
    """Other files count as the right ones, and nothing is kept from before."""
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()}
    monkeypatch.setattr(runtime, "HASHES", hashes)
    monkeypatch.setenv("FIELDMARK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("NPM_CONFIG_REGISTRY", "npm_config_registry"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    read_runtime.cache_clear()
    yield
    read_runtime.cache_clear()


def package(files=None):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as out:
        for name, content in (files or FILES).items():
            about = tarfile.TarInfo(f"package/dist/{name}")
            about.size = len(content)
            out.addfile(about, io.BytesIO(content))
    return stream.getvalue()


def refused(named=None):
    with pytest.raises(SettingsError) as told:
        read_runtime(named)
    return str(told.value)


@pytest.mark.parametrize("inside", ["", "dist", "package/dist"])
def test_a_folder_is_taken_as_it_was_unpacked(tmp_path, inside):
    (tmp_path / "its" / inside).mkdir(parents=True)
    for name, content in FILES.items():
        (tmp_path / "its" / inside / name).write_bytes(content)
    assert read_runtime(str(tmp_path / "its")) == FILES


def test_a_package_is_taken(tmp_path):
    (tmp_path / "its.tgz").write_bytes(package())
    assert read_runtime(str(tmp_path / "its.tgz")) == FILES


def test_what_is_not_the_very_file_is_refused(tmp_path):
    place = tmp_path / "its.tgz"
    place.write_bytes(package({**FILES, WASM: b"another"}))
    assert refused(str(place)) == (
        f"--runtime: {place}: its {WASM} is not that of {PACKAGE}; {HOW}"
    )
    (tmp_path / "empty").mkdir()
    told = refused(str(tmp_path / "empty"))
    assert told == f"--runtime: {tmp_path / 'empty'}: has no {SCRIPT}; {HOW}"
    place.write_bytes(b"no package")
    assert refused(str(place)).startswith(f"--runtime: {place}: is no package of {PACKAGE} (")
    told = refused(str(tmp_path / "gone.tgz"))
    assert told.startswith(f"--runtime: {tmp_path / 'gone.tgz'}: cannot be read (No such file")


def test_the_registry_is_the_one_that_npm_is_set_to(tmp_path, monkeypatch):
    assert registry() is None
    npm = tmp_path / "npm"
    npm.write_text("#!/bin/sh\necho https://its.example/$1/$2/$3\n")
    npm.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda name: str(npm))
    assert registry() == "https://its.example/config/get/registry/"
    (tmp_path / ".npmrc").write_text("fund=false\nregistry=https://own.example/npm\n")
    assert registry() == "https://own.example/npm/"
    monkeypatch.setenv("npm_config_registry", "https://other.example/")
    assert registry() == "https://other.example/"


@pytest.mark.parametrize("is_set", [True, False])
def test_it_is_fetched_once_and_kept(monkeypatch, is_set):
    asked = []

    class Answers(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            name = self.path.rpartition("/")[2]
            self.wfile.write(FILES.get(name) or package())

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        place = f"http://127.0.0.1:{server.server_port}"
        if is_set:
            monkeypatch.setenv("NPM_CONFIG_REGISTRY", place)
        else:
            monkeypatch.setattr(runtime, "MIRROR", f"{place}/")
        for _ in range(2):
            assert read_runtime() == FILES
            read_runtime.cache_clear()
        server.shutdown()
    files = [f"/onnxruntime-web@1.30.0/dist/{name}" for name in FILES]
    assert asked == (["/onnxruntime-web/-/onnxruntime-web-1.30.0.tgz"] if is_set else files)


def test_without_a_network_the_command_is_told(monkeypatch):
    with http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as server:
        port = server.server_port
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", f"http://127.0.0.1:{port}/")
    assert refused() == (
        f"--runtime: the page runs on {PACKAGE}, which cannot be fetched from http://127.0.0.1:"
        f"{port}/onnxruntime-web/-/onnxruntime-web-1.30.0.tgz ([Errno 111] Connection refused); "
        f"{HOW}"
    )
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", "file:///etc")
    assert "is no address of a registry" in refused()
