"""One text for a label, however it was typed, and which labels are spelt alike."""

import re
import unicodedata
from collections.abc import Iterable

NUMBER, FLOAT = re.compile(r"[+-]?\d+"), re.compile(r"[+-]?\d+\.0+")
NEGATIVE = re.compile(r"-\d+(\.\d+)?")
NO_WIDTH = "\ufeff\u200b\u200c\u200d\u2060"  # marks that programs leave behind and nobody sees
TRUTH = ("true", "false")


def written(name: str) -> str:
    """A name as it is kept: accents composed (NFC), one blank between words, none at the ends."""
    if name.isascii() and "  " not in name and name == name.strip() and name.isprintable():
        return name
    return " ".join(unicodedata.normalize("NFC", name).strip(NO_WIDTH).split())


def visible(name: str) -> str:
    """A name that is not kept as it is written, with the parts of its accents to be seen."""
    return name if name == written(name) else ascii(name)[1:-1]


def folded(name: str) -> str:
    """A name without what is easily typed in two ways: "Black_bear " -> "black bear".

    Names that are the same in this form are spelt nearly alike: by case, blanks, marks between
    words, an accent's coding, zeros before a number or a point behind it.
    """
    text = unicodedata.normalize("NFKC", name).casefold().strip(NO_WIDTH)
    text = text.strip()
    sign = "-" if NEGATIVE.fullmatch(text) else ""
    text = sign + " ".join(re.split(r"[\s_-]+", text.strip(" \t\r\n_-")))
    if FLOAT.fullmatch(text):
        text = text.partition(".")[0]
    return text.lstrip("0") or "0" if text.isascii() and text.isdigit() else text


def is_misspelt(label: str, known: str) -> bool:
    """Whether one letter was changed, left out, added, or exchanged with the next; not a digit."""
    without_digits = [re.sub(r"\d", "", name) for name in (label, known)]
    if min(len(label), len(known)) < 3 or without_digits[0] == without_digits[1]:
        return False
    differing = (at for at, (a, b) in enumerate(zip(label, known, strict=False)) if a != b)
    start = next(differing, min(len(label), len(known)))
    mine, theirs = label[start:], known[start:]
    exchanged = mine[:2] == theirs[:2][::-1] and mine[2:] == theirs[2:]
    return exchanged or mine[1:] in (theirs, theirs[1:]) or mine == theirs[1:]


def one_text(names: Iterable[str]) -> dict[str, str]:
    """Every label of a set by the one text that it is kept as, wherever it comes from.

    True, TRUE and true are "true", where there is nothing but these; 1.0 is "1", where there are
    nothing but whole numbers.
    """
    kept = {name: written(name) for name in names}
    if kept and all(text.casefold() in TRUTH for text in kept.values()):
        return {name: text.casefold() for name, text in kept.items()}
    if all(NUMBER.fullmatch(text) or FLOAT.fullmatch(text) for text in kept.values()):
        return {name: text.partition(".")[0] for name, text in kept.items()}
    return kept


def as_known(names: Iterable[str], known: Iterable[str]) -> dict[str, str]:
    """Labels that are known under another coding or with other blanks, by their known names.

    Only where one known name alone is meant, and its own text is not among the labels.
    """
    known = list(known)
    by_text: dict[str, list[str]] = {}
    for name in known:
        by_text.setdefault(_bare(name), []).append(name)
    found = {name: by_text.get(_bare(name), []) for name in names if name not in known}
    return {name: its[0] for name, its in found.items() if len(its) == 1}


def _bare(name: str) -> str:
    """A name's text, a truth value or a whole number alike whatever a program made of it."""
    text = written(name)
    if text.casefold() in TRUTH:
        return text.casefold()
    return text.partition(".")[0] if FLOAT.fullmatch(text) else text
