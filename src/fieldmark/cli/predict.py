"""`fieldmark predict`: a trained run looks at new images."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from fieldmark.errors import counted


def command(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run's folder, or a bundle.")],
    inputs: Annotated[list[str], typer.Argument(metavar="INPUTS...", help="Images, folders.")],
    out: Annotated[
        Path | None, typer.Option(help="A .csv, .jsonl or .parquet file; else to the screen.")
    ] = None,
    scores: Annotated[bool, typer.Option("--scores", help="A column a class too.")] = False,
    batch_size: Annotated[int, typer.Option(help="Images at a time.", min=1)] = 64,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, mps.")] = "auto",
) -> int:
    """Label images: columns image, label, score. Broken files are listed; the rest goes on.

    Exit code 1 where an image could not be read.
    """
    from fieldmark.use.table import check_suffix, write_table

    if out is not None:
        check_suffix(out)
    from fieldmark.use.predictor import Failure, Prediction, Predictor, check_inputs, find_images

    check_inputs(inputs)
    predictor = Predictor(run, device=device, batch_size=batch_size)
    failures: list[Failure] = []
    count = 0

    def answers() -> Iterator[Prediction]:
        nonlocal count
        for answer in predictor.stream(find_images(inputs)):
            if isinstance(answer, Failure):
                failures.append(answer)
                continue
            count += 1
            yield answer

    if out is None:
        write_table(sys.stdout, answers(), predictor.classes, scores=scores)
    else:
        write_table(out, answers(), predictor.classes, scores=scores)
        print(f"{counted(count, 'image')} labelled in {out}")
    for failure in failures:
        print(f"fieldmark: {failure.reason}", file=sys.stderr)
    if failures:
        print(f"fieldmark: {counted(len(failures), 'file')} could not be read", file=sys.stderr)
    elif not count:
        print("fieldmark: there are no pictures in these inputs", file=sys.stderr)
    return 1 if failures or not count else 0
