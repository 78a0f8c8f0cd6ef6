"""What an exported ONNX file is for, read from its own words; without torch and onnxruntime.

An export is a folder with export.json and model.onnx. The latter alone is enough: it has
model.json, and all that export.json says of it, in its metadata.
"""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from fieldmark.errors import RunError, WeightsError
from fieldmark.models.bundle_info import BundleInfo, info_from
from fieldmark.rundir import EXPORT, INFO

MODEL = "model.onnx"
ONNX = ".onnx"
OWN = "model"  # the name in the metadata under which model.json stands
METADATA, KEY, VALUE = 14, 1, 2  # numbers of fields of ONNX's ModelProto and StringStringEntryProto
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # kinds of fields in protobuf


def is_export(path: str | Path) -> bool:
    """Whether a path is an export's folder, or an ONNX file."""
    path = Path(path)
    if path.suffix.lower() == ONNX and path.is_file():
        return True
    return (path / EXPORT).is_file() and not (path / INFO).is_file()


def onnx_file(path: str | Path) -> Path:
    """The file that computes. Raises RunError for an export that has none."""
    path = Path(path)
    if path.is_file():
        return path
    if (path / MODEL).is_file():
        return path / MODEL
    to = _said(path).get("to")
    if to not in (None, "onnx"):
        raise RunError(
            f"{path}: is an export as {to}, and pictures are looked at by one as onnx; name that, "
            "or the run"
        )
    raise RunError(f"{path}: lacks {MODEL}; copy the export again, or name the run")


def exported_info(path: str | Path) -> BundleInfo:
    """What an export is for. Raises RunError where it is none, WeightsError where it is damaged."""
    file = onnx_file(path)
    text = metadata(file).get(OWN)
    if text is None:
        raise RunError(
            f"{file}: is no export of Fieldmark (nothing in it says what it is for); name one, or "
            "a run"
        )
    try:
        values = dict(json.loads(text))
    except ValueError as error:
        raise WeightsError(f"{file}: is damaged ({error}); copy the export again") from error
    return info_from(values, file)


def drift(file: Path, said: dict[str, str]) -> list[str]:
    """What to say of a file that was taken though it decides otherwise on some images.

    said: its metadata.
    """
    found = json.loads(said.get("drift", "{}"))
    if not found:
        return []
    differ = found["differ"]  # the number, or of older exports the names
    number = len(differ) if isinstance(differ, list) else differ
    what = f"decides otherwise than its run on {number} of {found['images']} images"
    return [f"{file}: {what}, with scores up to {found['largest']:.2g} off"]


def metadata(file: Path) -> dict[str, str]:
    """The texts that an ONNX file has by name. Raises WeightsError where it is none, or is torn."""
    try:
        with file.open("rb") as stream:
            size = file.stat().st_size
            pairs = [dict(_texts(entry)) for entry in _entries(stream, size)]
        return {each[KEY]: each.get(VALUE, "") for each in pairs}
    except (OSError, ValueError, KeyError) as error:
        what = f"cannot be read as ONNX ({error}); copy the export again"
        raise WeightsError(f"{file}: {what}") from error


def _said(folder: Path) -> dict[str, Any]:
    try:
        return dict(json.loads((folder / EXPORT).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}


def _entries(stream: IO[bytes], size: int) -> Iterator[bytes]:
    """The entries of the metadata; the graph and its weights are passed over."""
    while stream.tell() < size:
        number, kind = divmod(_varint(stream), 8)
        length = _varint(stream) if kind in (BYTES, VARINT) else {FIXED64: 8, FIXED32: 4}.get(kind)
        if length is None:
            raise ValueError("a field of no known kind")
        if kind == VARINT:
            continue
        if stream.tell() + length > size:
            raise ValueError("it ends in the middle")
        if number == METADATA and kind == BYTES:
            yield stream.read(length)
        else:
            stream.seek(length, 1)


def _texts(entry: bytes) -> Iterator[tuple[int, str]]:
    stream = io.BytesIO(entry)
    while stream.tell() < len(entry):
        number, kind = divmod(_varint(stream), 8)
        if kind != BYTES:
            raise ValueError("its metadata are no texts")
        yield number, stream.read(_varint(stream)).decode("utf-8")


def _varint(stream: IO[bytes]) -> int:
    value = shift = 0
    while True:
        part = stream.read(1)
        if not part or shift > 63:
            raise ValueError("it ends in the middle")
        value |= (part[0] & 0x7F) << shift
        if part[0] < 0x80:
            return value
        shift += 7
