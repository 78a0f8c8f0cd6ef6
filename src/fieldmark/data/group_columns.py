"""Which of the user's columns say that images belong together: a site, an animal, a sequence.

Images of one place have one background, and those of one animal one coat: on two sides of a split
they make figures flatter. Such a column is proposed as the group, and never taken unasked.
"""

import re
from collections.abc import Iterator

import polars as pl

from fieldmark.data.finding import Finding
from fieldmark.data.split_columns import NO, YES
from fieldmark.data.split_words import GROUPS
from fieldmark.errors import listed
from fieldmark.records import SAMPLE_COLUMNS, Samples

OF_NAMES = ("id", "ids", "name", "no", "nr", "num", "number", "code", "key", "uuid")
FEW = 0.95  # values an image, below which a column groups anything


def group_word(name: str) -> str | None:
    """The word that makes a column's name that of a group: "deploymentID" -> "deployment".

    It is the last but for such as "id": "patient_age" is no group.
    """
    words = [part.casefold() for part in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[^\W\d_A-Z]+", name)]
    while len(words) > 1 and words[-1] in OF_NAMES:
        words.pop()
    last = words[-1] if words else ""
    return next((each for each in (last, last.removesuffix("id")) if each in GROUPS), None)


def likely_groups(samples: Samples) -> dict[str, pl.Series]:
    """The columns that look like groups, the largest groups first, with each image's value.

    By its name, and where some values repeat, are more than yes and no, and are no other names of
    the labels. None where the images have groups.
    """
    frame, found = samples.frame, {}
    if frame["group"].count():
        return {}
    for name in (name for name in frame.columns if name not in SAMPLE_COLUMNS):
        if group_word(_own(name)) is None or frame[name].dtype.is_nested():
            continue
        values = frame[name].cast(pl.String).str.strip_chars().replace("", None)
        if _groups_images(values, frame["labels"]):
            found[name] = values
    order = {name: GROUPS.index(str(group_word(_own(name)))) for name in found}
    return {name: found[name] for name in sorted(found, key=order.__getitem__)}


def proposal(samples: Samples) -> list[str]:
    """A sentence that proposes a column as the group; none where there is none, or where it is
    told already that a given split parts it (`group_findings`)."""
    found = likely_groups(samples)
    if not found or any(group_findings(samples)):
        return []
    (name, values), *others = found.items()
    number, own = values.drop_nulls().n_unique(), _own(name)
    also = f" (as would {listed(_own(other) for other, _ in others)})" if others else ""
    few = " data.val=none" if number == 2 else ""  # two are one to learn and one for the test
    return [
        f"the column '{own}' says which of the images belong together ({number:,} values), and a "
        "split that is drawn parts them: what they have in common would count as known; "
        f"data.group_column={own}{few} keeps them on one side{also}"
    ]


def group_findings(samples: Samples) -> Iterator[Finding]:
    """Groups, or values of a column that is proposed as such, on two sides of a given split."""
    frame = samples.frame
    if frame["group"].count():
        parted, images = _parted(frame["group"], frame["split"])
        if parted:
            yield _finding("error", "group", parted, images, "give no split, and whole groups")
        return
    for name, values in list(likely_groups(samples).items())[:1]:
        parted, images = _parted(values, frame["split"])
        if parted:
            own = _own(name)
            then = f"give no split and data.group_column={own}, and whole ones"
            yield _finding("warning", f"value of '{own}'", parted, images, then)


def _finding(severity: str, noun: str, parted: list[str], images: int, then: str) -> Finding:
    one, _, rest = noun.partition(" ")
    many = f"{one}s {rest}".strip()
    what = f"1 {noun} stands" if len(parted) == 1 else f"{len(parted):,} {many} stand"
    return Finding(
        "group-leakage",
        severity,
        f"{what} on more than one side of the given split ({listed(parted, most=3)}; {images:,} "
        f"images), so the figures may flatter: what they have in common counts as known; {then} "
        "are drawn",
        tuple(parted),
    )


def _own(name: str) -> str:
    """A column as the user's table calls it: see `cells.samples_of`."""
    return name.removeprefix("own_") if name.removeprefix("own_") in SAMPLE_COLUMNS else name


def _groups_images(values: pl.Series, labels: pl.Series) -> bool:
    known = pl.DataFrame({"value": values, "labels": labels.list.sort().list.join("\0")})
    known = known.drop_nulls("value")
    number = known["value"].n_unique()
    if number < 2 or number >= FEW * known.height:
        return False
    if {*YES, *NO}.issuperset(known["value"].str.to_lowercase()):
        return False
    return not number == known["labels"].n_unique() == known.unique().height


def _parted(values: pl.Series, splits: pl.Series) -> tuple[list[str], int]:
    """The values that are on more than one side, and how many images have one."""
    known = pl.DataFrame({"value": values, "split": splits}).drop_nulls()
    sides = pl.col("split").n_unique().over("value")
    parted = known.filter(sides > 1)
    return parted["value"].unique(maintain_order=True).to_list(), parted.height
