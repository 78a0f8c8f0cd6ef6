"""The figures of a run on its own images or on others, as `fieldmark evaluate` finds them."""

from pathlib import Path
from typing import Any

from fieldmark.console import Console
from fieldmark.errors import Mistake, refuse
from fieldmark.files import check_page
from fieldmark.python.loaded import with_model
from fieldmark.python.sources import source_of
from fieldmark.settings.layers import read
from fieldmark.settings.texts import read_given


def evaluate(
    run: Path,
    model: Any,
    data: Any,
    labels: Any,
    by: tuple[str, ...],
    page: str | Path | None,
    settings: dict[str, Any],
    *,
    quiet: bool,
) -> dict[str, Any]:
    """See `Run.evaluate`; run: its folder, model: its network where that is the caller's own."""
    from fieldmark.reviews.evaluated import Asked

    console, path = Console(quiet=quiet), None if page is None else Path(page)
    if path is not None:
        check_page(path)
    asked = Asked(by, path, f"fieldmark.Run({str(run)!r}).evaluate(...)")
    if data is None:
        what = "is for other images; name them, or leave it out"
        given = {**settings, **({} if labels is None else {"labels": labels})}
        refuse(Mistake(name, what) for name in given)
        from fieldmark.reviews.stored import evaluate_stored

        return evaluate_stored(str(run), asked, console).to_json()
    with source_of(data, labels, settings, console, run.parent) as (source, known):
        how = read([read_given(known, {}, source)]).settings.data
        from fieldmark.reviews.evaluate import evaluate_new

        with with_model(run, model):
            return evaluate_new(str(run), how, asked, console).to_json()
