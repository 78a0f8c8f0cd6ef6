"""What a table was read as, and in what words one was refused."""

import pytest

from fieldmark.data.sources import Reading, read_listing
from fieldmark.errors import DataError


def rows_of(listing):
    frame = listing.samples.frame
    return list(zip(frame["path"], frame["labels"].to_list(), frame["split"], strict=True))


def labels_of(listing):
    return listing.samples.frame["labels"].to_list()


def refusal(source, **settings):
    """settings: of `Reading`, and of `read_listing`."""
    own = {key: settings.pop(key) for key in ("test", "labelled", "validated") if key in settings}
    with pytest.raises(DataError) as caught:
        read_listing(str(source), Reading(**settings), **own)
    return str(caught.value)
