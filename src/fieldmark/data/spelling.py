"""When two labels are likely one that was typed in two ways."""

import re
import unicodedata


def plain_label(label: str) -> str:
    """A label without what is easily typed in two ways: "Black_bear " -> "black bear"."""
    folded = unicodedata.normalize("NFKC", label).casefold()
    return " ".join(re.split(r"[\s_-]+", folded.strip(" \t\r\n_-")))


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
