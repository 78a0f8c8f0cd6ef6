"""Charts of pages that are empty: they are most of what a page costs."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from matplotlib.figure import Figure


@contextmanager
def bare_charts() -> Iterator[None]:
    """Inside it, or inside what it decorates, the charts of pages are empty."""
    real = Figure.savefig

    def savefig(figure: Figure, *args: object, **about: object) -> None:
        if about.get("transparent"):  # as in a page; other pictures are for somebody
            args[0].write("<svg></svg>")
        else:
            real(figure, *args, **about)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figure, "savefig", savefig)
        yield
