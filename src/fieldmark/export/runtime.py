"""onnxruntime-web, by which a page runs a network: two files of an npm package, by their hashes.

They are no code of ours (MIT, Microsoft), so they come from a folder or a package that is named,
from the cache, from the registry that npm is set to, or from a mirror of npm. What is not the very
file is not taken.
"""

import hashlib
import io
import os
import shutil
import subprocess
import tarfile
from functools import cache, partial
from pathlib import Path
from urllib.request import urlopen

from fieldmark.cache import address, open_cache
from fieldmark.errors import Mistake, SettingsError
from fieldmark.sockets import answering_within

VERSION = "1.30.0"
PACKAGE = f"onnxruntime-web@{VERSION}"
SCRIPT, WASM = "ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"  # the smallest build
HASHES = {  # SHA-256
    SCRIPT: "11e64bd8ffe11bd1a2a2f0d6275fdfbbba7262f0b76b99b53d228a8a22ef3d90",
    WASM: "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
}
KIND = "onnxruntime-web"  # in the cache
MOST = 100_000_000  # bytes of the package, which has 33 million
PATIENCE = 30.0  # seconds of silence after which the registry counts as out of reach
MIRROR = "https://cdn.jsdelivr.net/npm/"  # of npm's packages, a file at a time
Files = dict[str, bytes]  # by the names of HASHES


@cache
def read_runtime(named: str | None = None) -> Files:
    """The files, from `named` (a folder, or the package that `npm pack` leaves), or as above.

    Raises SettingsError where they cannot be had or are others.
    """
    if named is not None:
        return _checked(_in_folder(Path(named)) if Path(named).is_dir() else _named(named), named)
    store = open_cache()
    kept = {name: store.get(KIND, address(PACKAGE, name)) for name in HASHES}
    found = {name: path.read_bytes() for name, path in kept.items() if path is not None}
    if all(_is_right(name, found.get(name, b"")) for name in HASHES):
        return found
    if own := registry():
        place = f"{own}onnxruntime-web/-/onnxruntime-web-{VERSION}.tgz"
        files = _checked(_in_package(_fetched(place), place), place)
    else:
        place = f"{MIRROR}{PACKAGE}/dist"
        files = _checked({name: _fetched(f"{place}/{name}") for name in HASHES}, place)
    for name, content in files.items():
        store.put(KIND, address(PACKAGE, name), partial(Path.write_bytes, data=content))
    return files


def registry() -> str | None:
    """What npm is set to, by its variable or its file in the home folder, or as it says itself.

    It ends in /; None where there is no npm.
    """
    variables = {name.upper(): value for name, value in os.environ.items()}
    named = variables.get("NPM_CONFIG_REGISTRY")
    settings = Path.home() / ".npmrc"
    if not named and settings.is_file():
        pairs = [line.split("=", 1) for line in settings.read_text("utf-8").splitlines()]
        said = [pair[1].strip() for pair in pairs if pair[0].strip() == "registry" and pair[1:]]
        named = said[-1] if said else None
    if not named and (npm := shutil.which("npm")):
        asked = subprocess.run(
            [npm, "config", "get", "registry"], capture_output=True, text=True, check=False
        )
        named = asked.stdout.strip()
    return f"{named.rstrip('/')}/" if named else None


def _in_folder(folder: Path) -> Files:
    """Of a folder that has the files, or is the package unpacked."""
    found = {}
    for name in HASHES:
        paths = [place / name for place in (folder, folder / "dist", folder / "package" / "dist")]
        path = next((each for each in paths if each.is_file()), None)
        if path is None:
            raise _mistake(f"{folder}: has no {name}; {_how()}")
        found[name] = path.read_bytes()
    return found


def _named(path: str) -> Files:
    try:
        return _in_package(Path(path).read_bytes(), path)
    except OSError as error:
        raise _mistake(f"{path}: cannot be read ({error.strerror}); {_how()}") from error


def _in_package(content: bytes, place: str) -> Files:
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as package:
            members = {name: package.extractfile(f"package/dist/{name}") for name in HASHES}
            return {name: each.read(MOST) for name, each in members.items() if each is not None}
    except (tarfile.TarError, OSError, EOFError, KeyError) as error:
        raise _mistake(f"{place}: is no package of {PACKAGE} ({error}); {_how()}") from error


def _fetched(place: str) -> bytes:
    if not place.startswith(("https://", "http://")):
        raise _mistake(f"{place}: is no address of a registry; {_how()}")
    try:
        with answering_within(PATIENCE), urlopen(place) as answer:
            return bytes(answer.read(MOST))
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        what = f"the page runs on {PACKAGE}, which cannot be fetched from {place} ({reason})"
        raise _mistake(f"{what}; {_how()}") from error


def _checked(files: Files, place: str) -> Files:
    for name in HASHES:
        if not _is_right(name, files.get(name, b"")):
            raise _mistake(f"{place}: its {name} is not that of {PACKAGE}; {_how()}")
    return files


def _is_right(name: str, content: bytes) -> bool:
    return hashlib.sha256(content).hexdigest() == HASHES[name]


def _how() -> str:
    file = f"onnxruntime-web-{VERSION}.tgz"
    return f"get it by 'npm pack {PACKAGE}' where there is a network, and name it: --runtime {file}"


def _mistake(what: str) -> SettingsError:
    return SettingsError([Mistake("--runtime", what)])
