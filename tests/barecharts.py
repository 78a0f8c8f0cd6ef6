"""Charts of pages are empty in most tests: they are most of what a page costs."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from matplotlib.figure import Figure

DRAW = Figure.savefig


def bare(figure: Figure, *args, **about) -> None:
    """An empty picture in place of a page's; one for somebody's own file is drawn."""
    if about.get("transparent"):
        args[0].write("<svg></svg>")
    else:
        DRAW(figure, *args, **about)


@contextmanager
def drawn_charts() -> Iterator[None]:
    """Inside it, or inside the test that it decorates, charts are drawn."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figure, "savefig", DRAW)
        yield
