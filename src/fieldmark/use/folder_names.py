"""Names of folders for labels: what any file system takes, each another, as near as may be."""

import re
import unicodedata
from collections.abc import Iterable

UNSAFE = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*]')
AT_AN_END = re.compile(r"^[. ]+|[. ]+$")  # hidden, the folder above, or lost on Windows
RESERVED = (
    "con",
    "prn",
    "aux",
    "nul",
    *(f"{port}{n}" for port in ("com", "lpt") for n in range(10)),
)
MOST = 200  # bytes; 255 is what file systems take


def folder_names(labels: Iterable[str]) -> dict[str, str]:
    """The name of each label's folder: the label, where that may be a folder's name.

    No two are the same where capitals do not count. The labels that are names themselves keep
    them, of the others the first has the name, and the next a number behind it.
    """
    known = list(dict.fromkeys(labels))
    taken: set[str] = set()
    found = {}
    for label in sorted(known, key=lambda label: _safe(label) != label):
        name, number = _safe(label), 1
        while _folded(name) in taken:
            number += 1
            name = f"{_safe(label)}-{number}"
        taken.add(_folded(name))
        found[label] = name
    return {label: found[label] for label in known}


def _safe(label: str) -> str:
    cut = label.encode("utf-8", "surrogatepass")[:MOST].decode("utf-8", "ignore")
    name = AT_AN_END.sub(lambda found: "_" * len(found[0]), UNSAFE.sub("_", cut)) or "_"
    return f"_{name}" if name.partition(".")[0].strip().casefold() in RESERVED else name


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
