"""Small parts of Markdown."""

import re
from collections.abc import Iterable, Sequence


def plain(text: str) -> str:
    """A text in which no sign is taken for Markdown, or for HTML."""
    return re.sub(r"([\\`*_{}\[\]<>|#~$])", r"\\\1", " ".join(text.split()))


def code(text: str) -> str:
    """A text as code inside a line."""
    return f"`{text}`" if "`" not in text else plain(text)


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A table's lines; the first column stands left, the others right."""
    bounds = ["---", *["---:"] * (len(heads) - 1)]
    return [f"| {' | '.join(row)} |" for row in (heads, bounds, *rows)]


def block(text: str, language: str = "") -> list[str]:
    """Lines of code as a block."""
    return [f"```{language}", *text.strip("\n").splitlines(), "```"]


def bullets(sentences: Iterable[str]) -> list[str]:
    """A list, a line a sentence."""
    return [f"- {each}" for each in sentences]


def paragraphs(*parts: Sequence[str] | str) -> list[str]:
    """Parts with an empty line between; empty parts are left out."""
    kept = [[part] if isinstance(part, str) else list(part) for part in parts if part]
    return [line for part in kept for line in (*part, "")][:-1]
