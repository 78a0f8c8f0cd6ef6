"""`fieldmark predict`: a trained run looks at new images."""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fieldmark.cli.typed import Device, Engine, flag
from fieldmark.errors import counted

if TYPE_CHECKING:
    from fieldmark.use.predictor import Failure, Prediction


def command(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run's folder, or a bundle.")],
    inputs: Annotated[list[str], typer.Argument(metavar="INPUTS...", help="Images, folders.")],
    out: Annotated[
        Path | None, typer.Option(help="A .csv, .jsonl or .parquet file; else to the screen.")
    ] = None,
    overwrite: Annotated[bool, flag("--overwrite", "Replace the file of --out.")] = False,
    scores: Annotated[bool, flag("--scores", "A column a class too.")] = False,
    abstain: Annotated[
        float | None,
        typer.Option(help="Label only where this share was right in validation, such as 0.95."),
    ] = None,
    batch_size: Annotated[int, typer.Option(help="Images at a time.", min=1)] = 64,
    device: Device = "auto",
    engine: Engine = "torch",
) -> int:
    """Label images: columns image, label, score. Broken files are listed; the rest goes on.

    Exit code 1 where an image could not be read.
    """
    from fieldmark.files import check_table
    from fieldmark.use.table import WRITERS, write_table

    if out is not None:
        check_table(out, WRITERS, overwrite=overwrite)
    from fieldmark.use.inputs import find_images
    from fieldmark.use.predictor import Predictor

    found = find_images(inputs)
    predictor = Predictor(run, device=device, engine=engine, batch_size=batch_size, abstain=abstain)
    tally = _Tally()
    answers = tally.watch(predictor.stream(found.images))
    first = next(answers, None)
    if first is not None:  # else there is nothing to make a table of
        rows, several = chain([first], answers), predictor.several
        write_table(out or sys.stdout, rows, predictor.classes, scores=scores, several=several)
        if out is not None:
            print(f"{counted(tally.seen - tally.unlabelled, 'image')} labelled in {out}")
    _tell([*found.notes, *predictor.told])
    _tell(failure.reason for failure in tally.failures)
    if tally.failures:
        nothing = "" if tally.seen else "; there is no table"
        _tell([f"{counted(len(tally.failures), 'file')} had no answer{nothing}"])
    if predictor.abstention is not None and tally.seen:
        _tell([predictor.abstention.words(tally.unlabelled, tally.seen)])
    return 1 if tally.failures else 0


@dataclass
class _Tally:
    """What went by on the way to the table."""

    seen: int = 0
    unlabelled: int = 0
    failures: list["Failure"] = field(default_factory=list)

    def watch(self, answers: Iterable["Prediction | Failure"]) -> Iterator["Prediction"]:
        """The answers but the failures, which are kept."""
        from fieldmark.use.predictor import Failure

        for answer in answers:
            if isinstance(answer, Failure):
                self.failures.append(answer)
                continue
            self.seen += 1
            self.unlabelled += answer.label is None
            yield answer


def _tell(lines: Iterable[str]) -> None:
    for line in lines:
        print(f"fieldmark: {line}", file=sys.stderr)
