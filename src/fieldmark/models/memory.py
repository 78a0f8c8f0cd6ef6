"""Whether weights or a network fit into memory, asked before anything is read or built."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fieldmark.errors import WeightsError

MEMINFO = Path("/proc/meminfo")
GROUP = Path("/sys/fs/cgroup")  # of version 2, as a container sees its own


def available() -> int | None:
    """Bytes of memory that this process may still take; None where the system does not say."""
    free = [_free_of_machine(), _free_of_container()]
    return min((number for number in free if number is not None), default=None)


def refuse_large_file(path: Path, size: int, free: int | None) -> None:
    """Raise WeightsError where a file of `size` bytes is larger than `free` bytes of memory."""
    if free is not None and size > free:
        raise WeightsError(
            f"{path}: is too large for the memory of this machine ({_gigabytes(size)}, and "
            f"{_gigabytes(free)} are free); take smaller weights, or a machine with more memory"
        )


def refuse_large_network(name: str, options: Mapping[str, Any], free: int | None) -> None:
    """Raise WeightsError where the network's float32 weights alone are larger than `free` bytes."""
    from fieldmark.models.catalog import outline

    if free is None:
        return
    size = sum(tensor.nbytes for tensor in outline(name, 1000, options).state_dict().values())
    if size > free:
        raise WeightsError(
            f"the network '{name}' is too large for the memory of this machine (its weights alone "
            f"take {_gigabytes(size)}, and {_gigabytes(free)} are free); choose a smaller --model "
            "(`fieldmark models` lists their sizes), or a machine with more memory"
        )


def _free_of_machine() -> int | None:
    try:
        lines = dict(line.split(":") for line in MEMINFO.read_text().splitlines() if ":" in line)
        return int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):  # not Linux: what there is in all
        return _all_of_machine()


def _all_of_machine() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None


def _free_of_container() -> int | None:
    """What a control group leaves; None where there is none, or it sets no limit ("max").

    Not memory.current, which counts cached files too: those give way.
    """
    try:
        limit = int((GROUP / "memory.max").read_text())
        stat = dict(line.split() for line in (GROUP / "memory.stat").read_text().splitlines())
        return max(0, limit - int(stat["anon"]))
    except (OSError, KeyError, ValueError):
        return None


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.1f} GB"
