"""What is told of the images: sentences to know, findings, and how the split was made."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from fieldmark.data.finding import Finding
from fieldmark.errors import counted, listed
from fieldmark.records import SPLITS, Samples
from fieldmark.settings.tree import DataSettings

FEW = 3  # groups; fewer tell nearly nothing
FILES = 50  # of a finding, that are kept with a run


@dataclass(frozen=True)
class Told:
    """notes: what the reader must know. findings: of the health check. split: sentences."""

    notes: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    split: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain values, to be kept with the samples; of a finding's many files some."""
        short = [replace(each, files=each.files[:FILES], groups=()) for each in self.findings]
        return {
            "notes": list(self.notes),
            "findings": [asdict(each) for each in short],
            "split": list(self.split),
        }

    @classmethod
    def read(cls, path: Path) -> Self:
        """What `to_json` gave, of a run's samples; nothing where it was not kept."""
        about = Samples.read_about(path)
        findings = [
            Finding(**{**each, "files": tuple(each["files"]), "groups": ()})
            for each in about.get("findings", ())
        ]
        return cls(tuple(about.get("notes", ())), tuple(findings), tuple(about.get("split", ())))


NOTHING = Told()


def split_words(
    data: DataSettings, listed_sides: list[str | None], samples: Samples, copies: np.ndarray
) -> Iterator[str]:
    """How the images came to their sides, a sentence each.

    listed_sides: what the source says of each image that was listed. samples, copies (N,): of
    the images that are used, with their splits; the same number is the same image.
    """
    given = [side for side in SPLITS if side in listed_sides]
    carved = [side for side in SPLITS if side != "train" and side not in given]
    shares = {"val": data.val_fraction, "test": data.test_fraction}
    shares = {side: shares[side] for side in carved if getattr(data, side) != "none"}
    words = {"train": "training", "val": "validation", "test": "test"}
    if given:
        sides = listed([words[side] for side in given]).replace("'", "")
        yield f"The source says which images are for {sides}."
    drawn = " and ".join(f"{share:.3g} for {words[side]}" for side, share in shares.items())
    if drawn:
        of = "the training images" if given else "the images"
        yield (
            f"Shares of {of} were drawn, {drawn}, of each class alike, by data.split_seed "
            f"{data.split_seed}; --seed does not move them."
        )
    if data.val == "none":
        yield "There is no validation (data.val=none): its images were trained on."
    if "test" not in given and data.test == "none":
        yield "There is no test (data.test=none)."
    together = [number for number, many in Counter(copies.tolist()).items() if many > 1]
    if together:
        pictures = counted(len(together), "picture")
        stand = "stands" if len(together) == 1 else "stand"
        yield f"{pictures} {stand} there more than once, also saved again; copies share a side."
    groups = group_sides(samples)
    if groups:
        parted = parted_groups(groups)
        column = f" ({data.group_column})" if data.group_column else ""
        told = f"{counted(len(groups), 'group')}{column}: "
        end = f"{len(parted)} on more than one side." if parted else "none is on two sides."
        yield told + end


def group_note(samples: Samples) -> list[str]:
    """What to say where a split that was given parts groups."""
    parted = parted_groups(group_sides(samples))
    if not parted:
        return []
    stands = "group stands" if len(parted) == 1 else "groups stand"
    return [
        f"{len(parted)} {stands} on more than one side of the given split "
        f"({listed(parted, most=3)}), so the figures may flatter; give no split, and whole groups "
        "are drawn"
    ]


def few_groups_note(samples: Samples) -> list[str]:
    """What to say where the test, or else the validation, has too few groups to tell anything."""
    sides = group_sides(samples)
    for side, words in (("test", "the test images are"), ("val", "the validation images are")):
        found = [group for group, its in sides.items() if side in its]
        if found and len(found) < FEW:
            return [
                f"{words} of {counted(len(found), 'group')} only ({listed(found)}), so the "
                "figures say little of other groups; gather more groups, or raise "
                f"data.{side}_fraction"
            ]
    return []


def group_sides(samples: Samples) -> dict[str, set[str]]:
    """The sides that each group is on."""
    sides: dict[str, set[str]] = {}
    for group, side in samples.frame.select("group", "split").iter_rows():
        if group is not None and side is not None:
            sides.setdefault(group, set()).add(side)
    return sides


def parted_groups(sides: dict[str, set[str]]) -> list[str]:
    """The groups that are on more than one side."""
    return [group for group, found in sides.items() if len(found) > 1]
