"""Files appear whole or not at all: written beside their place, then renamed into it."""

import contextlib
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fieldmark.errors import disk_error


def write_whole(path: Path, write: Callable[[Path], Any]) -> None:
    """Let `write` fill a new file, then put that in the place of `path` in one step.

    What stood at `path` stays as it was until the new file is complete and on the disk.
    Raises DiskError where there is no room or no permission.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        write(draft)
        with draft.open("rb+") as stream:
            os.fsync(stream.fileno())
        draft.replace(path)
    except OSError as error:
        raise disk_error(path, error) from error
    except Exception as error:
        if (inner := _system_error(error)) is None:
            raise
        raise disk_error(path, inner) from error
    finally:
        with contextlib.suppress(OSError):  # the error above says why
            draft.unlink()


def _system_error(error: Exception) -> OSError | None:
    """The system's error that polars or safetensors wrapped into its own: "... (os error 28)"."""
    found = re.search(r"\(os error (\d+)\)", str(error))
    return OSError(int(found[1]), os.strerror(int(found[1]))) if found else None


def write_text(path: Path, text: str) -> None:
    """A text file in UTF-8, whole or not at all."""
    write_whole(path, lambda draft: draft.write_text(text, encoding="utf-8"))


def write_json(path: Path, value: Any) -> None:
    """JSON that any reader takes: indented, UTF-8, no NaN (ValueError where there is one)."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
