"""`fieldmark compare`: runs side by side, and whether they can be told apart."""

from pathlib import Path
from typing import Annotated

import typer

from fieldmark.cli.typed import command_line, flag, named

ABOUT = "What the sentences are about: accuracy, of several labels micro_f1, or any other metric."


def command(
    runs: Annotated[
        list[str],
        typer.Argument(metavar="RUN RUN...", help="Runs', evaluations' or studies' folders."),
    ],
    metric: Annotated[str | None, named("NAME", ABOUT)] = None,
    out: Annotated[Path | None, named("FILE", "Every figure as a table, .csv or .parquet.")] = None,
    overwrite: Annotated[bool, flag("--overwrite", "Replace the table if it is there.")] = False,
    page: Annotated[Path, named("FILE", "The page.")] = Path("compare.html"),
    as_json: Annotated[bool, flag("--json", "Print what was found as JSON.")] = False,
) -> int:
    """Compare runs with the first one named: is a difference more than chance?

    RUN may be an evaluation on other images, RUN/evaluations/NAME, or a study's folder: a
    cross-validation or one-vs-rest beside others stands for its models as one, any other for its
    finished runs. Runs that saw the same test images are compared image by image; others stand in
    the table only.
    """
    import json
    import sys

    from fieldmark.console import Console
    from fieldmark.files import check_page, check_table
    from fieldmark.reviews import long_table
    from fieldmark.reviews.compare import as_json as in_json
    from fieldmark.reviews.compare import as_lines, compare
    from fieldmark.reviews.compare_page import write_page
    from fieldmark.reviews.compared import runs_of

    check_page(page)
    console = Console(stream=sys.stderr if as_json else None)
    if out is not None:
        check_table(out, long_table.ENDINGS, overwrite=overwrite)
    found = compare(runs, metric=metric)
    each = [run for named in found.runs for run in runs_of(named)]
    table = None if out is None else long_table.long_table(each)
    again = "" if out is None or overwrite else " --overwrite"  # of the table that is there then
    write_page(found, page, command_line() + again)
    if out is not None and table is not None:
        long_table.write(out, table)
    if as_json:
        print(json.dumps(in_json(found, command_line()), indent=2, ensure_ascii=False))
    else:
        console.say("\n".join(as_lines(found)))
    console.say()
    if out is not None:
        console.say(f"table    {out}")
    console.say(f"page     {page}")
    return 0
