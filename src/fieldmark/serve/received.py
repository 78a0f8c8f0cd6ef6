"""The pictures of a request, read with every limit; nothing of it is written to the disk."""

import re
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from fieldmark.serve.limits import Limits, RefusalError, too_large, too_many

CAPTION = "caption"
LONGEST = 255  # characters of a name
TEXT = 1 << 16  # bytes of a caption
UNSHOWN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
HOW = (
    "send files as multipart/form-data (curl -F files=@a.jpg), or one picture as the body with a "
    "Content-Type of image/jpeg, another of its kind, or application/octet-stream"
)


@dataclass(frozen=True)
class Picture:
    """What was sent: a name that is only ever shown, a file's bytes, and maybe a caption."""

    name: str
    content: bytes
    caption: str | None = None


async def received(
    request: Request, limits: Limits, take: Callable[[int], None], *, captions: bool
) -> list[Picture]:
    """The pictures of a request, in order. captions: whether each must have one.

    take: told of the bytes as they come, and may refuse them. Raises RefusalError.
    """
    if request.headers.get("content-encoding", "identity") != "identity":
        raise RefusalError(415, "a compressed body is not taken; send it as it is")
    if (length := request.headers.get("content-length", "")).isdigit() and (
        int(length) > limits.bytes
    ):
        raise too_large(limits)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    body = _counted(request, limits, take)
    if kind == "multipart/form-data":
        return await _parts(request, body, limits, captions=captions)
    if kind not in ("", "application/octet-stream") and not kind.startswith("image/"):
        raise RefusalError(415, f"a body of the type '{cleaned(kind)}' is not taken; {HOW}")
    content = b"".join([chunk async for chunk in body])
    if not content:
        raise RefusalError(422, f"the request is empty; {HOW}")
    if captions:
        raise RefusalError(422, f"the model reads captions; {_PAIRED}")
    return [Picture("image 1", content)]


async def _counted(
    request: Request, limits: Limits, take: Callable[[int], None]
) -> AsyncGenerator[bytes, None]:
    """The body as it comes; RefusalError as soon as it is too large, whatever length it claimed."""
    length = 0
    async for chunk in request.stream():
        length += len(chunk)
        if length > limits.bytes:
            raise too_large(limits)
        take(len(chunk))
        yield chunk


_PAIRED = f"send files and a field '{CAPTION}' for each of them, in the same order"


async def _parts(
    request: Request, body: AsyncGenerator[bytes, None], limits: Limits, *, captions: bool
) -> list[Picture]:
    try:
        form = await _InMemory(request.headers, body, limits).parse()
    except MultiPartException as error:
        raise _unread(error.message.rstrip(".")) from error
    except UnicodeError as error:
        raise _unread("its names are not in the charset that it claims") from error
    files: list[tuple[str, bytes]] = []
    texts: list[str] = []
    for field, value in form.multi_items():
        if isinstance(value, UploadFile):
            content, name = value.file.read(), value.filename or ""
            value.file.close()
            if content or name:  # else a form's field of files where none was chosen
                files.append((name, content))
        elif field == CAPTION:
            texts.append(value)
        else:
            raise RefusalError(422, f"the field '{cleaned(field)}' holds a text and no file; {HOW}")
    if not files:
        raise RefusalError(422, f"the request holds no picture; {HOW}")
    if texts and not captions:
        raise RefusalError(422, f"the model reads no captions; leave the field '{CAPTION}' out")
    if captions and len(texts) != len(files):
        raise RefusalError(422, f"the model reads captions; {_PAIRED}")
    its: list[str | None] = [*texts] if texts else [None] * len(files)
    return [
        Picture(cleaned(name) or f"image {number}", content, caption)
        for number, ((name, content), caption) in enumerate(zip(files, its, strict=True), 1)
    ]


def _unread(why: str) -> RefusalError:
    return RefusalError(400, f"the form cannot be read ({why}); {HOW}")


def cleaned(name: str) -> str:
    """A text of the client's as it is shown: in one line, not too long."""
    return UNSHOWN.sub("", name).strip()[:LONGEST]


class _InMemory(MultiPartParser):
    """Starlette's parser, which refuses one file too many as it comes, and uses no files."""

    spool_max_size = 0  # of which tempfile says that nothing is ever written to the disk

    def __init__(self, headers: Any, stream: AsyncGenerator[bytes, None], limits: Limits):
        super().__init__(headers, stream, max_fields=limits.images, max_part_size=TEXT)
        self._limits, self._files = limits, 0

    def on_headers_finished(self) -> None:
        super().on_headers_finished()
        self._files += self._current_part.file is not None
        if self._files > self._limits.images:
            raise too_many(self._limits)
